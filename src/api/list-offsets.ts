import { MillraceError } from '../base/error.ts'
import type { Timer, Timers } from '../base/world.ts'
import type { PartitionLog } from '../log/partition-log.ts'
import { ErrorCode, type RequestOf, type ResponseInput } from '../protocol/index.ts'
import { listOffsets } from '../protocol/schema/list-offsets.ts'
import type { Partition } from '../replication/partition.ts'
import type { PartitionTable } from '../replication/partition-table.ts'
import type { ColdReads } from './cold-reads.ts'
import { type ApiHandler, type RequestContext, serve } from './serve.ts'
import type { FoundRecord } from './time-search.ts'
import { TurnShare } from './turn-share.ts'

/**
 * ListOffsets v1-11: latest (high watermark, or last stable offset for committed reads; the log end for brokers), earliest,
 * the first record at or after a timestamp, the record with the largest one (KIP-734); local and tiered starts as a
 * broker without tiered storage answers them (KIP-405, KIP-1005, KIP-1023). Only records that the client could read are
 * found. Searches read files on worker threads, some at once; `timeoutMs` (v10+) bounds them, and what was not found by
 * then is REQUEST_TIMED_OUT.
 */
export function serveListOffsets(table: PartitionTable, timers: Timers, coldReads: ColdReads): ApiHandler {
  return serve(listOffsets, { min: 1, max: 11 }, async (request, context) => {
    const listing = new Listing(table, coldReads, request, context)
    const due = listing.answerAtOnce()
    if (due !== undefined) await due
    if (listing.searching) await listing.search(timers)
    return { topics: listing.topics }
  })
}

type ListOffsetsRequest = RequestOf<typeof listOffsets>
type AskedPartition = ListOffsetsRequest['topics'][number]['partitions'][number]
type TopicResponse = ResponseInput<typeof listOffsets>['topics'][number]
type PartitionResponse = { -readonly [Field in keyof Fields]: Fields[Field] }
type Fields = TopicResponse['partitions'][number]
type Meaning = 'latest' | 'earliest' | 'max-timestamp' | 'tiered'

/** Timestamps that ask for something else, with the first version that knows them. */
const specials: ReadonlyMap<number, { meaning: Meaning; since: number }> = new Map([
  [-1, { meaning: 'latest', since: 1 }],
  [-2, { meaning: 'earliest', since: 1 }],
  [-3, { meaning: 'max-timestamp', since: 7 }],
  [-4, { meaning: 'earliest', since: 8 }],
  [-5, { meaning: 'tiered', since: 9 }],
  [-6, { meaning: 'tiered', since: 11 }],
])
const firstEpochVersion = 4
const firstNotAvailableVersion = 5
const consumer = -1
/** Searches of one request that are under way at once. */
const searchesAtOnce = 4

/** A partition whose files have to be looked into; its answer is there already, and is filled in. */
interface Search {
  readonly asked: AskedPartition
  readonly partition: Partition
  readonly log: PartitionLog
  readonly answer: PartitionResponse
}

class Listing {
  readonly topics: TopicResponse[] = []
  private readonly table: PartitionTable
  private readonly coldReads: ColdReads
  private readonly request: ListOffsetsRequest
  private readonly context: RequestContext
  private readonly share: TurnShare
  private readonly searches: Search[] = []
  private readonly seen = new Map<string, Map<number, PartitionResponse>>()
  private nextSearch = 0
  private over = false

  constructor(table: PartitionTable, coldReads: ColdReads, request: ListOffsetsRequest, context: RequestContext) {
    this.table = table
    this.coldReads = coldReads
    this.request = request
    this.context = context
    this.share = new TurnShare(context)
  }

  get searching(): boolean {
    return this.searches.length > 0
  }

  /** Answers what needs no look into files. */
  async answerAtOnce(): Promise<void> {
    for (const { name, partitions } of this.request.topics) {
      const known = this.table.topic(name)
      const answers: PartitionResponse[] = []
      const seen = this.seen.get(name) ?? new Map<number, PartitionResponse>()
      this.seen.set(name, seen)
      for (const asked of partitions) {
        const answer = this.unknown(asked)
        answers.push(answer)
        const earlier = seen.get(asked.partitionIndex)
        if (earlier === undefined) {
          seen.set(asked.partitionIndex, answer)
          this.begin(asked, known?.partitions[asked.partitionIndex], answer)
        } else {
          // None of them is answered, as Kafka does.
          Object.assign(earlier, this.unknown(asked), { errorCode: ErrorCode.INVALID_REQUEST })
          answer.errorCode = ErrorCode.INVALID_REQUEST
        }
        const due = this.share.spend()
        if (due !== undefined) await due
      }
      this.topics.push({ name, partitions: answers })
    }
  }

