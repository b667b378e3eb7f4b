import type { Timer, Timers } from '../base/world.ts'

/** Between looks at a writer elsewhere: soon after it has written, and never later than the last of these. */
const firstLookMs = 1
const lastLookMs = 10

/**
 * Those who wait for records that are not there yet. A writer in this thread wakes them; one elsewhere is looked at by a
 * timer, which runs only while somebody waits.
 */
export class TailWaiters {
  private readonly timers: Timers
  private readonly woken: boolean
  private readonly grew: () => boolean
  private readonly waiting = new Set<() => void>()
  private timer: Timer | undefined
  private delayMs = firstLookMs

  /** `woken`: somebody will call `wake`. `grew` is whether a look finds more than the last one did. */
  constructor(timers: Timers, woken: boolean, grew: () => boolean) {
    this.timers = timers
    this.woken = woken
    this.grew = grew
  }

  /** Resolves with the next `wake`, with `signal`, or when a look finds more. */
  wait(signal: AbortSignal | undefined): Promise<void> {
    if (signal?.aborted === true) return Promise.resolve()
    return new Promise(resolve => {
      const done = () => {
        this.waiting.delete(done)
        signal?.removeEventListener('abort', done)
        if (this.waiting.size === 0) this.stop()
        resolve()
      }
      this.waiting.add(done)
      signal?.addEventListener('abort', done)
      this.delayMs = firstLookMs
      if (!this.woken) this.timer ??= this.timers.after(this.delayMs, () => this.look())
    })
  }

  wake(): void {
    if (this.waiting.size === 0) return
    for (const done of [...this.waiting]) done()
  }

  private look(): void {
    this.timer = undefined
    let found: boolean
    try {
      found = this.grew()
    } catch {
      found = true // They meet the failure themselves.
    }
    if (found) {
      this.wake()
      return
    }
    this.delayMs = Math.min(this.delayMs * 2, lastLookMs)
    this.timer = this.timers.after(this.delayMs, () => this.look())
  }

  private stop(): void {
    this.timer?.cancel()
    this.timer = undefined
  }
}
