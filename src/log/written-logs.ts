/** A log as the line of those that were written sees it; the line keeps its links in it. */
export interface WrittenLog<Log> {
  older: Log | undefined
  newer: Log | undefined
  /** It stands in the line. */
  written: boolean
  /** The count of ticks when it was last written. */
  writtenTick: number
  /** Lets go of what serves appending; false where something of it is not durable. */
  rest(): boolean
  /** Begins to make it durable; a completion will be heard of. */
  requestFlush(): void
}

/** Logs looked at, in search of one that can rest, within one append. */
const looksPerAppend = 32
/** Flushes asked for at once when none could. */
const flushesAtOnce = 1024

/**
 * The logs that hold a descriptor and space allocated ahead because they were written lately, least recently written first.
 * There are `capacity` at most: before one more is written, the first that is durable rests. Where none is durable, they are
 * flushed, and the append waits for that.
 */
export class WrittenLogs<Log extends WrittenLog<Log>> {
  private oldest: Log | undefined
  private newest: Log | undefined
  private waiting: (() => void)[] = []
  private count = 0
  private limit: number

  constructor(capacity: number) {
    this.limit = capacity
  }

  get size(): number {
    return this.count
  }

  get capacity(): number {
    return this.limit
  }

  set capacity(capacity: number) {
    this.limit = Math.max(1, capacity)
    this.flushed()
  }

  /** Undefined when `log` may be written now, else what to wait for before this is asked again. */
  room(log: Log): Promise<void> | undefined {
    if (log.written || this.count < this.limit || this.restOne()) return undefined
    let left = flushesAtOnce
    for (let each = this.oldest; each !== undefined && left > 0; each = each.newer, left--) each.requestFlush()
    return new Promise(resolve => this.waiting.push(resolve))
  }

  /** It has been written. */
  wrote(log: Log): void {
    if (log === this.newest) return
    if (log.written) this.unlink(log)
    else this.count++
    log.written = true
    log.older = this.newest
    if (this.newest === undefined) this.oldest = log
    else this.newest.newer = log
    this.newest = log
  }

  /** It is gone, or rests. */
  drop(log: Log): void {
    if (!log.written) return
    this.unlink(log)
    log.written = false
    this.count--
    this.flushed()
  }

  /** A log has become durable, or has failed: who waits for room asks again. */
  flushed(): void {
    if (this.waiting.length === 0) return
    const waiting = this.waiting
    this.waiting = []
    for (const go of waiting) go()
  }

  /**
   * Puts those to rest that were not written since `tick`, until `enough` says so after one of them; false when there may
   * be more.
   */
  restOlder(tick: number, enough: () => boolean): boolean {
    for (let log = this.oldest; log !== undefined && log.writtenTick <= tick; ) {
      const { newer } = log
      if (log.rest()) {
        this.drop(log)
        if (enough()) return false
      }
      log = newer
    }
    return true
  }

  private restOne(): boolean {
    let left = looksPerAppend
    for (let log = this.oldest; log !== undefined && left > 0; log = log.newer, left--) {
      if (!log.rest()) continue
      this.unlink(log)
      log.written = false
      this.count--
      return true
    }
    return false
  }

  private unlink(log: Log): void {
    if (log.older === undefined) this.oldest = log.newer
    else log.older.newer = log.newer
    if (log.newer === undefined) this.newest = log.older
    else log.newer.older = log.older
    log.older = undefined
    log.newer = undefined
  }
}
