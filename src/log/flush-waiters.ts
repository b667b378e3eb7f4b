import { MillraceError } from '../base/error.ts'
import type { Storage, StoredLog } from '../base/world.ts'

interface Waiter {
  readonly log: StoredLog
  readonly endOffset: number
  resolve(): void
  reject(error: Error): void
}

/** Those who wait until a log is durable up to some offset, whatever is committed. */
export class FlushWaiters {
  private waiting: Waiter[] = []

  constructor(storage: Storage) {
    storage.onDurable((log, durableOffset) => {
      for (const waiter of this.take(each => each.log === log && each.endOffset <= durableOffset)) waiter.resolve()
    })
    storage.onFailed(log => this.giveUp(log))
  }

  /** Resolves when everything below `endOffset` is durable; rejects when the log fails or goes. */
  async reached(log: StoredLog, endOffset: number): Promise<void> {
    if (log.durableOffset() >= endOffset) return
    await new Promise<void>((resolve, reject) => {
      this.waiting.push({ log, endOffset, resolve, reject })
      log.requestFlush()
    })
  }

  /** The log is about to go, or has failed: nothing of it becomes durable any more. */
  giveUp(log: StoredLog): void {
    for (const waiter of this.take(each => each.log === log))
      waiter.reject(new MillraceError('LOG_NOT_DURABLE', `The log in ${log.directory} could not be flushed.`))
  }

  private take(these: (waiter: Waiter) => boolean): Waiter[] {
    if (this.waiting.length === 0) return []
    const taken = this.waiting.filter(these)
    if (taken.length > 0) this.waiting = this.waiting.filter(waiter => !taken.includes(waiter))
    return taken
  }
}
