import type { Clock } from '../base/world.ts'

/** Further ahead than this within one look is no drift that is being corrected. */
const jumpMs = 5 * 60_000
/** A jump that has lasted for so long is the time. */
const believedAfterMs = 60 * 60_000

/**
 * The wall clock for what removes things by their age. When it jumps ahead, time goes on here as if it had not, until it
 * has stayed there for an hour: a clock that was wrong for a while costs no record. Going back is believed at once, since
 * it only lets things live longer. To be looked at every some minutes.
 */
export class SettledClock {
  private readonly clock: Clock
  private readonly onJump: (aheadMs: number) => void
  /** What is believed: the wall clock less the one that never jumps. */
  private offsetMs: number
  private doubtedSinceMs: number | undefined

  /** What the wall clock says now is believed. `onJump` is told of each jump ahead, once. */
  constructor(clock: Clock, onJump: (aheadMs: number) => void = () => {}) {
    this.clock = clock
    this.onJump = onJump
    this.offsetMs = clock.wallMs() - clock.monotonicMs()
  }

  nowMs(): number {
    const monotonicMs = this.clock.monotonicMs()
    const wallMs = this.clock.wallMs()
    const aheadMs = wallMs - monotonicMs - this.offsetMs
    if (aheadMs > jumpMs) {
      if (this.doubtedSinceMs === undefined) {
        this.doubtedSinceMs = monotonicMs
        this.onJump(aheadMs)
      }
      if (monotonicMs - this.doubtedSinceMs < believedAfterMs) return monotonicMs + this.offsetMs
    }
    this.doubtedSinceMs = undefined
    this.offsetMs = wallMs - monotonicMs
    return wallMs
  }
}
