import type { Timer, Timers } from '../base/world.ts'
import { ErrorCode } from '../protocol/index.ts'
import type { CommitWaiter, Partition } from '../replication/partition.ts'

/** Waits until every append of one request is committed, has failed, or the request's time is up; then calls `done`. */
export class CommitWait {
  private readonly open = new Map<CommitWaiter, { partition: Partition; fail: (code: ErrorCode) => void }>()
  private readonly timers: Timers
  private readonly timeoutMs: number
  private readonly done: () => void
  private timer: Timer | undefined

  constructor(timers: Timers, timeoutMs: number, done: () => void) {
    this.timers = timers
    this.timeoutMs = timeoutMs
    this.done = done
  }

  /** `fail` is told why, when what was appended below `endOffset` is not committed. */
  add(partition: Partition, endOffset: number, fail: (code: ErrorCode) => void): void {
    const waiter: CommitWaiter = { endOffset, onCommitted: code => this.settle(waiter, code) }
    this.open.set(waiter, { partition, fail })
  }

  start(): void {
    this.timer = this.timers.after(Math.max(this.timeoutMs, 0), () => this.expire())
    for (const [waiter, { partition }] of [...this.open]) partition.whenCommitted(waiter)
  }

  /** Nobody is there to be answered: `done` is not called. */
  abandon(): void {
    this.timer?.cancel()
    for (const [waiter, { partition }] of this.open) partition.dropCommitWaiter(waiter)
    this.open.clear()
  }

  private settle(waiter: CommitWaiter, code: ErrorCode): void {
    const wait = this.open.get(waiter)
    if (wait === undefined) return
    this.open.delete(waiter)
    if (code !== ErrorCode.NONE) wait.fail(code)
    if (this.open.size > 0) return
    this.timer?.cancel()
    this.done()
  }

  private expire(): void {
    for (const { fail } of this.open.values()) fail(ErrorCode.REQUEST_TIMED_OUT)
    this.abandon()
    this.done()
  }
}
