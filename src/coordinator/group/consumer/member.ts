import type { Uuid } from '../../../protocol/index.ts'
import { noPartitions, samePartitions, type TopicPartitionsById } from '../assignor/assignment.ts'
import type { ClassicMemberMetadata, MemberStateName, MixedMember } from '../migration/migration.ts'

/** Of each partition, the member epoch at which it was assigned (KIP-1251). */
export type PartitionEpochs = ReadonlyMap<Uuid, ReadonlyMap<number, number>>

/**
 * A member as the log tells of it; never changed in place. Its states:
 * - `stable`: has all that it is meant to have at its epoch.
 * - `unrevoked`: was told to give partitions up, and has not said yet that it did.
 * - `unreleased`: is meant to have partitions that others have not given up yet.
 * - `unknown`: in a state of a later version; it has to begin anew.
 */
export interface ConsumerGroupMember extends MixedMember {
  readonly rackId: string | null
  /** Null: whatever the group prefers. */
  readonly serverAssignor: string | null
  readonly subscribedTopicNames: ReadonlySet<string>
  /** Empty: none. */
  readonly subscribedTopicRegex: string
  /** 0: joining; -2: a static member that is away for a while. */
  readonly memberEpoch: number
  /** A heartbeat of this epoch is one whose response was lost. */
  readonly previousMemberEpoch: number
  /** What it may use. */
  readonly assigned: TopicPartitionsById
  /** What it was told to give up: its own until it says that it did. */
  readonly pendingRevocation: TopicPartitionsById
  /** Of all that is assigned or pending revocation. */
  readonly epochs: PartitionEpochs
}

export const leaveEpoch = -1
/** By which a static member leaves for a while and keeps its place. */
export const staticLeaveEpoch = -2

export function newMember(memberId: string): ConsumerGroupMember {
  return {
    memberId,
    instanceId: null,
    rackId: null,
    clientId: '',
    clientHost: '',
    rebalanceTimeoutMs: -1,
    serverAssignor: null,
    subscribedTopicNames: new Set(),
    subscribedTopicRegex: '',
    classic: null,
    memberEpoch: 0,
    previousMemberEpoch: -1,
    state: 'stable',
    assigned: noPartitions,
    pendingRevocation: noPartitions,
    epochs: new Map(),
  }
}

/** Where a member stands: what reconciliation decides and the record of its current assignment says. */
export interface MemberPosition {
  readonly state: MemberStateName
  readonly memberEpoch: number
  readonly assigned: TopicPartitionsById
  readonly pendingRevocation: TopicPartitionsById
}

/** The member in its next position, its present epoch kept as the one before. New partitions are assigned at the next epoch. */
export function movedTo(member: ConsumerGroupMember, position: MemberPosition): ConsumerGroupMember {
  const { state, memberEpoch, assigned, pendingRevocation } = position
  const epochs = new Map<Uuid, Map<number, number>>()
  for (const partitionsOf of [assigned, pendingRevocation]) {
    for (const [topicId, partitions] of partitionsOf) {
      const known = member.epochs.get(topicId)
      const of = ofTopic(epochs, topicId)
      for (const partition of partitions) of.set(partition, known?.get(partition) ?? memberEpoch)
    }
  }
  return {
    ...member,
    state,
    memberEpoch,
    previousMemberEpoch: member.memberEpoch,
    assigned,
    pendingRevocation,
    epochs,
  }
}

export function isReconciledTo(member: ConsumerGroupMember, assignmentEpoch: number): boolean {
  return member.state === 'stable' && member.memberEpoch === assignmentEpoch
}

/** Whether the log need not be told again what `b` tells of itself. */
export function sameMetadata(a: ConsumerGroupMember, b: ConsumerGroupMember): boolean {
  return (
    a.instanceId === b.instanceId &&
    a.rackId === b.rackId &&
    a.clientId === b.clientId &&
    a.clientHost === b.clientHost &&
    a.rebalanceTimeoutMs === b.rebalanceTimeoutMs &&
    a.serverAssignor === b.serverAssignor &&
    a.subscribedTopicRegex === b.subscribedTopicRegex &&
    sameSet(a.subscribedTopicNames, b.subscribedTopicNames) &&
    sameClassic(a.classic, b.classic)
  )
}

export function samePosition(a: ConsumerGroupMember, b: ConsumerGroupMember): boolean {
  return (
    a.state === b.state &&
    a.memberEpoch === b.memberEpoch &&
    a.previousMemberEpoch === b.previousMemberEpoch &&
    samePartitions(a.assigned, b.assigned) &&
    samePartitions(a.pendingRevocation, b.pendingRevocation)
  )
}

/** The map of `topicId` in `map`, made where there is none. */
export function ofTopic<V>(map: Map<Uuid, Map<number, V>>, topicId: Uuid): Map<number, V> {
  const known = map.get(topicId)
  if (known !== undefined) return known
  const made = new Map<number, V>()
  map.set(topicId, made)
  return made
}

export function sameSet<T>(a: ReadonlySet<T>, b: ReadonlySet<T>): boolean {
  if (a === b) return true
  if (a.size !== b.size) return false
  for (const item of a) if (!b.has(item)) return false
  return true
}

function sameClassic(a: ClassicMemberMetadata | null, b: ClassicMemberMetadata | null): boolean {
  if (a === null || b === null) return a === b
  return (
    a.sessionTimeoutMs === b.sessionTimeoutMs &&
    a.supportedProtocols.length === b.supportedProtocols.length &&
    a.supportedProtocols.every(({ name, metadata }, at) => {
      const other = b.supportedProtocols[at]!
      return name === other.name && Buffer.compare(metadata, other.metadata) === 0
    })
  )
}
