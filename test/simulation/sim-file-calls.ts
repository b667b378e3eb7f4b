import type { FileCalls, WritableFile } from '../../src/app/durable-files.ts'
import type { DirectoryLock, DiskRoom } from '../../src/base/world.ts'
import { checked, simAddon } from './sim-addon.ts'
import type { SimMachine } from './sim-machine.ts'

/** Runs a call on what stands for a thread of libuv's pool. */
export type OnPool = <T>(call: () => T) => Promise<T>

const utf8 = new TextEncoder()

/** The calls that Node's own file functions make, on a simulated disk; each runs when the simulation says so. */
export class SimFileCalls implements FileCalls {
  private readonly machine: SimMachine
  private readonly onPool: OnPool

  constructor(machine: SimMachine, onPool: OnPool) {
    this.machine = machine
    this.onPool = onPool
  }

  read(path: string): Promise<Uint8Array> {
    return this.onPool(() => {
      const file = this.open(path, false)
      try {
        return new Uint8Array(checked('read', path, simAddon.readFile(file)) as ArrayBuffer)
      } finally {
        simAddon.closeFile(file)
      }
    })
  }

  async create(path: string): Promise<WritableFile> {
    const { onPool } = this
    const file = await onPool(() => {
      const opened = this.open(path, true)
      checked('truncate', path, simAddon.truncateFile(opened, 0))
      return opened
    })
    return {
      write(content) {
        const bytes = typeof content === 'string' ? utf8.encode(content) : content
        return onPool(() => void checked('write', path, simAddon.writeFile(file, bytes)))
      },
      sync: () => onPool(() => void checked('fsync', path, simAddon.syncFile(file))),
      close: () => onPool(() => simAddon.closeFile(file)),
    }
  }

  rename(from: string, to: string): Promise<void> {
    return this.call('rename', from, () => simAddon.rename(this.machine.disk, from, to))
  }

  unlink(path: string): Promise<void> {
    return this.call('unlink', path, () => simAddon.unlink(this.machine.disk, path))
  }

  makeDirectory(path: string): Promise<void> {
    return this.call('mkdir', path, () => simAddon.makeDirectory(this.machine.disk, path))
  }

  list(path: string): Promise<string[]> {
    return this.onPool(() => checked('scandir', path, simAddon.listDirectory(this.machine.disk, path)) as string[])
  }

  /** As `rm -rf` does it, call by call. */
  async removeTree(path: string): Promise<void> {
    try {
      for (const name of await this.list(path)) await this.removeEntry(`${path}/${name}`)
      await this.call('rmdir', path, () => simAddon.removeDirectory(this.machine.disk, path))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    }
  }

  access(path: string): Promise<void> {
    return this.onPool(() => {
      const opened = simAddon.openFile(this.machine.disk, path, false)
      if (opened >= 0) simAddon.closeFile(opened)
      else if (opened !== -isDirectory) checked('access', path, opened)
    })
  }

  syncDirectory(path: string): Promise<void> {
    return this.call('fsync', path, () => simAddon.syncDirectory(this.machine.disk, path))
  }

  /** A simulated disk has no end. */
  async room(): Promise<DiskRoom> {
    const endless = Number.POSITIVE_INFINITY
    return { bytes: endless, files: endless, totalBytes: endless }
  }

  lock(path: string): Promise<DirectoryLock | undefined> {
    return this.onPool(() => {
      simAddon.closeFile(this.open(path, true))
      const { locks } = this.machine
      if (locks.has(path)) return undefined
      locks.add(path)
      return { release: () => void locks.delete(path) }
    })
  }

  async bootId(): Promise<string> {
    return `boot-${this.machine.boot}`
  }

  private async removeEntry(path: string): Promise<void> {
    try {
      await this.unlink(path)
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (code === 'EISDIR') await this.removeTree(path)
      else if (code !== 'ENOENT') throw error
    }
  }

  private open(path: string, create: boolean): number {
    return checked('open', path, simAddon.openFile(this.machine.disk, path, create)) as number
  }

  private call(name: string, path: string, work: () => number): Promise<void> {
    return this.onPool(() => void checked(name, path, work()))
  }
}

const isDirectory = 21
