import type { MessageOf } from '../../../protocol/index.ts'
import { groupMetadataRecord } from '../../../protocol/records-schema/group-metadata.ts'
import { type CoordinatorRecord, coordinatorRecord } from '../../runtime/record.ts'
import type { ClassicGroupState } from '../migration/migration.ts'

type GroupMetadata = MessageOf<typeof groupMetadataRecord.value>

/** As Kafka writes it: the newest version without tagged fields, which every Kafka since 2.3 reads. */
const valueVersion = 3

/** The record of a group with all its members, their subscriptions and assignments; what recovery makes the group of. */
export function groupRecord(group: ClassicGroupState, sinceMs: number | undefined): CoordinatorRecord {
  const { groupId, protocolType, protocolName, leaderId, generation } = group
  const members = group.members.map(member => ({
    memberId: member.memberId,
    groupInstanceId: member.instanceId,
    clientId: member.clientId,
    clientHost: member.clientHost,
    rebalanceTimeout: member.rebalanceTimeoutMs,
    sessionTimeout: member.sessionTimeoutMs,
    subscription: member.protocols.find(({ name }) => name === protocolName)?.metadata ?? new Uint8Array(0),
    assignment: member.assignment,
  }))
  const value = {
    protocolType,
    generation,
    protocol: protocolName,
    leader: leaderId,
    currentStateTimestamp: sinceMs ?? -1,
    members,
  }
  return coordinatorRecord(groupMetadataRecord, { group: groupId }, value, valueVersion)
}

/** Takes back all that was said of a classic group. */
export function groupTombstone(groupId: string): CoordinatorRecord {
  return coordinatorRecord(groupMetadataRecord, { group: groupId }, null, valueVersion)
}

/** What a record says of a group. Of each member's protocols it kept the chosen one. */
export function groupStateOf(groupId: string, value: GroupMetadata): ClassicGroupState {
  const members = value.members.map(member => ({
    memberId: member.memberId,
    instanceId: member.groupInstanceId,
    clientId: member.clientId,
    clientHost: member.clientHost,
    // Records of before Kafka 0.10.1 have none: the session timeout was both.
    rebalanceTimeoutMs: member.rebalanceTimeout === -1 ? member.sessionTimeout : member.rebalanceTimeout,
    sessionTimeoutMs: member.sessionTimeout,
    protocols: [{ name: value.protocol ?? '', metadata: member.subscription }],
    assignment: member.assignment,
  }))
  const { protocolType, generation, protocol, leader } = value
  return { groupId, generation, protocolType, protocolName: protocol, leaderId: leader, members }
}
