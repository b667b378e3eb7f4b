import { open, readFile, rm } from 'node:fs/promises'
import { totalmem } from 'node:os'
import { join } from 'node:path'
import { makeDataDirectory, onInterrupt } from './data-directory.ts'
import { findMemoryCgroups, MemoryCgroup } from './memory-cgroup.ts'

/** How memory was held alike, for the report. */
export interface MemoryNote {
  /** Of each broker: its heap and its page cache together. Undefined: not limited, and `text` says why. */
  readonly limitBytes: number | undefined
  readonly text: string
}

const gigabytes = (bytes: number): string => `${(bytes / 1e9).toFixed(1)} GB`

/** A limit above half of the machine would be reached by the machine first. */
export const limitFor = (wantedGB: number): number => Math.floor(Math.min(wantedGB * 1e9, totalmem() / 2) / 4096) * 4096

/**
 * The memory that each broker gets: a cgroup of one size, as a container would be, whose page cache is full before a
 * run that writes much. A virtual machine hands out memory that was not used lately several times slower than a disk
 * writes, and takes freed pages back within seconds: the page that a broker dirties next would cost whatever the
 * hypervisor asks at that moment. In a full group every new page recycles one that the machine already has.
 */
export class BrokerMemory {
  readonly note: MemoryNote
  private readonly group: MemoryCgroup | undefined
  private readonly fillers: { readonly path: string; remove(): Promise<void> } | undefined
  private filled = false
  private fills = 0

  private constructor(
    group: MemoryCgroup | undefined,
    fillers: { readonly path: string; remove(): Promise<void> } | undefined,
    note: MemoryNote,
  ) {
    this.group = group
    this.fillers = fillers
    this.note = note
  }

  /** `why` is said when no limit is asked for. */
  static unlimited(why: string): BrokerMemory {
    return new BrokerMemory(undefined, undefined, { limitBytes: undefined, text: `broker memory not limited: ${why}` })
  }

  static async make(dataParent: string, limitBytes: number): Promise<BrokerMemory> {
    const [mounts, cgroups] = await Promise.all([
      readFile('/proc/self/mounts', 'utf8'),
      readFile('/proc/self/cgroup', 'utf8'),
    ])
    const group = MemoryCgroup.make(`millrace-bench-${process.pid}`, limitBytes, findMemoryCgroups(mounts, cgroups))
    if (typeof group === 'string')
      return BrokerMemory.unlimited(`${group}; rows of many bytes measure fresh memory too`)
    onInterrupt(() => group.remove())
    const text =
      `each broker, or log, in a memory cgroup (v${group.version}) of ${gigabytes(limitBytes)}, heap included; ` +
      'its page cache filled anew before each run of the rows that write much'
    return new BrokerMemory(group, await makeDataDirectory(dataParent), { limitBytes, text })
  }

  get limited(): boolean {
    return this.group !== undefined
  }

  /** Starts a broker in its memory. What it writes from now on takes the filler's pages. */
  async within<T>(start: () => Promise<T>): Promise<T> {
    this.filled = false
    return this.group === undefined ? await start() : await this.group.within(start)
  }

  /**
   * Fills the group's page cache, unless it still is. The pages are holes of a sparse file, so nothing goes to the disk;
   * the file stays until the next one took its pages, because pages that are freed go back to the hypervisor.
   */
  async fill(): Promise<void> {
    const { group, fillers } = this
    if (group === undefined || fillers === undefined || this.filled) return
    const path = join(fillers.path, `filler-${this.fills++}`)
    await group.within(async () => {
      const file = await open(path, 'w+')
      try {
        await file.truncate(group.limitBytes)
        const buffer = Buffer.allocUnsafe(1 << 20)
        for (let position = 0; position < group.limitBytes; position += buffer.length) {
          await file.read(buffer, 0, buffer.length, position)
        }
      } finally {
        await file.close()
      }
    })
    if (this.fills > 1) await rm(join(fillers.path, `filler-${this.fills - 2}`), { force: true })
    this.filled = true
  }

  async remove(): Promise<void> {
    this.group?.remove()
    await this.fillers?.remove()
  }
}
