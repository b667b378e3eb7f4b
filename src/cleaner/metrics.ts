import type { Clock } from '../base/world.ts'

/** One pass that was finished, or as much of it as was done. */
export interface PassFigures {
  readonly bytesRead: number
  readonly bytesWritten: number
  readonly recordsRead: number
  readonly recordsKept: number
  /** Of those that were dropped: a compacted topic has no use for them. */
  readonly recordsWithoutKey: number
  readonly elapsedMs: number
  readonly mapMs: number
  /** Of 0 to 1. */
  readonly mapFill: number
}

/** What the cleaner shows of itself; Kafka's names in comments (kafka.log, LogCleaner and LogCleanerManager). */
export interface CleanerStats {
  /** Of the filthiest log that was found when the cleaner last looked. */
  readonly maxDirtyPercent: number // max-dirty-percent
  readonly recopyPercent: number // cleaner-recopy-percent
  readonly maxCleanTimeSecs: number // max-clean-time-secs
  readonly maxCompactionDelaySecs: number // max-compaction-delay-secs
  readonly maxBufferUtilizationPercent: number // max-buffer-utilization-percent
  readonly timeSinceLastRunMs: number // time-since-last-run-ms
  /** Since a pass was last finished; -1 before the first. */
  readonly timeSinceLastCleanMs: number
  readonly deadThreadCount: number // DeadThreadCount
  readonly uncleanablePartitions: number // uncleanable-partitions-count
  readonly uncleanableBytes: number // uncleanable-bytes
  /** By directory name: why each is not cleaned. */
  readonly uncleanable: Readonly<Record<string, string>>
  readonly runningPasses: number
  readonly passes: number
  readonly abortedPasses: number
  readonly failedPasses: number
  readonly bytesRead: number
  readonly bytesWritten: number
}

/** What a count over the cleaner's life, or the last finished passes, can tell; the rest is asked when it is shown. */
export class CleanerMetrics {
  maxDirtyRatio = 0
  maxCompactionDelayMs = 0
  deadThreads = 0
  aborted = 0
  failed = 0
  private readonly clock: Clock
  private readonly last = new Map<object, PassFigures>()
  private passes = 0
  private bytesRead = 0
  private bytesWritten = 0
  private lastRunMs: number
  private lastCleanMs = -1

  constructor(clock: Clock) {
    this.clock = clock
    this.lastRunMs = clock.monotonicMs()
  }

  looked(): void {
    this.lastRunMs = this.clock.monotonicMs()
  }

  /** Each thread's last pass counts, as in Kafka. */
  finished(thread: object, figures: PassFigures): void {
    this.passes++
    this.bytesRead += figures.bytesRead
    this.bytesWritten += figures.bytesWritten
    this.lastCleanMs = this.clock.monotonicMs()
    this.last.delete(thread)
    this.last.set(thread, figures)
    for (const each of this.last.keys()) {
      if (this.last.size <= lastKept) break
      this.last.delete(each)
    }
  }

  stats(
    now: Pick<CleanerStats, 'uncleanablePartitions' | 'uncleanableBytes' | 'uncleanable' | 'runningPasses'>,
  ): CleanerStats {
    const last = [...this.last.values()]
    const sum = (of: (figures: PassFigures) => number) => last.reduce((total, each) => total + of(each), 0)
    const most = (of: (figures: PassFigures) => number) => Math.max(0, ...last.map(of))
    const nowMs = this.clock.monotonicMs()
    return {
      maxDirtyPercent: Math.floor(100 * this.maxDirtyRatio),
      recopyPercent: Math.floor(
        (100 * sum(each => each.bytesWritten)) /
          Math.max(
            sum(each => each.bytesRead),
            1,
          ),
      ),
      maxCleanTimeSecs: Math.floor(most(each => each.elapsedMs) / 1000),
      maxCompactionDelaySecs: Math.floor(this.maxCompactionDelayMs / 1000),
      maxBufferUtilizationPercent: Math.floor(100 * most(each => each.mapFill)),
      timeSinceLastRunMs: nowMs - this.lastRunMs,
      timeSinceLastCleanMs: this.lastCleanMs < 0 ? -1 : nowMs - this.lastCleanMs,
      deadThreadCount: this.deadThreads,
      passes: this.passes,
      abortedPasses: this.aborted,
      failedPasses: this.failed,
      bytesRead: this.bytesRead,
      bytesWritten: this.bytesWritten,
      ...now,
    }
  }
}

/** Threads come and go with the work; of so many the last pass is remembered. */
const lastKept = 8
