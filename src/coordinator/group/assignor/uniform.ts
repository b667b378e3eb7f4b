import type { Assignment, AssignmentInput } from './assignment.ts'
import { balanceMixedSubscriptions } from './mixed-subscriptions.ts'
import { Ownership } from './ownership.ts'

/**
 * Kafka's uniform assignor: numbers of partitions per member as equal as subscriptions allow, and within that as little
 * moved as possible.
 */
export function assignUniformly(group: AssignmentInput): Assignment {
  const ownership = new Ownership(group)
  if (group.homogeneous) balanceSameSubscriptions(ownership)
  else balanceMixedSubscriptions(ownership)
  return ownership.assignment()
}

/** Everybody may own everything: each gets its share, which is the same for all or one more for some. */
function balanceSameSubscriptions(ownership: Ownership): void {
  const { members, topics, loads } = ownership
  if (members.length === 0) return
  const total = topics.reduce((sum, topic) => sum + topic.owners.length, 0)
  const shares = sharesOf(loads, total)
  for (const topic of topics.toReversed()) {
    for (let partition = topic.owners.length - 1; partition >= 0; partition--) {
      const owner = topic.owners[partition]!
      if (owner !== -1 && loads[owner]! > shares[owner]!) ownership.give(topic, partition, -1)
    }
  }
  // In turns, so that the partitions of one busy topic do not all go to the same member.
  let next = 0
  for (const topic of topics) {
    for (let partition = 0; partition < topic.owners.length; partition++) {
      if (topic.owners[partition] !== -1) continue
      while (loads[next]! >= shares[next]!) next = (next + 1) % members.length
      ownership.give(topic, partition, next)
      next = (next + 1) % members.length
    }
  }
}

/** The partitions left over by an even split go first to members that would otherwise have to give one up. */
function sharesOf(loads: Int32Array, total: number): Int32Array {
  const least = Math.floor(total / loads.length)
  let extra = total % loads.length
  const shares = new Int32Array(loads.length).fill(least)
  for (const wanted of [true, false]) {
    for (let place = 0; place < loads.length && extra > 0; place++) {
      if (loads[place]! > least !== wanted) continue
      shares[place]!++
      extra--
    }
  }
  return shares
}
