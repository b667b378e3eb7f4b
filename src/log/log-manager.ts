import { atOnce } from '../base/at-once.ts'
import { MillraceError } from '../base/error.ts'
import type { Logger } from '../base/logger.ts'
import {
  type DirectoryLook,
  type LogSettings,
  type OpenReport,
  OpenTrust,
  type StoredLog,
  type Timer,
  type World,
} from '../base/world.ts'
import { NativeError } from '../native/errors.ts'
import { StatusCode } from '../native/status.ts'
import type { CompactedLogs } from './compacted-logs.ts'
import type { DataDirectory } from './data-directory.ts'
import { FlushWait } from './flush-wait.ts'
import { FlushWaiters } from './flush-waiters.ts'
import { LogCheckpoints } from './log-checkpoints.ts'
import { directoryName, type LogKey } from './log-key.ts'
import { OpenLog } from './open-log.ts'
import { firstOffset, PartitionDirectories } from './partition-directories.ts'
import { PartitionFiles } from './partition-files.ts'
import { PartitionLog } from './partition-log.ts'
import { expireProducers } from './producer-expiry.ts'
import { RoomForLogs } from './room-for-logs.ts'
import { SettledClock } from './settled-clock.ts'
import type { SpaceReserve } from './space-reserve.ts'
import { WrittenLogs } from './written-logs.ts'

export { directoryName, type LogKey } from './log-key.ts'

/** Of checkpoints: a full disk is not asked for more each second. */
const reserveEveryTicks = 10
const checkpointIntervalMs = 1_000
const producerCheckIntervalMs = 600_000
/** Logs deleted at once: each deletion runs on a worker thread. */
const deletionsAtOnce = 4
/** Logs to flush as all are closed that are worth a sync of all of them together. */
const flushedTogether = 32
/** Logs closed at once, likewise. */
const closesAtOnce = 16
/** Seconds without an append after which a log rests. */
const restAfterTicks = 10
/** Each log that rests costs three truncations. */
const restSliceMs = 1

/** What opening all logs cost; printed at start. */
export interface OpenTotals {
  logs: number
  recovered: number
  scannedBytes: number
}

/** All partition logs of one data directory: opening, checkpoints, deletion. */
export class LogManager {
  private readonly world: World
  private readonly directory: DataDirectory
  private readonly logger: Logger
  private readonly producerExpirationMs: () => number
  private readonly open = new Map<string, OpenLog>()
  private readonly directories: PartitionDirectories
  private readonly checkpoints: LogCheckpoints
  private readonly room: RoomForLogs
  private readonly reserve: SpaceReserve
  private readonly settledClock: SettledClock
  private readonly flushWaiters: FlushWaiters
  /** Logs that hold descriptors because they were written. */
  private readonly written = new WrittenLogs<OpenLog>(Number.POSITIVE_INFINITY)
  private readonly flushWait: FlushWait
  /** While all logs of a start are opened: those whose recovery is not on the disk yet. */
  private unsettled: OpenLog[] | undefined
  /** Counts checkpoint intervals. */
  private tick = 0
  private resting = false
  private timers: Timer[] = []
  private anyFailed = false
  /** False once a log could not be opened: how its files were left is then still to be found out. */
  allOpened = true
  readonly totals: OpenTotals = { logs: 0, recovered: 0, scannedBytes: 0 }

  constructor(
    world: World,
    directory: DataDirectory,
    reserve: SpaceReserve,
    logger: Logger,
    producerExpirationMs: () => number,
  ) {
    this.world = world
    this.reserve = reserve
    this.directory = directory
    this.logger = logger
    this.producerExpirationMs = producerExpirationMs
    this.flushWaiters = new FlushWaiters(world.storage)
    this.settledClock = new SettledClock(world.clock)
    this.directories = new PartitionDirectories(world.disk, directory.path, logger)
    this.checkpoints = new LogCheckpoints(world.disk, directory.path, logger, {
      isOpen: opened => this.open.get(directoryName(opened.key)) === opened,
      pause: () => this.pause(),
    })
    this.room = new RoomForLogs(reserve, directory.path, logger)
    this.flushWait = new FlushWait(world.storage)
    world.storage.onDurable(() => this.written.flushed())
    world.storage.onFailed(() => this.written.flushed())
  }

