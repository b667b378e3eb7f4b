import type { Timers } from '../base/world.ts'
import type { LogWriter } from '../native/log-writer.ts'
import type { ResolvedLogOptions } from './log-options.ts'

const looksEveryMs = 1000
/** Looked at at a time. */
const segmentsAtOnce = 64

/** What retention needs of the world. */
export interface RetentionWorld {
  readonly timers: Timers
  readonly clock: { wallMs(): number }
}

/** Where a log begins, and what moves that: the app, and retention by size and by age. */
export class LogRetention {
  startOffset: number
  private readonly writer: LogWriter
  private readonly options: ResolvedLogOptions
  private readonly world: RetentionWorld
  private readonly removed: () => void
  /** One move at a time. */
  private moving: Promise<void> = Promise.resolve()
  private ended = false

  /** `removed` is called after segments were, but for those that `advance` removes. */
  constructor(writer: LogWriter, options: ResolvedLogOptions, world: RetentionWorld, removed: () => void) {
    this.writer = writer
    this.options = options
    this.world = world
    this.removed = removed
    this.startOffset = writer.startOffset
    if (Math.min(options.retentionBytes, options.retentionMs) < Number.POSITIVE_INFINITY) this.lookIn(options.sealAgeMs)
  }

  /** Makes `offset` the log's start, unless it is beyond that. */
  advance(offset: number): Promise<void> {
    const moved = this.moving.then(() => this.move(offset))
    this.moving = moved.catch(() => undefined)
    return moved
  }

  /** Looks no more; fulfilled when nothing moves. */
  end(): Promise<void> {
    this.ended = true
    return this.moving
  }

  /** Records grow old also in a log that nobody appends to. The timer keeps no log that its app forgot. */
  private lookIn(delayMs: number): void {
    const forgotten = new WeakRef(this)
    this.world.timers.after(delayMs, () => void forgotten.deref()?.look())
  }

  /** Removes what is due. After a disk was full, or failed, the next look tries again. */
  private async look(): Promise<void> {
    if (this.ended) return
    try {
      const offset = this.firstKept(this.world.clock.wallMs())
      if (offset > this.startOffset) {
        await this.advance(offset)
        this.removed()
      }
    } catch {
      // The app meets it, with what it says, at its next append.
    }
    this.lookIn(looksEveryMs)
  }

  private async move(offset: number): Promise<void> {
    if (offset <= this.startOffset) return
    this.writer.seal()
    await this.writer.advanceStart(offset)
    this.startOffset = offset
  }

  /** The base offset of the first segment that is to stay. The one that is written always does. */
  private firstKept(nowMs: number): number {
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
    return segments[kept]?.baseOffset ?? 0
  }
}
