import type { Timer, Timers } from '../base/world.ts'
import { ErrorCode } from '../protocol/index.ts'
import type { CommitWaiter, Partition } from '../replication/partition.ts'

/** What was appended to one partition, on its way to being committed. */
export abstract class PendingCommit implements CommitWaiter {
  /** Undefined where there is nothing to wait for. */
  partition: Partition | undefined
  /** Everything below it must be committed. */
  endOffset = -1
  /** It is enough that it is durable on this replica. */
  durableHere = false
  private wait: CommitWait | undefined

  /** It is not committed, and why. */
  protected abstract commitFailed(code: ErrorCode): void

  get waiting(): boolean {
    return this.wait !== undefined
  }

  begin(wait: CommitWait): void {
    this.wait = wait
  }

  onCommitted(code: ErrorCode): void {
    const { wait } = this
    if (wait === undefined) return
    this.wait = undefined
    if (code !== ErrorCode.NONE) this.commitFailed(code)
    wait.settled()
  }

  /** Nobody waits any more. */
  giveUp(code?: ErrorCode): void {
    if (this.wait === undefined) return
    this.wait = undefined
    this.partition?.dropCommitWaiter(this)
    if (code !== undefined) this.commitFailed(code)
  }
}

/** Waits until all appends of one request are committed, have failed, or the request's time is up. */
export class CommitWait {
  private readonly timers: Timers
  private readonly commits: readonly PendingCommit[]
  private open = 0
  private timer: Timer | undefined
  private done: (() => void) | undefined

  constructor(timers: Timers, commits: readonly PendingCommit[]) {
    this.timers = timers
    this.commits = commits
  }

  /** False when there is nothing to wait for; else `done` is called, in a later turn. */
  start(timeoutMs: number, done: () => void): boolean {
    // One more than there are, so that none of those that are committed at once is the last.
    this.open = 1
    for (const commit of this.commits) {
      const { partition } = commit
      if (partition === undefined) continue
      this.open++
      commit.begin(this)
      if (commit.durableHere) partition.whenDurable(commit)
      else partition.whenCommitted(commit)
    }
    if (--this.open === 0) return false
    this.done = done
    this.timer = this.timers.after(Math.max(timeoutMs, 0), () => this.expire())
    return true
  }

  /** Nobody is there to be answered: `done` is not called. */
  abandon(): void {
    this.done = undefined
    this.timer?.cancel()
    for (const commit of this.commits) commit.giveUp()
  }

  /** For PendingCommit: one of them is over. */
  settled(): void {
    if (--this.open > 0) return
    this.timer?.cancel()
    this.done?.()
  }

  private expire(): void {
    for (const commit of this.commits) commit.giveUp(ErrorCode.REQUEST_TIMED_OUT)
    this.done?.()
  }
}
