import { ErrorCode } from '../../../protocol/index.ts'
import type { Turn } from '../../runtime/shard.ts'
import type { GroupContext } from '../group.ts'
import { joined, refuseJoin, refuseWaiting, refuseWaitingJoin } from './answers.ts'
import { ClassicGroup } from './classic-group.ts'
import { ClassicMember, noAssignment } from './classic-member.ts'
import { groupRecord } from './group-record.ts'
import type { Join } from './join-request.ts'
import { sizeOfMember } from './members.ts'
import type { Rebalance } from './rebalance.ts'
import type { Sessions } from './sessions.ts'
import type { StaticMembers } from './static-members.ts'

/** From this version on a dynamic member learns its id first and joins with it, so that retries do not become members. */
const memberIdRequiredSince = 4

/**
 * How long a new member's JoinGroup waits at most. It does not know its id, so it cannot send heartbeats; if its client gave up
 * and asked again, what is left of it would delay each rebalance. If it is still there, it asks again.
 */
const newMemberJoinMs = 5 * 60_000

/** Memory of one group's members, far more than a record of the group could hold: beyond it nobody is let in. */
const groupBytesMax = 64 * 1024 * 1024

/** What a new member's id begins with, so that operators know it; of absurdly long ones the beginning. */
const idPrefix = (instanceId: string | null, clientId: string): string => (instanceId ?? clientId).slice(0, 255)

/** JoinGroup. */
export class Joins {
  private readonly context: GroupContext
  private readonly sessions: Sessions
  private readonly rebalance: Rebalance
  private readonly staticMembers: StaticMembers

  constructor(context: GroupContext, sessions: Sessions, rebalance: Rebalance, staticMembers: StaticMembers) {
    this.context = context
    this.sessions = sessions
    this.rebalance = rebalance
    this.staticMembers = staticMembers
  }

  /** Session timeout and ids were looked at already. */
  join(join: Join, turn: Turn): void {
    const group = this.groupOf(join, turn)
    if (group === undefined) return
    if (!this.hasRoomFor(group, join)) this.refuseForSize(group, join, turn)
    else if (!group.accepts(join.protocolType, join.protocols)) {
      refuseJoin(join.asker, join.memberId, ErrorCode.INCONSISTENT_GROUP_PROTOCOL, turn)
    } else if (join.memberId === '') this.joinNew(group, join, turn)
    else this.joinKnown(group, join, turn)
  }

  /** The group, made if it is the first member that asks; undefined when the request was answered. */
  private groupOf(join: Join, turn: Turn): ClassicGroup | undefined {
    const { groups } = this.context
    const existing = groups.get(join.groupId)
    if (existing instanceof ClassicGroup) return existing
    const group = new ClassicGroup(join.groupId)
    let refused: ErrorCode = ErrorCode.NONE
    if (existing !== undefined && !existing.isEmpty) refused = ErrorCode.INCONSISTENT_GROUP_PROTOCOL
    else if (join.memberId !== '') refused = ErrorCode.UNKNOWN_MEMBER_ID
    else if (!group.accepts(join.protocolType, join.protocols)) refused = ErrorCode.INCONSISTENT_GROUP_PROTOCOL
    if (refused !== ErrorCode.NONE) {
      refuseJoin(join.asker, join.memberId, refused, turn)
      return undefined
    }
    // A KIP-848 group that nobody is in gives way; its offsets stay.
    if (existing !== undefined) turn.append(...existing.tombstones())
    groups.set(group.id, group)
    const record = groupRecord(group.facts, turn.wallMs)
    if (turn.fits(record)) turn.appendApplied(record)
    return group
  }

  /**
   * Whether the group may have this member. While a rebalance is prepared those count that have joined, so that of a group that
   * became too large the first to join again stay.
   */
  private hasRoomFor(group: ClassicGroup, { memberId, instanceId, client, protocols }: Join): boolean {
    if (group.isEmpty) return true
    const member = group.members.get(memberId)
    const { maxSize } = this.context.settings
    if (group.stateName === 'PreparingRebalance') {
      if (member?.joining === undefined && group.members.joining >= maxSize) return false
    } else if (member === undefined && group.members.size >= maxSize) return false
    const others = group.members.bytes - (member === undefined ? 0 : sizeOfMember(member))
    const { clientId } = client
    const id = memberId || idPrefix(instanceId, clientId)
    return others + sizeOfMember({ memberId: id, instanceId, clientId, protocols }) <= groupBytesMax
  }

