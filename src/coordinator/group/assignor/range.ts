import type { Uuid } from '../../../protocol/index.ts'
import {
  type Assignment,
  type AssignmentInput,
  type AssignmentMember,
  byText,
  noPartitions,
  samePartitions,
  type TopicPartitionsById,
} from './assignment.ts'

interface TopicRanges {
  readonly partitions: number
  members: number
  /** How many of its members had their range. */
  served: number
  next: number
}

/**
 * Kafka's range assignor for KIP-848 groups: each member gets a contiguous range of each of its topics, the members in
 * one order, so topics of the same size with the same subscribers are co-partitioned. Stable only through that order:
 * static members come first, by instance id, so that a restart under a new member id moves nothing.
 */
export function assignRanges(group: AssignmentInput): Assignment {
  const members = [...group.members].sort(staticFirst)
  const topics = new Map<Uuid, TopicRanges>()
  for (const [, member] of members) {
    for (const topicId of member.subscribedTopicIds) {
      const topic = topics.get(topicId)
      if (topic !== undefined) topic.members++
      else topics.set(topicId, { partitions: group.partitionCount(topicId), members: 1, served: 0, next: 0 })
    }
  }
  const assignment: Assignment = new Map()
  for (const [memberId, member] of members) assignment.set(memberId, rangesOf(member, topics))
  return assignment
}

function rangesOf(member: AssignmentMember, topics: ReadonlyMap<Uuid, TopicRanges>): TopicPartitionsById {
  const ranges = new Map<Uuid, ReadonlySet<number>>()
  for (const topicId of member.subscribedTopicIds) {
    const topic = topics.get(topicId)!
    const extra = topic.served++ < topic.partitions % topic.members ? 1 : 0
    const end = topic.next + Math.floor(topic.partitions / topic.members) + extra
    if (end > topic.next) ranges.set(topicId, range(topic.next, end))
    topic.next = end
  }
  if (samePartitions(ranges, member.assigned)) return member.assigned
  return ranges.size === 0 ? noPartitions : ranges
}

function range(from: number, to: number): Set<number> {
  const partitions = new Set<number>()
  for (let partition = from; partition < to; partition++) partitions.add(partition)
  return partitions
}

function staticFirst([idA, a]: [string, AssignmentMember], [idB, b]: [string, AssignmentMember]): number {
  if (a.instanceId !== null && b.instanceId !== null) return byText(a.instanceId, b.instanceId) || byText(idA, idB)
  if (a.instanceId !== null) return -1
  if (b.instanceId !== null) return 1
  return byText(idA, idB)
}