  get compacted(): CompactedLogs {
    return this.checkpoints.compacted
  }

  /** Reads the checkpoints and begins to write them; called once, before the first `openLog`. */
  async start(): Promise<void> {
    await this.checkpoints.load()
    const repeat = (delayMs: number, slot: number, work: () => void) => {
      this.timers[slot] = this.world.timers.after(delayMs, () => {
        work()
        repeat(delayMs, slot, work)
      })
    }
    repeat(checkpointIntervalMs, 0, () => {
      this.tick++
      void this.checkpoint()
      // Segments that are not written have room that was taken ahead: where it is wanted it comes back within a second.
      void this.restIdle(this.room.wasFullAt(this.tick - 1) ? 1 : restAfterTicks)
      if (this.tick % reserveEveryTicks === 1) void this.room.ask()
    })
    repeat(producerCheckIntervalMs, 1, () => {
      void expireProducers(this.openLogs(), this.settledClock.nowMs(), this.producerExpirationMs(), () => this.pause())
    })
  }

  /**
   * Opens many logs: what recovery finds of them is synced together at the end, and nothing else may be done with them
   * before this has resolved.
   */
  async openTogether(openAll: () => Promise<void>): Promise<void> {
    const unsettled: OpenLog[] = []
    this.unsettled = unsettled
    try {
      await openAll()
    } finally {
      this.unsettled = undefined
    }
    await this.flushWait.flush(
      unsettled.map(({ log }) => log.stored),
      true,
    )
    for (const opened of unsettled) opened.settled = true
  }

  /** How many logs may hold descriptors because they were written; see `Storage.limitOpenFiles`. */
  limitWritten(logs: number): void {
    this.written.capacity = logs
  }

  /** Every open log; those that come or go meanwhile may or may not be among them. */
  *openLogs(): IterableIterator<{ readonly key: LogKey; readonly log: PartitionLog }> {
    yield* this.open.values()
  }

  pathOf(key: LogKey): string {
    return `${this.directory.path}/${directoryName(key)}`
  }

  /**
   * Opens a partition's log, or makes a new one. Rejects when its files are damaged; other logs are not concerned. Files
   * that say they belong to a topic of another id are put aside if they `mayGo`, and else are damaged.
   */
  async openLog(
    key: LogKey,
    settings: LogSettings,
    mayGo: (topicId: string) => boolean = () => true,
  ): Promise<PartitionLog> {
    try {
      return await this.reserve.spend(() => this.openFiles(key, settings, mayGo))
    } catch (error) {
      // What has not been looked at must not count as cleanly closed, or the next start would believe it.
      this.allOpened = false
      // It may have been a sync of what a dead process had written, which the page cache now calls clean.
      if (error instanceof NativeError && error.nativeCode === StatusCode.ioError) await this.noteFailure()
      throw error
    }
  }

  private async openFiles(
    key: LogKey,
    settings: LogSettings,
    mayGo: (topicId: string) => boolean,
  ): Promise<PartitionLog> {
    const path = this.pathOf(key)
    const name = directoryName(key)
    const beside = await this.directories.claim(path, key.topicId, mayGo)
    const isNew = beside === undefined
    if (isNew) this.checkpoints.forget(name) // A directory that is gone has left its offsets behind.
    const { log: stored, report } = await this.world.storage.openLog(
      path,
      settings,
      isNew ? OpenTrust.clean : this.directory.trust,
      this.checkpoints.recoveryPoints.get(name) ?? 0,
      this.checkpoints.logStarts.get(name) ?? (isNew || this.checkpoints.startsKnown ? 0 : firstOffset(beside)),
      this.unsettled !== undefined,
    )
    if (report.cutBytes > 0)
      this.logger.warn(
        { log: name, cutBytes: report.cutBytes, cutFromOffset: report.cutFromOffset },
        'the tail of a log was incomplete and has been cut',
      )
    const files = new PartitionFiles(this.world.disk, path, this.logger, {
      appended: bytes => this.noteAppended(opened, bytes),
      room: () => this.written.room(opened),
      diskFull: () => this.room.noteFull(this.tick),
      durableEnd: () => stored.durableOffset(),
      firstSegment: () => stored.segments(1, false)[0]?.baseOffset ?? 0,
      pause: () => this.pause(),
    })
    const log = await this.readBeside(stored, report, files, beside, settings).catch(async (error: unknown) => {
      await stored.close(false)
      throw error
    })
    const opened = new OpenLog(key, log, files, report.unsynced !== true)
    if (!opened.settled) this.unsettled?.push(opened)
    this.open.set(name, opened)
    this.compacted.opened(key, log)
    if (report.logStartOffset > 0) this.checkpoints.logStarts.set(name, report.logStartOffset)
    this.checkpoints.noteBehind(opened)
    this.totals.logs++
    this.totals.scannedBytes += report.scannedBytes
    if (report.scannedBytes > 0 || report.cutBytes > 0) this.totals.recovered++
    return log
  }

