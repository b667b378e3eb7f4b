import { ErrorCode, type RequestOf } from '../../../protocol/index.ts'
import type { leaveGroup } from '../../../protocol/schema/leave-group.ts'
import type { Turn } from '../../runtime/shard.ts'
import type { GroupContext } from '../group.ts'
import { refuseWaiting, refuseWaitingJoin } from './answers.ts'
import type { ClassicGroup } from './classic-group.ts'
import { reasonCharsMax } from './join-request.ts'
import type { Rebalance } from './rebalance.ts'
import type { Sessions } from './sessions.ts'

export type Leaving = Pick<RequestOf<typeof leaveGroup>['members'][number], 'memberId' | 'groupInstanceId' | 'reason'>

/** How members go: by LeaveGroup, of themselves or of an operator, or because their session ended. */
export class Departures {
  private readonly context: GroupContext
  private readonly sessions: Sessions
  private readonly rebalance: Rebalance

  constructor(context: GroupContext, sessions: Sessions, rebalance: Rebalance) {
    this.context = context
    this.sessions = sessions
    this.rebalance = rebalance
  }

  /** Takes members out together, for one rebalance; returns what to tell of each. */
  leave(group: ClassicGroup, leaving: readonly Leaving[], turn: Turn): ErrorCode[] {
    const codes = leaving.map(member => this.leaveOne(group, member, turn))
    const left = codes.filter(code => code === ErrorCode.NONE).length
    if (left > 0 && !group.isEmpty)
      this.rebalance.beginOrComplete(group, left === 1 ? 'a member left' : `${left} members left`, turn)
    return codes
  }

  /** A member's session, or the time to use an id that was given out, is over. */
  sessionEnded(group: ClassicGroup, memberId: string, turn: Turn): void {
    const member = group.members.get(memberId)
    if (member?.waits) return // Its session begins anew with the answer.
    if (member !== undefined) {
      this.context.logger.info({ group: group.id, member: memberId }, 'A member sent no heartbeats and is removed.')
      // A new member's JoinGroup may still wait: its client, if there is one, joins as another.
      refuseWaitingJoin(group, member, '', ErrorCode.UNKNOWN_MEMBER_ID, turn)
    }
    group.removeMember(memberId)
    if (group.stateName === 'PreparingRebalance') {
      if (group.allJoined) this.rebalance.complete(group, turn)
    } else if (member !== undefined) this.rebalance.begin(group, `member ${memberId} sent no heartbeats`, turn)
  }

  private leaveOne(group: ClassicGroup, { memberId, groupInstanceId, reason }: Leaving, turn: Turn): ErrorCode {
    if (group.pendingJoins.has(memberId)) {
      this.sessions.end(group, memberId, turn)
      group.removeMember(memberId)
      return ErrorCode.NONE
    }
    // An operator names the instance alone, as it is all that they know.
    const id = memberId === '' && groupInstanceId !== null ? group.members.staticMemberId(groupInstanceId) : memberId
    if (id === undefined) return ErrorCode.UNKNOWN_MEMBER_ID
    const refused = group.refuseMember(id, groupInstanceId)
    if (refused !== ErrorCode.NONE) return refused
    refuseWaiting(group, group.members.get(id)!, '', ErrorCode.UNKNOWN_MEMBER_ID, turn)
    this.sessions.end(group, id, turn)
    group.removeMember(id)
    this.context.logger.info(
      { group: group.id, member: id, reason: reason?.slice(0, reasonCharsMax) || 'not given' },
      'A member left the group.',
    )
    return ErrorCode.NONE
  }
}
