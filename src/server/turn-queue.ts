import type { Clock } from '../base/world.ts'

/** Something that takes turns: a connection with requests to start, a large request on its way through its decoder. */
export interface TurnTaker {
  /** It stands in line. Only TurnQueue writes to it. */
  queued: boolean
  /** Does one piece of work (one request), and gets in line again for the next. */
  takeTurn(): void
}

/**
 * Who has something to do, each once, in a ring: everybody gets one piece done before anybody gets a second, and after
 * `turnMs` the loop goes back to the sockets. So a client waits for one piece of work of each other busy client, never
 * for all that one of them has sent.
 */
export class TurnQueue {
  private readonly clock: Clock
  private readonly turnMs: number
  private line: TurnTaker[] = []
  private next = 0

  constructor(clock: Clock, turnMs: number) {
    this.clock = clock
    this.turnMs = turnMs
  }

  get empty(): boolean {
    return this.next === this.line.length
  }

  add(taker: TurnTaker): void {
    if (taker.queued) return
    taker.queued = true
    this.line.push(taker)
  }

  /** Works until nobody is left or the turn that began at `startMs` is over. A piece of work is never cut. */
  run(startMs: number): void {
    while (this.next < this.line.length) {
      const taker = this.line[this.next++]!
      if (this.next === this.line.length || this.next === compactAbove) this.compact()
      taker.queued = false
      taker.takeTurn()
      if (this.clock.monotonicMs() - startMs >= this.turnMs) return
    }
  }

  private compact(): void {
    this.line = this.next === this.line.length ? [] : this.line.slice(this.next)
    this.next = 0
  }
}

/** Places of the line that were served and are still in its array, at most. */
const compactAbove = 4096
