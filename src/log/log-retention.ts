import type { Logger } from '../base/logger.ts'
import type { Timer, World } from '../base/world.ts'
import { StatusCode } from '../native/status.ts'
import { directoryName, type LogKey, type LogManager } from './log-manager.ts'
import type { PartitionLog } from './partition-log.ts'
import { judgeRetention, type RetentionVerdict } from './retention.ts'
import { SettledClock } from './settled-clock.ts'

/** A check right at the start would compete with clients that come back. */
const firstCheckMs = 30_000
/** How long one turn looks at logs. */
const sliceMs = 1
/** Log starts on their way to the disk at once; they share the writes of their checkpoint. */
const movesAtOnce = 16
/** Segments judged at once, after the oldest turned out to go. */
const segmentsAtOnce = 60

export interface RetentionParts {
  readonly world: World
  readonly logs: LogManager
  readonly logger: Logger
  /** -1 where the partition is not served: nothing of it goes. */
  highWatermark(key: LogKey): number
  /** The log start of a partition has moved. */
  onMoved(key: LogKey): void
  /** The log is being compacted: `checkOne` follows when that is done, so that neither waits for the other for ever. */
  busy?(log: PartitionLog): boolean
}

/** Removes what retention.ms and retention.bytes no longer keep, every log.retention.check.interval.ms. */
export class LogRetention {
  private readonly parts: RetentionParts
  private timer: Timer | undefined
  private intervalMs = Number.POSITIVE_INFINITY
  private stopped = false
  /** A segment from the future is told once. */
  private readonly told = new WeakMap<PartitionLog, number>()
  private readonly clock: SettledClock

  constructor(parts: RetentionParts) {
    this.parts = parts
    this.clock = new SettledClock(parts.world.clock, aheadMs => {
      const message = 'the clock has jumped ahead: retention by time goes by it when it has stayed there for an hour'
      parts.logger.warn({ aheadMs }, message)
    })
  }

  start(intervalMs: number): void {
    this.intervalMs = intervalMs
    this.schedule(Math.min(firstCheckMs, intervalMs))
  }

  /** Begins nothing more; what is under way ends with the log manager. */
  stop(): void {
    this.stopped = true
    this.timer?.cancel()
  }

  /** Looks at every log; resolves when what had to go is gone. One log that fails does not keep the others. */
  async check(): Promise<void> {
    const { clock, timers } = this.parts.world
    const moving = new Set<Promise<void>>()
    let sliceEndMs = clock.monotonicMs() + sliceMs
    for (const { key, log } of this.parts.logs.openLogs()) {
      if (this.stopped) break
      if (clock.monotonicMs() >= sliceEndMs || moving.size >= movesAtOnce) {
        if (moving.size >= movesAtOnce) await Promise.race(moving)
        await new Promise<void>(resume => timers.soon(resume))
        sliceEndMs = clock.monotonicMs() + sliceMs
      }
      const move = this.parts.busy?.(log) === true ? undefined : this.checkLog(key, log)
      if (move === undefined) continue
      moving.add(move)
      void move.finally(() => moving.delete(move))
    }
    await Promise.all(moving)
  }

  /** Looks at one log, now. */
  async checkOne(key: LogKey, log: PartitionLog): Promise<void> {
    if (!this.stopped) await this.checkLog(key, log)
  }

  /** Undefined when nothing goes, which is known at once. */
  private checkLog(key: LogKey, log: PartitionLog): Promise<void> | undefined {
    try {
      let verdict = this.judge(key, log, 1)
      if (verdict.newStart < 0) return undefined
      if (verdict.goesOn) verdict = this.judge(key, log, segmentsAtOnce)
      return this.remove(key, log, verdict).catch(error => this.failed(key, error))
    } catch (error) {
      this.failed(key, error)
      return undefined
    }
  }

  private async remove(key: LogKey, log: PartitionLog, first: RetentionVerdict): Promise<void> {
    const { logs, logger, onMoved } = this.parts
    for (let verdict = first; verdict.newStart >= 0; verdict = this.judge(key, log, segmentsAtOnce)) {
      const logStart = log.logStart
      if (verdict.roll) {
        const status = log.roll()
        if (status !== StatusCode.ok) throw new Error(`a new segment could not be begun (status ${status})`)
      }
      await logs.advanceStart(key, verdict.newStart)
      onMoved(key)
      logger.info({ log: directoryName(key), from: logStart, to: verdict.newStart }, 'retention moved a log start')
      if (!verdict.goesOn || this.stopped) return
    }
  }

  private judge(key: LogKey, log: PartitionLog, count: number): RetentionVerdict {
    const { highWatermark } = this.parts
    const { settings, stored } = log
    const { deletes, retentionMs, retentionBytes } = settings
    const sizeBytes = deletes ? stored.sizeBytes() : 0
    const sizeMatters = retentionBytes >= 0 && sizeBytes >= retentionBytes
    // One more is listed than is judged: its base offset is the end of the one before.
    const listed = deletes && (retentionMs >= 0 || sizeMatters) ? count + 1 : 0
    const segments = listed > 0 ? stored.segments(listed, retentionMs >= 0) : []
    const last = segments[segments.length - 1]
    const verdict = judgeRetention(
      {
        segments,
        endsActive: last?.baseOffset === stored.activeBaseOffset(),
        sizeBytes,
        logEnd: log.logEnd,
        highWatermark: highWatermark(key),
      },
      settings,
      this.clock.nowMs(),
    )
    if (verdict.future !== undefined)
      this.warnOfFuture(key, log, verdict.future.baseOffset, verdict.future.maxTimestampMs)
    return verdict
  }

  private warnOfFuture(key: LogKey, log: PartitionLog, baseOffset: number, maxTimestampMs: number): void {
    if (this.told.get(log) === baseOffset) return
    this.told.set(log, baseOffset)
    this.parts.logger.warn(
      { log: directoryName(key), baseOffset, maxTimestampMs },
      'a segment has records from the future: its file time and message.timestamp.after.max.ms say how long it stays',
    )
  }

  private failed(key: LogKey, error: unknown): void {
    if (this.stopped) return // The logs are being closed.
    this.parts.logger.warn({ log: directoryName(key), error: String(error) }, 'retention could not remove segments')
  }

  private schedule(delayMs: number): void {
    this.timer = this.parts.world.timers.after(delayMs, () => {
      void this.check().then(() => {
        if (!this.stopped) this.schedule(this.intervalMs)
      })
    })
  }
}
