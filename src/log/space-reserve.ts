import type { Logger } from '../base/logger.ts'
import type { Disk, DiskRoom, Storage } from '../base/world.ts'

/** Room for a checkpoint of a hundred thousand logs beside the one it replaces. */
export const reserveBytes = 4 << 20
const reserveFile = '.reserve'
/** What the codes of full disks, full quotas and full tables of inodes are, here and in native code. */
const fullCodes: readonly unknown[] = ['ENOSPC', 'EDQUOT', 'MILLRACE_NO_SPACE']

/** What may be there again later: descriptors, memory. */
const shortCodes: readonly unknown[] = ['EMFILE', 'ENFILE', 'ENOMEM', 'MILLRACE_TOO_MANY_FILES', 'MILLRACE_NO_MEMORY']

const codeOf = (error: unknown): unknown => (error as { code?: unknown } | null)?.code

export const isDiskFull = (error: unknown): boolean => fullCodes.includes(codeOf(error))

/** Nothing is wrong with what was asked for, and it may be had later. */
export const isShortage = (error: unknown): boolean => isDiskFull(error) || shortCodes.includes(codeOf(error))

/**
 * Space for what a full disk must not stop: metadata, checkpoints, and all that has to be written down before space can be
 * freed. A file holds it against everybody. When it is needed the file goes, and from then on logs leave as much of the disk
 * alone, so that no topic takes what was given up for all. Once there is room for both, the file is made again.
 */
export class SpaceReserve {
  private readonly real: Disk
  private readonly storage: Storage
  private readonly directory: string
  private readonly logger: Logger
  private held = false
  private taking = false
  /** Who failed before the last time sees that trying again may help. */
  private timesGiven = 0
  /** For small files: what a full disk refuses is tried again with the reserve given up. */
  readonly disk: Disk

  constructor(disk: Disk, storage: Storage, directory: string, logger: Logger) {
    this.real = disk
    this.storage = storage
    this.directory = directory
    this.logger = logger
    this.disk = this.spending(disk)
  }

  /** Called once, when the directory is this process's. What the last one gave up is not there for the logs of this one. */
  async begin(): Promise<void> {
    this.held = await this.real.exists(this.path)
    this.storage.keepFree(this.held ? 0 : reserveBytes)
  }

  /** Takes the space unless it is held, or there is no room for it: it is asked again later. */
  async take(): Promise<void> {
    if (this.held || this.taking) return
    this.taking = true
    try {
      // Twice as much: else what is taken here is given up again at once.
      const { bytes } = await this.real.room(this.directory)
      if (bytes < 2 * reserveBytes) return
      await this.real.replace(this.path, new Uint8Array(reserveBytes))
      this.held = true
      this.storage.keepFree(0)
    } catch {
      // Who needs space hears of it; there is nothing to add.
    } finally {
      this.taking = false
    }
  }

  /** What is there for logs and topics; the reserve is not. */
  async room(): Promise<DiskRoom> {
    const room = await this.real.room(this.directory)
    return { ...room, bytes: Math.max(0, room.bytes - (this.held ? 0 : reserveBytes)) }
  }

  /** Does `work`, and if the disk is full, gives up the space and does it once more. */
  async spend<T>(work: () => Promise<T>): Promise<T> {
    const timesGiven = this.timesGiven
    try {
      return await work()
    } catch (error) {
      if (!isDiskFull(error)) throw error
      if (timesGiven === this.timesGiven && !this.held) throw error
      await this.giveUp()
      return await work()
    }
  }

  private async giveUp(): Promise<void> {
    if (!this.held) return
    this.held = false
    this.timesGiven++
    this.storage.keepFree(reserveBytes)
    this.logger.warn(
      { path: this.path },
      'the disk is full: its reserve is given up for what has to be written, and no record is taken until there is room',
    )
    await this.real.remove(this.path)
  }

  private get path(): string {
    return `${this.directory}/${reserveFile}`
  }

  private spending(disk: Disk): Disk {
    const { look, put } = disk
    return {
      ...(look === undefined ? {} : { look: path => look.call(disk, path) }),
      ...(put === undefined
        ? {}
        : { put: (path, files, removed) => this.spend(() => put.call(disk, path, files, removed)) }),
      read: path => disk.read(path),
      replace: (path, content) => this.spend(() => disk.replace(path, content)),
      remove: path => disk.remove(path),
      makeDirectory: path => this.spend(() => disk.makeDirectory(path)),
      list: path => disk.list(path),
      rename: (from, to) => this.spend(() => disk.rename(from, to)),
      removeTree: path => disk.removeTree(path),
      exists: path => disk.exists(path),
      room: path => disk.room(path),
      lock: path => disk.lock(path),
      bootId: () => disk.bootId(),
    }
  }
}
