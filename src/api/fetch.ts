import type { Timer, Timers } from '../base/world.ts'
import { ErrorCode, type RequestOf, type ResponseInput } from '../protocol/index.ts'
import { fetch } from '../protocol/schema/fetch.ts'
import type { Partition, ReadWaiter } from '../replication/partition.ts'
import type { PartitionTable } from '../replication/partition-table.ts'
import { type ApiHandler, type RequestContext, serve } from './serve.ts'

/**
 * Fetch v4-18 for consumers: long poll with minBytes and maxBytes, whole batches around an offset in mid-batch, records
 * as file regions that never enter this heap. No fetch sessions are kept (KIP-227): each request is answered in full
 * with session id 0, which every client accepts as a broker's choice; a request that goes on with a session gets
 * FETCH_SESSION_ID_NOT_FOUND. Followers get NOT_LEADER_OR_FOLLOWER, as brokers that hold no replica: there are none.
 */
export function serveFetch(table: PartitionTable, timers: Timers, fetchMaxBytes: number): ApiHandler {
  return serve(fetch, { min: 4, max: 18 }, (request, context) => {
    if (!isFullFetch(request.sessionEpoch)) return { errorCode: ErrorCode.FETCH_SESSION_ID_NOT_FOUND, responses: [] }
    context.releaseFrame()
    const targets = resolve(table, request, context.apiVersion)
    const attempt = new Attempt(request, context, targets, fetchMaxBytes)
    if (attempt.satisfied() || request.maxWaitMs <= 0) return attempt.response()
    attempt.discard()
    return new Promise((answer, fail) => {
      const look = () => {
        const next = new Attempt(request, context, targets, fetchMaxBytes)
        if (!poll.expired && !next.satisfied()) return next.discard()
        poll.stop()
        answer(next.response())
      }
      // It is called by timers and wake-ups, where what it throws would be nobody's and end the process.
      const poll = new LongPoll(targets, () => {
        try {
          look()
        } catch (error) {
          poll.stop()
          fail(error)
        }
      })
      context.onAbort(() => poll.stop())
      poll.start(timers, request.maxWaitMs)
    })
  })
}

type FetchRequest = RequestOf<typeof fetch>
type FetchTopic = FetchRequest['topics'][number]
type FetchPartition = FetchTopic['partitions'][number]
type FetchResponse = ResponseInput<typeof fetch>
type PartitionResponse = FetchResponse['responses'][number]['partitions'][number]

interface Target {
  readonly topic: FetchTopic
  readonly asked: FetchPartition
  readonly partition: Partition | undefined
  /** What is wrong with the topic or partition it names. */
  readonly unknown: ErrorCode
}

const firstTopicIdVersion = 13
/** Epoch 0 asks for a new session and -1 for none; both close an old one, and both are answered in full (KIP-227). */
const isFullFetch = (sessionEpoch: number): boolean => sessionEpoch === 0 || sessionEpoch === -1
/** Consumers have replica id -1, Kafka's own debugging consumers -2. */
const isFollower = (request: FetchRequest): boolean => Math.max(request.replicaId, request.replicaState.replicaId) >= 0
const emptyRecords = new Uint8Array(0)
const everything = 0x7fff_ffff

function resolve(table: PartitionTable, request: FetchRequest, apiVersion: number): Target[] {
  const byId = apiVersion >= firstTopicIdVersion
  return request.topics.flatMap(topic => {
    const known = byId ? table.topicById(topic.topicId) : table.topic(topic.topic)
    const unknown = byId && !known ? ErrorCode.UNKNOWN_TOPIC_ID : ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    return topic.partitions.map(asked => ({ topic, asked, partition: known?.partitions[asked.partition], unknown }))
  })
}

/** One reading of all partitions of a request: pins what it finds, then is answered with or discarded. */
class Attempt {
  private readonly request: FetchRequest
  private readonly context: RequestContext
  private readonly targets: readonly Target[]
  private readonly partitions: PartitionResponse[] = []
  private bytes = 0
  private complete = false
  private readonly maxBytes: number

  constructor(request: FetchRequest, context: RequestContext, targets: readonly Target[], fetchMaxBytes: number) {
    this.request = request
    this.context = context
    this.targets = targets
    this.maxBytes = Math.min(request.maxBytes, fetchMaxBytes)
    let left = this.maxBytes
    for (const target of targets) {
      const before = this.bytes
      this.partitions.push(this.read(target, left))
      left -= this.bytes - before
    }
  }

