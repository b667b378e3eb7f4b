import type { Uuid } from '../../../protocol/index.ts'
import {
  type Assignment,
  type AssignmentInput,
  type AssignmentMember,
  byText,
  noPartitions,
  samePartitions,
} from './assignment.ts'

/** A topic with at least one subscriber and at least one partition. */
export interface OwnedTopic {
  readonly id: Uuid
  /** By partition: the owner's place among the members, -1 for none. */
  readonly owners: Int32Array
  /** Places of its subscribers, ascending. */
  readonly subscribers: number[]
}

/** Who owns which partition while an assignment is made. Members and topics are known by their place in a fixed order. */
export class Ownership {
  readonly members: readonly (readonly [string, AssignmentMember])[]
  readonly topics: readonly OwnedTopic[]
  /** By member: how many partitions it owns. */
  readonly loads: Int32Array

  /** Each member keeps what it had, as far as it is still there, still subscribed to and no member before it had it too. */
  constructor(group: AssignmentInput) {
    this.members = [...group.members].sort(([a], [b]) => byText(a, b))
    this.loads = new Int32Array(this.members.length)
    const topics = new Map<Uuid, OwnedTopic>()
    for (const [place, [, member]] of this.members.entries()) {
      for (const id of member.subscribedTopicIds) {
        let topic = topics.get(id)
        if (topic === undefined) {
          topic = { id, owners: new Int32Array(Math.max(group.partitionCount(id), 0)).fill(-1), subscribers: [] }
          topics.set(id, topic)
        }
        topic.subscribers.push(place)
      }
    }
    for (const [place, [, member]] of this.members.entries()) {
      for (const [id, partitions] of member.assigned) {
        const topic = member.subscribedTopicIds.has(id) ? topics.get(id) : undefined
        if (topic === undefined) continue
        for (const partition of partitions) {
          if (topic.owners[partition] !== -1) continue
          topic.owners[partition] = place
          this.loads[place]!++
        }
      }
    }
    this.topics = [...topics.values()].filter(topic => topic.owners.length > 0).sort((a, b) => byText(a.id, b.id))
  }

  /** -1 as `owner` leaves the partition to nobody. */
  give(topic: OwnedTopic, partition: number, owner: number): void {
    const before = topic.owners[partition]!
    if (before !== -1) this.loads[before]!--
    topic.owners[partition] = owner
    if (owner !== -1) this.loads[owner]!++
  }

  assignment(): Assignment {
    const owned = this.members.map(() => new Map<Uuid, Set<number>>())
    for (const { id, owners } of this.topics) {
      for (let partition = 0; partition < owners.length; partition++) {
        const owner = owners[partition]!
        if (owner === -1) continue
        const partitions = owned[owner]!.get(id)
        if (partitions !== undefined) partitions.add(partition)
        else owned[owner]!.set(id, new Set([partition]))
      }
    }
    const assignment: Assignment = new Map()
    for (const [place, [memberId, { assigned }]] of this.members.entries()) {
      const now = owned[place]!
      assignment.set(memberId, samePartitions(now, assigned) ? assigned : now.size === 0 ? noPartitions : now)
    }
    return assignment
  }
}
