import { type Api, ErrorCode, errorName, type RequestInput, type ResponseOf } from '../../../src/protocol/index.ts'
import { addOffsetsToTxn } from '../../../src/protocol/schema/add-offsets-to-txn.ts'
import { addPartitionsToTxn } from '../../../src/protocol/schema/add-partitions-to-txn.ts'
import { endTxn } from '../../../src/protocol/schema/end-txn.ts'
import { findCoordinator } from '../../../src/protocol/schema/find-coordinator.ts'
import { initProducerId } from '../../../src/protocol/schema/init-producer-id.ts'
import { offsetFetch } from '../../../src/protocol/schema/offset-fetch.ts'
import { produce } from '../../../src/protocol/schema/produce.ts'
import { txnOffsetCommit } from '../../../src/protocol/schema/txn-offset-commit.ts'
import { BatchAttributes } from '../../../src/records/batch-header.ts'
import { buildBatch } from '../../../src/records/record-batch.ts'
import { ConnectionLost, Line, type Surroundings } from './wire.ts'

/** Another producer has the transactional id now. */
export class Fenced extends Error {}
/** The transaction cannot be committed any more; it can be aborted. */
export class Abortable extends Error {}

export interface ProducerOptions {
  readonly transactionalId: string
  /** 1: adds partitions itself and keeps its epoch; 2: leaves them to its writes, and every end bumps the epoch. */
  readonly transactionVersion: 1 | 2
  readonly timeoutMs: number
  readonly topic: string
}

const retryMs = 25
const requestTimeoutMs = 2_000
/** How often a batch whose answer was lost is not sent again. */
const givesUp = 0.2

const codesToRetry = new Set<number>([
  ErrorCode.CONCURRENT_TRANSACTIONS,
  ErrorCode.COORDINATOR_LOAD_IN_PROGRESS,
  ErrorCode.COORDINATOR_NOT_AVAILABLE,
  ErrorCode.NOT_COORDINATOR,
  ErrorCode.NOT_ENOUGH_REPLICAS,
  ErrorCode.NOT_LEADER_OR_FOLLOWER,
  ErrorCode.LEADER_NOT_AVAILABLE,
  ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
  ErrorCode.REQUEST_TIMED_OUT,
  ErrorCode.NETWORK_EXCEPTION,
  ErrorCode.UNSTABLE_OFFSET_COMMIT,
])
const fencingCodes = new Set<number>([
  ErrorCode.PRODUCER_FENCED,
  ErrorCode.INVALID_PRODUCER_EPOCH,
  ErrorCode.INVALID_PRODUCER_ID_MAPPING,
])

/** How often something was tried in vain by requests of which nobody knows whether they were carried out. */
interface Attempts {
  lost: number
}

/** A transactional producer that speaks the protocol itself, so that it can be killed, delayed and doubled anywhere. */
export class RawProducer {
  readonly options: ProducerOptions
  private readonly at: Surroundings
  private readonly line: Line
  private producerId = -1n
  private producerEpoch = -1
  private readonly sequences = new Map<number, number>()
  private readonly added = new Set<number>()
  /** Something was written, or may have been. */
  private begun = false

  constructor(at: Surroundings, options: ProducerOptions) {
    this.at = at
    this.options = options
    this.line = new Line(at)
  }

  kill(): void {
    this.line.kill()
  }

  pause(ms: number): Promise<void> {
    return this.line.pause(ms)
  }

  /** Takes the transactional id: whoever had it is fenced, and what it left open is aborted. */
  async init(): Promise<void> {
    const { transactionalId, timeoutMs: transactionTimeoutMs } = this.options
    const body = {
      transactionalId,
      transactionTimeoutMs,
      producerId: this.producerId,
      producerEpoch: this.producerEpoch,
    }
    const answer = await this.retried(initProducerId, 5, body, ({ errorCode }) => errorCode)
    this.producerId = answer.producerId
    this.restart(answer.producerEpoch)
  }

