import type { Logger } from '../../base/logger.ts'
import type { Clock, Timer, Timers } from '../../base/world.ts'
import type { TransactionMarker } from '../../log/transaction-marker.ts'
import { consumerOffsetsTopic } from '../../metadata/image.ts'
import { ErrorCode, errorName } from '../../protocol/index.ts'
import type { CommitWaiter, Partition } from '../../replication/partition.ts'
import type { PartitionTable } from '../../replication/partition-table.ts'
import type { MarkerJob, PartitionList, TopicPartition } from './transaction.ts'

export interface MarkerWriterParts {
  readonly table: PartitionTable
  readonly clock: Clock
  readonly timers: Timers
  readonly logger: Logger
  /** Ends a transaction in a partition of `__consumer_offsets`, in order with what the coordinator of groups writes there. */
  readonly endInGroups: EndInGroups
  /** For tests that kill a broker at a certain point. */
  readonly reached?: ((milestone: string) => void) | undefined
}

/**
 * Resolves with NONE when the marker is committed, or with why not. `wanted` is asked before the marker is written, if
 * that is not at once.
 */
export type EndInGroups = (partition: number, marker: TransactionMarker, wanted: () => boolean) => Promise<ErrorCode>

const firstRetryMs = 20
const lastRetryMs = 1_000
/** Written in one turn of the loop: about a millisecond. */
const markersPerTurn = 64

/** A job on its way: each of its partitions gets one marker, tried until it is durable. */
interface Writing {
  readonly job: MarkerJob
  readonly marker: TransactionMarker
  readonly sinceMs: number
  readonly done: () => void
  /** Partitions of which the marker is not durable. */
  left: number
  failed: TopicPartition[]
  retryMs: number
  /** The log says that it takes long. */
  told: boolean
  retryTimer: Timer | undefined
  /** Nothing more is written of it, and nobody is told. */
  over: boolean
}

/** Partitions of a job whose marker is to be written. */
interface Portion {
  readonly writing: Writing
  readonly partitions: Iterator<TopicPartition>
  left: number
}

/** For metrics. */
export interface MarkerCounts {
  /** Transactions that are decided and whose markers are not all in. */
  jobs: number
  /** For how long the first of them has been decided, in milliseconds. */
  oldestMs: number
  markers: number
  retries: number
  /** Markers that a partition refused for good: it knows a newer epoch of the producer. */
  refused: number
}

/**
 * Writes the markers that end transactions in their partitions. What is decided in one turn of the loop is written
 * together, as far as a turn allows, so that the logs are synced once for all of it.
 */
export class MarkerWriter {
  private readonly parts: MarkerWriterParts
  /** By transactional id: a job takes the place of an earlier one, of which no marker may follow. */
  private readonly open = new Map<string, Writing>()
  private readonly queued: Portion[] = []
  /** A turn is asked for in which the queue is written. */
  private scheduled = false
  private stopped = false
  private readonly tally = { markers: 0, retries: 0, refused: 0 }

  constructor(parts: MarkerWriterParts) {
    this.parts = parts
  }

  get counts(): MarkerCounts {
    const nowMs = this.parts.clock.monotonicMs()
    let oldestMs = 0
    for (const { sinceMs } of this.open.values()) oldestMs = Math.max(oldestMs, nowMs - sinceMs)
    return { jobs: this.open.size, oldestMs, ...this.tally }
  }

  /** `done` is called, in a later turn, when all markers of the job are durable. */
  write(job: MarkerJob, done: () => void): void {
    if (this.stopped) return
    const before = this.open.get(job.transactionalId)
    if (before !== undefined) this.end(before)
    const { producerId, producerEpoch, coordinatorEpoch, committed, transactionVersion } = job
    const writing: Writing = {
      job,
      marker: { producerId, producerEpoch, coordinatorEpoch, committed, transactionVersion },
      sinceMs: this.parts.clock.monotonicMs(),
      done,
      left: job.partitions.length,
      failed: [],
      retryMs: firstRetryMs,
      told: false,
      retryTimer: undefined,
      over: false,
    }
    this.open.set(job.transactionalId, writing)
    this.enqueue(writing, job.partitions)
  }

  stop(): void {
    this.stopped = true
    for (const writing of [...this.open.values()]) this.end(writing)
  }

  private end(writing: Writing): void {
    writing.over = true
    writing.retryTimer?.cancel()
    this.open.delete(writing.job.transactionalId)
  }

