import type { Storage, StoredLog } from '../base/world.ts'
import { StatusCode } from '../native/status.ts'

interface Watcher {
  onDurable(durableOffset: number): void
  onFailed(status: number, systemError: number): void
  /** See Storage.gatherAppends; of a log that takes what its process writes alone there is nothing to hear. */
  onLost?(status: number): void
  onWritten?(): void
}

/** Hands what becomes of the appends of all logs to whoever watches each of them. */
export class Durability {
  private readonly watchers = new Map<StoredLog, Watcher>()

  /** `onFailed` hears of each failure before who watches that log. */
  constructor(storage: Storage, onFailed: () => void = () => {}) {
    storage.onDurable((log, durableOffset) => this.watchers.get(log)?.onDurable(durableOffset))
    storage.onGathered((log, status) => {
      const watcher = this.watchers.get(log)
      if (status === StatusCode.ok) watcher?.onWritten?.()
      else watcher?.onLost?.(status)
    })
    storage.onFailed((log, status, systemError) => {
      onFailed()
      this.watchers.get(log)?.onFailed(status, systemError)
    })
  }

  watch(log: StoredLog, watcher: Watcher): void {
    this.watchers.set(log, watcher)
  }

  unwatch(log: StoredLog): void {
    this.watchers.delete(log)
  }
}
