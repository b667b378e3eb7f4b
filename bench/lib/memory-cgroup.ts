import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** What the kernel's two interfaces call the same things. */
const files = {
  1: { limit: 'memory.limit_in_bytes', swap: 'memory.swappiness' },
  2: { limit: 'memory.max', swap: 'memory.swap.max' },
} as const

export interface CgroupPlaces {
  readonly version: 1 | 2
  /** The group that this process is in. */
  readonly own: string
  /** Where a group may be made, the widest first: a group inside another has the other's limit too. */
  readonly parents: readonly string[]
}

/** `mount`, and each folder on the way from there down `path`. */
const below = (mount: string, path: string): string[] => {
  const parts = path.split('/').filter(part => part !== '' && part !== '..')
  return [mount, ...parts.map((_, i) => join(mount, ...parts.slice(0, i + 1)))]
}

/** From /proc/self/mounts and /proc/self/cgroup: where memory is accounted; undefined where it is not. */
export const findMemoryCgroups = (mounts: string, cgroups: string): CgroupPlaces | undefined => {
  const mounted = mounts
    .split('\n')
    .map(line => line.split(' '))
    .filter(([, , type]) => type === 'cgroup' || type === 'cgroup2')
  const groups = cgroups.split('\n').map(line => /^(\d+):([^:]*):(.*)$/.exec(line) ?? [])
  const places = (version: 1 | 2, mount: string | undefined, path: string | undefined): CgroupPlaces | undefined => {
    if (mount === undefined || path === undefined) return undefined
    const parents = below(mount, path)
    return { version, own: parents.at(-1) ?? mount, parents }
  }
  const [, one] =
    mounted.find(([, , type, options = '']) => type === 'cgroup' && options.split(',').includes('memory')) ?? []
  const [, , , onePath] = groups.find(([, , controllers = '']) => controllers.split(',').includes('memory')) ?? []
  const [, two] = mounted.find(([, , type]) => type === 'cgroup2') ?? []
  const [, , , twoPath] = groups.find(([, id, controllers]) => id === '0' && controllers === '') ?? []
  return places(1, one, onePath) ?? places(2, two, twoPath)
}

const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

/** A memory cgroup of its own, with a limit, into which this process steps to start others there. */
export class MemoryCgroup {
  readonly version: 1 | 2
  readonly limitBytes: number
  private readonly path: string
  private readonly home: string

  private constructor(version: 1 | 2, limitBytes: number, path: string, home: string) {
    this.version = version
    this.limitBytes = limitBytes
    this.path = path
    this.home = home
  }

  /** Tries every place where one may be made; where none will do, the reason that the last one gave. */
  static make(name: string, limitBytes: number, places: CgroupPlaces | undefined): MemoryCgroup | string {
    if (places === undefined) return 'memory cgroups are not mounted here'
    const { version, own, parents } = places
    let reason = 'no cgroup to be in'
    // In a container the mount may show only the part of the tree that this process is in.
    const home = existsSync(own) ? own : (parents[0] ?? own)
    for (const parent of parents.filter(path => existsSync(path))) {
      const group = new MemoryCgroup(version, limitBytes, join(parent, name), home)
      try {
        mkdirSync(group.path)
        if (!existsSync(join(group.path, files[version].limit))) throw new Error(`${parent} does not pass memory on`)
        group.set(files[version].limit, String(limitBytes))
        if (existsSync(join(group.path, files[version].swap))) group.set(files[version].swap, '0')
        group.enter()
        group.leave()
        return group
      } catch (error) {
        reason = reasonOf(error)
        group.remove()
      }
    }
    return reason
  }

  private set(file: string, value: string): void {
    writeFileSync(join(this.path, file), value)
  }

  private enter(): void {
    this.set('cgroup.procs', String(process.pid))
  }

  private leave(): void {
    writeFileSync(join(this.home, 'cgroup.procs'), String(process.pid))
  }

  /** Whatever `act` starts, and every page that it brings into memory, belongs to the group. */
  async within<T>(act: () => Promise<T>): Promise<T> {
    this.enter()
    try {
      return await act()
    } finally {
      this.leave()
    }
  }

  /** Leaves and removes the group; waits briefly for members that were just killed. */
  remove(): void {
    if (!existsSync(this.path)) return
    const members = (): string[] => readFileSync(join(this.path, 'cgroup.procs'), 'utf8').trim().split('\n')
    if (members().includes(String(process.pid))) this.leave()
    const pauseMs = 20
    for (let left = 100; left > 0; left--) {
      try {
        rmdirSync(this.path)
        return
      } catch {
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, pauseMs)
      }
    }
  }
}
