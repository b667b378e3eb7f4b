import { assert } from '../base/assert.ts'
import type { Offset } from '../base/ids.ts'

/**
 * The four offsets of a partition, in their order: `logStart <= lastStable <= highWatermark <= logEnd`, asserted on each
 * move. The high watermark and the log end never go back but by truncation.
 */
export class OffsetState {
  private start: Offset
  private stable: Offset
  private watermark: Offset
  private end: Offset

  constructor(logStart: Offset, highWatermark: Offset, logEnd: Offset, lastStable = highWatermark) {
    this.start = logStart
    this.stable = lastStable
    this.watermark = highWatermark
    this.end = logEnd
    this.check()
  }

  get logStart(): Offset {
    return this.start
  }
  get lastStable(): Offset {
    return this.stable
  }
  get highWatermark(): Offset {
    return this.watermark
  }
  get logEnd(): Offset {
    return this.end
  }

  appended(logEnd: Offset): void {
    assert(logEnd >= this.end, 'an append moves the log end forward', { from: this.end, to: logEnd })
    this.end = logEnd
  }

  /** What was appended last is not there, and nobody was told that it is: the log ends at `logEnd` again. */
  takenBack(logEnd: Offset): void {
    this.end = logEnd
    this.check()
  }

  /** Moves the high watermark forward, and the last stable offset to `lastStable`. Returns whether anything moved. */
  committed(highWatermark: Offset, lastStable: Offset): boolean {
    if (highWatermark < this.watermark) return false
    const moved = highWatermark > this.watermark || lastStable > this.stable
    this.watermark = highWatermark
    this.stable = lastStable
    this.check()
    return moved
  }

  /** The log begins at `logStart` now; everything below is as good as committed. */
  trimmed(logStart: Offset): void {
    this.start = logStart
    if (this.stable < logStart) this.stable = logStart
    this.check()
  }

  private check(): void {
    assert(
      this.start <= this.stable && this.stable <= this.watermark && this.watermark <= this.end,
      'log start <= last stable <= high watermark <= log end',
      { logStart: this.start, lastStable: this.stable, highWatermark: this.watermark, logEnd: this.end },
    )
  }
}
