import type { Clock } from '../base/world.ts'

/** Lines that may come at once, and that come back each second. */
const burst = 200
const perSecond = 50

/** Bounds the log lines that strangers can cause: whoever connects ten thousand times with nonsense must not fill the disk. */
export class LineLimit {
  private readonly clock: Clock
  private left = burst
  private suppressed = 0
  private lastMs: number

  constructor(clock: Clock) {
    this.clock = clock
    this.lastMs = clock.monotonicMs()
  }

  /** Fields to add to a line that may be written now (how many were not, before it); undefined when it may not. */
  admit(): { suppressed?: number } | undefined {
    const nowMs = this.clock.monotonicMs()
    this.left = Math.min(burst, this.left + ((nowMs - this.lastMs) / 1000) * perSecond)
    this.lastMs = nowMs
    if (this.left < 1) {
      this.suppressed++
      return undefined
    }
    this.left--
    if (this.suppressed === 0) return {}
    const { suppressed } = this
    this.suppressed = 0
    return { suppressed }
  }
}
