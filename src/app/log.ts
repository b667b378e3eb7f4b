import { resolve } from 'node:path'
import { type Log as EmbeddedLog, type LogWorld, openLog } from '../embedded/log.ts'
import type { LogOptions } from '../embedded/log-options.ts'
import { keepingTimers, realClock, realTimers } from './real-clock.ts'

/** A log in a directory of its own, in this process: see its methods. */
export type Log = EmbeddedLog

const world: LogWorld = {
  timers: realTimers,
  waits: keepingTimers,
  clock: realClock,
  // Loaded with the first pass: most logs are neither compacted nor compressed.
  segmentCleaner: async () => (await import('./log-cleaner.ts')).segmentCleaner,
  warn: (code, message) => process.emitWarning(message, { type: 'MillraceWarning', code }),
}

/** Opens logs with the real clock and timers. */
export const Log = {
  /**
   * Opens the log in a directory, and makes both where they are missing; with `readOnly`, reads one that may have its
   * writer elsewhere. A log that was not closed is recovered: every record whose `append` had returned is there. Rejects
   * with `MILLRACE_LOCKED` while another writer has it open.
   */
  async open(directory: string, options: LogOptions = {}): Promise<Log> {
    // A log goes on with its files by their names, wherever the process has gone by then.
    return openLog(world, resolve(directory), options)
  },
} as const
