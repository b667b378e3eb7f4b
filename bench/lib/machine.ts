import { execFileSync } from 'node:child_process'
import { readFileSync, statfsSync } from 'node:fs'
import { availableParallelism, cpus, freemem, release, totalmem } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

const tmpfsMagic = 0x01021994
const root = fileURLToPath(new URL('../..', import.meta.url))

/** What a figure means nothing without. */
export interface Machine {
  readonly cpu: string
  readonly cores: number
  readonly memoryGiB: number
  readonly kernel: string
  readonly node: string
  readonly fileSystem: string
  /** The commit that was measured; with a `+` when the working tree differs from it. */
  readonly commit: string
}

const commitOf = (): string => {
  try {
    const git = (...args: string[]): string =>
      execFileSync('git', args, { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim()
    return `${git('rev-parse', '--short', 'HEAD')}${git('status', '--porcelain') === '' ? '' : '+'}`
  } catch {
    return 'unknown'
  }
}

const mountOf = (directory: string): string => {
  const mounts = readFileSync('/proc/self/mounts', 'utf8')
    .trim()
    .split('\n')
    .map(line => line.split(' '))
    .filter(([, point = '']) => directory === point || directory.startsWith(point === '/' ? '/' : `${point}/`))
    .sort(([, a = ''], [, b = '']) => b.length - a.length)
  return mounts[0]?.[2] ?? 'unknown'
}

export const describeMachine = (dataParent: string): Machine => ({
  cpu: cpus()[0]?.model.trim() ?? 'unknown',
  cores: availableParallelism(),
  memoryGiB: Math.round(totalmem() / 2 ** 30),
  kernel: release(),
  node: process.version,
  fileSystem: mountOf(dataParent),
  commit: commitOf(),
})

export const isTmpfs = (directory: string): boolean => statfsSync(directory).type === tmpfsMagic

const busyMillis = (): number =>
  cpus().reduce((sum, { times }) => sum + times.user + times.nice + times.sys + times.irq, 0)

/** How many cores others use, over a second in which this process does nothing. */
export const coresInUse = async (): Promise<number> => {
  const sampleMs = 1000
  const before = busyMillis()
  await sleep(sampleMs)
  return (busyMillis() - before) / sampleMs
}

/** From here on a result says as much about the neighbours; write-back by the kernel's threads stays below. */
export const busyCores = 0.3

/** What may be touched without pushing anything else out: half of what is free. */
export const touchableBytes = (wanted: number): number => Math.floor(Math.min(wanted, freemem() / 2))

/** Sizes in MB from /proc/PID/status. `unmapped` leaves mapped file pages out: those are the page cache's. */
export interface Memory {
  readonly resident: number
  readonly unmapped: number
}

export const memoryOf = (pid: number): Memory => {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  const megabytes = (name: string): number => {
    const match = new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(status)
    if (match === null) throw new Error(`no ${name} in /proc/${pid}/status`)
    return (Number(match[1]) * 1024) / 1e6
  }
  return { resident: megabytes('VmRSS'), unmapped: megabytes('RssAnon') + megabytes('RssShmem') }
}
