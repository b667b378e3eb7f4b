import type {
  Assignment,
  AssignmentInput,
  AssignmentMember,
  TopicPartitionsById,
} from '../../../../src/coordinator/group/assignor/assignor.ts'
import { type Uuid, uuidFromBytes } from '../../../../src/protocol/index.ts'

export function topicId(number: number): Uuid {
  const bytes = new Uint8Array(16)
  new DataView(bytes.buffer).setUint32(4, number + 1)
  return uuidFromBytes(bytes)
}

export interface GroupShape {
  /** By topic number. */
  readonly partitions: readonly number[]
  /** By member id: the topics that it is subscribed to. */
  readonly members: ReadonlyMap<string, readonly number[]>
  readonly instanceIds?: ReadonlyMap<string, string>
  readonly assigned?: Assignment
}

export function inputOf(shape: GroupShape): AssignmentInput {
  const counts = new Map(shape.partitions.map((count, number) => [topicId(number), count]))
  const members = new Map<string, AssignmentMember>()
  const subscriptions = new Set<string>()
  for (const [memberId, topics] of shape.members) {
    subscriptions.add([...topics].sort().join())
    members.set(memberId, {
      subscribedTopicIds: new Set(topics.map(topicId)),
      rackId: null,
      instanceId: shape.instanceIds?.get(memberId) ?? null,
      assigned: shape.assigned?.get(memberId) ?? new Map(),
    })
  }
  return { members, homogeneous: subscriptions.size <= 1, partitionCount: id => counts.get(id) ?? 0 }
}

/** `m1: 0-0 0-1, m2: …`: topic number and partition, in order. */
export function shown(assignment: Assignment): Record<string, string> {
  const numbers = new Map(Array.from({ length: 200 }, (_, number) => [topicId(number), number]))
  return Object.fromEntries(
    [...assignment]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([memberId, owned]) => [
        memberId,
        pairs(owned)
          .map(([id, partition]) => [numbers.get(id)!, partition] as const)
          .sort((a, b) => a[0] - b[0] || a[1] - b[1])
          .map(pair => pair.join('-'))
          .join(' '),
      ]),
  )
}

export function pairs(owned: TopicPartitionsById): [Uuid, number][] {
  return [...owned].flatMap(([id, partitions]) => [...partitions].map((partition): [Uuid, number] => [id, partition]))
}

/** How many partitions have another owner than before, those without one before or after not counted. */
export function movedBetween(before: Assignment, after: Assignment): number {
  const owners = new Map<string, string>()
  for (const [memberId, owned] of before) for (const pair of pairs(owned)) owners.set(pair.join(), memberId)
  let moved = 0
  for (const [memberId, owned] of after) {
    for (const pair of pairs(owned)) {
      const owner = owners.get(pair.join())
      if (owner !== undefined && owner !== memberId) moved++
    }
  }
  return moved
}
