import { ErrorCode, type RequestOf, type ResponseInput } from '../../../protocol/index.ts'
import type { joinGroup } from '../../../protocol/schema/join-group.ts'
import type { syncGroup } from '../../../protocol/schema/sync-group.ts'
import type { Asker, Turn } from '../../runtime/shard.ts'
import { consumerProtocolType, consumerProtocolVersion, encodeAssignment } from '../consumer-protocol.ts'
import type { ClientInfo, GroupContext } from '../group.ts'
import { readJoin } from './join-reading.ts'
import type {
  ClassicApis,
  ClassicJoin,
  ClassicMemberMetadata,
  ClassicProtocol,
  ConsumerSide,
  MixedGroup,
  MixedMember,
} from './migration.ts'
import { partitionsByName } from './partitions.ts'
import { Rejoins } from './rejoins.ts'

type JoinRequest = RequestOf<typeof joinGroup>
type SyncRequest = RequestOf<typeof syncGroup>
type JoinAsker = Asker<ResponseInput<typeof joinGroup>>

/** From this version on SyncGroup has to name the protocol. */
const syncNamesProtocolSince = 5
/** From this version on LeaveGroup takes out several members, each with its own code. */
const leaveInBatchesSince = 3
/** The first version whose answer may have no protocol name. */
const nullProtocolSince = 7

/** Called when a member of the classic protocol took the place of the group's last KIP-848 member. True: it did the rest. */
export type JoinedLast = (group: MixedGroup, ...request: Parameters<ClassicApis['join']>) => boolean

/**
 * Members of the classic protocol in a KIP-848 group. The coordinator assigns; nobody leads and nobody waits for others:
 * JoinGroup takes the member a step towards its target and answers at once with its epoch as the generation, SyncGroup gives
 * it what it has. REBALANCE_IN_PROGRESS in a heartbeat is how it hears that there is a next step, and the JoinGroup that
 * follows says by its owned partitions what it has given up. It joins and syncs within its rebalance timeout, or is removed.
 */
export class ClassicMembers {
  private readonly context: GroupContext
  private readonly consumer: () => ConsumerSide
  private readonly joinedLast: JoinedLast
  private readonly rejoins: Rejoins

  constructor(context: GroupContext, consumer: () => ConsumerSide, joinedLast: JoinedLast) {
    this.context = context
    this.consumer = consumer
    this.joinedLast = joinedLast
    this.rejoins = new Rejoins(context.logger, (groupId, memberId, turn) => {
      const group = consumer().groupOf(groupId)
      if (group?.members.has(memberId)) consumer().removeMembers(group, [memberId], turn)
    })
  }

  join(group: MixedGroup, request: JoinRequest, client: ClientInfo, asker: JoinAsker, turn: Turn): void {
    const made = readJoin(this.context, this.consumer(), group, request, client, turn)
    if (made.join === undefined) {
      const protocolName = client.apiVersion >= nullProtocolSince ? null : ''
      const { errorCode, memberId } = made
      turn.answer(asker, { errorCode, generationId: -1, protocolName, leader: '', memberId, members: [] })
      return
    }
    const { join } = made
    const before = this.placeOf(group, join)
    const member = this.consumer().joinClassic(group, join, turn)
    if (before !== undefined && before.memberId !== member.memberId) this.forget(group.id, before.memberId, turn)
    if (before?.classic === null && this.joinedLast(group, request, client, asker, turn)) return
    this.rejoins.joined(group.id, member.memberId, join.rebalanceTimeoutMs, turn)
    this.consumer().startSession(group, member.memberId, join.classic.sessionTimeoutMs, turn)
    turn.answer(asker, {
      errorCode: ErrorCode.NONE,
      generationId: member.memberEpoch,
      protocolType: consumerProtocolType,
      protocolName: chosenOf(join.classic).name,
      leader: '',
      memberId: member.memberId,
      members: [],
    })
  }

  readonly sync = (group: MixedGroup, ...[request, client, asker, turn]: Parameters<ClassicApis['sync']>): void => {
    const synced = this.readSync(group, request, client, turn)
    if (synced.member === undefined) {
      turn.answer(asker, { errorCode: synced.errorCode, assignment: new Uint8Array(0) })
      return
    }
    const { member, classic } = synced
    this.rejoins.synced(group.id, member.memberId, turn)
    this.consumer().startSession(group, member.memberId, classic.sessionTimeoutMs, turn)
    const version = consumerProtocolVersion(chosenOf(classic).metadata) ?? 0
    const assignment = encodeAssignment(version, partitionsByName(member.assigned, this.context.topics))
    const { protocolType, protocolName } = request
    turn.answer(asker, { errorCode: ErrorCode.NONE, protocolType, protocolName, assignment })
  }

  heartbeat(group: MixedGroup, ...rest: HeartbeatCall): void {
    const [request, asker, turn] = rest
    turn.answer(asker, { errorCode: this.heard(group, request, turn) })
  }