  private enqueue(writing: Writing, partitions: PartitionList): void {
    this.queued.push({ writing, partitions: partitions[Symbol.iterator](), left: partitions.length })
    if (this.scheduled) return
    this.scheduled = true
    queueMicrotask(() => this.writeQueued())
  }

  private writeQueued(): void {
    const { queued } = this
    const waiters: MarkerWaiter[] = []
    let done = 0
    let left = markersPerTurn
    for (; done < queued.length; done++) {
      const portion = queued[done]!
      const { writing, partitions } = portion
      if (!writing.over && writing.left === 0) this.finished(writing)
      for (; left > 0 && !writing.over && portion.left > 0; left--) {
        portion.left--
        this.append(writing, partitions.next().value, waiters)
      }
      if (!writing.over && portion.left > 0) break
    }
    queued.splice(0, done)
    this.scheduled = queued.length > 0
    if (this.scheduled) this.parts.timers.soon(() => this.writeQueued())
    this.awaitAll(waiters)
  }

  /**
   * All of them are in their logs before the first log is asked to be synced. Topics that need no sync to commit wait for it
   * here: a marker that went with the page cache, of a transaction that is over, would hold back readers for ever.
   */
  private awaitAll(waiters: readonly MarkerWaiter[]): void {
    if (waiters.length > 0) this.parts.reached?.('markers appended')
    for (const waiter of waiters) waiter.partition.whenDurable(waiter)
  }

  private append(writing: Writing, at: TopicPartition, waiters: MarkerWaiter[]): void {
    const { table, clock } = this.parts
    const { marker } = writing
    const settle = (code: ErrorCode): void => this.settled(writing, at, code)
    const partition = table.topic(at.topic)?.partitions[at.partition]
    if (partition === undefined) {
      // Deleted with its topic: nobody reads there.
      settle(ErrorCode.NONE)
      return
    }
    this.tally.markers++
    if (at.topic === consumerOffsetsTopic) {
      void this.parts.endInGroups(at.partition, marker, () => !writing.over).then(settle)
      return
    }
    const appended = partition.appendMarker(marker, clock.wallMs())
    if (appended.ok) waiters.push(new MarkerWaiter(partition, appended.value.endOffset, settle))
    else settle(appended.error.code)
  }

  private settled(writing: Writing, at: TopicPartition, code: ErrorCode): void {
    if (writing.over) return
    const { topic, partition } = at
    const { transactionalId } = writing.job
    switch (code) {
      case ErrorCode.NONE:
        break
      case ErrorCode.INVALID_PRODUCER_EPOCH:
        // Somebody with a newer epoch has ended what was open here, as an administrator may.
        this.tally.refused++
        this.parts.logger.warn(
          { transactionalId, topic, partition },
          'a partition knows a newer epoch of a producer than that of the transaction which ends: it is left as it is',
        )
        break
      case ErrorCode.TRANSACTION_COORDINATOR_FENCED:
        this.tally.refused++
        this.parts.logger.warn({ transactionalId, topic, partition }, 'a newer coordinator has the transaction')
        this.end(writing)
        return
      default:
        // Once at first, and once it takes long.
        if (writing.retryMs === firstRetryMs || (writing.retryMs === lastRetryMs && !writing.told)) {
          writing.told = writing.retryMs === lastRetryMs
          this.parts.logger.info(
            { transactionalId, topic, partition, error: errorName(code), retryMs: writing.retryMs },
            'the marker of a transaction could not be written, and is tried again until it is',
          )
        }
        writing.failed.push(at)
        this.retryLater(writing)
        return
    }
    if (--writing.left === 0) this.finished(writing)
  }

  private retryLater(writing: Writing): void {
    if (writing.retryTimer !== undefined) return
    writing.retryTimer = this.parts.timers.after(writing.retryMs, () => {
      writing.retryTimer = undefined
      const { failed } = writing
      writing.failed = []
      this.tally.retries += failed.length
      this.enqueue(writing, failed)
    })
    writing.retryMs = Math.min(writing.retryMs * 2, lastRetryMs)
  }

  private finished(writing: Writing): void {
    this.end(writing)
    this.parts.reached?.('markers durable')
    writing.done()
  }
}

class MarkerWaiter implements CommitWaiter {
  readonly partition: Partition
  readonly endOffset: number
  readonly onCommitted: (code: ErrorCode) => void

  constructor(partition: Partition, endOffset: number, settle: (code: ErrorCode) => void) {
    this.partition = partition
    this.endOffset = endOffset
    this.onCommitted = settle
  }
}
