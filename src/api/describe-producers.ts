import { lastSequenceIn, type ProducerEntry } from '../log/producer-state.ts'
import { refuseTopicName } from '../metadata/create-topic.ts'
import { ErrorCode, type RequestOf, type ResponseInput } from '../protocol/index.ts'
import { describeProducers } from '../protocol/schema/describe-producers.ts'
import type { PartitionTable, TopicPartitions } from '../replication/partition-table.ts'
import { type ApiHandler, serve } from './serve.ts'
import { TurnShare } from './turn-share.ts'

/**
 * DescribeProducers v0: the idempotent producers that a partition remembers, with the last sequence and time of each, and
 * where its open transaction begins: what holds committed reads back is found by it (KIP-664).
 */
export function serveDescribeProducers(table: PartitionTable): ApiHandler {
  return serve(describeProducers, { min: 0, max: 0, wide: true }, async (request, context) => {
    const share = new TurnShare(context)
    const topics = []
    for (const { name, partitionIndexes } of request.topics) {
      const partitions: PartitionAnswer[] = []
      topics.push({ name, partitions })
      for (const partitionIndex of partitionIndexes) {
        const described = await describe(name, partitionIndex, share)
        partitions.push(described)
        const due = share.spend()
        if (due !== undefined) await due
      }
    }
    return { throttleTimeMs: 0, topics }
  })

  async function describe(name: string, partitionIndex: number, share: TurnShare): Promise<PartitionAnswer> {
    const badName = refuseTopicName(name)
    if (badName !== undefined) return refused(partitionIndex, ErrorCode.INVALID_TOPIC_EXCEPTION, badName)
    const topic = table.topic(name)
    if (topic === undefined) return refused(partitionIndex, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, notHosted)
    const code = refusalOf(topic, partitionIndex)
    if (code !== ErrorCode.NONE) return refused(partitionIndex, code, null)
    const activeProducers: ActiveProducer[] = []
    // Producers come and go between two turns, which such a loop does not mind.
    for (const [producerId, entry] of topic.partitions[partitionIndex]!.log!.producers) {
      activeProducers.push(activeProducer(producerId, entry))
      const due = share.spend()
      if (due !== undefined) await due
    }
    return { partitionIndex, errorCode: ErrorCode.NONE, errorMessage: null, activeProducers }
  }
}

/** In Kafka's words; of a partition that a topic lacks it tells the code alone. */
const notHosted = 'This server does not host this topic-partition.'

type TopicAnswer = ResponseInput<typeof describeProducers>['topics'][number]
type PartitionAnswer = TopicAnswer['partitions'][number]
type ActiveProducer = PartitionAnswer['activeProducers'][number]
type PartitionIndex = RequestOf<typeof describeProducers>['topics'][number]['partitionIndexes'][number]

const refusalOf = ({ partitions }: TopicPartitions, index: PartitionIndex): ErrorCode =>
  partitions[index]?.refusal(-1) ?? ErrorCode.UNKNOWN_TOPIC_OR_PARTITION

const refused = (partitionIndex: number, errorCode: ErrorCode, message: string | null): PartitionAnswer => ({
  partitionIndex,
  errorCode,
  errorMessage: message,
  activeProducers: [],
})

const activeProducer = (producerId: bigint, entry: ProducerEntry): ActiveProducer => ({
  producerId,
  producerEpoch: entry.producerEpoch,
  lastSequence: lastSequenceIn(entry),
  lastTimestamp: entry.lastTimestampMs,
  coordinatorEpoch: entry.coordinatorEpoch,
  currentTxnStartOffset: entry.transactionStart,
})
