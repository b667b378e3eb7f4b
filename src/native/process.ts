import type { DirectoryLock } from '../base/world.ts'
import { fromNative } from './errors.ts'
import { loadAddon } from './load-addon.ts'

/** CRC-32C (Castagnoli), as record batches carry it. */
export const crc32c = (bytes: Uint8Array): number => loadAddon().crc32c(bytes)

/**
 * Takes an exclusive lock on a file, which is made when missing; undefined when anybody, this process included, holds it.
 * The lock ends with the process (or worker thread), however it ends.
 */
export function lockFile(path: string): DirectoryLock | undefined {
  const addon = loadAddon()
  let lock: number
  try {
    lock = addon.lockFile(path)
  } catch (failure) {
    throw fromNative(`lock ${path}`, failure)
  }
  if (lock < 0) return undefined
  let held = true
  return {
    release() {
      if (held) addon.unlockFile(lock)
      held = false
    },
  }
}

/** The kernel tells a process's start in ticks of 10 ms. */
const tickMs = 10
/** Loading Node.js itself takes a few milliseconds, never this long. */
const loadMsMax = 100

/**
 * Milliseconds since exec of this process, right within 5. The kernel's start time gives an interval of one tick; Node's
 * own clock began later than exec, so it narrows the interval from below; the answer is its middle. The kernel counts
 * from fork: where a long-lived shell script ended in `exec node`, its time is of no use and Node's is taken.
 * `sinceNodeMs` is what Node's own clock says (`performance.now()`).
 */
export function sinceExecMs(sinceNodeMs: number): number {
  const atMostMs = loadAddon().processAgeMs()
  const atLeastMs = Math.max(atMostMs - tickMs, sinceNodeMs)
  if (atMostMs < atLeastMs || atLeastMs - sinceNodeMs > loadMsMax) return sinceNodeMs
  return (atLeastMs + atMostMs) / 2
}