  /** Takes out members of both protocols: to an operator they are all the group's. */
  readonly leave = (group: MixedGroup, ...[request, client, asker, turn]: Parameters<ClassicApis['leave']>): void => {
    const inBatches = client.apiVersion >= leaveInBatchesSince
    const leaving = inBatches ? request.members : [{ memberId: request.memberId, groupInstanceId: null, reason: null }]
    const gone = new Set<string>()
    const members = leaving.map(({ memberId, groupInstanceId, reason }) => {
      // An operator names the instance alone, as it is all that they know, and is answered by that name.
      const byInstance = memberId === '' && groupInstanceId !== null ? group.staticMemberId(groupInstanceId) : undefined
      const id = byInstance ?? memberId
      const errorCode = refuseMember(group, id, groupInstanceId)
      if (errorCode === ErrorCode.NONE && !gone.has(id)) {
        gone.add(id)
        this.context.logger.info(
          { group: group.id, member: id, reason: reason || 'not given' },
          'a member left the group',
        )
      }
      return { memberId, groupInstanceId, errorCode }
    })
    if (gone.size > 0) this.consumer().removeMembers(group, [...gone], turn)
    turn.answer(asker, inBatches ? { errorCode: ErrorCode.NONE, members } : { errorCode: members[0]!.errorCode })
  }

  /** The member is gone, or its group is no KIP-848 group any more. */
  forget(groupId: string, memberId: string, turn: Turn): void {
    this.rejoins.forget(groupId, memberId, turn)
  }

  /** The member that the join goes on from, if any. */
  private placeOf(group: MixedGroup, { memberId, instanceId, replacesStatic }: ClassicJoin): MixedMember | undefined {
    const id = replacesStatic && instanceId !== null ? group.staticMemberId(instanceId) : memberId
    return id === undefined ? undefined : group.members.get(id)
  }

  private readSync(group: MixedGroup, request: SyncRequest, client: ClientInfo, turn: Turn): Found {
    const { memberId, groupInstanceId, generationId, protocolType, protocolName } = request
    const refused = (errorCode: ErrorCode): Found => ({ member: undefined, errorCode })
    if (client.apiVersion >= syncNamesProtocolSince && (protocolType === null || protocolName === null)) {
      return refused(ErrorCode.INCONSISTENT_GROUP_PROTOCOL)
    }
    const found = this.find(group, memberId, groupInstanceId)
    if (found.member === undefined) return found
    const { member, classic } = found
    if (member.memberEpoch !== generationId) return refused(ErrorCode.ILLEGAL_GENERATION)
    const sameType = protocolType === null || protocolType === consumerProtocolType
    // Any that it knows: in the middle of an upgrade it was told the one that the classic group had chosen.
    const isKnown = protocolName === null || classic.supportedProtocols.some(({ name }) => name === protocolName)
    if (!sameType || !isKnown) return refused(ErrorCode.INCONSISTENT_GROUP_PROTOCOL)
    // There is a newer target than the one it joined for. A member that has to give partitions up learns of that first.
    if (member.memberEpoch < group.assignmentEpoch && member.state !== 'unrevoked') {
      this.rejoins.expect(group.id, member, turn)
      return refused(ErrorCode.REBALANCE_IN_PROGRESS)
    }
    return found
  }

  private heard(group: MixedGroup, request: HeartbeatCall[0], turn: Turn): ErrorCode {
    const { memberId, groupInstanceId, generationId } = request
    const found = this.find(group, memberId, groupInstanceId)
    if (found.member === undefined) return found.errorCode
    const { member, classic } = found
    if (generationId !== member.memberEpoch) return ErrorCode.ILLEGAL_GENERATION
    this.consumer().startSession(group, memberId, classic.sessionTimeoutMs, turn)
    const isThereMore =
      member.memberEpoch < group.groupEpoch ||
      member.state === 'unrevoked' ||
      (member.state === 'unreleased' && !group.waitsForOthers(memberId))
    if (!isThereMore) return ErrorCode.NONE
    this.rejoins.expect(group.id, member, turn)
    return ErrorCode.REBALANCE_IN_PROGRESS
  }

  private find(group: MixedGroup, memberId: string, instanceId: string | null): Found {
    const errorCode = refuseMember(group, memberId, instanceId)
    if (errorCode !== ErrorCode.NONE) return { member: undefined, errorCode }
    const member = group.members.get(memberId)!
    const { classic } = member
    return classic === null ? { member: undefined, errorCode: ErrorCode.UNKNOWN_MEMBER_ID } : { member, classic }
  }
}

type HeartbeatCall = [
  request: Parameters<ClassicApis['heartbeat']>[0],
  asker: Parameters<ClassicApis['heartbeat']>[2],
  turn: Turn,
]
type Found =
  | { readonly member: MixedMember; readonly classic: ClassicMemberMetadata }
  | { readonly member: undefined; readonly errorCode: ErrorCode }

/** NONE when the member is in the group, whichever protocol it talks, and is the one that has this instance id, if it names one. */
function refuseMember(group: MixedGroup, memberId: string, instanceId: string | null): ErrorCode {
  if (instanceId !== null) {
    const owner = group.staticMemberId(instanceId)
    if (owner === undefined) return ErrorCode.UNKNOWN_MEMBER_ID
    if (owner !== memberId) return ErrorCode.FENCED_INSTANCE_ID
  }
  return group.members.has(memberId) ? ErrorCode.NONE : ErrorCode.UNKNOWN_MEMBER_ID
}

/** The protocol that its JoinGroup was answered with: there is no leader whose protocol would matter. */
const chosenOf = ({ supportedProtocols }: ClassicMemberMetadata): ClassicProtocol => supportedProtocols[0]!
