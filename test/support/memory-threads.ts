import type { ThreadListener, ThreadName, Threads, Timers, WorkerThread } from '../../src/base/world.ts'
import type { FromThread } from '../../src/cleaner/protocol.ts'

/** The other side of a thread: what runs on it, in a test. */
export interface ThreadBody {
  onMessage(message: unknown): void
}

/** A thread of a test's own: messages arrive soon, in order, in either direction. */
export class MemoryThread implements WorkerThread {
  readonly name: ThreadName
  ended = false
  /** What it was sent, oldest first. */
  readonly received: unknown[] = []
  private readonly timers: Timers
  private readonly listener: ThreadListener
  private body: ThreadBody | undefined

  constructor(name: ThreadName, timers: Timers, listener: ThreadListener) {
    this.name = name
    this.timers = timers
    this.listener = listener
  }

  run(body: ThreadBody): void {
    this.body = body
  }

  post(message: unknown): void {
    const copy = structuredClone(message)
    this.timers.soon(() => {
      if (this.ended) return
      this.received.push(copy)
      this.body?.onMessage(copy)
    })
  }

  async end(): Promise<void> {
    this.finish(undefined)
  }

  /** From the thread to who started it. */
  send(message: unknown): void {
    const copy = structuredClone(message)
    this.timers.soon(() => {
      if (!this.ended) this.listener.onMessage(copy)
    })
  }

  die(error: Error): void {
    this.finish(error)
  }

  private finish(error: Error | undefined): void {
    if (this.ended) return
    this.ended = true
    this.timers.soon(() => this.listener.onEnd(error))
  }
}

/** Threads on which nothing can be done, and says so, until a test says what runs on them. */
export class MemoryThreads implements Threads {
  readonly started: MemoryThread[] = []
  /** What runs on each thread that is started. */
  body: (thread: MemoryThread) => ThreadBody | undefined = refuse
  private readonly timers: Timers

  constructor(timers: Timers) {
    this.timers = timers
  }

  start(name: ThreadName, listener: ThreadListener): WorkerThread {
    const thread = new MemoryThread(name, this.timers, listener)
    const body = this.body(thread)
    if (body !== undefined) thread.run(body)
    this.started.push(thread)
    return thread
  }
}

const refuse = (thread: MemoryThread): ThreadBody => ({
  onMessage() {
    const failure = { code: 'TEST', message: 'no cleaner runs in this test', segment: -1, position: -1 }
    thread.send({ kind: 'failed', failure } satisfies FromThread)
  },
})
