import { type AppendFailure, appendFailure } from '../log/append-failure.ts'
import { ErrorCode, type RequestOf } from '../protocol/index.ts'
import type { produce } from '../protocol/schema/produce.ts'
import { BatchAttributes, batchHeaderBytes, Codec, currentMagic, magicAt } from '../records/batch-header.ts'
import type { Partition } from '../replication/partition.ts'
import type { PartitionTable } from '../replication/partition-table.ts'
import { failureAs, PartitionAnswer } from './partition-answer.ts'
import type { ProduceTransaction } from './produce-transaction.ts'
import type { RequestContext } from './serve.ts'
import type { Unfolded, Unfolder, Unfolding } from './unfolder.ts'

export type ProduceRequest = RequestOf<typeof produce>
type TopicData = ProduceRequest['topicData'][number]
type PartitionData = TopicData['partitionData'][number]
type KnownTopic = ReturnType<PartitionTable['topic']>

/** Low byte of a batch's attributes: its codec, and whether it is part of a transaction. */
const kindAt = 22
const plain = 0
const foldedOrTransactional = BatchAttributes.codecMask | BatchAttributes.transactional
export const firstTopicIdVersion = 13
const firstLeaderVersion = 10
const firstZstdVersion = 7
/** How Kafka's tools call themselves that mend a coordinator's topic. */
const adminClientId = '__admin_client'

/** Partitions of one request in one turn: about half a millisecond. */
const partitionsPerTurn = 128
/** What a batch that is unfolded within the turn counts for. */
const unfoldedWeight = 16
/** Batches of one request that are unfolded beside each other. */
const unfoldedAhead = 4

interface Ahead {
  readonly topic: number
  readonly partition: number
  readonly unfolding: Unfolding
}

/**
 * The appends of one request, one after the other in its order, also where compressed batches have to be unfolded in
 * between: those that come next are begun meanwhile. It needs the frame until it is done.
 */
export class ProduceAppends {
  /** By topic and partition of the request. */
  readonly answers: PartitionAnswer[][] = []
  private readonly table: PartitionTable
  private readonly unfolder: Unfolder
  private readonly request: ProduceRequest
  private readonly context: RequestContext
  /** Of a request that names a transactional id; it is settled before the first append. */
  private readonly transaction: ProduceTransaction | undefined
  private readonly wallMs: () => number
  private nowMs = 0
  private readonly byId: boolean
  private readonly validAcks: boolean
  /** The place of the next append. */
  private topic = 0
  private partition = 0
  /** In the order of the request, the next append's first. */
  private readonly ahead: Ahead[] = []
  /** The place from where on nothing was looked at yet, for what to unfold and before that for the transaction. */
  private aheadTopic = 0
  private aheadPartition = 0
  private settled: boolean

  constructor(
    table: PartitionTable,
    unfolder: Unfolder,
    request: ProduceRequest,
    context: RequestContext,
    wallMs: () => number,
    transaction: ProduceTransaction | undefined,
  ) {
    this.table = table
    this.unfolder = unfolder
    this.request = request
    this.context = context
    this.wallMs = wallMs
    this.transaction = transaction
    this.settled = transaction === undefined
    this.byId = context.apiVersion >= firstTopicIdVersion
    this.validAcks = request.acks === 0 || request.acks === 1 || request.acks === -1
  }

  /** Goes on with the appends. Undefined when all are done, else what to wait for before it is called again. */
  step(): Promise<void> | undefined {
    if (!this.settled) {
      const due = this.settle(this.transaction!)
      if (due !== undefined) return due
    }
    const { topicData } = this.request
    this.nowMs = this.wallMs()
    let left = partitionsPerTurn
    for (; this.topic < topicData.length; this.topic++, this.partition = 0) {
      const topic = topicData[this.topic]!
      const { partitionData } = topic
      const known = this.knownTopic(topic)
      if (this.answers.length === this.topic) this.answers.push([])
      const answers = this.answers[this.topic]!
      for (; this.partition < partitionData.length; this.partition++) {
        if (left <= 0) return this.context.nextTurn()
        left--
        const data = partitionData[this.partition]!
        const partition = known?.partitions[data.index]
        const refusal = this.refusal(known, partition, data)
        if (refusal !== undefined || partition === undefined) {
          answers.push(new PartitionAnswer(data.index).refuse(refusal!))
          continue
        }
        const room = partition.room()
        if (room !== undefined) return room
        const kind = this.kindOf(data)
        if (kind === plain || (kind & BatchAttributes.codecMask) === Codec.none) {
          answers.push(this.append(partition, data, undefined))
        } else {
          left -= unfoldedWeight
          const unfolded = this.unfolded(partition, data)
          if (unfolded === undefined) return this.ahead[0]!.unfolding.done
          answers.push(this.append(partition, data, unfolded))
          this.releaseFirst()
        }
      }
    }
    return undefined
  }