  /**
   * Writes requests of one batch for each of their partitions, without waiting between them, at most five as real
   * producers do; returns once every batch is acknowledged.
   */
  async send(...requests: ReadonlyMap<number, readonly string[]>[]): Promise<void> {
    if (this.options.transactionVersion === 1)
      await this.add([...new Set(requests.flatMap(each => [...each.keys()]))].filter(each => !this.added.has(each)))
    this.begun = true
    let left = requests.map(
      values => new Map([...values].map(([partition, of]) => [partition, this.batchOf(partition, of)])),
    )
    // A batch whose answer is lost is sent again as it is: the same sequences make it the same batch.
    for (let tries = 0; left.length > 0; tries++) {
      if (tries > 0) await this.line.pause(retryMs * (1 + this.at.random.next()))
      const failed = await this.produceAll(left)
      if (failed !== undefined) this.refuse(failed)
      left = left.filter(({ size }) => size > 0)
      if (tries > 400) throw new Abortable('written in vain')
    }
  }

  /** Takes out what is acknowledged; returns the first code that is not to be tried again. */
  private async produceAll(requests: readonly Map<number, Uint8Array>[]): Promise<number | undefined> {
    const answers = await Promise.allSettled(requests.map(each => this.produce(each)))
    let failed: number | undefined
    let lost = false
    let unacknowledged = false
    for (const [i, answer] of answers.entries()) {
      if (answer.status === 'rejected') {
        if (!(answer.reason instanceof ConnectionLost)) throw answer.reason
        lost = true
      } else if (answer.value !== undefined) {
        // Behind a batch that has to be sent again others are out of order, and are sent again behind it.
        const follows = unacknowledged && answer.value === ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
        if (!follows) failed ??= answer.value
      }
      if (requests[i]!.size > 0) unacknowledged = true
    }
    // As after delivery.timeout.ms: what is still on its way may come behind the abort.
    if (lost && this.at.random.chance(givesUp)) throw new Abortable('given up')
    return failed
  }

  /** Makes offsets of a group part of the transaction: what was read up to there has had its effect. */
  async commitOffsets(groupId: string, topic: string, offsets: ReadonlyMap<number, number>): Promise<void> {
    const { transactionalId, transactionVersion } = this.options
    const { producerId, producerEpoch } = this
    this.begun = true
    if (transactionVersion === 1)
      await this.retried(
        addOffsetsToTxn,
        3,
        { transactionalId, producerId, producerEpoch, groupId },
        ({ errorCode }) => errorCode,
      )
    const partitions = [...offsets].map(([partitionIndex, committedOffset]) => ({
      partitionIndex,
      committedOffset,
      committedMetadata: '',
    }))
    const body = {
      transactionalId,
      groupId,
      producerId,
      producerEpoch,
      memberId: '',
      topics: [{ name: topic, partitions }],
    }
    await this.retried(
      txnOffsetCommit,
      transactionVersion === 2 ? 5 : 4,
      body,
      ({ topics }) =>
        topics[0]!.partitions.find(each => each.errorCode !== ErrorCode.NONE)?.errorCode ?? ErrorCode.NONE,
    )
  }

  /** Where a group goes on; -1 where it never committed. Waits for transactions that may yet commit. */
  async committedOffsets(groupId: string, topic: string, partitions: number): Promise<number[]> {
    await this.retried(
      findCoordinator,
      4,
      { keyType: 0, coordinatorKeys: [groupId] },
      ({ coordinators }) => coordinators[0]!.errorCode,
    )
    const partitionIndexes = Array.from({ length: partitions }, (_, i) => i)
    const body = { groups: [{ groupId, topics: [{ name: topic, partitionIndexes }] }], requireStable: true }
    const { groups } = await this.retried(offsetFetch, 8, body, answer => {
      const group = answer.groups[0]!
      const failed = group.topics[0]?.partitions.find(each => each.errorCode !== ErrorCode.NONE)
      return group.errorCode !== ErrorCode.NONE ? group.errorCode : (failed?.errorCode ?? ErrorCode.NONE)
    })
    const offsets = partitionIndexes.map(() => -1)
    for (const each of groups[0]!.topics[0]!.partitions) offsets[each.partitionIndex] = each.committedOffset
    return offsets
  }

  /** Ends the transaction. Rejects with Fenced; `lost` tells then whether an attempt may have come through before. */
  async end(committed: boolean, attempts: Attempts = { lost: 0 }): Promise<void> {
    if (!this.begun) return
    const { transactionalId, transactionVersion } = this.options
    const { producerId, producerEpoch } = this
    const body = { transactionalId, producerId, producerEpoch, committed }
    const version = transactionVersion === 2 ? 5 : 4
    const answer = await this.retried(endTxn, version, body, ({ errorCode }) => errorCode, attempts)
    this.begun = false
    this.added.clear()
    if (transactionVersion === 1) return
    this.producerId = answer.producerId ?? producerId
    this.restart(answer.producerEpoch ?? producerEpoch)
  }

