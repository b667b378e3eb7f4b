import { err, ok, type Result } from '../../../base/result.ts'
import type { Uuid } from '../../../protocol/index.ts'
import type { CoordinatorRecord } from '../../runtime/record.ts'
import { noPartitions, type TopicPartitionsById } from '../assignor/assignment.ts'
import { type ConsumerGroupMember, movedTo, newMember } from '../consumer/member.ts'
import {
  currentAssignmentRecord,
  groupEpochRecord,
  memberRecord,
  targetEpochRecord,
  targetRecord,
} from '../consumer/records.ts'
import {
  consumerProtocolType,
  consumerProtocolVersion,
  decodeAssignment,
  decodeSubscription,
  encodeAssignment,
} from '../consumer-protocol.ts'
import type { TopicsView } from '../topics-view.ts'
import type { ClassicGroupState, ClassicMemberState, MixedGroup } from './migration.ts'
import { partitionsById, partitionsByName } from './partitions.ts'

/**
 * The members of a classic group as those of a KIP-848 group: stable at their generation with what their leader gave them. In
 * the middle of a rebalance that is what they had before it; they are told to join again, and say themselves what they
 * still own. The error says why it cannot be done.
 */
export function consumerMembersOf(
  state: ClassicGroupState,
  topics: TopicsView,
): Result<readonly ConsumerGroupMember[], string> {
  const members: ConsumerGroupMember[] = []
  const taken = new Map<Uuid, Set<number>>()
  for (const member of state.members) {
    const protocol = member.protocols.find(({ name }) => name === state.protocolName) ?? member.protocols[0]
    if (protocol === undefined) return err(`member ${member.memberId} has no protocol`)
    const subscription = decodeSubscription(protocol.metadata)
    if (!subscription.ok) return subscription
    const assignment = decodeAssignment(member.assignment)
    if (!assignment.ok) return assignment
    const { memberId, instanceId, clientId, clientHost, rebalanceTimeoutMs, sessionTimeoutMs } = member
    const told: ConsumerGroupMember = {
      ...newMember(memberId),
      instanceId,
      clientId,
      clientHost,
      rebalanceTimeoutMs,
      rackId: subscription.value.rackId,
      subscribedTopicNames: new Set(subscription.value.topics),
      classic: { sessionTimeoutMs, supportedProtocols: member.protocols },
      memberEpoch: state.generation,
    }
    const assigned = take(partitionsById(assignment.value.assignedPartitions, topics), taken)
    const position = { state: 'stable', memberEpoch: state.generation, pendingRevocation: noPartitions } as const
    members.push(movedTo(told, { ...position, assigned }))
  }
  return ok(members)
}

/** A leader may have given a partition to two members; in a KIP-848 group it has one owner, the first. */
function take(wanted: TopicPartitionsById, taken: Map<Uuid, Set<number>>): TopicPartitionsById {
  const mine = new Map<Uuid, ReadonlySet<number>>()
  for (const [topicId, partitions] of wanted) {
    const others = taken.get(topicId) ?? new Set<number>()
    taken.set(topicId, others)
    const free = new Set<number>()
    for (const partition of partitions) {
      if (others.has(partition)) continue
      others.add(partition)
      free.add(partition)
    }
    if (free.size > 0) mine.set(topicId, free)
  }
  return mine
}

/**
 * All that the log has to say of a KIP-848 group of these members. Its target is what they have; as of no time, so that the
 * member that made it one need not wait for a new target.
 */
export function consumerGroupRecords(
  groupId: string,
  epoch: number,
  members: readonly ConsumerGroupMember[],
): CoordinatorRecord[] {
  return [
    ...members.map(member => memberRecord(groupId, member)),
    groupEpochRecord(groupId, epoch, 0n),
    ...members.map(member => targetRecord(groupId, member.memberId, member.assigned)),
    targetEpochRecord(groupId, epoch, 0),
    ...members.map(member => currentAssignmentRecord(groupId, member)),
  ]
}

/**
 * A KIP-848 group without `leaving` as a classic one, in the generation of its epoch, with what its members are meant to own.
 * Undefined when one of those that stay does not talk the classic protocol, or wrote bytes that say no version.
 */
export function classicStateOf(
  group: MixedGroup,
  leaving: ReadonlySet<string>,
  topics: TopicsView,
): ClassicGroupState | undefined {
  const members: ClassicMemberState[] = []
  for (const [memberId, member] of group.members) {
    if (leaving.has(memberId)) continue
    if (member.classic === null) return undefined
    const { instanceId, clientId, clientHost, rebalanceTimeoutMs } = member
    const { sessionTimeoutMs, supportedProtocols: protocols } = member.classic
    const version = consumerProtocolVersion(protocols[0]!.metadata)
    if (version === undefined) return undefined
    const assignment = encodeAssignment(version, partitionsByName(group.targetOf(memberId), topics))
    members.push({
      memberId,
      instanceId,
      clientId,
      clientHost,
      rebalanceTimeoutMs,
      sessionTimeoutMs,
      protocols,
      assignment,
    })
  }
  return {
    groupId: group.id,
    generation: group.groupEpoch,
    protocolType: consumerProtocolType,
    protocolName: null,
    leaderId: null,
    members,
  }
}
