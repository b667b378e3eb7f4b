import type { Timers } from '../base/world.ts'
import type { LogWriter } from '../native/log-writer.ts'
import type { LogCheckpoint } from './log-checkpoint.ts'
import type { ResolvedLogOptions } from './log-options.ts'

/** While nothing is removed. While segments go, looks come closer: one that goes late is not there to become the next. */
const looksEveryMs = 1000
const looksAtLeastMs = 50
/** Looked at at a time. */
const segmentsAtOnce = 64

/** What retention needs of the world. */
export interface RetentionWorld {
  readonly timers: Timers
  readonly clock: { wallMs(): number }
}

/** Removes the oldest segments of a log by its size and by their age. */
export class LogRetention {
  private readonly writer: LogWriter
  private readonly checkpoint: LogCheckpoint
  private readonly options: ResolvedLogOptions
  private readonly world: RetentionWorld
  private readonly removed: () => void
  private ended = false
  private delayMs = looksEveryMs

  /** `removed` is called after segments were. */
  constructor(
    writer: LogWriter,
    checkpoint: LogCheckpoint,
    options: ResolvedLogOptions,
    world: RetentionWorld,
    removed: () => void,
  ) {
    this.writer = writer
    this.checkpoint = checkpoint
    this.options = options
    this.world = world
    this.removed = removed
    if (Math.min(options.retentionBytes, options.retentionMs) < Number.POSITIVE_INFINITY) this.lookIn(options.sealAgeMs)
  }

  /** Looks no more. */
  end(): void {
    this.ended = true
  }

  /** Records grow old also in a log that nobody appends to. The timer keeps no log that its app forgot. */
  private lookIn(delayMs: number): void {
    const forgotten = new WeakRef(this)
    this.world.timers.after(delayMs, () => void forgotten.deref()?.look())
  }

  /** Removes what is due. After a disk was full, or failed, the next look tries again. */
  private async look(): Promise<void> {
    let removed = false
    try {
      for (let more = true; more && !this.ended; ) {
        const verdict = this.judge(this.world.clock.wallMs())
        more = verdict.goesOn
        if (verdict.firstKept <= this.checkpoint.startOffset) break
        await this.checkpoint.advance(verdict.firstKept)
        removed = true
        this.removed()
      }
    } catch {
      // The app meets it, with what it says, at its next append.
    }
    this.delayMs = removed ? Math.max(this.delayMs / 2, looksAtLeastMs) : Math.min(this.delayMs * 2, looksEveryMs)
    if (!this.ended) this.lookIn(this.delayMs)
  }

  /** Of some segments: the base offset of the first that is to stay, and whether all of them go. That which is written stays. */
  private judge(nowMs: number): { firstKept: number; goesOn: boolean } {
    const { retentionBytes, retentionMs } = this.options
    const segments = this.writer.segments(segmentsAtOnce, retentionMs !== Number.POSITIVE_INFINITY)
    let bytes = this.writer.sizeBytes()
    let kept = 0
    while (kept + 1 < segments.length) {
      const { sizeBytes, maxTimestampMs } = segments[kept]!
      const tooMuch = bytes - sizeBytes >= retentionBytes
      const tooOld = maxTimestampMs >= 0 && nowMs - maxTimestampMs > retentionMs
      if (!tooMuch && !tooOld) break
      bytes -= sizeBytes
      kept++
    }
    return { firstKept: segments[kept]?.baseOffset ?? 0, goesOn: kept + 1 === segmentsAtOnce }
  }
}
