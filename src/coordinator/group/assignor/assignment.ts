import type { Uuid } from '../../../protocol/index.ts'

/** Partitions of topics; no topic is there without a partition. */
export type TopicPartitionsById = ReadonlyMap<Uuid, ReadonlySet<number>>

export interface AssignmentMember {
  /** Those of its topics that exist. */
  readonly subscribedTopicIds: ReadonlySet<Uuid>
  readonly rackId: string | null
  readonly instanceId: string | null
  /** What it was meant to own until now; may name what is no longer there, or what another member was meant to own too. */
  readonly assigned: TopicPartitionsById
}

export interface AssignmentInput {
  readonly members: ReadonlyMap<string, AssignmentMember>
  /** Every member is subscribed to the same topics. */
  readonly homogeneous: boolean
  /** 0 when the topic is not there. */
  partitionCount(id: Uuid): number
}

/** What each member is to own. A member that keeps what it had keeps the very map. */
export type Assignment = Map<string, TopicPartitionsById>

export const noPartitions: TopicPartitionsById = new Map()

export function samePartitions(a: TopicPartitionsById, b: TopicPartitionsById): boolean {
  if (a === b) return true
  if (a.size !== b.size) return false
  for (const [topicId, partitions] of a) {
    const others = b.get(topicId)
    if (others === undefined || others.size !== partitions.size) return false
    for (const partition of partitions) if (!others.has(partition)) return false
  }
  return true
}

export function countPartitions(assignment: TopicPartitionsById): number {
  let count = 0
  for (const partitions of assignment.values()) count += partitions.size
  return count
}

/** By code unit, as Java orders strings: assignments do not depend on a locale. */
export const byText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)