  /** The connection is gone, and with it the frame. */
  abandon(): void {
    for (const { unfolding } of this.ahead.splice(0)) unfolding.release()
  }

  private knownTopic(topic: TopicData): KnownTopic {
    return this.byId ? this.table.topicById(topic.topicId) : this.table.topic(topic.name)
  }

  /** Looks through all batches for those of the transaction, then asks its coordinator about them. */
  private settle(transaction: ProduceTransaction): Promise<void> | undefined {
    const { topicData } = this.request
    for (let left = partitionsPerTurn; this.aheadTopic < topicData.length; this.aheadTopic++, this.aheadPartition = 0) {
      const topic = topicData[this.aheadTopic]!
      const known = this.knownTopic(topic)
      for (; this.aheadPartition < topic.partitionData.length; this.aheadPartition++) {
        if (left-- <= 0) return this.context.nextTurn()
        const data = topic.partitionData[this.aheadPartition]!
        const partition = known?.partitions[data.index]
        if (partition !== undefined && this.refusal(known, partition, data) === undefined)
          transaction.take(known!.name, partition, data.records)
      }
    }
    this.settled = true
    return transaction.ask()
  }

  /** In Kafka's order: is it known, is it one batch, are the acks such, may it be written, can they be had. */
  private refusal(known: KnownTopic, partition: Partition | undefined, data: PartitionData): AppendFailure | undefined {
    if (this.transaction?.failure !== undefined) return this.transaction.failure
    if (partition === undefined)
      return failureAs(
        this.byId && known === undefined ? ErrorCode.UNKNOWN_TOPIC_ID : ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
      )
    if (data.records === null || data.records.length === 0)
      return appendFailure(ErrorCode.INVALID_RECORD, 'A produce request holds one record batch per partition.')
    const kind = this.kindOf(data)
    if (kind !== plain) {
      const failure = this.refusalOfKind(kind)
      if (failure !== undefined) return failure
    }
    if (!this.validAcks) return failureAs(ErrorCode.INVALID_REQUIRED_ACKS)
    // What a coordinator reads there decides what it tells its clients; as in Kafka, only tools may write to it.
    if (known?.internal === true && this.context.clientId !== adminClientId)
      return appendFailure(ErrorCode.INVALID_TOPIC_EXCEPTION, `Cannot append to internal topic ${known.name}.`)
    if (this.request.acks === -1 && partition.belowMinIsr) return failureAs(ErrorCode.NOT_ENOUGH_REPLICAS)
    return this.transaction?.refusalOf(partition)
  }

  private refusalOfKind(kind: number): AppendFailure | undefined {
    // Readers of that age could not unfold it (KIP-110).
    if (this.context.apiVersion < firstZstdVersion && (kind & BatchAttributes.codecMask) === Codec.zstd)
      return appendFailure(ErrorCode.UNSUPPORTED_COMPRESSION_TYPE, 'zstd needs Produce version 7 or later.')
    // Kafka asks whether the client may use the transactional id, and nobody may use none.
    if ((kind & BatchAttributes.transactional) !== 0 && this.transaction === undefined)
      return failureAs(ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED)
    return undefined
  }

