import type { Storage, StoredLog } from '../base/world.ts'

/** Flushes logs, all at once, so that they are synced together, and waits for the last of them. */
export class FlushWait {
  private readonly ends = new Map<StoredLog, number>()
  private readonly failed = new WeakSet<StoredLog>()
  private done: (() => void) | undefined

  constructor(storage: Storage) {
    storage.onDurable((log, durableOffset) => {
      if (durableOffset >= (this.ends.get(log) ?? Number.POSITIVE_INFINITY)) this.finished(log)
    })
    storage.onFailed(log => {
      this.failed.add(log)
      this.finished(log)
    })
  }

  /**
   * Resolves when each is durable as far as it goes now, or has failed. Those that were `recovered` are durable by their
   * offsets already, and wait for their first flush all the same. One call at a time.
   */
  async flush(logs: Iterable<StoredLog>, recovered = false): Promise<void> {
    for (const log of logs) if (!this.failed.has(log)) this.ends.set(log, log.logEndOffset())
    if (this.ends.size === 0) return
    const done = new Promise<void>(resolve => {
      this.done = resolve
    })
    for (const [log, end] of [...this.ends]) {
      log.requestFlush()
      // It may have become durable by its age before it was asked: then nobody keeps the process alive for the news.
      if (!recovered && log.durableOffset() >= end) this.finished(log)
    }
    await done
  }

  private finished(log: StoredLog): void {
    if (!this.ends.delete(log) || this.ends.size > 0) return
    this.done?.()
    this.done = undefined
  }
}
