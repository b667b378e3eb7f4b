import { ErrorCode, type RequestOf, type Uuid } from '../../../protocol/index.ts'
import type { offsetCommit } from '../../../protocol/schema/offset-commit.ts'
import type { Turn } from '../../runtime/shard.ts'
import type { TopicFacts, TopicsView } from '../topics-view.ts'
import { offsetRecord } from './committed-offset.ts'

/** As OffsetCommit and TxnOffsetCommit both have them. */
export type TopicOfCommit = RequestOf<typeof offsetCommit>['topics'][number]

export interface TopicOfCommitAnswer {
  readonly name: string
  readonly topicId: Uuid
  readonly partitions: { readonly partitionIndex: number; readonly errorCode: ErrorCode }[]
}

/** A partition that there is. */
export type KnownPartition = readonly [topic: TopicFacts, partition: number]

export interface CommitTerms {
  readonly topics: TopicsView
  /** The request names topics by id. */
  readonly byTopicId: boolean
  readonly metadataMaxLength: number
  readonly expireTimestamp: number
  /** Asked once, if there are any partitions: NONE, or why the group takes none of them from this client. */
  refuse(partitions: Iterable<KnownPartition>): ErrorCode
}

/**
 * Takes what may be taken of a commit, partition by partition; a bad one has no effect on the others. No log has an offset
 * of 2^53 or more, and what is decoded as the number before it may be one: it is refused, and never kept rounded.
 */
export function takeCommit(
  groupId: string,
  topics: readonly TopicOfCommit[],
  terms: CommitTerms,
  turn: Turn,
): { answer: TopicOfCommitAnswer[]; taken: number } {
  let taken = 0
  const unknownTopic = terms.byTopicId ? ErrorCode.UNKNOWN_TOPIC_ID : ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
  let refusal: ErrorCode | undefined

  const take = (topic: TopicFacts | undefined, partition: TopicOfCommit['partitions'][number]): ErrorCode => {
    if (topic === undefined) return unknownTopic
    if (!exists(topic, partition.partitionIndex)) return ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    refusal ??= terms.refuse(knownPartitions(topics, terms))
    if (refusal !== ErrorCode.NONE) return refusal
    if (Math.abs(partition.committedOffset) >= Number.MAX_SAFE_INTEGER) return ErrorCode.INVALID_COMMIT_OFFSET_SIZE
    const metadata = partition.committedMetadata ?? ''
    if (metadata.length > terms.metadataMaxLength) return ErrorCode.OFFSET_METADATA_TOO_LARGE
    const record = offsetRecord(groupId, topic.name, partition.partitionIndex, {
      offset: partition.committedOffset,
      leaderEpoch: partition.committedLeaderEpoch,
      metadata,
      commitTimestamp: turn.wallMs,
      expireTimestamp: terms.expireTimestamp,
      topicId: topic.id,
    })
    if (!turn.fits(record)) return ErrorCode.INVALID_COMMIT_OFFSET_SIZE
    turn.append(record)
    taken++
    return ErrorCode.NONE
  }

  const answer = topics.map(asked => {
    const topic = topicOf(asked, terms)
    const partitions = asked.partitions.map(partition => ({
      partitionIndex: partition.partitionIndex,
      errorCode: take(topic, partition),
    }))
    return { name: asked.name, topicId: asked.topicId, partitions }
  })
  return { answer, taken }
}

function topicOf({ name, topicId }: TopicOfCommit, { topics, byTopicId }: CommitTerms): TopicFacts | undefined {
  return byTopicId ? topics.topicById(topicId) : topics.topic(name)
}

const exists = (topic: TopicFacts, partition: number): boolean => partition >= 0 && partition < topic.partitions

function* knownPartitions(topics: readonly TopicOfCommit[], terms: CommitTerms): Generator<KnownPartition> {
  for (const asked of topics) {
    const topic = topicOf(asked, terms)
    if (topic === undefined) continue
    for (const { partitionIndex } of asked.partitions) if (exists(topic, partitionIndex)) yield [topic, partitionIndex]
  }
}

/** When a client asks for a retention of its own (OffsetCommit before 5): -1 otherwise. */
export function expireTimestamp(retentionTimeMs: number, wallMs: number): number {
  return retentionTimeMs === -1 ? -1 : Math.min(wallMs + retentionTimeMs, Number.MAX_SAFE_INTEGER)
}
