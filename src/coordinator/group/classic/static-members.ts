import { ErrorCode } from '../../../protocol/index.ts'
import type { Turn } from '../../runtime/shard.ts'
import { consumerProtocolType } from '../consumer-protocol.ts'
import type { GroupContext } from '../group.ts'
import { joined, refuseJoin, refuseWaiting } from './answers.ts'
import type { ClassicGroup } from './classic-group.ts'
import { ClassicMember } from './classic-member.ts'
import { groupRecord } from './group-record.ts'
import type { Join } from './join-request.ts'
import type { Rebalance } from './rebalance.ts'
import type { Sessions } from './sessions.ts'
import { topicsOfSubscription } from './subscribed-topics.ts'

/** From this version on a leader can be told that it leads and has nothing to assign. */
const skipAssignmentSince = 9

/** Members with an instance id (KIP-345) that restart: they come back without their member id and keep what they had. */
export class StaticMembers {
  private readonly context: GroupContext
  private readonly sessions: Sessions
  private readonly rebalance: Rebalance

  constructor(context: GroupContext, sessions: Sessions, rebalance: Rebalance) {
    this.context = context
    this.sessions = sessions
    this.rebalance = rebalance
  }

  /** The member `oldId` is now `newId`, and whoever still uses the old id is fenced. */
  replace(group: ClassicGroup, oldId: string, newId: string, join: Join, turn: Turn): void {
    const old = group.members.get(oldId)!
    const oldLeaderId = group.leaderId
    refuseWaiting(group, old, oldId, ErrorCode.FENCED_INSTANCE_ID, turn)
    this.sessions.end(group, oldId, turn)
    const fresh = new ClassicMember({
      ...join,
      clientId: join.client.clientId,
      clientHost: join.client.clientHost,
      memberId: newId,
      assignment: old.assignment,
    })
    fresh.joining = join.asker
    group.replaceMember(old, fresh)
    this.sessions.start(group, fresh, turn)
    const isPreparing = group.stateName === 'PreparingRebalance'
    const reason = isPreparing ? undefined : reasonToRebalance(group, old, fresh)
    if (isPreparing) this.rebalance.completeIfJoined(group, turn)
    else if (reason !== undefined) this.rebalance.begin(group, `${reason}; ${join.reason}`, turn)
    else this.keepAssignment(group, old, fresh, oldLeaderId, turn)
  }

  /** The group stays Stable; what changed is the id that the assignment belongs to. */
  private keepAssignment(
    group: ClassicGroup,
    old: ClassicMember,
    fresh: ClassicMember,
    oldLeaderId: string | null,
    turn: Turn,
  ): void {
    const { asker, apiVersion } = fresh.joining!
    group.members.setJoining(fresh, undefined)
    const record = groupRecord(group.facts, group.stateSinceMs)
    if (!turn.fits(record)) {
      group.replaceMember(fresh, old)
      this.sessions.end(group, fresh.memberId, turn)
      this.sessions.start(group, old, turn)
      this.context.logger.warn(
        { group: group.id, instance: old.instanceId },
        'The group with its restarted member is too large.',
      )
      refuseJoin({ asker, apiVersion }, '', ErrorCode.UNKNOWN_SERVER_ERROR, turn)
      return
    }
    turn.appendApplied(record)
    this.context.logger.info(
      { group: group.id, instance: fresh.instanceId, member: fresh.memberId, replaced: old.memberId },
      'A static member is back and keeps its assignment.',
    )
    const answer = joined(group, fresh.memberId)
    if (apiVersion < skipAssignmentSince) {
      // A leader would assign anew, and a stable group would not hear of it. So it is told that its old self leads.
      turn.answer(asker, { ...answer, leader: oldLeaderId ?? '', members: [] })
    } else if (group.leaderId === fresh.memberId) turn.answer(asker, { ...answer, skipAssignment: true })
    else turn.answer(asker, answer)
  }
}

/** Undefined: the group can go on as if the member had never been away. */
function reasonToRebalance(group: ClassicGroup, old: ClassicMember, fresh: ClassicMember): string | undefined {
  // The leader may have been told the old id already, and what it assigns to that would reach nobody.
  if (group.stateName === 'CompletingRebalance') return `static member ${fresh.instanceId} restarted`
  if (group.members.selectProtocol() !== group.protocolName) {
    return `static member ${fresh.instanceId} restarted, and the group chooses another protocol now`
  }
  if (group.protocolType === consumerProtocolType && subscribesAnew(old, fresh, group.protocolName)) {
    return `static member ${fresh.instanceId} restarted with other topics`
  }
  return undefined
}

/** Only the topics count: the rest of the metadata tells what a member owned, and a member that restarted owns nothing. */
function subscribesAnew(old: ClassicMember, fresh: ClassicMember, protocolName: string | null): boolean {
  const before = topicsOfSubscription(old.metadataOf(protocolName))
  const now = topicsOfSubscription(fresh.metadataOf(protocolName))
  if (before === undefined || now === undefined) return false
  const topics = new Set(now)
  return topics.size !== new Set(before).size || before.some(topic => !topics.has(topic))
}
