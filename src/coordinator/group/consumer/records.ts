import type { MessageOf, Uuid } from '../../../protocol/index.ts'
import { consumerGroupCurrentMemberAssignmentRecord } from '../../../protocol/records-schema/consumer-group-current-member-assignment.ts'
import { consumerGroupMemberMetadataRecord } from '../../../protocol/records-schema/consumer-group-member-metadata.ts'
import { consumerGroupMetadataRecord } from '../../../protocol/records-schema/consumer-group-metadata.ts'
import { consumerGroupPartitionMetadataRecord } from '../../../protocol/records-schema/consumer-group-partition-metadata.ts'
import { consumerGroupRegularExpressionRecord } from '../../../protocol/records-schema/consumer-group-regular-expression.ts'
import { consumerGroupTargetAssignmentMemberRecord } from '../../../protocol/records-schema/consumer-group-target-assignment-member.ts'
import { consumerGroupTargetAssignmentMetadataRecord } from '../../../protocol/records-schema/consumer-group-target-assignment-metadata.ts'
import { type CoordinatorRecord, coordinatorRecord } from '../../runtime/record.ts'
import type { TopicPartitionsById } from '../assignor/assignment.ts'
import type { MemberStateName } from '../migration/migration.ts'
import { type ConsumerGroupMember, ofTopic, type PartitionEpochs } from './member.ts'

/** What a subscribed regular expression stood for when it was last looked at. */
export interface ResolvedRegex {
  readonly topics: ReadonlySet<string>
  /** Of the topics view that was looked at. */
  readonly version: number
  /** Wall clock. */
  readonly timestampMs: number
}

/** What a member told of itself. */
export function memberRecord(groupId: string, member: ConsumerGroupMember): CoordinatorRecord {
  return coordinatorRecord(
    consumerGroupMemberMetadataRecord,
    { groupId, memberId: member.memberId },
    {
      instanceId: member.instanceId,
      rackId: member.rackId,
      clientId: member.clientId,
      clientHost: member.clientHost,
      subscribedTopicNames: [...member.subscribedTopicNames].sort(),
      subscribedTopicRegex: member.subscribedTopicRegex,
      rebalanceTimeoutMs: member.rebalanceTimeoutMs,
      serverAssignor: member.serverAssignor,
      classicMemberMetadata: member.classic && {
        sessionTimeoutMs: member.classic.sessionTimeoutMs,
        supportedProtocols: member.classic.supportedProtocols.map(({ name, metadata }) => ({ name, metadata })),
      },
    },
  )
}

export function memberTombstone(groupId: string, memberId: string): CoordinatorRecord {
  return coordinatorRecord(consumerGroupMemberMetadataRecord, { groupId, memberId }, null)
}

export function groupEpochRecord(groupId: string, epoch: number, metadataHash: bigint): CoordinatorRecord {
  return coordinatorRecord(consumerGroupMetadataRecord, { groupId }, { epoch, metadataHash })
}

export function groupEpochTombstone(groupId: string): CoordinatorRecord {
  return coordinatorRecord(consumerGroupMetadataRecord, { groupId }, null)
}

/** Older brokers wrote the partitions that a group knew of. */
export function partitionMetadataTombstone(groupId: string): CoordinatorRecord {
  return coordinatorRecord(consumerGroupPartitionMetadataRecord, { groupId }, null)
}

export function targetRecord(groupId: string, memberId: string, partitions: TopicPartitionsById): CoordinatorRecord {
  const topicPartitions = [...partitions].map(([topicId, of]) => ({ topicId, partitions: ascending(of) }))
  return coordinatorRecord(consumerGroupTargetAssignmentMemberRecord, { groupId, memberId }, { topicPartitions })
}

export function targetTombstone(groupId: string, memberId: string): CoordinatorRecord {
  return coordinatorRecord(consumerGroupTargetAssignmentMemberRecord, { groupId, memberId }, null)
}

export function targetEpochRecord(
  groupId: string,
  assignmentEpoch: number,
  assignmentTimestampMs: number,
): CoordinatorRecord {
  return coordinatorRecord(
    consumerGroupTargetAssignmentMetadataRecord,
    { groupId },
    { assignmentEpoch, assignmentTimestamp: assignmentTimestampMs },
  )
}

export function targetEpochTombstone(groupId: string): CoordinatorRecord {
  return coordinatorRecord(consumerGroupTargetAssignmentMetadataRecord, { groupId }, null)
}

/** What a member owns, and where it stands. */
export function currentAssignmentRecord(groupId: string, member: ConsumerGroupMember): CoordinatorRecord {
  return coordinatorRecord(
    consumerGroupCurrentMemberAssignmentRecord,
    { groupId, memberId: member.memberId },
    {
      memberEpoch: member.memberEpoch,
      previousMemberEpoch: member.previousMemberEpoch,
      state: stateNumbers[member.state],
      assignedPartitions: withEpochs(member.assigned, member.epochs),
      partitionsPendingRevocation: withEpochs(member.pendingRevocation, member.epochs),
    },
  )
}

