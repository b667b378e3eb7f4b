import { MillraceError } from '../../base/error.ts'
import type { AbortedTransaction } from '../../log/transaction-marker.ts'
import { ErrorCode } from '../../protocol/index.ts'
import type { Partition, ReadOutcome } from '../../replication/partition.ts'
import type { PartitionTable } from '../../replication/partition-table.ts'
import type { ColdReads } from '../cold-reads.ts'
import type { RequestContext } from '../serve.ts'
import { TurnShare } from '../turn-share.ts'
import { type FetchTarget, firstTopicIdVersion, type PartitionResponse } from './target.ts'

/** What a request asks of all its partitions. */
export interface FetchParams {
  readonly table: PartitionTable
  readonly apiVersion: number
  readonly readCommitted: boolean
  readonly fromFollower: boolean
  readonly minBytes: number
  readonly maxBytes: number
  /** In a session: a partition without news gets no answer. */
  readonly newsOnly: boolean
}

const emptyRecords = new Uint8Array(0)
/** Reads that find the log cut under them, of one partition in one request. */
const maxColdReads = 8

/**
 * One reading of all partitions of a request (KIP-74): in their order, until the limits are reached, the first batch
 * whatever its size. Pins what it finds. Works in slices of a turn; what is not in the page cache is read by a worker
 * thread, while other requests are served.
 */
export class Reading {
  /** By target; undefined where a session has no news. */
  readonly results: (PartitionResponse | undefined)[] = []
  bytes = 0
  private readonly params: FetchParams
  private readonly targets: readonly FetchTarget[]
  private readonly context: RequestContext
  private readonly coldReads: ColdReads
  private readonly share: TurnShare
  /** There is nothing more to wait for: an error, records of an older segment, a diverging epoch. */
  private complete = false
  /** Some partition exists. */
  private readable = false
  private coldAttempts = 0
  private stopped = false

  constructor(
    params: FetchParams,
    targets: readonly FetchTarget[],
    context: RequestContext,
    coldReads: ColdReads,
    share = new TurnShare(context),
  ) {
    this.params = params
    this.targets = targets
    this.context = context
    this.coldReads = coldReads
    this.share = share
  }

  /** Reads on. Undefined once everything is read; else what to await before the next step. */
  step(): Promise<void> | undefined {
    const { targets, results } = this
    while (results.length < targets.length) {
      const target = targets[results.length]!
      const cold = this.read(target)
      if (cold !== undefined) return cold
      const due = this.share.spend()
      if (due !== undefined) return due
    }
    return undefined
  }

  /** True when there is enough, or nothing to wait for. */
  get satisfied(): boolean {
    return this.complete || !this.readable || this.bytes >= this.params.minBytes
  }

  /** The connection is gone: what is read from now on goes back at once. */
  stop(): void {
    this.stopped = true
  }

  private read(target: FetchTarget): Promise<void> | undefined {
    target.resolve(this.params.table, this.params.apiVersion >= firstTopicIdVersion)
    const { partition } = target
    if (partition === undefined) {
      if (!target.missing) this.complete = true
      return this.fail(target.unknown, target)
    }
    this.readable = true
    if (this.params.fromFollower) return this.fail(ErrorCode.NOT_LEADER_OR_FOLLOWER, target)
    const refused = partition.refusal(target.currentLeaderEpoch)
    if (refused !== ErrorCode.NONE) return this.fail(refused, target)
    if (target.lastFetchedEpoch >= 0) {
      const found = partition.endOfEpoch(target.lastFetchedEpoch)
      if (found.endOffset < 0) return this.fail(ErrorCode.OFFSET_OUT_OF_RANGE, target)
      if (found.epoch < target.lastFetchedEpoch || found.endOffset < target.fetchOffset)
        return this.diverge(target, partition, found.epoch, found.endOffset)
    }
    const maxBytes = this.limit(target)
    // The first batch of a response may pass every limit: without it a large batch would stop its reader for ever.
    const wholeFirstBatch = this.bytes === 0
    if (maxBytes <= 0 && !wholeFirstBatch) return this.find(target, partition, 0, 0)
    const outcome = partition.read(target.fetchOffset, maxBytes, this.params.readCommitted, wholeFirstBatch)
    if (outcome.wouldBlock) return this.readCold(target, partition, maxBytes, wholeFirstBatch)
    return this.take(target, partition, outcome)
  }

  private limit(target: FetchTarget): number {
    return Math.max(0, Math.min(target.maxBytes, this.params.maxBytes - this.bytes))
  }

  private async readCold(target: FetchTarget, partition: Partition, maxBytes: number, whole: boolean): Promise<void> {
    if (++this.coldAttempts > maxColdReads) return this.fail(ErrorCode.KAFKA_STORAGE_ERROR, target)
    const { readCommitted } = this.params
    const outcome = await this.coldReads.run(async () =>
      this.stopped ? nothing : await partition.readCold(target.fetchOffset, maxBytes, readCommitted, whole),
    )
    if (this.stopped) {
      if (outcome.length > 0) this.context.freeRegion(outcome.region)
      return
    }
    if (!outcome.wouldBlock) await this.take(target, partition, outcome)
  }

