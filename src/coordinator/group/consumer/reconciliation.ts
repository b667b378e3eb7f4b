import type { Uuid } from '../../../protocol/index.ts'
import { noPartitions, type TopicPartitionsById } from '../assignor/assignment.ts'
import { type ConsumerGroupMember, isReconciledTo, movedTo } from './member.ts'

/** What a member is to be brought to. */
export interface Goal {
  readonly assignmentEpoch: number
  readonly target: TopicPartitionsById
  /** Of topics that exist. */
  isSubscribedTo(topicId: Uuid): boolean
  /** Who has the partition, until it is given up. */
  ownerOf(topicId: Uuid, partition: number): string | undefined
  /** What the member says it owns; undefined: it does not say. */
  readonly owned: TopicPartitionsById | undefined
}

/**
 * The next step of a member towards its target, or the very member when there is none to take now. A partition that it
 * has to give up is its own until it says that it no longer owns it; one that another member owns is not assigned. A
 * pure function.
 */
export function reconcile(member: ConsumerGroupMember, goal: Goal): ConsumerGroupMember {
  const { assignmentEpoch } = goal
  switch (member.state) {
    case 'stable':
      return isReconciledTo(member, assignmentEpoch) ? keepToSubscription(member, goal) : advance(member, goal)
    case 'unrevoked':
      return ownsAnyOf(goal.owned, member.pendingRevocation) ? keepToSubscription(member, goal) : advance(member, goal)
    case 'unreleased':
      return advance(member, goal)
    case 'unknown':
      // It owns nothing: whoever asks has made sure of that.
      return advance(member, goal, assignmentEpoch)
  }
}

function advance(member: ConsumerGroupMember, goal: Goal, memberEpoch = member.memberEpoch): ConsumerGroupMember {
  const { assignmentEpoch, target } = goal
  const keep = new Map<Uuid, ReadonlySet<number>>()
  const revoke = new Map<Uuid, ReadonlySet<number>>()
  const gain = new Map<Uuid, ReadonlySet<number>>()
  let unreleased = false
  for (const topicId of new Set([...target.keys(), ...member.assigned.keys()])) {
    const wanted = goal.isSubscribedTo(topicId) ? (target.get(topicId) ?? none) : none
    const had = member.assigned.get(topicId) ?? none
    put(
      keep,
      topicId,
      filter(had, partition => wanted.has(partition)),
    )
    put(
      revoke,
      topicId,
      filter(had, partition => !wanted.has(partition)),
    )
    const missing = filter(wanted, partition => !had.has(partition))
    const free = filter(missing, partition => isFree(goal.ownerOf(topicId, partition), member))
    put(gain, topicId, free)
    unreleased ||= free.size < missing.size
  }
  if (revoke.size > 0 && ownsAnyOf(goal.owned, revoke)) {
    // At its epoch until it has given them up.
    return movedTo(member, { state: 'unrevoked', memberEpoch, assigned: keep, pendingRevocation: revoke })
  }
  const next = movedTo(member, {
    state: unreleased ? 'unreleased' : 'stable',
    memberEpoch: assignmentEpoch,
    assigned: gain.size === 0 ? keep : union(keep, gain),
    pendingRevocation: noPartitions,
  })
  const same = member.state === next.state && member.memberEpoch === assignmentEpoch
  return same && gain.size === 0 && revoke.size === 0 ? member : next
}

/** Takes away what belongs to topics that the member is no longer subscribed to, or that are gone, without waiting for a target. */
function keepToSubscription(member: ConsumerGroupMember, goal: Goal): ConsumerGroupMember {
  const gone = new Map([...member.assigned].filter(([topicId]) => !goal.isSubscribedTo(topicId)))
  if (gone.size === 0) return member
  const assigned = new Map([...member.assigned].filter(([topicId]) => !gone.has(topicId)))
  const pendingRevocation = union(member.pendingRevocation, gone)
  const { state, memberEpoch } = member
  return ownsAnyOf(goal.owned, pendingRevocation)
    ? movedTo(member, { state: 'unrevoked', memberEpoch, assigned, pendingRevocation })
    : movedTo(member, { state, memberEpoch, assigned, pendingRevocation: member.pendingRevocation })
}

const none: ReadonlySet<number> = new Set()

/** Its own that is pending revocation is free for the member itself. */
function isFree(owner: string | undefined, { memberId }: ConsumerGroupMember): boolean {
  return owner === undefined || owner === memberId
}

/** A member that does not say what it owns is taken to own all of it. */
function ownsAnyOf(owned: TopicPartitionsById | undefined, partitionsOf: TopicPartitionsById): boolean {
  if (owned === undefined) return true
  for (const [topicId, partitions] of owned) {
    const asked = partitionsOf.get(topicId)
    if (asked === undefined) continue
    for (const partition of partitions) if (asked.has(partition)) return true
  }
  return false
}

function filter(partitions: ReadonlySet<number>, keep: (partition: number) => boolean): ReadonlySet<number> {
  const kept = new Set<number>()
  for (const partition of partitions) if (keep(partition)) kept.add(partition)
  return kept
}

function put(into: Map<Uuid, ReadonlySet<number>>, topicId: Uuid, partitions: ReadonlySet<number>): void {
  if (partitions.size > 0) into.set(topicId, partitions)
}

export function union(a: TopicPartitionsById, b: TopicPartitionsById): TopicPartitionsById {
  const all = new Map(a)
  for (const [topicId, partitions] of b) {
    const others = all.get(topicId)
    all.set(topicId, others === undefined ? partitions : new Set([...others, ...partitions]))
  }
  return all
}
