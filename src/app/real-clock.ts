import type { Clock, Timers } from '../base/world.ts'

// By itself: a log in an app needs no more of the world, and what else there is of it takes two megabytes.

// The global `performance`: Node loads what is behind it when it is first used, which a log does not.
export const realClock: Clock = { wallMs: () => Date.now(), monotonicMs: () => performance.now() }

export const realTimers: Timers = {
  after(delayMs, run) {
    const timer = setTimeout(run, Math.min(delayMs, 0x7fffffff))
    timer.unref()
    return { cancel: () => clearTimeout(timer) }
  },
  soon(run) {
    setImmediate(run)
  },
}

/** The same, but the process waits for them. */
export const keepingTimers: Timers = {
  after(delayMs, run) {
    const timer = setTimeout(run, Math.min(delayMs, 0x7fffffff))
    return { cancel: () => clearTimeout(timer) }
  },
  soon: realTimers.soon,
}
