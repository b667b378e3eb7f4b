import { err, ok, type Result } from '../../../base/result.ts'
import type { Uuid } from '../../../protocol/index.ts'
import type { CoordinatorRecord } from '../../runtime/record.ts'
import type { TopicPartitionsById } from '../assignor/assignment.ts'
import { type ConsumerGroupMember, movedTo, newMember } from '../consumer/member.ts'
import {
  currentAssignmentRecord,
  groupEpochRecord,
  memberRecord,
  targetEpochRecord,
  targetRecord,
} from '../consumer/records.ts'
import {
  type ConsumerSubscription,
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
 * The members of a classic group as those of a KIP-848 group: at their generation, with what their leader gave them. A member
 * may still consume what it owned when it joined that generation and was not given again, as it may not know yet: it is
 * asked to give that up before anybody else has it. In the middle of a rebalance members have what they had before it; they
 * are told to join again, and say themselves what they still own. The error says why it cannot be done.
 */
export function consumerMembersOf(
  state: ClassicGroupState,
  topics: TopicsView,
): Result<readonly ConsumerGroupMember[], string> {
  const taken = new Map<Uuid, Set<number>>()
  const given: {
    readonly told: ConsumerGroupMember
    readonly assigned: TopicPartitionsById
    readonly owned: TopicPartitionsById
  }[] = []
  for (const member of state.members) {
    const protocol = member.protocols.find(({ name }) => name === state.protocolName) ?? member.protocols[0]
    if (protocol === undefined) return err(`member ${member.memberId} has no protocol`)
    const subscription = decodeSubscription(protocol.metadata)
    if (!subscription.ok) return subscription
    const assignment = decodeAssignment(member.assignment)
    if (!assignment.ok) return assignment
    given.push({
      told: memberOf(member, subscription.value, state.generation),
      assigned: take(partitionsById(assignment.value.assignedPartitions, topics), taken),
      owned: partitionsById(subscription.value.ownedPartitions, topics),
    })
  }
  return ok(
    given.map(({ told, assigned, owned }) => {
      const pendingRevocation = take(owned, taken)
      const memberState = pendingRevocation.size === 0 ? 'stable' : 'unrevoked'
      return movedTo(told, { state: memberState, memberEpoch: state.generation, assigned, pendingRevocation })
    }),
  )
}

function memberOf(
  { memberId, instanceId, clientId, clientHost, rebalanceTimeoutMs, sessionTimeoutMs, protocols }: ClassicMemberState,
  { topics, rackId }: ConsumerSubscription,
  memberEpoch: number,
): ConsumerGroupMember {
  return {
    ...newMember(memberId),
    instanceId,
    rackId,
    clientId,
    clientHost,
    rebalanceTimeoutMs,
    subscribedTopicNames: new Set(topics),
    classic: { sessionTimeoutMs, supportedProtocols: protocols },
    memberEpoch,
  }
}

/** What of `wanted` nobody took before. A leader may have given a partition to two members; here it has one owner, the first. */
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
 * A KIP-848 group without `leaving` as a classic one that is to rebalance, in the generation of its epoch. What its members have
 * until then is what they may still be using: another member must not be given it before they join. (Kafka says here what they
 * are meant to own, which is wrong if the group is upgraded again at once.) Undefined when one of those that stay does not talk the classic protocol, or wrote bytes that say no version.
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
    const used = [member.assigned, member.pendingRevocation].flatMap(each => partitionsByName(each, topics))
    members.push({
      memberId,
      instanceId,
      clientId,
      clientHost,
      rebalanceTimeoutMs,
      sessionTimeoutMs,
      protocols,
      assignment: encodeAssignment(version, used),
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
