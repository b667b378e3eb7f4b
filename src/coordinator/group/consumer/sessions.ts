import type { Turn } from '../../runtime/shard.ts'
import type { GroupContext } from '../group.ts'
import type { ConsumerGroup } from './consumer-group.ts'
import { type ConsumerGroupMember, staticLeaveEpoch } from './member.ts'

/** Removes a member whose time is over. */
export type Evict = (group: ConsumerGroup, memberId: string, turn: Turn) => void

/** The timers of members: how long they may be silent, and how long they may take to give up what they have to. */
export class Sessions {
  private readonly context: GroupContext
  private readonly evict: Evict

  constructor(context: GroupContext, evict: Evict) {
    this.context = context
    this.evict = evict
  }

  /** After loading nobody knows how long a member was silent: all of its time begins anew. */
  resume(group: ConsumerGroup, member: ConsumerGroupMember, turn: Turn): void {
    const timeoutMs = member.classic?.sessionTimeoutMs ?? this.context.settings.consumer(group.id).sessionTimeoutMs
    this.start(group, member.memberId, timeoutMs, turn)
    this.watchRevocation(group, member, turn)
  }

  /** A sign of life. */
  start(group: ConsumerGroup, memberId: string, timeoutMs: number, turn: Turn): void {
    const { id } = group
    turn.after(sessionKey(id, memberId), timeoutMs, later => {
      const member = this.memberOf(id, memberId)
      if (member === undefined) return
      this.context.logger.info({ group: id, member: memberId }, 'a member was silent for longer than its session')
      this.evict(member.group, memberId, later)
    })
  }

  /** Bounds the time that a KIP-848 member takes to give partitions up; others wait for them. */
  watchRevocation(group: ConsumerGroup, member: ConsumerGroupMember, turn: Turn): void {
    const { id } = group
    const { memberId, memberEpoch, state, rebalanceTimeoutMs } = member
    if (member.classic !== null) return
    if (state !== 'unrevoked' || memberEpoch === staticLeaveEpoch) {
      turn.cancel(revocationKey(id, memberId))
      return
    }
    turn.after(revocationKey(id, memberId), Math.max(rebalanceTimeoutMs, 0), later => {
      const now = this.memberOf(id, memberId)
      if (now === undefined || now.member.memberEpoch !== memberEpoch || now.member.state !== 'unrevoked') return
      this.context.logger.info(
        { group: id, member: memberId, epoch: memberEpoch, timeoutMs: rebalanceTimeoutMs },
        'a member did not give up its partitions in time',
      )
      this.evict(now.group, memberId, later)
    })
  }

  end(groupId: string, memberId: string, turn: Turn): void {
    turn.cancel(sessionKey(groupId, memberId))
    turn.cancel(revocationKey(groupId, memberId))
  }

  private memberOf(
    groupId: string,
    memberId: string,
  ): { readonly group: ConsumerGroup; readonly member: ConsumerGroupMember } | undefined {
    const group = this.context.groups.get(groupId)
    if (group?.type !== 'consumer') return undefined
    const member = (group as ConsumerGroup).members.get(memberId)
    return member && { group: group as ConsumerGroup, member }
  }
}

// Ids are anything a client likes: the length keeps `a/b` of group `c` apart from `b` of group `c/a`.
const sessionKey = (groupId: string, memberId: string): string => `${groupId}/session/${groupId.length}/${memberId}`
const revocationKey = (groupId: string, memberId: string): string =>
  `${groupId}/revocation/${groupId.length}/${memberId}`