  /** What the files beside a log say of it, and the log itself where they are behind. */
  private async readBeside(
    stored: StoredLog,
    { logStartOffset, logEndOffset }: OpenReport,
    files: PartitionFiles,
    beside: DirectoryLook | undefined,
    settings: LogSettings,
  ): Promise<PartitionLog> {
    const epochs = files.loadEpochs(logEndOffset, beside)
    const pause = () => this.pause()
    const { producers } = await files.loadProducers(stored, logStartOffset, logEndOffset, epochs, pause, beside)
    return new PartitionLog(stored, producers, epochs, settings, files, () => this.world.random.next(), files.aborted)
  }

  /** A sync failed: the next start must not believe the page cache. */
  async noteFailure(): Promise<void> {
    this.anyFailed = true
    // What was durable before is not to count as lost, whatever happens to the files.
    void this.checkpoint()
    await this.directory.markFailed().catch((error: unknown) => {
      this.logger.error({ error: String(error) }, 'the failure marker could not be written')
    })
  }

  /** Removes partitions' logs and their files. Rejects when one could not be removed; the others are gone all the same. */
  async deleteLogs(keys: readonly LogKey[]): Promise<void> {
    await atOnce(keys, deletionsAtOnce, key => this.deleteLog(key))
    await this.checkpoint()
  }

  private async deleteLog(key: LogKey): Promise<void> {
    const name = directoryName(key)
    const opened = this.open.get(name)
    if (opened?.key.topicId !== key.topicId) {
      // A topic of the same name may have come since: only its own deletion takes its files.
      const owner = (await this.directories.ownerOf(this.pathOf(key))) ?? key.topicId
      if (owner !== key.topicId) return
      await this.world.disk.removeTree(this.pathOf(key))
    } else {
      this.open.delete(name)
      this.flushWaiters.giveUp(opened.log.stored)
      this.written.drop(opened)
      await this.compacted.closed(opened.log)
      await opened.files.close()
      await opened.log.stored.delete()
    }
    // A topic recreated under the same name must not inherit them.
    this.checkpoints.forget(name)
  }

  /**
   * Moves the log start of a partition to `offset`, which the caller has found to be at most its high watermark. The new
   * start, and the producers whose records go, are durable before any file is removed, and the start never goes back.
   * Rejects when it could not be made durable; the start that was asked for may then appear after a restart.
   */
  async advanceStart(key: LogKey, offset: number): Promise<void> {
    const name = directoryName(key)
    const opened = this.opened(key)
    const { log } = opened
    if (offset <= log.logStart) return
    await this.keepProducers(opened)
    const { logStarts } = this.checkpoints
    logStarts.set(name, Math.max(offset, logStarts.get(name) ?? 0))
    await this.reserve.spend(() => logStarts.write())
    const release = await this.compacted.hold(log)
    try {
      if (this.open.get(name) !== opened) throw notOpen(name)
      const status = log.advanceStart(offset)
      if (status !== StatusCode.ok)
        throw new MillraceError('LOG_START', `The log start of ${name} could not be moved (status ${status}).`)
    } finally {
      release()
    }
  }

