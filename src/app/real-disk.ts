import { constants } from 'node:fs'
import { access, mkdir, open, readdir, readFile, rename, rm, unlink } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { DirectoryLock, Disk } from '../base/world.ts'

/** Small files on the real disk, by the rules of `Disk`. */
export class RealDisk implements Disk {
  private readonly lockFile: (path: string) => DirectoryLock | undefined

  /** `lockFile` takes an advisory lock that ends with the process: Node has none. */
  constructor(lockFile: (path: string) => DirectoryLock | undefined) {
    this.lockFile = lockFile
  }

  async read(path: string): Promise<Uint8Array | undefined> {
    return absentAsUndefined(() => readFile(path))
  }

  async replace(path: string, content: string | Uint8Array): Promise<void> {
    const temporary = `${path}.tmp`
    const file = await open(temporary, 'w')
    try {
      await file.writeFile(content)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(temporary, path)
    await syncDirectory(dirname(path))
  }

  async remove(path: string): Promise<void> {
    const removed = await absentAsUndefined(async () => {
      await unlink(path)
      return true
    })
    if (removed === true) await syncDirectory(dirname(path))
  }

  async makeDirectory(path: string): Promise<void> {
    const made = await mkdir(path, { recursive: true })
    if (made !== undefined) await syncDirectory(dirname(path))
  }

  list(path: string): Promise<string[]> {
    return readdir(path)
  }

  async rename(from: string, to: string): Promise<void> {
    await rename(from, to)
    await syncDirectory(dirname(to))
  }

  async removeTree(path: string): Promise<void> {
    await rm(path, { recursive: true, force: true })
    await syncDirectory(dirname(path))
  }

  async exists(path: string): Promise<boolean> {
    const found = await absentAsUndefined(async () => {
      await access(path, constants.F_OK)
      return true
    })
    return found === true
  }

  async lock(path: string): Promise<DirectoryLock | undefined> {
    return this.lockFile(path)
  }

  async bootId(): Promise<string> {
    return (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim()
  }
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r')
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}

async function absentAsUndefined<T>(work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}