  /** Looks into files, until everything is found or time is up. */
  async search(timers: Timers): Promise<void> {
    this.context.onAbort(() => {
      this.over = true
    })
    let timer: Timer | undefined
    const timeUp = new Promise<void>(resolve => {
      const { timeoutMs } = this.request
      if (timeoutMs > 0) timer = timers.after(timeoutMs, resolve)
    })
    const searches: Promise<void>[] = []
    for (let i = 0; i < Math.min(searchesAtOnce, this.searches.length); i++) searches.push(this.searchOn())
    try {
      await Promise.race([Promise.all(searches), timeUp])
    } finally {
      timer?.cancel()
      this.over = true
    }
  }

  private async searchOn(): Promise<void> {
    while (!this.over && this.nextSearch < this.searches.length) {
      const search = this.searches[this.nextSearch++]!
      // A partition that turned out to be asked twice.
      if (search.answer.errorCode === ErrorCode.INVALID_REQUEST) continue
      const found = await this.coldReads.run(() => this.find(search))
      if (!this.over) Object.assign(search.answer, found)
    }
  }

  private async find({ asked, partition, log }: Search): Promise<Partial<PartitionResponse>> {
    if (this.over) return {}
    const range = { from: log.logStart, limit: this.limitOf(partition, log) }
    const share = new TurnShare(this.context)
    let found: FoundRecord | undefined
    // Loaded by the first search: it brings the codecs with it.
    const { findByTime, findLatest } = await import('./time-search.ts')
    try {
      found =
        asked.timestamp >= 0
          ? await findByTime(log.stored, asked.timestamp, range, share)
          : await findLatest(log.stored, range, share)
    } catch (error) {
      if (!(error instanceof MillraceError)) throw error
      const refused = partition.refusal(asked.currentLeaderEpoch)
      return { errorCode: refused === ErrorCode.NONE ? ErrorCode.KAFKA_STORAGE_ERROR : refused }
    }
    if (found === undefined) return { errorCode: this.notYet(partition) }
    const { offset, timestamp, leaderEpoch } = found
    return { errorCode: ErrorCode.NONE, offset, timestamp, ...this.epoch(leaderEpoch) }
  }

  private begin(asked: AskedPartition, partition: Partition | undefined, answer: PartitionResponse): void {
    const special = specials.get(asked.timestamp)
    const supported = special === undefined ? asked.timestamp >= 0 : this.context.apiVersion >= special.since
    if (!supported) {
      answer.errorCode = ErrorCode.UNSUPPORTED_VERSION
      return
    }
    if (partition === undefined) return
    answer.errorCode = partition.refusal(asked.currentLeaderEpoch)
    const { log } = partition
    if (answer.errorCode !== ErrorCode.NONE || log === undefined) return
    switch (special?.meaning) {
      case 'latest':
        answer.errorCode = this.notYet(partition)
        if (answer.errorCode !== ErrorCode.NONE) return
        Object.assign(answer, { offset: this.limitOf(partition, log) }, this.epoch(partition.epoch))
        return
      case 'earliest':
        Object.assign(answer, { offset: log.logStart }, this.epoch(log.epochs.epochAt(log.logStart)))
        return
      case 'tiered':
        return
      default:
        // What is left when time is up.
        answer.errorCode = ErrorCode.REQUEST_TIMED_OUT
        this.searches.push({ asked, partition, log, answer })
    }
  }

  private limitOf(partition: Partition, log: PartitionLog): number {
    return this.request.replicaId === consumer ? partition.readLimit(this.request.isolationLevel === 1) : log.logEnd
  }

  /** A client that was told more before must not be told less now (KIP-207): it asks again. */
  private notYet(partition: Partition): ErrorCode {
    if (this.request.replicaId !== consumer || partition.recovered) return ErrorCode.NONE
    return this.context.apiVersion >= firstNotAvailableVersion
      ? ErrorCode.OFFSET_NOT_AVAILABLE
      : ErrorCode.LEADER_NOT_AVAILABLE
  }

  private unknown({ partitionIndex }: AskedPartition): PartitionResponse {
    const errorCode = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    return { partitionIndex, errorCode, timestamp: -1, offset: -1, ...this.epoch(-1) }
  }

  private epoch(leaderEpoch: number): { leaderEpoch?: number } {
    return this.context.apiVersion >= firstEpochVersion ? { leaderEpoch } : {}
  }
}
