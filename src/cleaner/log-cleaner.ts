import type { Logger } from '../base/logger.ts'
import type { Timer, World } from '../base/world.ts'
import type { CompactedLog, CompactedLogs, LogKeeper } from '../log/compacted-logs.ts'
import { directoryName, type LogKey } from '../log/log-key.ts'
import type { PartitionLog } from '../log/partition-log.ts'
import { SettledClock } from '../log/settled-clock.ts'
import { LogChoice } from './choice.ts'
import type { LookedLog, LookParts } from './log-look.ts'
import { CleanerMetrics, type CleanerStats, type PassFigures } from './metrics.ts'
import { LogPass, type PassEnd } from './pass.ts'
import type { PassFailure } from './protocol.ts'
import { type CleanerSettings, shareOf } from './settings.ts'
import { ThreadPool } from './thread-pool.ts'

/** A pass that failed for want of something that may come back is tried again after so long. */
const retryMs = 60_000
/** What the log itself is not at fault for. */
const retried = new Set(['MILLRACE_NO_SPACE', 'MILLRACE_TOO_MANY_FILES', 'MILLRACE_NO_MEMORY'])
/** A pass that is to end looks at the flag many times in this time. */
const stopMs = 2_000
/** The numbers are told so long after something moved them. */
const reportMs = 60_000

export interface CleanerParts {
  readonly world: Pick<World, 'clock' | 'timers' | 'threads'>
  readonly logs: CompactedLogs
  readonly logger: Logger
  /** As they are at the moment. */
  settings(): CleanerSettings
  /**
   * Below it records of the log are decided and on every replica in sync: the lesser of high watermark and last stable
   * offset; -1 where the log is not served, which leaves it as it is.
   */
  stableEnd(key: LogKey): number
  /** A pass over the log ended: what waited for it is done before there is another. Never rejects. */
  onEnded?(key: LogKey, log: PartitionLog): Promise<void>
}

/**
 * Compacts the logs whose cleanup.policy says so: always the filthiest of those that are due (policy.ts), on threads that
 * are there only while there is work. Where no log is compacted it has no timer and costs nothing.
 *
 * A log that a pass failed on is left alone, the reason is told, and the others go on. It is tried again after a restart or
 * when its configs change.
 */
export class LogCleaner implements LogKeeper {
  private readonly parts: CleanerParts
  private readonly metrics: CleanerMetrics
  private readonly threads: ThreadPool
  /** Marks of deleted keys go by their age. */
  private readonly clock: SettledClock
  private readonly choice: LogChoice
  private readonly passes = new Map<PartitionLog, LogPass>()
  /** How many want a log left alone. */
  private readonly holds = new WeakMap<PartitionLog, number>()
  private readonly uncleanable = new Map<PartitionLog, { readonly compacted: CompactedLog; readonly reason: string }>()
  private readonly retryAtMs = new WeakMap<PartitionLog, number>()
  private timer: Timer | undefined
  private reportTimer: Timer | undefined
  private working: Promise<void> | undefined
  private workAgain = false
  private started = false
  private stopped = false

  constructor(parts: CleanerParts) {
    const { world, logs } = parts
    this.parts = parts
    this.metrics = new CleanerMetrics(world.clock)
    this.threads = new ThreadPool(world)
    this.clock = new SettledClock(world.clock)
    this.choice = new LogChoice({
      world,
      logs,
      metrics: this.metrics,
      keptMs: () => parts.settings().backoffMs,
      mayClean: ({ log }) => this.mayClean(log),
      lookParts: compacted => this.lookParts(compacted),
      onFailed: (compacted, error) => this.failedToLook(compacted, error),
    })
  }

  /** It looks for work from now on, first after the backoff: a start has enough to do. */
  start(): void {
    this.started = true
    this.parts.logs.keeper = this
    this.schedule()
  }

  /** Ends all passes, at once, without waiting for them to get anywhere; resolves when no thread is left. */
  async stop(): Promise<void> {
    this.stopped = true
    this.choice.stop()
    this.timer?.cancel()
    this.reportTimer?.cancel()
    const passes = [...this.passes.values()]
    for (const pass of passes) pass.abort()
    const ended = Promise.all(passes.map(pass => pass.ended))
    // A thread that sees the flag takes away what it began to write; one that is stuck is ended with it.
    const late = new Promise<void>(resolve => {
      const timer = this.parts.world.timers.after(stopMs, resolve)
      void ended.then(() => timer.cancel())
    })
    await Promise.race([ended, late])
    await this.threads.end()
    await ended
    await this.working
  }