  /** After an abort: in version 1 sequences go on only under another epoch once one may have been left out (KIP-360). */
  async recover(): Promise<void> {
    if (this.options.transactionVersion === 1) await this.init()
  }

  private restart(producerEpoch: number): void {
    this.producerEpoch = producerEpoch
    this.sequences.clear()
    this.added.clear()
    this.begun = false
  }

  private async add(partitions: readonly number[]): Promise<void> {
    if (partitions.length === 0) return
    const { transactionalId: v3AndBelowTransactionalId, topic: name } = this.options
    const { producerId: v3AndBelowProducerId, producerEpoch: v3AndBelowProducerEpoch } = this
    const v3AndBelowTopics = [{ name, partitions: [...partitions] }]
    const body = { v3AndBelowTransactionalId, v3AndBelowProducerId, v3AndBelowProducerEpoch, v3AndBelowTopics }
    this.begun = true
    await this.retried(addPartitionsToTxn, 3, body, ({ resultsByTopicV3AndBelow }) => {
      const codes = resultsByTopicV3AndBelow[0]!.resultsByPartition.map(({ partitionErrorCode }) => partitionErrorCode)
      return codes.find(code => code !== ErrorCode.NONE && code !== ErrorCode.OPERATION_NOT_ATTEMPTED) ?? codes[0]!
    })
    for (const partition of partitions) this.added.add(partition)
  }

  private batchOf(partition: number, values: readonly string[]): Uint8Array {
    const baseSequence = this.sequences.get(partition) ?? 0
    this.sequences.set(partition, baseSequence + values.length)
    const { producerId, producerEpoch } = this
    const records = values.map(value => ({ key: null, value: Buffer.from(value) }))
    const attributes = BatchAttributes.transactional
    return buildBatch({
      records,
      timestampMs: Math.floor(this.at.nowMs()),
      producerId,
      producerEpoch,
      baseSequence,
      attributes,
    })
  }

  /** Takes out of `left` what is acknowledged; returns the first code that is not to be tried again. */
  private async produce(left: Map<number, Uint8Array>): Promise<number | undefined> {
    const { transactionalId, topic: name, transactionVersion } = this.options
    const partitionData = [...left].map(([index, records]) => ({ index, records }))
    const version = transactionVersion === 2 ? 12 : 11
    const request = { transactionalId, acks: -1, timeoutMs: requestTimeoutMs, topicData: [{ name, partitionData }] }
    const { body } = await this.line.request(produce, version, request)
    let failed: number | undefined
    for (const { index, errorCode } of body.responses[0]!.partitionResponses) {
      if (errorCode === ErrorCode.NONE) left.delete(index)
      else if (!codesToRetry.has(errorCode)) failed ??= errorCode
    }
    return failed
  }

  /** What a produce was refused with: a stale epoch may also mean that the transaction took too long. */
  private refuse(code: number): never {
    throw code === ErrorCode.INVALID_PRODUCER_ID_MAPPING ? new Fenced(errorName(code)) : new Abortable(errorName(code))
  }

  private async retried<A extends Api>(
    api: A,
    version: number,
    body: RequestInput<A>,
    codeOf: (answer: ResponseOf<A>) => number,
    attempts: Attempts = { lost: 0 },
  ): Promise<ResponseOf<A>> {
    for (;;) {
      try {
        const answer = (await this.line.request(api, version, body)).body
        const code = codeOf(answer)
        if (code === ErrorCode.NONE) return answer
        if (fencingCodes.has(code)) throw new Fenced(`${api.name}: ${errorName(code)}`)
        if (!codesToRetry.has(code)) throw new Abortable(`${api.name}: ${errorName(code)}`)
        // What timed out may yet be carried out.
        if (code === ErrorCode.REQUEST_TIMED_OUT || code === ErrorCode.NETWORK_EXCEPTION) attempts.lost++
      } catch (error) {
        if (!(error instanceof ConnectionLost)) throw error
        attempts.lost++
      }
      await this.line.pause(retryMs * (1 + this.at.random.next()))
    }
  }
}
