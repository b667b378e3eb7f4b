import type { Timer, Timers } from '../../base/world.ts'
import { ErrorCode } from '../../protocol/index.ts'
import type { Partition, ReadWaiter } from '../../replication/partition.ts'
import type { RequestContext } from '../serve.ts'
import { TurnShare } from '../turn-share.ts'
import type { FetchParams } from './reading.ts'
import type { FetchTarget } from './target.ts'

const everything = 0x7fff_ffff

/** One partition of a fetch that waits, and how much of it could be read when it was last looked at. */
class Watched implements ReadWaiter {
  readonly target: FetchTarget
  readonly partition: Partition
  private readonly poll: LongPoll
  bytes = 0
  changed = false

  constructor(poll: LongPoll, target: FetchTarget, partition: Partition) {
    this.poll = poll
    this.target = target
    this.partition = partition
  }

  onReadable(): void {
    this.poll.onChanged(this)
  }
}

/**
 * A fetch that waits for enough to read. A partition that changes is looked at alone, once for all that became readable
 * together, so that a wake-up costs nothing for the partitions that were silent. When it is over, everything is read anew.
 */
export class LongPoll {
  private readonly params: FetchParams
  private readonly context: RequestContext
  private readonly watched: Watched[] = []
  private changed: Watched[] = []
  private bytes = 0
  private timer: Timer | undefined
  private scheduled = false
  private over = false
  private resolve: () => void = () => {}
  private reject: (error: unknown) => void = () => {}
  private readonly done: Promise<void>

  constructor(params: FetchParams, context: RequestContext, timers: Timers, maxWaitMs: number) {
    this.params = params
    this.context = context
    this.done = new Promise((resolve, reject) => {
      this.resolve = resolve
      this.reject = reject
    })
    this.timer = timers.after(maxWaitMs, () => this.finish())
  }

  /** Fulfilled when there is enough, when time is up, and when `finish` is called. */
  async wait(targets: readonly FetchTarget[]): Promise<void> {
    const share = new TurnShare(this.context)
    for (const target of targets) {
      if (this.over) break
      this.watch(target)
      const due = share.spend()
      if (due !== undefined) await due
    }
    await this.done
  }

  onChanged(watched: Watched): void {
    if (this.over || watched.changed) return
    watched.changed = true
    this.changed.push(watched)
    if (this.scheduled) return
    this.scheduled = true
    queueMicrotask(() => this.lookAgain())
  }

  finish(): void {
    if (this.over) return
    this.over = true
    this.timer?.cancel()
    this.resolve()
    this.forget()
  }

  private watch(target: FetchTarget): void {
    if (target.partition === undefined) return
    const watched = new Watched(this, target, target.partition)
    this.watched.push(watched)
    watched.partition.addReadWaiter(watched)
    this.measure(watched)
  }

  /** What it throws must reach the request: here it would be nobody's and end the process. */
  private lookAgain(): void {
    this.scheduled = false
    const { changed } = this
    this.changed = []
    try {
      for (const watched of changed) {
        if (this.over) return
        watched.changed = false
        this.measure(watched)
      }
    } catch (error) {
      this.reject(error)
      this.finish()
    }
  }

  private measure(watched: Watched): void {
    const bytes = this.readable(watched)
    this.bytes += bytes - watched.bytes
    watched.bytes = bytes
    if (this.bytes >= this.params.minBytes) this.finish()
  }

  /** Bytes that can be read, up to the partition's own limit; as many as are waited for when waiting makes no sense. */
  private readable({ target, partition }: Watched): number {
    const { readCommitted, minBytes } = this.params
    if (partition.refusal(target.currentLeaderEpoch) !== ErrorCode.NONE) return minBytes
    if (target.fetchOffset < partition.logStart) return minBytes
    if (target.fetchOffset >= partition.readLimit(readCommitted)) return 0
    if (minBytes <= 1 || partition.belowActiveSegment(target.fetchOffset)) return minBytes
    const { code, region, length, wouldBlock } = partition.read(target.fetchOffset, everything, readCommitted, true)
    // What is no longer in the cache is far behind the end.
    if (code !== ErrorCode.NONE || wouldBlock) return minBytes
    if (length > 0) this.context.freeRegion(region)
    return Math.min(length, target.maxBytes)
  }

  /** Partitions call nobody who is over; with thousands of them, leaving takes some turns. */
  private forget(): void {
    const share = new TurnShare(this.context)
    const leave = async () => {
      for (const watched of this.watched) {
        watched.partition.dropReadWaiter(watched)
        const due = share.spend()
        if (due !== undefined) await due
      }
    }
    void leave()
  }
}
