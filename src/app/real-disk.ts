import { constants } from 'node:fs'
import { access, mkdir, open, readdir, readFile, rename, rm, statfs, unlink } from 'node:fs/promises'
import type { DirectoryLock, Disk, DiskRoom } from '../base/world.ts'
import { DurableFiles, type FileCalls, type WritableFile } from './durable-files.ts'

/**
 * Small files on the real disk. `lockFile` takes an advisory lock that ends with the process: Node has none. `look` and
 * `put` do in one call what would take Node a dozen.
 */
export const realDisk = (
  lockFile: (path: string) => DirectoryLock | undefined,
  together: Required<Pick<Disk, 'look' | 'put'>>,
): Disk => Object.assign(new DurableFiles(new RealFileCalls(lockFile)), together)

class RealFileCalls implements FileCalls {
  private readonly lockFile: (path: string) => DirectoryLock | undefined

  constructor(lockFile: (path: string) => DirectoryLock | undefined) {
    this.lockFile = lockFile
  }

  read(path: string): Promise<Uint8Array> {
    return readFile(path)
  }

  async create(path: string): Promise<WritableFile> {
    const file = await open(path, 'w')
    return { write: content => file.writeFile(content), sync: () => file.sync(), close: () => file.close() }
  }

  rename(from: string, to: string): Promise<void> {
    return rename(from, to)
  }

  unlink(path: string): Promise<void> {
    return unlink(path)
  }

  async makeDirectory(path: string): Promise<void> {
    await mkdir(path)
  }

  list(path: string): Promise<string[]> {
    return readdir(path)
  }

  removeTree(path: string): Promise<void> {
    return rm(path, { recursive: true, force: true })
  }

  access(path: string): Promise<void> {
    return access(path, constants.F_OK)
  }

  async syncDirectory(path: string): Promise<void> {
    const directory = await open(path, 'r')
    try {
      await directory.sync()
    } finally {
      await directory.close()
    }
  }

  async room(path: string): Promise<DiskRoom> {
    const { bavail, blocks, bsize, files, ffree } = await statfs(path)
    return {
      bytes: bavail * bsize,
      files: files === 0 ? Number.POSITIVE_INFINITY : ffree,
      totalBytes: blocks * bsize,
    }
  }

  async lock(path: string): Promise<DirectoryLock | undefined> {
    return this.lockFile(path)
  }

  async bootId(): Promise<string> {
    return (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim()
  }
}
