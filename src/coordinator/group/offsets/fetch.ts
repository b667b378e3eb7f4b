import { ErrorCode, type RequestOf, type ResponseInput, type Uuid, zeroUuid } from '../../../protocol/index.ts'
import type { offsetFetch } from '../../../protocol/schema/offset-fetch.ts'
import type { TopicsView } from '../topics-view.ts'
import type { CommittedOffset } from './committed-offset.ts'
import type { OffsetTable } from './offset-table.ts'
import type { PendingOffsets } from './pending-offsets.ts'

/** One group of an OffsetFetch request, as versions from 8 on have it. */
export type FetchedGroup = RequestOf<typeof offsetFetch>['groups'][number]
/** What one group is answered. */
export type FetchedGroupAnswer = NonNullable<ResponseInput<typeof offsetFetch>['groups']>[number]

type TopicAnswer = NonNullable<FetchedGroupAnswer['topics']>[number]
type PartitionAnswer = NonNullable<TopicAnswer['partitions']>[number]

export interface FetchTerms {
  readonly offsets: OffsetTable
  readonly pending: PendingOffsets
  readonly topics: TopicsView
  /** The request names topics by id, and so does the answer. */
  readonly byTopicId: boolean
  /** Partitions with offsets of open transactions are not answered. */
  readonly requireStable: boolean
}

/** What the partitions of one topic are answered. */
export function fetchTopic(
  groupId: string,
  asked: { readonly name: string; readonly topicId: Uuid; readonly partitionIndexes: readonly number[] },
  terms: FetchTerms,
): TopicAnswer {
  const topic = terms.byTopicId ? terms.topics.topicById(asked.topicId) : terms.topics.topic(asked.name)
  const { partitionIndexes, name, topicId } = asked
  if (terms.byTopicId && topic === undefined)
    return { name, topicId, partitions: partitionIndexes.map(index => none(index, ErrorCode.UNKNOWN_TOPIC_ID)) }
  const stored = topic?.name ?? name
  const partitions = partitionIndexes.map(index => {
    if (terms.requireStable && terms.pending.has(groupId, stored, index)) return unstable(index)
    const committed = terms.offsets.get(groupId, stored, index)
    return committed === undefined || isOfAnother(committed, topic?.id) ? none(index) : some(index, committed)
  })
  return { name, topicId, partitions }
}

/** Of one partition, in microseconds. */
const fetchCost = 2

/**
 * All that the group has committed, in steps. By topic id, topics that are gone are left out: there is no id to name them by.
 * Between steps anything may change: what is there no more is left out, and nothing is met twice.
 */
export function* fetchAllTopics(groupId: string, terms: FetchTerms): Generator<number, TopicAnswer[]> {
  const answer: TopicAnswer[] = []
  for (const name of [...terms.offsets.topics(groupId)]) {
    const topic = terms.topics.topic(name)
    if (terms.byTopicId && topic === undefined) continue
    const partitions: PartitionAnswer[] = []
    for (const index of [...terms.offsets.partitions(groupId, name)]) {
      yield fetchCost
      const committed = terms.offsets.get(groupId, name, index)
      if (committed === undefined) continue
      if (terms.requireStable && terms.pending.has(groupId, name, index)) partitions.push(unstable(index))
      else if (!isOfAnother(committed, topic?.id)) partitions.push(some(index, committed))
    }
    if (partitions.length > 0) answer.push({ name, topicId: topic?.id ?? zeroUuid, partitions })
  }
  return answer
}

/** The topic was deleted and made again since: its offsets mean nothing now. */
function isOfAnother(committed: CommittedOffset, topicId: Uuid | undefined): boolean {
  return topicId !== undefined && committed.topicId !== zeroUuid && committed.topicId !== topicId
}

const none = (partitionIndex: number, errorCode: ErrorCode = ErrorCode.NONE): PartitionAnswer => ({
  partitionIndex,
  committedOffset: -1,
  committedLeaderEpoch: -1,
  metadata: '',
  errorCode,
})
const unstable = (partitionIndex: number): PartitionAnswer => none(partitionIndex, ErrorCode.UNSTABLE_OFFSET_COMMIT)
const some = (partitionIndex: number, { offset, leaderEpoch, metadata }: CommittedOffset): PartitionAnswer => ({
  partitionIndex,
  committedOffset: offset,
  committedLeaderEpoch: leaderEpoch,
  metadata,
  errorCode: ErrorCode.NONE,
})
