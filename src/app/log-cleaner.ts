import { ThreadPool } from '../cleaner/thread-pool.ts'
import type { PassEnd, SegmentCleaner } from '../embedded/log-cleaning.ts'
import type { CleanedGroup, CleanTask } from '../native/cleaner.ts'
import { realTimers } from './real-clock.ts'
import { RealThreads } from './real-threads.ts'

/** The broker's cleaner for the logs that this thread writes: one pass at a time, however many logs there are. */

// What they do can be done again: an app may end meanwhile.
const threads = new ThreadPool({ timers: realTimers, threads: new RealThreads({ keepAlive: false }) })
const waiting: (() => void)[] = []
let running: Int32Array | undefined

// The end of a process waits for its threads, and these for the native call that they are in.
process.on('exit', () => {
  if (running !== undefined) Atomics.store(running, 0, 1)
})

export const segmentCleaner: SegmentCleaner = {
  async run(task, stop, signal, place) {
    if (!(await turn(stop, signal))) return { kind: 'stopped' }
    try {
      return await pass(task, stop, place)
    } finally {
      running = undefined
      waiting.shift()?.()
    }
  },
}

/** Whether there is one, rather than the end of the waiting. */
function turn(stop: Int32Array, signal: AbortSignal): Promise<boolean> {
  return new Promise(resolve => {
    if (signal.aborted) return resolve(false)
    const begin = () => {
      signal.removeEventListener('abort', leave)
      running = stop
      resolve(true)
    }
    const leave = () => {
      waiting.splice(waiting.indexOf(begin), 1)
      resolve(false)
    }
    if (running === undefined) return begin()
    waiting.push(begin)
    signal.addEventListener('abort', leave, { once: true })
  })
}

async function pass(
  task: CleanTask,
  stop: Int32Array,
  place: (group: CleanedGroup) => Promise<boolean>,
): Promise<PassEnd> {
  const thread = threads.take()
  try {
    for (;;) {
      const outcome = await thread.run(task, stop, place)
      if (outcome.kind === 'done') return { kind: 'done', cleanEndOffset: outcome.map.cleanEndOffset }
      if (outcome.kind === 'stopped') return outcome
      // Otherwise it lacked a codec, and has it now.
      if (outcome.kind !== 'again') return { kind: 'failed', ...outcome.failure }
    }
  } finally {
    threads.giveBack(thread)
  }
}
