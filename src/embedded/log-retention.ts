import type { LogWriter } from '../native/log-writer.ts'
import type { ResolvedLogOptions } from './log-options.ts'

const looksEveryMs = 1000
/** Looked at at a time. */
const segmentsAtOnce = 64

/** Where a log begins, and what moves that: the app, and retention by size and by age. */
export class LogRetention {
  startOffset: number
  private readonly writer: LogWriter
  private readonly options: ResolvedLogOptions
  private readonly clock: { wallMs(): number }
  private lookedMs = 0
  /** One move at a time. */
  private moving: Promise<void> = Promise.resolve()
  private looking = false

  constructor(writer: LogWriter, options: ResolvedLogOptions, clock: { wallMs(): number }) {
    this.writer = writer
    this.options = options
    this.clock = clock
    this.startOffset = writer.startOffset
  }

  /** Makes `offset` the log's start, unless it is beyond that. */
  advance(offset: number): Promise<void> {
    const moved = this.moving.then(() => this.move(offset))
    this.moving = moved.catch(() => undefined)
    return moved
  }

  /** Removes what is due, about once a second; calls `removed` after it has. */
  look(removed: () => void): void {
    const { retentionBytes, retentionMs } = this.options
    if (this.looking || (retentionBytes === Number.POSITIVE_INFINITY && retentionMs === Number.POSITIVE_INFINITY))
      return
    const nowMs = this.clock.wallMs()
    if (Math.abs(nowMs - this.lookedMs) < looksEveryMs) return
    this.lookedMs = nowMs
    const offset = this.firstKept(nowMs)
    if (offset <= this.startOffset) return
    this.looking = true
    void this.advance(offset)
      .then(removed, () => undefined) // A disk that is full or failed: the next look tries again.
      .finally(() => {
        this.looking = false
      })
  }

  /** Fulfilled when nothing moves any more. */
  settled(): Promise<void> {
    return this.moving
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