  /** What its producers are known by stays known, although records go and whatever a crash takes. */
  private async keepProducers({ log, files }: OpenLog): Promise<void> {
    const { producers } = log
    if (producers.size === 0) return
    const status = log.stored.writeGathered()
    if (status !== StatusCode.ok)
      throw new MillraceError('LOG_WRITE', `What was appended could not be written (status ${status}).`)
    const { logEnd } = log
    await this.reserve.spend(() => files.keepProducers(logEnd, producers))
    // A log that a crash leaves shorter than its snapshot does not believe it.
    await this.flushWaiters.reached(log.stored, logEnd)
  }

  /** See PartitionDirectories.sweep. */
  sweep(owner: (name: string) => string | undefined): Promise<void> {
    return this.directories.sweep(owner)
  }

  /** Writes recovery points and log starts where they have changed. */
  checkpoint(): Promise<void> {
    return this.checkpoints.write()
  }

  /** Lets go of everything as it is, for a start that fails: the next one finds what this one found. */
  async abandon(): Promise<void> {
    for (const timer of this.timers) timer.cancel()
    await this.checkpoints.idle()
    for (const [name, { log, files }] of [...this.open]) {
      this.open.delete(name)
      await files.close()
      await log.stored.close(false)
    }
  }

  /**
   * Flushes and closes everything; the directory is marked clean when nothing failed and nothing was left out. Records are
   * made durable first, log by log as far as errors go; what closing trims and writes beside them follows with one sync.
   */
  async close(): Promise<void> {
    for (const timer of this.timers) timer.cancel()
    await this.checkpoints.idle()
    const { storage } = this.world
    const all = [...this.open]
    const unflushed = all.map(([, { log }]) => log.stored).filter(log => log.durableOffset() < log.logEndOffset())
    // A few sync themselves as they close.
    if (unflushed.length >= flushedTogether) await this.flushWait.flush(unflushed)
    // Nobody else looks at a log that is being closed.
    this.open.clear()
    const ends = new Map<string, number>()
    await atOnce(all, closesAtOnce, async ([name, { log, files, settled }]) => {
      try {
        const { logEnd } = log
        await files.closeWith(logEnd, log.producers, log.epochs)
        this.flushWaiters.giveUp(log.stored)
        if (settled) this.checkpoints.recoveryPoints.set(name, log.durableEnd)
        await log.stored.closeUnsynced()
        ends.set(name, logEnd)
      } catch (error) {
        this.logger.error({ log: name, error: String(error) }, 'a log could not be closed cleanly')
        await this.noteFailure() // It may have been a sync.
      }
    })
    try {
      await storage.syncFileSystem(this.directory.path)
      for (const [name, logEnd] of ends) this.checkpoints.recoveryPoints.set(name, logEnd)
    } catch (error) {
      this.logger.error({ error: String(error) }, 'the file system could not be synced')
      await this.noteFailure()
    }
    await this.checkpoint()
    if (!this.anyFailed && this.allOpened) await this.directory.markClean()
    this.directory.release()
  }

  private opened(key: LogKey): OpenLog {
    const name = directoryName(key)
    const opened = this.open.get(name)
    if (opened?.key.topicId !== key.topicId) throw notOpen(name)
    return opened
  }

  private pause(): Promise<void> {
    return new Promise(resume => this.world.timers.soon(resume))
  }

  private noteAppended(opened: OpenLog, bytes: number): void {
    opened.writtenTick = this.tick
    this.written.wrote(opened)
    this.checkpoints.noteAppended(opened, bytes)
  }

  /** See RoomForLogs. */
  whenRoom(retry: () => void): void {
    this.room.when(retry)
  }

  /** See RoomForLogs. */
  hasRoomFor(partitions: number): Promise<boolean> {
    return this.room.fits(partitions)
  }

  /** Logs that were not written for a while give back descriptors and preallocated space. */
  private async restIdle(afterTicks: number): Promise<void> {
    if (this.resting) return
    this.resting = true
    const { clock } = this.world
    let sliceEndMs = clock.monotonicMs() + restSliceMs
    while (!this.written.restOlder(this.tick - afterTicks, () => clock.monotonicMs() >= sliceEndMs)) {
      await this.pause()
      sliceEndMs = clock.monotonicMs() + restSliceMs
    }
    this.resting = false
  }
}

const notOpen = (name: string): MillraceError => new MillraceError('LOG_NOT_OPEN', `The log of ${name} is not open.`)
