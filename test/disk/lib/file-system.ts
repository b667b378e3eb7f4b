import { execFileSync } from 'node:child_process'
import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statfsSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import type { TestContext } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { atEnd } from './clean-up.ts'

const commandLimitMs = 20_000
/** Between two looks whether what was removed is closed. */
const closingMs = 10

const command = (name: string, ...args: string[]): string =>
  execFileSync(name, args, { stdio: ['ignore', 'pipe', 'pipe'], timeout: commandLimitMs, encoding: 'utf8' })

export interface FileSystemOptions {
  readonly megabytes: number
  /** `tmpfs` forgets with its mount; `ext4` lies in an image behind a loop device. Default: ext4. */
  readonly kind?: 'ext4' | 'tmpfs'
  /** Files and directories that fit. */
  readonly inodes?: number
  /** Where the image lies; its own temporary directory if not given. */
  readonly imageIn?: string
}

/**
 * A small file system that only one test uses: what happens on it concerns nobody else. It is unmounted, and the image
 * removed, when the test ends, however it ends.
 */
export class FileSystem {
  readonly path: string
  /** The file behind the loop device; undefined for tmpfs. */
  readonly image: string | undefined
  private readonly home: string
  private mounted = false

  private constructor(home: string, image: string | undefined) {
    this.home = home
    this.path = join(home, 'mnt')
    this.image = image
  }

  static mount(t: TestContext, options: FileSystemOptions): FileSystem {
    const home = mkdtempSync(join(tmpdir(), 'millrace-disk-'))
    const isImage = options.kind !== 'tmpfs'
    const fileSystem = new FileSystem(home, isImage ? join(options.imageIn ?? home, 'image') : undefined)
    atEnd(t, () => fileSystem.unmount())
    command('mkdir', '-p', fileSystem.path)
    if (fileSystem.image === undefined) {
      const inodes = options.inodes === undefined ? '' : `,nr_inodes=${options.inodes}`
      command('mount', '-t', 'tmpfs', '-o', `size=${options.megabytes}m${inodes}`, 'tmpfs', fileSystem.path)
    } else {
      writeFileSync(fileSystem.image, '')
      truncateSync(fileSystem.image, options.megabytes << 20)
      const inodes = options.inodes === undefined ? [] : ['-N', String(options.inodes)]
      // No blocks for root alone: the broker under test is root, and would have them.
      command('mkfs.ext4', '-q', '-F', '-m', '0', '-E', 'lazy_itable_init=0', ...inodes, fileSystem.image)
      command('mount', '-o', 'loop,errors=remount-ro', fileSystem.image, fileSystem.path)
    }
    fileSystem.mounted = true
    return fileSystem
  }

  get freeBytes(): number {
    const { bavail, bsize } = statfsSync(this.path)
    return bavail * bsize
  }

  /** The loop device, as `/dev/loop0`. */
  get device(): string {
    return command('findmnt', '-n', '-o', 'SOURCE', this.path).trim()
  }

  /** Takes what is free, but for `leftBytes`, as another program would. Returns the file to remove for it to come back. */
  fill(name = 'filler', leftBytes = 0): string {
    const file = join(this.path, name)
    const { bsize } = statfsSync(this.path)
    const freeBlocks = () => Math.floor((this.freeBytes - leftBytes) / bsize)
    // Not all at once with fallocate(1), which gives back all of what does not fit to the last block.
    for (let step = freeBlocks(), begin = 0; step >= 1; step = Math.floor(step / 2)) {
      while (freeBlocks() >= step) {
        try {
          command('fallocate', '-o', String(begin * bsize), '-l', String(step * bsize), file)
          begin += step
        } catch {
          break
        }
      }
    }
    return file
  }

  /** What the kernel does when it finds an ext4 file system damaged: nothing is written any more. */
  becomeReadOnly(): void {
    writeFileSync(`/sys/fs/ext4/${basename(this.device)}/trigger_fs_error`, '1')
  }

  /** More room, on tmpfs. */
  resize(megabytes: number): void {
    command('mount', '-o', `remount,size=${megabytes}m`, this.path)
  }

  /** Checks and mends it, too; nothing of it stays in the page cache. */
  remount(): void {
    if (this.image === undefined) throw new Error('tmpfs forgets with its mount')
    command('umount', this.path)
    this.mounted = false
    // 1: there was something to mend, and it was mended.
    execFileSync('sh', ['-c', 'e2fsck -fy "$0" || test $? -le 1', this.image], {
      stdio: 'ignore',
      timeout: commandLimitMs,
    })
    command('mount', '-o', 'loop,errors=remount-ro', this.image, this.path)
    this.mounted = true
  }

  private async unmount(): Promise<void> {
    // What a log has removed it closes in the background.
    const late = Date.now() + commandLimitMs
    while (this.mounted && isHeldHere(this.path) && Date.now() < late) await setTimeout(closingMs)
    if (this.mounted) command('umount', this.path)
    this.mounted = false
    rmSync(this.home, { recursive: true, force: true })
    if (this.image !== undefined) rmSync(this.image, { force: true })
  }
}

/** Whether this process has a file below it open, or mapped. */
function isHeldHere(path: string): boolean {
  const below = `${path}/`
  const opened = readdirSync('/proc/self/fd').some(fd => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).startsWith(below)
    } catch {
      return false // closed since
    }
  })
  return opened || readFileSync('/proc/self/maps', 'utf8').includes(below)
}

/** Why file systems cannot be mounted here; undefined where they can. */
export function cannotMount(): string | undefined {
  if (process.getuid?.() !== 0) return 'mounting a file system needs root'
  const home = mkdtempSync(join(tmpdir(), 'millrace-disk-'))
  try {
    writeFileSync(join(home, 'image'), '')
    truncateSync(join(home, 'image'), 1 << 20)
    command('mkdir', join(home, 'mnt'))
    command('mkfs.ext4', '-q', '-F', join(home, 'image'))
    command('mount', '-o', 'loop', join(home, 'image'), join(home, 'mnt'))
    command('umount', join(home, 'mnt'))
    return undefined
  } catch (error) {
    return `a loop device cannot be mounted here: ${(error as Error).message.split('\n')[0]}`
  } finally {
    rmSync(home, { recursive: true, force: true })
  }
}
