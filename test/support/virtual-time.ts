import type { Clock, Timer, Timers } from '../../src/base/world.ts'

interface Due {
  readonly atMs: number
  readonly order: number
  readonly run: () => void
}

/** Bounds a test whose timers start each other without end. */
const maxSteps = 100_000

/** Clock and timers that stand still until they are told to go on; what is due at one moment runs in the order asked. */
export class VirtualTime implements Clock, Timers {
  private nowMs = 0
  private startWallMs: number
  private order = 0
  private readonly due = new Set<Due>()
  private ready: (() => void)[] = []

  constructor(startWallMs = 1_700_000_000_000) {
    this.startWallMs = startWallMs
  }

  wallMs(): number {
    return this.startWallMs + this.nowMs
  }

  /** Somebody sets the wall clock; no time passes. */
  jumpWall(ms: number): void {
    this.startWallMs += ms
  }

  monotonicMs(): number {
    return this.nowMs
  }

  after(delayMs: number, run: () => void): Timer {
    const timer: Due = { atMs: this.nowMs + Math.max(0, delayMs), order: this.order++, run }
    this.due.add(timer)
    return { cancel: () => this.due.delete(timer) }
  }

  soon(run: () => void): void {
    this.ready.push(run)
  }

  /** How many timers wait. */
  get pending(): number {
    return this.due.size
  }

  /** A piece of work of another kind that needs no time to pass, if there is any. */
  protected work(): boolean {
    return false
  }

  /** Runs everything that needs no time to pass: promises, and what was asked for "soon". */
  async settle(): Promise<void> {
    for (let step = 0; step < maxSteps; step++) {
      await drainMicrotasks()
      if (this.ready.length === 0) {
        if (this.work()) continue
        return
      }
      const batch = this.ready
      this.ready = []
      for (const run of batch) run()
    }
    throw new Error('the world does not come to rest')
  }

  /** Lets `ms` pass, timer by timer. */
  async advance(ms: number): Promise<void> {
    const until = this.nowMs + ms
    await this.settle()
    for (let next = this.next(until); next !== undefined; next = this.next(until)) {
      this.due.delete(next)
      this.nowMs = Math.max(this.nowMs, next.atMs)
      this.timePassed()
      next.run()
      await this.settle()
    }
    this.nowMs = until
  }

  /** What happens when time has come to a timer. */
  protected timePassed(): void {}

  private next(untilMs: number): Due | undefined {
    let first: Due | undefined
    for (const timer of this.due) {
      if (timer.atMs > untilMs) continue
      if (first === undefined || timer.atMs < first.atMs || (timer.atMs === first.atMs && timer.order < first.order))
        first = timer
    }
    return first
  }
}

/** Node runs every promise reaction before the loop's next turn. */
const drainMicrotasks = (): Promise<void> => new Promise(resolve => setImmediate(resolve))
