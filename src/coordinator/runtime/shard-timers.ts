import type { Clock, Timer, Timers } from '../../base/world.ts'
import type { Turn } from './shard.ts'

export type TurnWork = (turn: Turn) => void

interface Waiting {
  dueMs: number
  work: TurnWork
  timer: Timer
  /** When `timer` fires, which is no later than it is due. */
  readonly firesMs: number
}

/**
 * What one shard waits for, by key. Sessions are put off with every heartbeat: a timer that is there already is left to
 * fire, and then waits for the rest.
 */
export class ShardTimers {
  private readonly waiting = new Map<string, Waiting>()
  private readonly clock: Clock
  private readonly timers: Timers
  private readonly run: (work: TurnWork) => void

  constructor(clock: Clock, timers: Timers, run: (work: TurnWork) => void) {
    this.clock = clock
    this.timers = timers
    this.run = run
  }

  get size(): number {
    return this.waiting.size
  }

  after(key: string, delayMs: number, work: TurnWork): void {
    const dueMs = this.clock.monotonicMs() + Math.max(delayMs, 0)
    const before = this.waiting.get(key)
    if (before !== undefined && before.firesMs <= dueMs) {
      before.dueMs = dueMs
      before.work = work
      return
    }
    before?.timer.cancel()
    this.arm(key, dueMs, work)
  }

  cancel(key: string): void {
    this.waiting.get(key)?.timer.cancel()
    this.waiting.delete(key)
  }

  cancelAll(): void {
    for (const { timer } of this.waiting.values()) timer.cancel()
    this.waiting.clear()
  }

  private arm(key: string, dueMs: number, work: TurnWork): void {
    const nowMs = this.clock.monotonicMs()
    const delayMs = Math.min(Math.max(dueMs - nowMs, 0), longestDelayMs)
    const timer = this.timers.after(delayMs, () => this.fired(key, entry))
    const entry: Waiting = { dueMs, work, timer, firesMs: nowMs + delayMs }
    this.waiting.set(key, entry)
  }

  private fired(key: string, entry: Waiting): void {
    if (this.waiting.get(key) !== entry) return
    // Timers may fire a little before their time.
    if (entry.dueMs - this.clock.monotonicMs() >= 1) this.arm(key, entry.dueMs, entry.work)
    else {
      this.waiting.delete(key)
      this.run(entry.work)
    }
  }
}

/** What a timer of the world can wait. */
const longestDelayMs = 0x7fff_ffff
