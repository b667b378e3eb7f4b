import type { DirectoryLock, Disk, DiskRoom } from '../../src/base/world.ts'
import type { Machine } from './machine.ts'

const utf8 = new TextEncoder()

/** The contract of `Disk` in memory: everything is durable when its promise resolves. Calls can be made to fail. */
export class MemoryDisk implements Disk {
  private readonly machine: Machine
  /** Asked before each call; an error it returns is the call's outcome, and nothing has happened. */
  fault: (operation: string, path: string) => Error | undefined = () => undefined
  /** What `room` answers; nothing is taken from it. */
  roomLeft: DiskRoom = { bytes: 1 << 30, files: Number.POSITIVE_INFINITY, totalBytes: 2 ** 31 }

  constructor(machine: Machine) {
    this.machine = machine
  }

  async read(path: string): Promise<Uint8Array | undefined> {
    this.check('read', path)
    return this.machine.files.get(path)?.slice()
  }

  async replace(path: string, content: string | Uint8Array): Promise<void> {
    this.check('replace', path)
    const directory = path.slice(0, path.lastIndexOf('/'))
    if (!this.machine.directories.has(directory)) throw systemError('ENOENT', `no directory ${directory}`)
    this.machine.files.set(path, typeof content === 'string' ? utf8.encode(content) : content.slice())
  }

  async remove(path: string): Promise<void> {
    this.check('remove', path)
    this.machine.files.delete(path)
  }

  async makeDirectory(path: string): Promise<void> {
    this.check('makeDirectory', path)
    this.machine.makeDirectory(path)
  }

  async list(path: string): Promise<string[]> {
    this.check('list', path)
    if (!this.machine.directories.has(path)) throw systemError('ENOENT', `no directory ${path}`)
    return this.machine.list(path)
  }

  async rename(from: string, to: string): Promise<void> {
    this.check('rename', from)
    if (!this.machine.exists(from)) throw systemError('ENOENT', `no file ${from}`)
    this.machine.moveTree(from, to)
  }

  async removeTree(path: string): Promise<void> {
    this.check('removeTree', path)
    this.machine.removeTree(path)
  }

  async exists(path: string): Promise<boolean> {
    this.check('exists', path)
    return this.machine.exists(path)
  }

  async room(path: string): Promise<DiskRoom> {
    this.check('room', path)
    return this.roomLeft
  }

  async lock(path: string): Promise<DirectoryLock | undefined> {
    this.check('lock', path)
    const { locks } = this.machine
    if (locks.has(path)) return undefined
    locks.add(path)
    return { release: () => void locks.delete(path) }
  }

  async bootId(): Promise<string> {
    return `boot-${this.machine.boot}`
  }

  private check(operation: string, path: string): void {
    const error = this.fault(operation, path)
    if (error !== undefined) throw error
  }
}

export function systemError(code: string, message: string): Error {
  return Object.assign(new Error(`${code}: ${message}`), { code })
}
