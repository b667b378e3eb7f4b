import { ErrorCode, type RequestOf } from '../../../protocol/index.ts'
import type { consumerGroupHeartbeat } from '../../../protocol/schema/consumer-group-heartbeat.ts'
import type { ConsumerGroup } from './consumer-group.ts'
import { type ConsumerGroupMember, leaveEpoch, staticLeaveEpoch } from './member.ts'

export type HeartbeatRequest = RequestOf<typeof consumerGroupHeartbeat>

/** Why a heartbeat is not served; the texts are those that Kafka's users search for. */
export interface Refusal {
  readonly errorCode: ErrorCode
  readonly errorMessage: string
}

export const refuse = (errorCode: ErrorCode, errorMessage: string): Refusal => ({ errorCode, errorMessage })

/** What is wrong with a heartbeat whatever the group. */
export function refuseRequest(
  request: HeartbeatRequest,
  apiVersion: number,
  assignors: readonly string[],
): Refusal | undefined {
  const { memberEpoch, serverAssignor } = request
  // From version 1 on the client makes up its member id.
  const idRequired = apiVersion >= 1 || memberEpoch > 0 || memberEpoch === leaveEpoch
  const invalid =
    (idRequired && isBlank(request.memberId) ? "MemberId can't be empty." : undefined) ??
    (isBlank(request.groupId) ? "GroupId can't be empty." : undefined) ??
    (isBlank(request.instanceId) ? "InstanceId can't be empty." : undefined) ??
    (isBlank(request.rackId) ? "RackId can't be empty." : undefined) ??
    wrongForEpoch(request)
  if (invalid !== undefined) return refuse(ErrorCode.INVALID_REQUEST, invalid)
  if (serverAssignor !== null && !assignors.includes(serverAssignor)) {
    return refuse(
      ErrorCode.UNSUPPORTED_ASSIGNOR,
      `ServerAssignor ${serverAssignor} is not supported. Supported assignors: ${assignors.join(', ')}.`,
    )
  }
  return undefined
}

function wrongForEpoch(request: HeartbeatRequest): string | undefined {
  const { memberEpoch } = request
  if (memberEpoch === 0) {
    if (request.rebalanceTimeoutMs === -1) return 'RebalanceTimeoutMs must be provided in first request.'
    if (request.topicPartitions === null || request.topicPartitions.length > 0) {
      return 'TopicPartitions must be empty when (re-)joining.'
    }
    if (request.subscribedTopicNames === null && request.subscribedTopicRegex === null) {
      return 'Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when (re-)joining.'
    }
  }
  if (memberEpoch === staticLeaveEpoch && request.instanceId === null) return "InstanceId can't be null."
  return memberEpoch < staticLeaveEpoch ? 'MemberEpoch is invalid.' : undefined
}

const isBlank = (text: string | null): boolean => text !== null && text.trim() === ''

export function refuseFull(
  group: ConsumerGroup | undefined,
  memberId: string,
  instanceId: string | null,
  maxSize: number,
): Refusal | undefined {
  const size = group?.members.size ?? 0
  if (instanceId !== null && group?.staticMemberId(instanceId) !== undefined) return undefined
  if (size < maxSize || group?.members.has(memberId)) return undefined
  return refuse(
    ErrorCode.GROUP_MAX_SIZE_REACHED,
    `The consumer group has reached its maximum capacity of ${maxSize} members.`,
  )
}

/** Whether a member may go on from `memberEpoch`, owning `owned`. */
export function refuseEpoch(member: ConsumerGroupMember, request: HeartbeatRequest): Refusal | undefined {
  const { memberEpoch } = request
  if (memberEpoch === 0) return undefined
  const known = member.memberEpoch
  if (memberEpoch > known) return fenced('greater', memberEpoch, known)
  if (memberEpoch === known) return undefined
  // The response that told of the present epoch may have been lost: then the member owns nothing that it may not.
  const lost = memberEpoch === member.previousMemberEpoch && ownsNothingElse(request, member)
  return lost ? undefined : fenced('smaller', memberEpoch, known)
}

function ownsNothingElse({ topicPartitions }: HeartbeatRequest, { assigned }: ConsumerGroupMember): boolean {
  return (
    topicPartitions?.every(({ topicId, partitions }) => partitions.every(p => assigned.get(topicId)?.has(p))) ?? false
  )
}

function fenced(than: 'greater' | 'smaller', received: number, known: number): Refusal {
  return refuse(
    ErrorCode.FENCED_MEMBER_EPOCH,
    `The consumer group member has a ${than} member epoch (${received}) than the one known by the group coordinator ` +
      `(${known}). The member must abandon all its partitions and rejoin.`,
  )
}

/** A member in a state of a later version can be taken on only when it owns nothing. */
export function refuseUnknownState(member: ConsumerGroupMember, request: HeartbeatRequest): Refusal | undefined {
  if (member.state !== 'unknown' || request.topicPartitions?.length === 0) return undefined
  return refuse(
    ErrorCode.FENCED_MEMBER_EPOCH,
    'The consumer group member is in a unknown state. The member must abandon all its partitions and rejoin.',
  )
}

export function unknownMember(groupId: string, memberId: string): Refusal {
  return refuse(ErrorCode.UNKNOWN_MEMBER_ID, `Member ${memberId} is not a member of group ${groupId}.`)
}

export function unknownInstance(instanceId: string): Refusal {
  return refuse(ErrorCode.UNKNOWN_MEMBER_ID, `Instance id ${instanceId} is unknown.`)
}

export function instanceFenced(memberId: string, instanceId: string, by: string): Refusal {
  return refuse(
    ErrorCode.FENCED_INSTANCE_ID,
    `Static member ${memberId} with instance id ${instanceId} was fenced by member ${by}.`,
  )
}

export function instanceUnreleased(memberId: string, instanceId: string, owner: string): Refusal {
  return refuse(
    ErrorCode.UNRELEASED_INSTANCE_ID,
    `Static member ${memberId} with instance id ${instanceId} cannot join the group because the instance id is owned ` +
      `by ${owner} member.`,
  )
}

export function invalidRegex(regex: string, why: string): Refusal {
  const shown = regex.length > 200 ? `${regex.slice(0, 200)}…` : regex
  return refuse(
    ErrorCode.INVALID_REGULAR_EXPRESSION,
    `SubscribedTopicRegex \`${shown}\` is not a valid regular expression: ${why}.`,
  )
}