  private refuseForSize(group: ClassicGroup, { memberId, asker }: Join, turn: Turn): void {
    const member = group.members.get(memberId)
    if (member !== undefined) refuseWaiting(group, member, '', ErrorCode.GROUP_MAX_SIZE_REACHED, turn)
    this.sessions.end(group, memberId, turn)
    group.removeMember(memberId)
    refuseJoin(asker, '', ErrorCode.GROUP_MAX_SIZE_REACHED, turn)
    if (member !== undefined) this.rebalance.beginOrComplete(group, `there is no room for member ${memberId}`, turn)
    else this.rebalance.completeIfJoined(group, turn)
  }

  private joinNew(group: ClassicGroup, join: Join, turn: Turn): void {
    const { instanceId, client } = join
    const memberId = this.context.newMemberId(idPrefix(instanceId, client.clientId))
    const owner = instanceId === null ? undefined : group.members.staticMemberId(instanceId)
    if (owner !== undefined) this.staticMembers.replace(group, owner, memberId, join, turn)
    else if (instanceId === null && client.apiVersion >= memberIdRequiredSince) this.giveId(group, memberId, join, turn)
    else this.add(group, memberId, join, turn)
  }

  private giveId(group: ClassicGroup, memberId: string, join: Join, turn: Turn): void {
    for (const forgotten of group.pendingJoins.add(memberId)) this.sessions.end(group, forgotten, turn)
    this.sessions.startPending(group, memberId, join.sessionTimeoutMs, turn)
    refuseJoin(join.asker, memberId, ErrorCode.MEMBER_ID_REQUIRED, turn)
  }

  private joinKnown(group: ClassicGroup, join: Join, turn: Turn): void {
    const { memberId, instanceId, asker } = join
    if (group.pendingJoins.has(memberId) && instanceId === null) {
      this.add(group, memberId, join, turn)
      return
    }
    const refused = group.refuseMember(memberId, instanceId)
    if (refused === ErrorCode.NONE) this.joinAgain(group, group.members.get(memberId)!, join, turn)
    else refuseJoin(asker, memberId, refused, turn)
  }

  private joinAgain(group: ClassicGroup, member: ClassicMember, join: Join, turn: Turn): void {
    const reason = this.reasonToRebalance(group, member, join)
    if (reason === undefined) {
      turn.answer(join.asker.asker, joined(group, member.memberId))
      return
    }
    this.update(group, member, join, turn)
    this.rebalance.beginOrComplete(group, reason, turn)
  }

  /** Undefined: the member may only have missed what it was told, and is told again. */
  private reasonToRebalance(group: ClassicGroup, member: ClassicMember, join: Join): string | undefined {
    if (group.stateName === 'PreparingRebalance') return `member ${member.memberId} joins; ${join.reason}`
    if (!member.supportsExactly(join.protocols)) return `metadata of member ${member.memberId} changed; ${join.reason}`
    // The leader sees changes that its own metadata do not show, as of the topics.
    if (group.stateName === 'Stable' && group.leaderId === member.memberId)
      return `the leader asks for it; ${join.reason}`
    return undefined
  }

  private update(group: ClassicGroup, member: ClassicMember, join: Join, turn: Turn): void {
    member.rebalanceTimeoutMs = join.rebalanceTimeoutMs
    member.sessionTimeoutMs = join.sessionTimeoutMs
    group.members.setProtocols(member, join.protocols)
    // Its client gave up the earlier request and will not see the answer, but the connection waits for one.
    refuseWaitingJoin(group, member, member.memberId, ErrorCode.NOT_COORDINATOR, turn)
    group.members.setJoining(member, join.asker)
  }

  private add(group: ClassicGroup, memberId: string, join: Join, turn: Turn): void {
    const { instanceId, client, protocolType, protocols, rebalanceTimeoutMs, sessionTimeoutMs } = join
    const { clientId, clientHost } = client
    const member = new ClassicMember({
      memberId,
      instanceId,
      clientId,
      clientHost,
      rebalanceTimeoutMs,
      sessionTimeoutMs,
      protocols,
      assignment: noAssignment,
    })
    member.isNew = true
    member.joining = join.asker
    if (group.members.size === 0) group.protocolType = protocolType
    group.addMember(member)
    if (group.stateName === 'PreparingRebalance' && group.isInitialRebalance) group.newMemberAdded = true
    this.sessions.start(group, member, turn, newMemberJoinMs)
    this.rebalance.beginOrComplete(group, `member ${memberId} joins; ${join.reason}`, turn)
  }
}
