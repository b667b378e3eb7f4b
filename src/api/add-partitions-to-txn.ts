import type { TopicPartition } from '../coordinator/transaction/transaction.ts'
import type { TransactionCoordinator } from '../coordinator/transaction/transaction-coordinator.ts'
import { ErrorCode, type RequestOf, type ResponseInput } from '../protocol/index.ts'
import { addPartitionsToTxn } from '../protocol/schema/add-partitions-to-txn.ts'
import type { PartitionTable } from '../replication/partition-table.ts'
import type { LatestConnections } from './latest-connections.ts'
import { type ApiHandler, closeConnection, serve } from './serve.ts'
import { fencedAs } from './transaction-codes.ts'
import { TurnShare } from './turn-share.ts'

/**
 * AddPartitionsToTxn v0-5: all partitions are added to the transaction, or none. When it is answered that is durable. To v3
 * a client names one transaction, and no partition of a coordinator's own topic; from v4 on brokers name several, to add to
 * or to ask about. What comes late of a client's is not added to its next transaction: see LatestConnections.
 */
export function serveAddPartitionsToTxn(
  transactions: TransactionCoordinator,
  connections: LatestConnections,
  table: PartitionTable,
): ApiHandler {
  return serve(addPartitionsToTxn, { min: 0, max: 5, wide: true }, async (request, context) => {
    context.releaseFrame()
    const { apiVersion } = context
    const share = new TurnShare(context)
    if (apiVersion < batchedSince) {
      const entry: Entry = {
        transactionalId: request.v3AndBelowTransactionalId,
        producerId: request.v3AndBelowProducerId,
        producerEpoch: request.v3AndBelowProducerEpoch,
        verifyOnly: false,
        topics: request.v3AndBelowTopics,
      }
      if (connections.isLate(entry.transactionalId, entry.producerId, entry.producerEpoch, context))
        return closeConnection
      return { throttleTimeMs: 0, resultsByTopicV3AndBelow: await add(entry, apiVersion, share) }
    }
    const resultsByTransaction = []
    for (const entry of request.transactions)
      resultsByTransaction.push({
        transactionalId: entry.transactionalId,
        topicResults: await add(entry, apiVersion, share),
      })
    return { throttleTimeMs: 0, errorCode: ErrorCode.NONE, resultsByTransaction }
  })

  async function add(entry: Entry, apiVersion: number, share: TurnShare): Promise<TopicResult[]> {
    const { transactionalId, producerId, producerEpoch, verifyOnly, topics } = entry
    const partitions: TopicPartition[] = []
    const refused: ErrorCode[] = []
    for (const { name: topic, partitions: indexes } of topics)
      for (const partition of indexes) {
        partitions.push({ topic, partition })
        refused.push(refusal(topic, partition, apiVersion))
        const due = share.spend()
        if (due !== undefined) await due
      }
    if (refused.some(code => code !== ErrorCode.NONE)) {
      const { NONE, OPERATION_NOT_ATTEMPTED } = ErrorCode
      return await results(topics, at => (refused[at] === NONE ? OPERATION_NOT_ATTEMPTED : refused[at]!), share)
    }
    const codes = await transactions.addPartitions({
      transactionalId,
      producerId,
      producerEpoch,
      verifyOnly,
      transactionVersion: apiVersion >= addsImplicitlySince ? 2 : 0,
      partitions,
    })
    return await results(topics, at => fencedAs(codes[at]!, apiVersion >= fencedSince), share)
  }

  function refusal(name: string, partition: number, apiVersion: number): ErrorCode {
    const topic = table.topic(name)
    if (topic?.internal === true && apiVersion < batchedSince) return ErrorCode.TOPIC_AUTHORIZATION_FAILED
    return topic?.partitions[partition] === undefined ? ErrorCode.UNKNOWN_TOPIC_OR_PARTITION : ErrorCode.NONE
  }
}

type Entry = RequestOf<typeof addPartitionsToTxn>['transactions'][number]
type TopicResult = NonNullable<ResponseInput<typeof addPartitionsToTxn>['resultsByTopicV3AndBelow']>[number]

const fencedSince = 2
const batchedSince = 4
/** On behalf of clients whose writes add partitions (KIP-890). */
const addsImplicitlySince = 5

/** `codeAt`: by the partition's place among all of the request's. */
async function results(
  topics: Entry['topics'],
  codeAt: (at: number) => ErrorCode,
  share: TurnShare,
): Promise<TopicResult[]> {
  const answers: TopicResult[] = []
  let at = 0
  for (const { name, partitions } of topics) {
    const resultsByPartition: TopicResult['resultsByPartition'][number][] = []
    for (const partitionIndex of partitions) {
      resultsByPartition.push({ partitionIndex, partitionErrorCode: codeAt(at++) })
      const due = share.spend(unitsPerResult)
      if (due !== undefined) await due
    }
    answers.push({ name, resultsByPartition })
  }
  return answers
}

/** About what one takes, in microseconds. */
const unitsPerResult = 0.2