  /** True when there is enough, or nothing more to wait for. */
  satisfied(): boolean {
    const enough = Math.min(this.request.minBytes, this.maxBytes)
    if (this.complete || this.targets.length === 0 || this.bytes >= enough) return true
    // Whole batches seldom fill a limit exactly. What did not fit counts as there, or a reader far behind would wait.
    return this.bytes > 0 && this.readable() >= enough
  }

  /** Bytes that can be read now, each partition up to its own limit. */
  private readable(): number {
    let total = 0
    for (const { asked, partition } of this.targets) {
      if (partition?.log === undefined) continue
      const committed = this.request.isolationLevel === 1
      const { region, length } = partition.read(asked.fetchOffset, everything, committed, true)
      if (length === 0) continue
      this.context.freeRegion(region)
      total += Math.min(length, asked.partitionMaxBytes)
    }
    return total
  }

  discard(): void {
    this.context.dropRegions()
  }

  response(): FetchResponse {
    let next = 0
    const byId = this.context.apiVersion >= firstTopicIdVersion
    return {
      responses: this.request.topics.map(topic => ({
        ...(byId ? { topicId: topic.topicId } : { topic: topic.topic }),
        partitions: topic.partitions.map(() => this.partitions[next++]!),
      })),
    }
  }

  private read({ asked, partition, unknown }: Target, left: number): PartitionResponse {
    if (partition === undefined) return this.failed(asked, unknown)
    if (isFollower(this.request)) return this.failed(asked, ErrorCode.NOT_LEADER_OR_FOLLOWER, partition)
    const refused = partition.refusal(asked.currentLeaderEpoch)
    if (refused !== ErrorCode.NONE) return this.failed(asked, refused, partition)
    const maxBytes = Math.min(asked.partitionMaxBytes, left)
    // The first batch of a response may pass every limit: without it a large batch would stop its reader for ever.
    const wholeFirstBatch = this.bytes === 0
    const committed = this.request.isolationLevel === 1
    if (maxBytes <= 0 && !wholeFirstBatch) return this.found(asked, partition, 0, 0)
    const { code, region, length } = partition.read(
      asked.fetchOffset,
      Math.max(maxBytes, 0),
      committed,
      wholeFirstBatch,
    )
    if (code !== ErrorCode.NONE) return this.failed(asked, code, partition)
    if (length > 0) {
      this.context.holdRegion(region)
      this.bytes += length
      // A region ends with its segment: what comes after it can be had at once, so there is nothing to wait for.
      if (asked.fetchOffset < partition.log!.stored.activeBaseOffset()) this.complete = true
    }
    return this.found(asked, partition, region, length)
  }

  private found(asked: FetchPartition, partition: Partition, region: number, length: number): PartitionResponse {
    return {
      partitionIndex: asked.partition,
      errorCode: ErrorCode.NONE,
      highWatermark: partition.highWatermark,
      lastStableOffset: partition.lastStable,
      logStartOffset: partition.logStart,
      abortedTransactions: this.request.isolationLevel === 1 ? [] : null,
      records: length > 0 ? { region, length } : emptyRecords,
    }
  }

  private failed(asked: FetchPartition, errorCode: ErrorCode, partition?: Partition): PartitionResponse {
    this.complete = true
    return {
      partitionIndex: asked.partition,
      errorCode,
      highWatermark: partition?.highWatermark ?? -1,
      lastStableOffset: -1,
      logStartOffset: partition?.logStart ?? -1,
      abortedTransactions: this.request.isolationLevel === 1 ? [] : null,
      records: emptyRecords,
    }
  }
}

/** Looks again when a partition has more to read, once for all that became readable together, and when time is up. */
class LongPoll implements ReadWaiter {
  private readonly partitions: readonly Partition[]
  private readonly look: () => void
  private timer: Timer | undefined
  private scheduled = false
  private stopped = false
  expired = false

  constructor(targets: readonly Target[], look: () => void) {
    this.partitions = targets.map(target => target.partition).filter(partition => partition !== undefined)
    this.look = look
  }

  start(timers: Timers, maxWaitMs: number): void {
    for (const partition of this.partitions) partition.addReadWaiter(this)
    this.timer = timers.after(maxWaitMs, () => {
      this.expired = true
      this.look()
    })
  }

  onReadable(): void {
    if (this.scheduled) return
    this.scheduled = true
    queueMicrotask(() => {
      this.scheduled = false
      if (!this.stopped) this.look()
    })
  }

  stop(): void {
    if (this.stopped) return
    this.stopped = true
    this.timer?.cancel()
    for (const partition of this.partitions) partition.dropReadWaiter(this)
  }
}
