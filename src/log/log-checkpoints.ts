import type { Logger } from '../base/logger.ts'
import type { Disk } from '../base/world.ts'
import { CompactedLogs } from './compacted-logs.ts'
import { directoryName } from './log-key.ts'
import { OffsetCheckpoint } from './offset-checkpoint.ts'
import type { OpenLog } from './open-log.ts'

const recoveryPointFile = 'recovery-point-offset-checkpoint'
const logStartFile = 'log-start-offset-checkpoint'
const cleanerFile = 'cleaner-offset-checkpoint'
/** So much that was appended is a checkpoint, too, before its time: it bounds what a start after a crash has to scan. */
const checkpointBytes = 64 << 20
/** Logs looked at before other work gets its turn. */
const logsPerSlice = 500

/** Who keeps the logs open is asked. */
export interface CheckpointOwner {
  isOpen(opened: OpenLog): boolean
  /** Lets others have their turn. */
  pause(): Promise<void>
}

/** The checkpoints of a data directory: below which offset each log is durable, where it begins, what is compacted. */
export class LogCheckpoints {
  readonly recoveryPoints: OffsetCheckpoint
  readonly logStarts: OffsetCheckpoint
  readonly compacted: CompactedLogs
  private readonly owner: CheckpointOwner
  private readonly logger: Logger
  private known = false
  /** Logs that were written since their recovery point was noted: an idle log costs a checkpoint nothing. */
  private behind: OpenLog[] = []
  private bytesSince = 0
  private writing: Promise<void> = Promise.resolve()

  constructor(disk: Disk, path: string, logger: Logger, owner: CheckpointOwner) {
    const checkpoint = (name: string) => new OffsetCheckpoint(disk, `${path}/${name}`, () => owner.pause())
    this.recoveryPoints = checkpoint(recoveryPointFile)
    this.logStarts = checkpoint(logStartFile)
    this.compacted = new CompactedLogs(checkpoint(cleanerFile))
    this.owner = owner
    this.logger = logger
  }

  /** The checkpoint of log starts was not damaged. */
  get startsKnown(): boolean {
    return this.known
  }

  async load(): Promise<void> {
    await this.recoveryPoints.load(this.logger)
    this.known = await this.logStarts.load(
      this.logger,
      'logs begin with their first segment, so that records which were deleted from it can be read again',
    )
    await this.compacted.load(this.logger)
  }

  forget(name: string): void {
    this.recoveryPoints.delete(name)
    this.logStarts.delete(name)
    this.compacted.forget(name)
  }

  noteBehind(opened: OpenLog): void {
    if (opened.behind) return
    opened.behind = true
    this.behind.push(opened)
  }

  noteAppended(opened: OpenLog, bytes: number): void {
    this.noteBehind(opened)
    this.bytesSince += bytes
    if (this.bytesSince < checkpointBytes) return
    this.bytesSince = 0
    void this.write()
  }

  /** Writes what has changed, after what is being written. Never rejects: what could not be written is written next time. */
  write(): Promise<void> {
    this.writing = this.writing
      .then(() => this.writeAll())
      .catch((error: unknown) => this.logger.warn({ error: String(error) }, 'the checkpoints could not be written'))
    return this.writing
  }

  /** Resolves when nothing is being written. */
  idle(): Promise<void> {
    return this.writing
  }

  private async writeAll(): Promise<void> {
    const looked = this.behind
    this.behind = []
    for (const [index, opened] of looked.entries()) {
      if (index % logsPerSlice === logsPerSlice - 1) await this.owner.pause()
      opened.behind = false
      if (!this.owner.isOpen(opened)) continue
      if (!opened.settled) {
        this.noteBehind(opened)
        continue
      }
      const { durableEnd } = opened.log
      this.recoveryPoints.set(directoryName(opened.key), durableEnd)
      if (durableEnd < opened.log.logEnd) this.noteBehind(opened)
    }
    await this.recoveryPoints.write()
    await this.logStarts.write()
    await this.compacted.write()
  }
}