  /** Whether a pass over the log runs. */
  busy(log: PartitionLog): boolean {
    return this.passes.has(log)
  }

  async hold(log: PartitionLog): Promise<() => void> {
    this.holds.set(log, (this.holds.get(log) ?? 0) + 1)
    const pass = this.passes.get(log)
    pass?.abort()
    await pass?.ended
    let released = false
    return () => {
      if (released) return
      released = true
      this.holds.set(log, this.holds.get(log)! - 1)
      this.schedule()
    }
  }

  /** What a pass was told at its beginning may be wrong now. */
  changed({ log }: CompactedLog): void {
    this.passes.get(log)?.abort()
    this.uncleanable.delete(log)
    this.retryAtMs.delete(log)
    this.schedule()
  }

  /** A log was cut to `offset`, while it was held: no more than that is clean. */
  async truncated(key: LogKey, offset: number): Promise<void> {
    const name = directoryName(key)
    if ((this.parts.logs.cleanedTo(name) ?? 0) > offset) await this.note(name, offset)
  }

  /** The cleaner's settings changed: as in Kafka, what runs begins anew by them, and logs are looked at at once. */
  reconfigured(): void {
    for (const pass of this.passes.values()) pass.abort()
    this.timer?.cancel()
    this.timer = undefined
    this.schedule(0)
  }

  stats(): CleanerStats {
    this.forgetGone()
    const uncleanable = [...this.uncleanable.values()]
    return this.metrics.stats({
      uncleanablePartitions: uncleanable.length,
      uncleanableBytes: uncleanable.reduce((sum, each) => sum + this.choice.cleanableBytes(each.compacted), 0),
      uncleanable: Object.fromEntries(uncleanable.map(each => [directoryName(each.compacted.key), each.reason])),
      runningPasses: this.passes.size,
    })
  }

  private schedule(delayMs = this.parts.settings().backoffMs): void {
    if (!this.started || this.stopped || this.timer !== undefined || this.parts.logs.size === 0) return
    this.timer = this.parts.world.timers.after(delayMs, () => {
      this.timer = undefined
      this.work()
    })
  }

  /** Gives every free thread something to do, if there is something; else it is looked for again after the backoff. */
  private work(): void {
    if (this.stopped) return
    if (this.working !== undefined) {
      this.workAgain = true
      return
    }
    this.working = this.fillThreads().finally(() => {
      this.working = undefined
      if (this.workAgain) {
        this.workAgain = false
        this.work()
      } else this.schedule()
    })
  }

  private async fillThreads(): Promise<void> {
    this.forgetGone()
    while (!this.stopped && this.passes.size < this.parts.settings().threads) {
      const next = await this.choice.next()
      if (next === undefined || this.stopped) return
      this.begin(next)
    }
  }

  private begin(looked: LookedLog): void {
    const { world, settings, onEnded } = this.parts
    const { compacted } = looked
    const { key, log } = compacted
    const thread = this.threads.take()
    const pass = new LogPass(looked, thread, shareOf(settings()), world.clock, this.clock.nowMs())
    this.passes.set(log, pass)
    void pass.ended
      .then(end => this.finish(looked, thread, end))
      .then(() => (this.stopped ? undefined : onEnded?.(key, log)))
      .finally(() => {
        this.passes.delete(log)
        this.threads.giveBack(thread)
        this.work()
      })
  }

  /** Up to its first await it runs before whoever waits for the pass goes on. */
  private async finish({ compacted, firstDirtyOffset }: LookedLog, thread: object, end: PassEnd): Promise<void> {
    const { outcome, overtaken, figures } = end
    const { settings } = this.parts
    const name = directoryName(compacted.key)
    switch (outcome.kind) {
      case 'done': {
        const { cleanEndOffset } = outcome.map
        if (cleanEndOffset <= firstDirtyOffset) {
          const message = 'The map of keys has no room for the keys of one batch: raise log.cleaner.dedupe.buffer.size.'
          this.fail(compacted, { code: 'CLEANER_MAP', message, segment: -1, position: -1 })
          return
        }
        this.metrics.finished(thread, figures)
        this.parts.logger.info({ log: name, from: firstDirtyOffset, to: cleanEndOffset, ...told(figures) }, 'compacted')
        this.reportLater()
        await this.note(name, cleanEndOffset)
        return
      }
      case 'again':
        return
      case 'stopped':
        this.metrics.aborted++
        this.reportLater()
        // What overtook it may not be over yet.
        if (overtaken) this.retryAtMs.set(compacted.log, this.parts.world.clock.monotonicMs() + settings().backoffMs)
        return
      case 'died':
        if (this.stopped) return
        this.metrics.deadThreads++
        this.fail(compacted, outcome.failure)
        return
      case 'failed':
        this.fail(compacted, outcome.failure)
    }
  }

