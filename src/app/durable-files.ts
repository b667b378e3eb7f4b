import { dirname } from 'node:path'
import type { DirectoryLock, Disk, DiskRoom } from '../base/world.ts'

/** Single calls to a file system. Failures reject with the system's error (`code` as in errno), absence with ENOENT. */
export interface FileCalls {
  read(path: string): Promise<Uint8Array>
  /** Makes a file, or empties the one that is there, for writing. */
  create(path: string): Promise<WritableFile>
  rename(from: string, to: string): Promise<void>
  unlink(path: string): Promise<void>
  /** One directory in one that is there. */
  makeDirectory(path: string): Promise<void>
  list(path: string): Promise<string[]>
  /** Removes a directory and everything in it, if it is there. */
  removeTree(path: string): Promise<void>
  /** Rejects when it is not there. */
  access(path: string): Promise<void>
  syncDirectory(path: string): Promise<void>
  room(path: string): Promise<DiskRoom>
  lock(path: string): Promise<DirectoryLock | undefined>
  bootId(): Promise<string>
}

export interface WritableFile {
  /** All of it, from the beginning. */
  write(content: string | Uint8Array): Promise<void>
  sync(): Promise<void>
  close(): Promise<void>
}

/**
 * What `Disk` promises, as an order of single calls: the one place that says what is synced before what. A name that is
 * found as it should be is synced all the same: whoever left it so may have been killed before its sync.
 */
export class DurableFiles implements Disk {
  private readonly calls: FileCalls

  constructor(calls: FileCalls) {
    this.calls = calls
  }

  read(path: string): Promise<Uint8Array | undefined> {
    return unless(absent, this.calls.read(path))
  }

  async replace(path: string, content: string | Uint8Array): Promise<void> {
    const temporary = `${path}.tmp`
    try {
      const file = await this.calls.create(temporary)
      try {
        await file.write(content)
        await file.sync()
      } finally {
        await file.close()
      }
      await this.calls.rename(temporary, path)
    } catch (error) {
      // On a full disk what was written of it would be missing for the next attempt.
      await this.calls.unlink(temporary).catch(() => undefined)
      throw error
    }
    await this.calls.syncDirectory(dirname(path))
  }

  async remove(path: string): Promise<void> {
    await unless(absent, this.calls.unlink(path))
    await unless(absent, this.calls.syncDirectory(dirname(path)))
  }

  /** With the directories above it that are missing. */
  async makeDirectory(path: string): Promise<void> {
    const parent = dirname(path)
    try {
      await this.calls.makeDirectory(path)
    } catch (error) {
      if (codeOf(error) === 'EEXIST') return void (await unless(notOurs, this.calls.syncDirectory(parent)))
      if (codeOf(error) !== 'ENOENT' || parent === path) throw error
      await this.makeDirectory(parent)
      await unless(['EEXIST'], this.calls.makeDirectory(path))
    }
    await this.calls.syncDirectory(parent)
  }

  list(path: string): Promise<string[]> {
    return this.calls.list(path)
  }

  async rename(from: string, to: string): Promise<void> {
    await this.calls.rename(from, to)
    await this.calls.syncDirectory(dirname(to))
  }

  async removeTree(path: string): Promise<void> {
    await this.calls.removeTree(path)
    await this.calls.syncDirectory(dirname(path))
  }

  async exists(path: string): Promise<boolean> {
    const found = this.calls.access(path).then(() => true)
    return (await unless(absent, found)) === true
  }

  room(path: string): Promise<DiskRoom> {
    return this.calls.room(path)
  }

  lock(path: string): Promise<DirectoryLock | undefined> {
    return this.calls.lock(path)
  }

  bootId(): Promise<string> {
    return this.calls.bootId()
  }
}

const codeOf = (error: unknown): unknown => (error as NodeJS.ErrnoException).code

const absent = ['ENOENT']
/** The directory above one that somebody made for us may be closed to us, or not be one that is written. */
const notOurs = ['EACCES', 'EPERM', 'EROFS', 'EINVAL']

/** Undefined where `work` fails with one of these codes. */
async function unless<T>(codes: readonly string[], work: Promise<T>): Promise<T | undefined> {
  try {
    return await work
  } catch (error) {
    if (codes.includes(String(codeOf(error)))) return undefined
    throw error
  }
}
