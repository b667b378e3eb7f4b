import assert from 'node:assert/strict'
import { ErrorCode } from '../../src/protocol/index.ts'
import { addOffsetsToTxn } from '../../src/protocol/schema/add-offsets-to-txn.ts'
import { addPartitionsToTxn } from '../../src/protocol/schema/add-partitions-to-txn.ts'
import { endTxn } from '../../src/protocol/schema/end-txn.ts'
import { fetch } from '../../src/protocol/schema/fetch.ts'
import { findCoordinator } from '../../src/protocol/schema/find-coordinator.ts'
import { initProducerId } from '../../src/protocol/schema/init-producer-id.ts'
import { produce } from '../../src/protocol/schema/produce.ts'
import { txnOffsetCommit } from '../../src/protocol/schema/txn-offset-commit.ts'
import { attributesAt, BatchAttributes, batchSizeAt, producerIdAt } from '../../src/records/batch-header.ts'
import { readRecords } from '../../src/records/record-batch.ts'
import { batchOf, type TestBroker } from './test-broker.ts'
import type { TestClient } from './test-client.ts'

/** Versions of a client before transactions v2, and of one that speaks it. */
export const v1 = { init: 4, add: 3, addOffsets: 3, produce: 11, offsets: 4, end: 4 }
export const v2 = { init: 5, add: 3, addOffsets: 4, produce: 12, offsets: 5, end: 5 }

/** A transactional producer that does only what it is told, with raw requests; it keeps its id, epoch and sequences. */
export class TransactionalClient {
  readonly client: TestClient
  readonly transactionalId: string
  /** Clients take those of the cluster's level with each transaction. */
  versions: typeof v1
  producerId = -1n
  producerEpoch = -1
  timeoutMs = 60_000
  private readonly sequences = new Map<string, number>()

  constructor(broker: TestBroker, transactionalId: string, versions = v2) {
    this.client = broker.connect()
    this.transactionalId = transactionalId
    this.versions = versions
  }

  /** Finds its coordinator, then begins. */
  async begin(): Promise<this> {
    const { coordinators } = await this.client.call(findCoordinator, 4, {
      keyType: 1,
      coordinatorKeys: [this.transactionalId],
    })
    assert.equal(coordinators[0]?.errorCode, ErrorCode.NONE)
    assert.equal(await this.init(), ErrorCode.NONE)
    return this
  }

  async init(as: { producerId: bigint; producerEpoch: number } = { producerId: -1n, producerEpoch: -1 }) {
    const { errorCode, producerId, producerEpoch } = await this.client.call(initProducerId, this.versions.init, {
      transactionalId: this.transactionalId,
      transactionTimeoutMs: this.timeoutMs,
      ...as,
    })
    if (errorCode === ErrorCode.NONE) this.become(producerId, producerEpoch)
    return errorCode
  }

  private become(producerId: bigint, producerEpoch: number): void {
    this.producerId = producerId
    this.producerEpoch = producerEpoch
    this.sequences.clear()
  }

  async add(...partitions: readonly (readonly [topic: string, partition: number])[]): Promise<ErrorCode[]> {
    const { resultsByTopicV3AndBelow } = await this.client.call(addPartitionsToTxn, this.versions.add, {
      v3AndBelowTransactionalId: this.transactionalId,
      v3AndBelowProducerId: this.producerId,
      v3AndBelowProducerEpoch: this.producerEpoch,
      v3AndBelowTopics: partitions.map(([name, partition]) => ({ name, partitions: [partition] })),
    })
    return resultsByTopicV3AndBelow.flatMap(({ resultsByPartition }) =>
      resultsByPartition.map(({ partitionErrorCode }) => partitionErrorCode),
    )
  }

  async write(topic: string, index: number, ...values: readonly string[]): Promise<ErrorCode> {
    const place = `${topic}-${index}`
    const baseSequence = this.sequences.get(place) ?? 0
    const { producerId, producerEpoch, transactionalId } = this
    const attributes = BatchAttributes.transactional
    const records = batchOf(values, { producerId, producerEpoch, baseSequence, attributes })
    const { responses } = await this.client.call(produce, this.versions.produce, {
      transactionalId,
      acks: -1,
      timeoutMs: 1_000,
      topicData: [{ name: topic, partitionData: [{ index, records }] }],
    })
    const { errorCode } = responses[0]!.partitionResponses[0]!
    if (errorCode === ErrorCode.NONE) this.sequences.set(place, baseSequence + values.length)
    return errorCode
  }

  async addOffsets(groupId: string): Promise<ErrorCode> {
    const { transactionalId, producerId, producerEpoch } = this
    const request = { transactionalId, producerId, producerEpoch, groupId }
    return (await this.client.call(addOffsetsToTxn, this.versions.addOffsets, request)).errorCode
  }

  async commitOffset(groupId: string, topic: string, partitionIndex: number, committedOffset: number) {
    const { transactionalId, producerId, producerEpoch } = this
    const partitions = [{ partitionIndex, committedOffset, committedMetadata: '' }]
    const answer = await this.client.call(txnOffsetCommit, this.versions.offsets, {
      transactionalId,
      groupId,
      producerId,
      producerEpoch,
      memberId: '',
      topics: [{ name: topic, partitions }],
    })
    return answer.topics[0]!.partitions[0]!.errorCode
  }

  async end(committed: boolean): Promise<ErrorCode> {
    const { transactionalId, producerId, producerEpoch } = this
    const request = { transactionalId, producerId, producerEpoch, committed }
    const answer = await this.client.call(endTxn, this.versions.end, request)
    if (answer.errorCode === ErrorCode.NONE && this.versions.end >= v2.end)
      this.become(answer.producerId, answer.producerEpoch)
    return answer.errorCode
  }
}

/** The values that a reader of a partition gets to see, from its beginning; `committed`: of transactions that were committed. */
export async function readValues(client: TestClient, topic: string, partition: number, committed = true) {
  const reply = await client.exchange(fetch, 11, {
    replicaId: -1,
    maxWaitMs: 0,
    minBytes: 0,
    maxBytes: 1 << 20,
    isolationLevel: committed ? 1 : 0,
    sessionId: 0,
    sessionEpoch: -1,
    topics: [
      {
        topic,
        partitions: [{ partition, fetchOffset: 0, logStartOffset: -1, partitionMaxBytes: 1 << 20 }],
      },
    ],
    forgottenTopicsData: [],
    rackId: '',
  })
  const answer = reply.body.responses[0]!.partitions[0]!
  assert.equal(answer.errorCode, ErrorCode.NONE)
  const aborted = [...(answer.abortedTransactions ?? [])]
  const hidden = new Set<bigint>()
  const values: string[] = []
  const bytes = reply.records(answer.records)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  for (let at = 0; at < bytes.length; at += batchSizeAt(view, at)) {
    const baseOffset = Number(view.getBigInt64(at))
    const producerId = producerIdAt(view, at)
    const attributes = attributesAt(view, at)
    for (let each = aborted.length - 1; each >= 0; each--)
      if (aborted[each]!.firstOffset <= baseOffset) hidden.add(aborted.splice(each, 1)[0]!.producerId)
    if ((attributes & BatchAttributes.control) !== 0) hidden.delete(producerId)
    else if ((attributes & BatchAttributes.transactional) === 0 || !hidden.has(producerId))
      for (const { value } of readRecords(bytes, at)) values.push(new TextDecoder().decode(value!))
  }
  return { values, highWatermark: answer.highWatermark, lastStableOffset: answer.lastStableOffset }
}