  private fail(compacted: CompactedLog, failure: PassFailure): void {
    const { log } = compacted
    const { logger, logs, world } = this.parts
    // A log that is going, or whose disk failed, has told what is the matter itself.
    if (this.stopped || !logs.has(log)) return
    this.metrics.failed++
    this.reportLater()
    const fields = { log: directoryName(compacted.key), ...failure }
    if (retried.has(failure.code)) {
      this.retryAtMs.set(log, world.clock.monotonicMs() + retryMs)
      logger.warn(fields, 'a log could not be compacted; it is tried again in a minute')
      return
    }
    this.uncleanable.set(log, { compacted, reason: failure.message })
    logger.error(fields, 'a log cannot be compacted: it is left alone until its configs change or the broker restarts')
  }

  private failedToLook(compacted: CompactedLog, error: unknown): void {
    const { code, message } = error instanceof Error ? (error as Error & { code?: string }) : { message: String(error) }
    this.fail(compacted, { code: code ?? 'Error', message, segment: -1, position: -1 })
  }

  private mayClean(log: PartitionLog): boolean {
    if (this.passes.has(log) || this.uncleanable.has(log) || (this.holds.get(log) ?? 0) > 0) return false
    return this.parts.logs.has(log) && this.parts.world.clock.monotonicMs() >= (this.retryAtMs.get(log) ?? 0)
  }

  private lookParts({ key, log }: CompactedLog): LookParts {
    const { logs, stableEnd } = this.parts
    return {
      nowMs: this.clock.nowMs(),
      cleanedTo: logs.cleanedTo(directoryName(key)),
      stableEnd: Math.min(stableEnd(key), log.durableEnd),
      onInvalidCheckpoint: (name, firstDirty) => this.mendCheckpoint(name, log, firstDirty),
    }
  }

  private mendCheckpoint(name: string, log: PartitionLog, firstDirty: number): void {
    const { logs, logger } = this.parts
    // Retention takes the start of a log past its checkpoint as a matter of course.
    if (!log.settings.deletes)
      logger.warn({ log: name, cleanedTo: logs.cleanedTo(name), firstDirty }, 'the checkpoint of the cleaner is mended')
    void this.note(name, firstDirty)
  }

  private async note(name: string, cleanedTo: number): Promise<void> {
    try {
      await this.parts.logs.noteCleaned(name, cleanedTo)
    } catch (error) {
      // What it says is true all the same: after a restart some of it is cleaned again.
      this.parts.logger.warn({ log: name, error: String(error) }, 'the checkpoint of the cleaner could not be written')
    }
  }

  private forgetGone(): void {
    for (const log of this.uncleanable.keys()) if (!this.parts.logs.has(log)) this.uncleanable.delete(log)
  }

  private reportLater(): void {
    if (this.stopped) return
    this.reportTimer ??= this.parts.world.timers.after(reportMs, () => {
      this.reportTimer = undefined
      this.parts.logger.info({ ...this.stats() }, 'cleaner')
    })
  }
}

/** A pass in the words of the log: whole milliseconds, and how much of what was read is left. */
function told({
  bytesRead,
  bytesWritten,
  recordsRead,
  recordsKept,
  recordsWithoutKey,
  elapsedMs,
  mapMs,
  mapFill,
}: PassFigures) {
  const ratio = recordsRead === 0 ? 1 : recordsKept / recordsRead
  return {
    bytesRead,
    bytesWritten,
    recordsRead,
    recordsKept,
    ...(recordsWithoutKey === 0 ? {} : { recordsWithoutKey }),
    keptRatio: Math.round(ratio * 1000) / 1000,
    ms: Math.round(elapsedMs),
    mapMs: Math.round(mapMs),
    mapFillPercent: Math.round(mapFill * 100),
  }
}
