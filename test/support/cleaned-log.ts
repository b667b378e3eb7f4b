import { segmentCleaner } from '../../src/app/log-cleaner.ts'
import { keepingTimers, realClock, realTimers } from '../../src/app/real-clock.ts'
import { type Log, openLog } from '../../src/embedded/log.ts'
import type { SegmentCleaner } from '../../src/embedded/log-cleaning.ts'
import type { LogOptions } from '../../src/embedded/log-options.ts'

/** How long a log waits for anything at most. */
const waitMsMax = 2

/** Opens a log that looks at its segments all the time. `passed` is told of each pass. */
export function openCleanedLog(directory: string, options: LogOptions, passed = () => {}): Promise<Log> {
  const cleaner: SegmentCleaner = {
    async run(...asked) {
      const end = await segmentCleaner.run(...asked)
      if (end.kind === 'failed') throw new Error(`${end.code}: ${end.message}`)
      if (end.kind === 'done') passed()
      return end
    },
  }
  const world = {
    timers: {
      after: (delayMs: number, run: () => void) => realTimers.after(Math.min(delayMs, waitMsMax), run),
      soon: realTimers.soon,
    },
    waits: keepingTimers,
    clock: realClock,
    segmentCleaner: async () => cleaner,
    warn: (code: string, message: string) => {
      throw new Error(`${code}: ${message}`)
    },
  }
  return openLog(world, directory, options)
}

/** Opens a log, has it rewrite its segments once, and closes it. */
export async function cleanOnce(directory: string, options: LogOptions): Promise<void> {
  const kept = setInterval(() => undefined, 1000)
  let passed: () => void = () => {}
  const pass = new Promise<void>(resolve => {
    passed = resolve
  })
  const log = await openCleanedLog(directory, options, passed)
  try {
    await pass
  } finally {
    clearInterval(kept)
    await log.close()
  }
}
