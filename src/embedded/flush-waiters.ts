import { MillraceError } from '../base/error.ts'
import type { LogWriter, WriterListener } from '../native/log-writer.ts'

interface Waiter {
  readonly end: number
  resolve(): void
  reject(error: Error): void
}

/** Logs that somebody waits for: an app may hold nothing but the promise. */
const awaited = new Set<object>()

/**
 * Who waits for the disk. Those that come in one turn of the loop share a flush, and those that come while one runs
 * share the next.
 */
export class FlushWaiters implements WriterListener {
  private readonly writer: LogWriter
  private readonly owner: object
  /** In the order in which they came. */
  private waiters: Waiter[] = []
  private scheduled = false
  private flushing = false
  private failure: Error | undefined
  private readonly advanced: () => void

  /** `advanced` is called when more of the log has become durable. */
  constructor(writer: LogWriter, owner: object, advanced: () => void) {
    this.writer = writer
    this.owner = owner
    this.advanced = advanced
    writer.listener = this
  }

  /** Resolves once all below `end` is durable. */
  wait(end: number): Promise<void> {
    if (end <= this.writer.durableOffset) return Promise.resolve()
    if (this.failure !== undefined) return Promise.reject(this.failure)
    return new Promise((resolve, reject) => {
      if (this.waiters.length === 0) awaited.add(this.owner)
      this.waiters.push({ end, resolve, reject })
      this.schedule()
    })
  }

  durable(offset: number): void {
    this.flushing = false
    this.advanced()
    this.settle(offset)
    if (this.waiters.length > 0) this.schedule()
  }

  failed(error: Error): void {
    this.failure = error
    this.rejectAll(error)
  }

  private rejectAll(error: Error): void {
    this.flushing = false
    const { waiters } = this
    this.waiters = []
    awaited.delete(this.owner)
    for (const waiter of waiters) waiter.reject(error)
  }

  /** The log was closed, and with that flushed. */
  resolveAll(): void {
    this.settle(Number.POSITIVE_INFINITY)
  }

  private settle(offset: number): void {
    if (this.waiters.length === 0) return
    const { waiters } = this
    this.waiters = waiters.filter(waiter => waiter.end > offset)
    if (this.waiters.length === 0) awaited.delete(this.owner)
    for (const waiter of waiters) if (waiter.end <= offset) waiter.resolve()
  }

  private schedule(): void {
    if (this.scheduled || this.flushing) return
    this.scheduled = true
    queueMicrotask(() => {
      this.scheduled = false
      if (this.waiters.length > 0) this.flush()
    })
  }

  private flush(): void {
    try {
      this.writer.seal(true)
      this.flushing = this.writer.requestFlush()
      if (!this.flushing) this.settle(this.writer.durableOffset)
    } catch (error) {
      // A disk that is full takes the batch once it has room.
      if (error instanceof MillraceError && error.code === 'MILLRACE_NO_SPACE') this.rejectAll(error)
      else this.failed(error as Error)
    }
  }
}