  private append(partition: Partition, { index, records }: PartitionData, unfolded: Unfolded | undefined) {
    const answer = new PartitionAnswer(index)
    answer.logStartOffset = partition.logStart
    if (unfolded !== undefined && !(unfolded instanceof Uint8Array)) return answer.refuse(unfolded)
    const { arena, view } = this.context
    const { position, length } = records!
    const guard = this.transaction?.guardOf(partition)
    const { acks } = this.request
    // Who asks for no answer is told of a failure by the end of the connection, which would come too late.
    const mayWait = acks !== 0
    const appended = partition.append({ arena, view, position, length, unfolded, mayWait }, this.nowMs, guard)
    if (!appended.ok) {
      answer.refuse(appended.error)
      if (answer.errorCode === ErrorCode.NOT_LEADER_OR_FOLLOWER && this.context.apiVersion >= firstLeaderVersion)
        answer.currentLeader = { leaderId: partition.leader, leaderEpoch: partition.epoch }
      return answer
    }
    const { baseOffset, endOffset, logAppendTimeMs, flushFirst, gathered } = appended.value
    answer.baseOffset = baseOffset
    answer.logAppendTimeMs = logAppendTimeMs
    answer.endOffset = endOffset
    if (gathered) partition.whenLost(answer)
    if (acks === 0 || (acks === 1 && !flushFirst)) return answer
    if (acks === -1 && gathered && partition.commitsWritten) return answer
    answer.partition = partition
    answer.durableHere = acks === 1
    return answer
  }

  /** What a batch of magic 2 says of itself; what is none is refused by its append. */
  private kindOf({ records }: PartitionData): number {
    if (records === null || records.length < batchHeaderBytes) return plain
    const { view } = this.context
    const { position } = records
    return magicAt(view, position) === currentMagic ? view.getUint8(position + kindAt) & foldedOrTransactional : plain
  }

  private codecOf(data: PartitionData): number {
    return this.kindOf(data) & BatchAttributes.codecMask
  }

  /** What the next append's batch unfolds to, or why it is refused; undefined when the first of `ahead` takes longer. */
  private unfolded(partition: Partition, data: PartitionData): Unfolded | undefined {
    const first = this.ahead[0]
    if (first !== undefined && this.isNext(first)) {
      this.lookAhead()
      return first.unfolding.result
    }
    const failure = this.checkOutside(partition, data)
    if (failure !== undefined) return failure
    // Later ones may have been begun, when this one was of no known partition yet.
    this.abandon()
    const codec = this.codecOf(data) as Codec
    const unfolded = this.unfolder.unfoldNow(codec, this.recordsOf(data))
    if (unfolded !== undefined) return unfolded
    this.aheadTopic = this.topic
    this.aheadPartition = this.partition
    this.begin(codec, data)
    this.lookAhead()
    return this.ahead[0]!.unfolding.result
  }

  /** Once the batch was appended. */
  private releaseFirst(): void {
    const first = this.ahead[0]
    if (first === undefined || !this.isNext(first)) return
    this.ahead.shift()
    first.unfolding.release()
  }

  /** Begins to unfold what comes next, of so many partitions as a turn has. */
  private lookAhead(): void {
    const { topicData } = this.request
    for (let left = partitionsPerTurn; left > 0 && this.ahead.length < unfoldedAhead; left--) {
      const topic = topicData[this.aheadTopic]
      if (topic === undefined) return
      const data = topic.partitionData[this.aheadPartition]
      if (data === undefined) {
        this.aheadTopic++
        this.aheadPartition = 0
        continue
      }
      const codec = this.codecOf(data)
      if (codec !== Codec.none && this.worthUnfolding(topic, data)) this.begin(codec as Codec, data)
      else this.aheadPartition++
    }
  }

  private begin(codec: Codec, data: PartitionData): void {
    const unfolding = this.unfolder.unfold(codec, () => this.recordsOf(data))
    this.ahead.push({ topic: this.aheadTopic, partition: this.aheadPartition++, unfolding })
  }

  private isNext({ topic, partition }: Ahead): boolean {
    return topic === this.topic && partition === this.partition
  }

  private worthUnfolding(topic: TopicData, data: PartitionData): boolean {
    const known = this.knownTopic(topic)
    const partition = known?.partitions[data.index]
    if (partition === undefined || this.refusal(known, partition, data) !== undefined) return false
    return this.checkOutside(partition, data) === undefined
  }

  /** Only a batch that is sound as far as it can be told without unfolding it is unfolded. */
  private checkOutside(partition: Partition, { records }: PartitionData): AppendFailure | undefined {
    const { log } = partition
    if (log === undefined) return failureAs(partition.refusal(-1))
    const { arena, view } = this.context
    const { position, length } = records!
    return log.checkOutside({ arena, view, position, length, unfolded: undefined }, this.nowMs)
  }

  private recordsOf({ records }: PartitionData): Uint8Array {
    const { view } = this.context
    const at = view.byteOffset + records!.position + batchHeaderBytes
    return new Uint8Array(view.buffer, at, records!.length - batchHeaderBytes)
  }
}