  private take(target: FetchTarget, partition: Partition, outcome: ReadOutcome): Promise<void> | undefined {
    this.coldAttempts = 0
    const { code, region, length } = outcome
    if (code !== ErrorCode.NONE) return this.fail(code, target)
    if (length === 0) return this.find(target, partition, region, length)
    if (!this.params.readCommitted) return this.hold(target, partition, outcome, nothingAborted)
    // Told behind the read: whatever of the region belongs to a transaction that was aborted is listed by now.
    const aborted = partition.abortedTransactions(target.fetchOffset, outcome.end)
    return 'then' in aborted
      ? this.holdOnceKnown(target, partition, outcome, aborted)
      : this.hold(target, partition, outcome, aborted)
  }

  private async holdOnceKnown(
    target: FetchTarget,
    partition: Partition,
    outcome: ReadOutcome,
    reading: Promise<readonly AbortedTransaction[]>,
  ): Promise<void> {
    let aborted: readonly AbortedTransaction[]
    try {
      aborted = await reading
    } catch (error) {
      this.context.freeRegion(outcome.region)
      if (!(error instanceof MillraceError)) throw error
      if (!this.stopped) this.fail(ErrorCode.KAFKA_STORAGE_ERROR, target)
      return
    }
    if (this.stopped) this.context.freeRegion(outcome.region)
    else this.hold(target, partition, outcome, aborted)
  }

  private hold(
    target: FetchTarget,
    partition: Partition,
    { region, length }: ReadOutcome,
    aborted: readonly AbortedTransaction[],
  ): undefined {
    this.context.holdRegion(region)
    this.bytes += length
    // A region ends with its segment: what comes after it can be had at once, so there is nothing to wait for.
    if (this.bytes < this.params.minBytes && partition.belowActiveSegment(target.fetchOffset)) this.complete = true
    return this.find(target, partition, region, length, aborted)
  }

  private find(
    target: FetchTarget,
    partition: Partition,
    region: number,
    length: number,
    aborted = nothingAborted,
  ): undefined {
    const { highWatermark, logStart } = partition
    const news = length > 0 || highWatermark !== target.toldHighWatermark || logStart !== target.toldLogStart
    if (!news && this.params.newsOnly) {
      this.results.push(undefined)
      return undefined
    }
    this.results.push({
      partitionIndex: target.index,
      errorCode: ErrorCode.NONE,
      highWatermark,
      lastStableOffset: partition.lastStable,
      logStartOffset: logStart,
      abortedTransactions: this.params.readCommitted ? aborted : null,
      records: length > 0 ? { region, length } : emptyRecords,
    })
    return undefined
  }

  private diverge(target: FetchTarget, partition: Partition, epoch: number, endOffset: number): undefined {
    this.complete = true
    this.results.push({
      partitionIndex: target.index,
      errorCode: ErrorCode.NONE,
      highWatermark: partition.highWatermark,
      lastStableOffset: partition.lastStable,
      logStartOffset: partition.logStart,
      divergingEpoch: { epoch, endOffset },
      abortedTransactions: null,
      records: emptyRecords,
    })
    return undefined
  }

  private fail(errorCode: ErrorCode, target: FetchTarget): undefined {
    const { partition } = target
    if (partition !== undefined) this.complete = true
    const response = {
      partitionIndex: target.index,
      errorCode: codeFor(errorCode, this.params.apiVersion),
      highWatermark: -1,
      lastStableOffset: -1,
      logStartOffset: -1,
      abortedTransactions: null,
      records: emptyRecords,
    }
    const moved = errorCode === ErrorCode.NOT_LEADER_OR_FOLLOWER || errorCode === ErrorCode.FENCED_LEADER_EPOCH
    if (!moved || partition === undefined || this.params.apiVersion < firstLeaderVersion) this.results.push(response)
    else this.results.push({ ...response, currentLeader: { leaderId: partition.leader, leaderEpoch: partition.epoch } })
    return undefined
  }
}

/** From here on an answer that sends a client elsewhere says where (KIP-951). */
const firstLeaderVersion = 16
/** Clients before it know no KAFKA_STORAGE_ERROR. */
const firstStorageErrorVersion = 6
const codeFor = (code: ErrorCode, apiVersion: number): ErrorCode =>
  code === ErrorCode.KAFKA_STORAGE_ERROR && apiVersion < firstStorageErrorVersion
    ? ErrorCode.NOT_LEADER_OR_FOLLOWER
    : code

const nothingAborted: readonly AbortedTransaction[] = []
const nothing: ReadOutcome = { code: ErrorCode.NONE, region: 0, length: 0, end: 0, wouldBlock: false }