export function currentAssignmentTombstone(groupId: string, memberId: string): CoordinatorRecord {
  return coordinatorRecord(consumerGroupCurrentMemberAssignmentRecord, { groupId, memberId }, null)
}

export function regexRecord(groupId: string, regularExpression: string, resolved: ResolvedRegex): CoordinatorRecord {
  return coordinatorRecord(
    consumerGroupRegularExpressionRecord,
    { groupId, regularExpression },
    { topics: [...resolved.topics].sort(), version: resolved.version, timestamp: resolved.timestampMs },
  )
}

export function regexTombstone(groupId: string, regularExpression: string): CoordinatorRecord {
  return coordinatorRecord(consumerGroupRegularExpressionRecord, { groupId, regularExpression }, null)
}

/** What takes back all that the log says of one member, in the order in which it has to be taken back. */
export function memberTombstones(groupId: string, memberId: string): CoordinatorRecord[] {
  return [
    currentAssignmentTombstone(groupId, memberId),
    targetTombstone(groupId, memberId),
    memberTombstone(groupId, memberId),
  ]
}

type MemberMetadataValue = MessageOf<(typeof consumerGroupMemberMetadataRecord)['value']>
type CurrentAssignmentValue = MessageOf<(typeof consumerGroupCurrentMemberAssignmentRecord)['value']>
type TargetValue = MessageOf<(typeof consumerGroupTargetAssignmentMemberRecord)['value']>
type EpochsOnDisk = CurrentAssignmentValue['assignedPartitions']

/** `member`, with what a record says it told of itself. */
export function withMetadata(member: ConsumerGroupMember, value: MemberMetadataValue): ConsumerGroupMember {
  return {
    ...member,
    instanceId: value.instanceId,
    rackId: value.rackId,
    clientId: value.clientId,
    clientHost: value.clientHost,
    rebalanceTimeoutMs: value.rebalanceTimeoutMs,
    serverAssignor: value.serverAssignor,
    subscribedTopicNames: new Set(value.subscribedTopicNames),
    subscribedTopicRegex: value.subscribedTopicRegex ?? '',
    classic: value.classicMemberMetadata,
  }
}

/** `member`, with what a record says it owns. */
export function withCurrentAssignment(member: ConsumerGroupMember, value: CurrentAssignmentValue): ConsumerGroupMember {
  const { memberEpoch, previousMemberEpoch, assignedPartitions, partitionsPendingRevocation } = value
  return {
    ...member,
    memberEpoch,
    previousMemberEpoch,
    state: stateOf(value.state),
    assigned: toPartitions(assignedPartitions),
    pendingRevocation: toPartitions(partitionsPendingRevocation),
    epochs: toEpochs([...assignedPartitions, ...partitionsPendingRevocation], memberEpoch),
  }
}

export function targetOf(value: TargetValue): TopicPartitionsById {
  return toPartitions(value.topicPartitions)
}

const stateNumbers: Record<MemberStateName, number> = { stable: 0, unrevoked: 1, unreleased: 2, unknown: 127 }

function stateOf(number: number): MemberStateName {
  return number === 0 ? 'stable' : number === 1 ? 'unrevoked' : number === 2 ? 'unreleased' : 'unknown'
}

function withEpochs(assignment: TopicPartitionsById, epochs: PartitionEpochs): EpochsOnDisk {
  return [...assignment].map(([topicId, of]) => {
    const partitions = ascending(of)
    return { topicId, partitions, assignmentEpochs: partitions.map(partition => epochs.get(topicId)!.get(partition)!) }
  })
}

function toPartitions(stored: TargetValue['topicPartitions']): TopicPartitionsById {
  const assignment = new Map<Uuid, ReadonlySet<number>>()
  for (const { topicId, partitions } of stored) if (partitions.length > 0) assignment.set(topicId, new Set(partitions))
  return assignment
}

/** A broker before 4.4 wrote no epochs; the member's own is the latest at which a partition can have been assigned. */
function toEpochs(stored: EpochsOnDisk, memberEpoch: number): PartitionEpochs {
  const epochs = new Map<Uuid, Map<number, number>>()
  for (const { topicId, partitions, assignmentEpochs } of stored) {
    const of = ofTopic(epochs, topicId)
    for (const [at, partition] of partitions.entries()) of.set(partition, assignmentEpochs?.[at] ?? memberEpoch)
  }
  return epochs
}

function ascending(numbers: Iterable<number>): number[] {
  return [...numbers].sort((a, b) => a - b)
}
