import { consumerGroupCurrentMemberAssignmentRecord } from '../../../protocol/records-schema/consumer-group-current-member-assignment.ts'
import { consumerGroupMemberMetadataRecord } from '../../../protocol/records-schema/consumer-group-member-metadata.ts'
import { consumerGroupMetadataRecord } from '../../../protocol/records-schema/consumer-group-metadata.ts'
import { consumerGroupPartitionMetadataRecord } from '../../../protocol/records-schema/consumer-group-partition-metadata.ts'
import { consumerGroupRegularExpressionRecord } from '../../../protocol/records-schema/consumer-group-regular-expression.ts'
import { consumerGroupTargetAssignmentMemberRecord } from '../../../protocol/records-schema/consumer-group-target-assignment-member.ts'
import { consumerGroupTargetAssignmentMetadataRecord } from '../../../protocol/records-schema/consumer-group-target-assignment-metadata.ts'
import { type CoordinatorRecord, isRecordOf } from '../../runtime/record.ts'
import type { GroupContext } from '../group.ts'
import { ConsumerGroup } from './consumer-group.ts'
import { type ConsumerGroupMember, newMember } from './member.ts'
import { targetOf, withCurrentAssignment, withMetadata } from './records.ts'

/**
 * Applies a record of a KIP-848 group; false when it is none. In a compacted log the records of one group may come in
 * any order and without those that they once followed, so each is applied by itself; a tombstone of something unknown is
 * nothing.
 */
export function replayConsumerRecord(context: GroupContext, record: CoordinatorRecord): boolean {
  if (isRecordOf(record, consumerGroupCurrentMemberAssignmentRecord)) {
    const { key, value } = record
    change(context, key.groupId, value !== null, group => {
      if (value !== null) group.put(withCurrentAssignment(memberOf(group, key.memberId), value))
      else releaseAll(group, key.memberId)
    })
  } else if (isRecordOf(record, consumerGroupMemberMetadataRecord)) {
    const { key, value } = record
    change(context, key.groupId, value !== null, group => {
      if (value !== null) group.put(withMetadata(memberOf(group, key.memberId), value))
      else group.remove(key.memberId)
    })
  } else if (isRecordOf(record, consumerGroupTargetAssignmentMemberRecord)) {
    const { key, value } = record
    change(context, key.groupId, value !== null, group => {
      if (value !== null) group.setTarget(key.memberId, targetOf(value))
      else group.removeTarget(key.memberId)
    })
  } else if (isRecordOf(record, consumerGroupTargetAssignmentMetadataRecord)) {
    const { key, value } = record
    change(context, key.groupId, value !== null, group => {
      group.assignmentEpoch = value?.assignmentEpoch ?? 0
      group.assignmentStampMs = value?.assignmentTimestamp ?? 0
    })
  } else if (isRecordOf(record, consumerGroupMetadataRecord)) {
    const { key, value } = record
    if (value === null) forget(context, key.groupId)
    else {
      const group = groupOf(context, key.groupId)
      group.groupEpoch = value.epoch
      group.metadataHash = value.metadataHash
    }
  } else if (isRecordOf(record, consumerGroupRegularExpressionRecord)) {
    const { key, value } = record
    const resolved = value && {
      topics: new Set(value.topics),
      version: value.version,
      timestampMs: value.timestamp,
    }
    change(context, key.groupId, value !== null, group => group.setRegex(key.regularExpression, resolved ?? undefined))
  } else if (isRecordOf(record, consumerGroupPartitionMetadataRecord)) {
    const { key, value } = record
    change(context, key.groupId, value !== null, group => {
      group.hasPartitionMetadata = value !== null
    })
  } else return false
  return true
}

function change(context: GroupContext, groupId: string, make: boolean, apply: (group: ConsumerGroup) => void): void {
  const group = make ? groupOf(context, groupId) : knownGroup(context, groupId)
  if (group !== undefined) apply(group)
}

function knownGroup(context: GroupContext, groupId: string): ConsumerGroup | undefined {
  const group = context.groups.get(groupId)
  return group instanceof ConsumerGroup ? group : undefined
}

/** A classic group of which only offsets are known gives its place up; one with records has had its tombstone before. */
function groupOf(context: GroupContext, groupId: string): ConsumerGroup {
  const known = knownGroup(context, groupId)
  if (known !== undefined) return known
  const made = new ConsumerGroup(groupId, context.topics)
  context.groups.set(groupId, made)
  return made
}

function forget(context: GroupContext, groupId: string): void {
  if (knownGroup(context, groupId) !== undefined) context.groups.delete(groupId)
}

function memberOf(group: ConsumerGroup, memberId: string): ConsumerGroupMember {
  return group.members.get(memberId) ?? newMember(memberId)
}

function releaseAll(group: ConsumerGroup, memberId: string): void {
  const member = group.members.get(memberId)
  if (member === undefined) return
  const { assigned, pendingRevocation, epochs } = newMember(memberId)
  group.put({
    ...member,
    memberEpoch: -1,
    previousMemberEpoch: -1,
    state: 'stable',
    assigned,
    pendingRevocation,
    epochs,
  })
}
