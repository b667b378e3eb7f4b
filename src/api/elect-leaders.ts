import type { ClusterImage, TopicImage } from '../metadata/image.ts'
import { ErrorCode, errorMessage, type RequestOf, type ResponseInput } from '../protocol/index.ts'
import { electLeaders } from '../protocol/schema/elect-leaders.ts'
import type { PartitionTable } from '../replication/partition-table.ts'
import { type ApiHandler, serve } from './serve.ts'
import { TurnShare } from './turn-share.ts'

/**
 * ElectLeaders v0-2: the one replica leads already, so an election of either kind is ELECTION_NOT_NEEDED; of a partition
 * whose log failed there is nobody else to elect. All partitions (null) are told by topic, without those that need none.
 */
export function serveElectLeaders(image: ClusterImage, table: PartitionTable): ApiHandler {
  return serve(electLeaders, { min: 0, max: 2, wide: true }, async (request, context) => {
    const { electionType, topicPartitions } = request
    const share = new TurnShare(context)
    const known = electionType === ElectionType.preferred || electionType === ElectionType.unclean
    if (!known) {
      const refusal: Verdict = { code: ErrorCode.INVALID_REQUEST, message: `Unknown election type ${electionType}` }
      return answer(await resultsOf(topicPartitions ?? [], () => refusal, share), refusal.code)
    }
    const elect = (topic: string, partition: number) => judge(image.topic(topic), topic, partition)
    if (topicPartitions !== null) return answer(await resultsOf(topicPartitions, elect, share))
    const results: TopicResult[] = []
    for (const topic of [...image.topics()]) {
      const due = share.spend(topic.partitions.length)
      if (due !== undefined) await due
      const all = topic.partitions.map((_, partition) => resultOf(partition, elect(topic.name, partition)))
      const partitionResult = all.filter(({ errorCode }) => errorCode !== ErrorCode.ELECTION_NOT_NEEDED)
      results.push({ topic: topic.name, partitionResult })
    }
    return answer(results)

    function judge(topic: TopicImage | undefined, name: string, partition: number): Verdict {
      const unknown = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
      if (topic === undefined) return { code: unknown, message: `No such topic as ${name}` }
      if (topic.partitions[partition] === undefined)
        return { code: unknown, message: `No such partition as ${name}-${partition}` }
      if (table.topicById(topic.id)?.partitions[partition]?.log !== undefined) return notNeeded
      return electionType === ElectionType.preferred ? preferredGone : eligibleGone
    }
  })
}

const ElectionType = { preferred: 0, unclean: 1 } as const

type TopicResult = ResponseInput<typeof electLeaders>['replicaElectionResults'][number]
type Asked = NonNullable<RequestOf<typeof electLeaders>['topicPartitions']>

interface Verdict {
  readonly code: ErrorCode
  readonly message: string
}

const notNeeded: Verdict = {
  code: ErrorCode.ELECTION_NOT_NEEDED,
  message: 'Leader election not needed for topic partition.',
}
const verdict = (code: ErrorCode): Verdict => ({ code, message: errorMessage(code) })
const preferredGone = verdict(ErrorCode.PREFERRED_LEADER_NOT_AVAILABLE)
const eligibleGone = verdict(ErrorCode.ELIGIBLE_LEADERS_NOT_AVAILABLE)

const resultOf = (partitionId: number, { code, message }: Verdict) => ({
  partitionId,
  errorCode: code,
  errorMessage: message,
})

async function resultsOf(
  asked: Asked,
  elect: (topic: string, partition: number) => Verdict,
  share: TurnShare,
): Promise<TopicResult[]> {
  const results: TopicResult[] = []
  for (const { topic, partitions } of asked) {
    const partitionResult: ReturnType<typeof resultOf>[] = []
    results.push({ topic, partitionResult })
    for (const partition of partitions) {
      partitionResult.push(resultOf(partition, elect(topic, partition)))
      const due = share.spend()
      if (due !== undefined) await due
    }
    const due = share.spend()
    if (due !== undefined) await due
  }
  return results
}

const answer = (
  replicaElectionResults: readonly TopicResult[],
  errorCode: ErrorCode = ErrorCode.NONE,
): ResponseInput<typeof electLeaders> => ({ throttleTimeMs: 0, errorCode, replicaElectionResults })
