import { ErrorCode, type RequestOf } from '../../../protocol/index.ts'
import type { syncGroup } from '../../../protocol/schema/sync-group.ts'
import type { Turn } from '../../runtime/shard.ts'
import type { GroupContext } from '../group.ts'
import { answerAssignment, refuseSync, refuseWaitingSync } from './answers.ts'
import type { ClassicGroup } from './classic-group.ts'
import { noAssignment, type SyncAsker } from './classic-member.ts'
import { groupRecord } from './group-record.ts'
import type { Rebalance } from './rebalance.ts'
import type { Sessions } from './sessions.ts'

type SyncRequest = RequestOf<typeof syncGroup>

/** SyncGroup: the leader brings what each member consumes in this generation, the others wait for it. */
export class Syncs {
  private readonly context: GroupContext
  private readonly sessions: Sessions
  private readonly rebalance: Rebalance

  constructor(context: GroupContext, sessions: Sessions, rebalance: Rebalance) {
    this.context = context
    this.sessions = sessions
    this.rebalance = rebalance
  }

  sync(group: ClassicGroup, request: SyncRequest, asker: SyncAsker, turn: Turn): void {
    const refused = refuse(group, request)
    if (refused !== ErrorCode.NONE) {
      refuseSync(asker, refused, turn)
      return
    }
    const member = group.members.get(request.memberId)!
    this.rebalance.synced(group, member.memberId, turn)
    if (group.stateName === 'Stable') {
      answerAssignment(group, member, asker, turn)
      return
    }
    // Its client gave up the earlier request and will not see the answer, but the connection waits for one.
    refuseWaitingSync(member, ErrorCode.NOT_COORDINATOR, turn)
    member.syncing = asker
    if (group.leaderId === member.memberId) this.assign(group, request.assignments, turn)
  }

  private assign(group: ClassicGroup, assignments: SyncRequest['assignments'], turn: Turn): void {
    for (const member of group.members) member.assignment = noAssignment
    for (const { memberId, assignment } of assignments) {
      const member = group.members.get(memberId)
      if (member !== undefined) member.assignment = assignment
    }
    const record = groupRecord(group.facts, turn.wallMs)
    if (!turn.fits(record)) {
      this.context.logger.warn(
        { group: group.id, generation: group.generation, members: group.members.size },
        'The group with its assignments is larger than its topic allows.',
      )
      this.rebalance.forgetAssignments(group, ErrorCode.UNKNOWN_SERVER_ERROR, turn)
      this.rebalance.begin(group, 'its assignments are too large', turn)
      return
    }
    group.transitionTo('Stable', turn.wallMs)
    turn.appendApplied(record)
    for (const member of group.members) {
      const { syncing } = member
      if (syncing === undefined) continue
      member.syncing = undefined
      answerAssignment(group, member, syncing, turn)
      // Its session may have ended while it waited here, and nothing else would start it again.
      this.sessions.start(group, member, turn)
    }
  }
}

/** NONE when the member may have its assignment, now or once its leader has brought it. */
function refuse(group: ClassicGroup, request: SyncRequest): ErrorCode {
  const { memberId, groupInstanceId, generationId, protocolType, protocolName } = request
  if (group.isEmpty) return ErrorCode.UNKNOWN_MEMBER_ID
  const refused = group.refuseMember(memberId, groupInstanceId)
  if (refused !== ErrorCode.NONE) return refused
  if (generationId !== group.generation) return ErrorCode.ILLEGAL_GENERATION
  const otherType = protocolType !== null && protocolType !== group.protocolType
  const otherName = protocolName !== null && group.protocolName !== null && protocolName !== group.protocolName
  if (otherType) return ErrorCode.INCONSISTENT_GROUP_PROTOCOL
  // Kafka looks at the name first. A member that joined when this was a KIP-848 group was told another, and would give up for good.
  if (group.stateName === 'PreparingRebalance') return ErrorCode.REBALANCE_IN_PROGRESS
  return otherName ? ErrorCode.INCONSISTENT_GROUP_PROTOCOL : ErrorCode.NONE
}
