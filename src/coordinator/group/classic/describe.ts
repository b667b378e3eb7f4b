import { ErrorCode, type ResponseInput } from '../../../protocol/index.ts'
import type { describeGroups } from '../../../protocol/schema/describe-groups.ts'
import type { ClassicGroup } from './classic-group.ts'
import { noAssignment } from './classic-member.ts'

export type DescribedGroup = ResponseInput<typeof describeGroups>['groups'][number]

/** From this version on an unknown group is an error; before, it is one that is Dead. */
const unknownIsErrorSince = 6

/** Metadata are told of a stable group only: before that there is no protocol to tell them of. */
export function describeGroup(group: ClassicGroup): DescribedGroup {
  const isStable = group.stateName === 'Stable'
  const members = [...group.members].map(member => ({
    memberId: member.memberId,
    groupInstanceId: member.instanceId,
    clientId: member.clientId,
    clientHost: member.clientHost,
    memberMetadata: isStable ? member.metadataOf(group.protocolName) : noAssignment,
    memberAssignment: member.assignment,
  }))
  return {
    errorCode: ErrorCode.NONE,
    groupId: group.id,
    groupState: group.stateName,
    protocolType: group.protocolType,
    protocolData: isStable ? (group.protocolName ?? '') : '',
    members,
  }
}

/** What is said of an id that is no classic group's. */
export function describeUnknown(groupId: string, isOtherKind: boolean, apiVersion: number): DescribedGroup {
  const described = { groupId, groupState: 'Dead', protocolType: '', protocolData: '', members: [] }
  if (apiVersion < unknownIsErrorSince) return { ...described, errorCode: ErrorCode.NONE }
  const errorMessage = isOtherKind ? `Group ${groupId} is not a classic group.` : `Group ${groupId} not found.`
  return { ...described, errorCode: ErrorCode.GROUP_ID_NOT_FOUND, errorMessage }
}
