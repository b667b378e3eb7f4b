import { ErrorCode, type ResponseInput } from '../../../protocol/index.ts'
import type { joinGroup } from '../../../protocol/schema/join-group.ts'
import type { Turn } from '../../runtime/shard.ts'
import type { ClassicGroup } from './classic-group.ts'
import { type ClassicMember, type JoinAsker, noAssignment, type SyncAsker } from './classic-member.ts'

/** The first version whose answer may have no protocol name. */
const nullProtocolSince = 7

/** Answers a JoinGroup with an error. */
export function refuseJoin({ asker, apiVersion }: JoinAsker, memberId: string, errorCode: ErrorCode, turn: Turn): void {
  const protocolName = apiVersion >= nullProtocolSince ? null : ''
  turn.answer(asker, { errorCode, generationId: -1, protocolName, leader: '', memberId, members: [] })
}

/** Answers a SyncGroup with an error. */
export function refuseSync(asker: SyncAsker, errorCode: ErrorCode, turn: Turn): void {
  turn.answer(asker, { errorCode, assignment: noAssignment })
}

/** What a member learns of its generation: the leader all members' metadata, everyone else who leads. */
export function joined(group: ClassicGroup, memberId: string): ResponseInput<typeof joinGroup> {
  return {
    errorCode: ErrorCode.NONE,
    generationId: group.generation,
    protocolType: group.protocolType,
    protocolName: group.protocolName,
    leader: group.leaderId ?? '',
    memberId,
    members: group.leaderId === memberId ? metadataOfAll(group) : [],
  }
}

function metadataOfAll(group: ClassicGroup): ResponseInput<typeof joinGroup>['members'] {
  return [...group.members].map(member => ({
    memberId: member.memberId,
    groupInstanceId: member.instanceId,
    metadata: member.metadataOf(group.protocolName),
  }))
}

/** Gives a member what its leader assigned to it. */
export function answerAssignment(group: ClassicGroup, member: ClassicMember, asker: SyncAsker, turn: Turn): void {
  const { protocolType, protocolName } = group
  turn.answer(asker, { errorCode: ErrorCode.NONE, protocolType, protocolName, assignment: member.assignment })
}

/** Ends a member's waiting with an error, whatever it waits for; the answer to JoinGroup names the member `memberId`. */
export function refuseWaiting(
  group: ClassicGroup,
  member: ClassicMember,
  memberId: string,
  errorCode: ErrorCode,
  turn: Turn,
): void {
  refuseWaitingJoin(group, member, memberId, errorCode, turn)
  refuseWaitingSync(member, errorCode, turn)
}

/** Returns whether the member waited. */
export function refuseWaitingSync(member: ClassicMember, errorCode: ErrorCode, turn: Turn): boolean {
  const { syncing } = member
  if (syncing === undefined) return false
  member.syncing = undefined
  refuseSync(syncing, errorCode, turn)
  return true
}

export function refuseWaitingJoin(
  group: ClassicGroup,
  member: ClassicMember,
  memberId: string,
  errorCode: ErrorCode,
  turn: Turn,
): void {
  const { joining } = member
  if (joining === undefined) return
  group.members.setJoining(member, undefined)
  refuseJoin(joining, memberId, errorCode, turn)
}
