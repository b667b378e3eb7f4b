import { readFileSync, statSync } from 'node:fs'
import { type Memory, memoryOf } from './machine.ts'

/** The broker and its device, once a second while a run lasts. */
export interface Sample {
  readonly seconds: number
  /** Undefined where the broker's process is not known. */
  readonly memory: Memory | undefined
  /** Written to the device since the watch began; undefined where the directory is on none of its own. */
  readonly deviceMB: number | undefined
}

const sectorBytes = 512 // /proc/diskstats counts in these, whatever the device's own are

/** From /proc/diskstats; undefined where `device` is not in it. */
export const writtenBytes = (diskstats: string, device: { major: number; minor: number }): number | undefined => {
  for (const line of diskstats.split('\n')) {
    const [major, minor, , , , , , , , sectorsWritten] = line.trim().split(/\s+/)
    if (Number(major) === device.major && Number(minor) === device.minor) return Number(sectorsWritten) * sectorBytes
  }
  return undefined
}

/** The numbers of the device that a file system's files are on, as Linux packs them. */
export const deviceNumbers = (dev: number): { major: number; minor: number } => {
  const bits = BigInt(dev)
  return {
    major: Number(((bits >> 8n) & 0xfffn) | ((bits >> 32n) & ~0xfffn)),
    minor: Number((bits & 0xffn) | ((bits >> 12n) & ~0xffn)),
  }
}

export class Watch {
  readonly samples: Sample[] = []
  private readonly startedAt = performance.now()
  private readonly pid: number | undefined
  private readonly device: { major: number; minor: number }
  private readonly atStart: number | undefined
  private readonly timer: NodeJS.Timeout

  constructor(pid: number | undefined, directory: string) {
    const everyMs = 1_000
    this.pid = pid
    this.device = deviceNumbers(statSync(directory).dev)
    this.atStart = this.written()
    this.timer = setInterval(() => this.sample(), everyMs)
  }

  private written(): number | undefined {
    return writtenBytes(readFileSync('/proc/diskstats', 'utf8'), this.device)
  }

  /** Since the watch began; undefined where no device can be told. */
  deviceBytes(): number | undefined {
    const now = this.written()
    return now === undefined || this.atStart === undefined ? undefined : now - this.atStart
  }

  /** Takes the last sample and no more. */
  end(): void {
    clearInterval(this.timer)
    this.sample()
  }

  private sample(): void {
    const device = this.deviceBytes()
    this.samples.push({
      seconds: (performance.now() - this.startedAt) / 1000,
      memory: this.pid === undefined ? undefined : memoryOf(this.pid),
      deviceMB: device === undefined ? undefined : device / 1e6,
    })
  }
}
