import { type Addon, type RawEngine, Slot } from './addon.ts'
import { checkStatus } from './errors.ts'
import { loadAddon } from './load-addon.ts'

export interface EngineOptions {
  /** Threads that sync files. */
  flushThreads?: number
  /** An unflushed byte waits no longer, while the device keeps up. */
  flushMaxAgeMs?: number
  /** Unflushed bytes of one log above which it is flushed before its age says so. */
  flushMaxBytes?: number
  /** So long after somebody began to wait for a flush the machine's processors do not halt; 0: they may. */
  awakeMs?: number
}

/** What receives the entries of one delivery. */
export interface DeliverySink {
  deliver(count: number): void
}

/**
 * One native engine: its storage, its network, and the calls that come from it. Each delivery is one turn: flush
 * completions first, so that the replies they cause leave with those of the frames behind them.
 */
export class Engine {
  readonly raw: RawEngine
  #completions: DeliverySink | undefined
  #events: DeliverySink | undefined
  #turnEnd: (() => void) | undefined
  #closed: Promise<void> | undefined

  constructor(options: EngineOptions = {}, addon: Addon = loadAddon()) {
    const { flushThreads = 2, flushMaxAgeMs = 100, flushMaxBytes = 64 * 1024 * 1024, awakeMs = 0 } = options
    this.raw = addon.createEngine(flushThreads, flushMaxAgeMs, flushMaxBytes, awakeMs)
    this.raw.onDeliver((events, completions) => {
      if (completions > 0) this.#completions?.deliver(completions)
      if (events > 0) this.#events?.deliver(events)
      this.#turnEnd?.()
    })
  }

  onCompletions(sink: DeliverySink): void {
    this.#completions = sink
  }

  onEvents(sink: DeliverySink | undefined, turnEnd: (() => void) | undefined): void {
    this.#events = sink
    this.#turnEnd = turnEnd
  }

  /** Throws when a call did not answer 0. */
  check(action: string, status: number): void {
    if (status !== 0) checkStatus(action, status, this.raw.block[Slot.systemError])
  }

  /** Fulfilled when files, threads and sockets are gone. Logs still open are let go without a clean close. */
  close(): Promise<void> {
    this.#closed ??= this.raw.close()
    return this.#closed
  }
}

/** Runs a listener; what it throws is reported as uncaught, and the rest of the delivery still arrives. */
export function guarded(run: () => void): void {
  try {
    run()
  } catch (error) {
    queueMicrotask(() => {
      throw error
    })
  }
}
