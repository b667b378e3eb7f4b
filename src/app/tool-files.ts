import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  statSync,
  writeSync,
} from 'node:fs'
import type { Entry, NewFile, OpenedFile, RepairFiles } from '../log-tool/files.ts'

/** A file is opened as what it is: a link, or a pipe that would wait for a writer, is refused. */
const plain = constants.O_NOFOLLOW | constants.O_NONBLOCK

/** The files of this machine, for the log tool. */
export class ToolFiles implements RepairFiles {
  private readonly lockFile: (path: string) => { release(): void } | undefined

  constructor(lockFile: (path: string) => { release(): void } | undefined) {
    this.lockFile = lockFile
  }

  list(directory: string): Entry[] {
    const entries: Entry[] = []
    for (const name of readdirSync(directory).sort()) {
      const stat = lstatSync(`${directory}/${name}`, { throwIfNoEntry: false })
      if (stat === undefined) continue
      entries.push({
        name,
        kind: stat.isFile() ? 'file' : stat.isDirectory() ? 'directory' : 'other',
        sizeBytes: stat.size,
      })
    }
    return entries
  }

  open(path: string): OpenedFile {
    const descriptor = openSync(path, constants.O_RDONLY | plain)
    const stat = fstatSync(descriptor)
    if (!stat.isFile()) {
      closeSync(descriptor)
      throw Object.assign(new Error(`${path} is no plain file`), { code: 'EINVAL', path })
    }
    return {
      sizeBytes: stat.size,
      readAt(position, into) {
        let done = 0
        while (done < into.length) {
          const got = readSync(descriptor, into, done, into.length - done, position + done)
          if (got === 0) break
          done += got
        }
        return done
      },
      close: () => closeSync(descriptor),
    }
  }

  exists(path: string): boolean {
    return existsSync(path)
  }

  /** As the kernel tells of all locks; one in another container's namespace of processes is not among them. */
  isLocked(path: string): boolean | undefined {
    try {
      const { ino } = statSync(path)
      const locks = readFileSync('/proc/locks', 'utf8').split('\n')
      return locks.some(line => new RegExp(`FLOCK .* [0-9a-f]+:[0-9a-f]+:${ino} `).test(line))
    } catch (error) {
      return (error as NodeJS.ErrnoException).code === 'ENOENT' && !existsSync(path) ? false : undefined
    }
  }

  lock(path: string): { release(): void } | undefined {
    return this.lockFile(path)
  }

  create(path: string): NewFile {
    const descriptor = openSync(path, constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | plain, 0o644)
    return {
      append(bytes) {
        for (let done = 0; done < bytes.length; ) done += writeSync(descriptor, bytes, done)
      },
      finish() {
        try {
          fsyncSync(descriptor)
        } finally {
          closeSync(descriptor)
        }
      },
      abandon: () => closeSync(descriptor),
    }
  }

  rename(from: string, to: string): void {
    renameSync(from, to)
  }

  link(from: string, to: string): void {
    linkSync(from, to)
  }

  truncate(path: string, sizeBytes: number): void {
    const descriptor = openSync(path, constants.O_RDWR | plain)
    try {
      ftruncateSync(descriptor, sizeBytes)
      fsyncSync(descriptor)
    } finally {
      closeSync(descriptor)
    }
  }

  makeDirectory(path: string): void {
    mkdirSync(path, { recursive: true })
  }

  syncDirectory(path: string): void {
    const descriptor = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY)
    try {
      fsyncSync(descriptor)
    } finally {
      closeSync(descriptor)
    }
  }
}
