import { ErrorCode, type RequestOf, type ResponseInput } from '../protocol/index.ts'
import { offsetForLeaderEpoch } from '../protocol/schema/offset-for-leader-epoch.ts'
import type { Partition } from '../replication/partition.ts'
import type { PartitionTable } from '../replication/partition-table.ts'
import { type ApiHandler, serve } from './serve.ts'
import { TurnShare } from './turn-share.ts'

/**
 * OffsetForLeaderEpoch v2-4: the largest epoch of the log that is not above the asked one, and where it ended (KIP-101,
 * KIP-279). Epoch -1 with offset -1 where the log cannot tell: nothing was asked, or an epoch that it has not come to.
 * Before the first epoch that the log still knows, the asked one is said to end where that one begins. The leader epoch
 * that the client believes in is checked first (KIP-320).
 */
export function serveOffsetForLeaderEpoch(table: PartitionTable): ApiHandler {
  return serve(offsetForLeaderEpoch, { min: 2, max: 4, wide: true }, async (request, context) => {
    const share = new TurnShare(context)
    const topics: TopicResponse[] = []
    for (const { topic, partitions } of request.topics) {
      const known = table.topic(topic)
      const answers: PartitionResponse[] = []
      for (const asked of partitions) {
        answers.push(look(known?.partitions[asked.partition], asked))
        const due = share.spend()
        if (due !== undefined) await due
      }
      topics.push({ topic, partitions: answers })
      const due = share.spend()
      if (due !== undefined) await due
    }
    return { topics }
  })
}

type AskedPartition = RequestOf<typeof offsetForLeaderEpoch>['topics'][number]['partitions'][number]
type TopicResponse = ResponseInput<typeof offsetForLeaderEpoch>['topics'][number]
type PartitionResponse = TopicResponse['partitions'][number]

function look(
  partition: Partition | undefined,
  { partition: index, currentLeaderEpoch, leaderEpoch }: AskedPartition,
): PartitionResponse {
  if (partition === undefined) return { partition: index, errorCode: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION }
  const errorCode = partition.refusal(currentLeaderEpoch)
  if (errorCode !== ErrorCode.NONE) return { partition: index, errorCode }
  const found = partition.endOfEpoch(leaderEpoch)
  return { partition: index, errorCode, leaderEpoch: found.epoch, endOffset: found.endOffset }
}
