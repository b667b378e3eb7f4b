import { ErrorCode } from '../../../protocol/index.ts'
import type { Turn } from '../../runtime/shard.ts'
import type { GroupContext } from '../group.ts'
import { joined, refuseWaitingSync } from './answers.ts'
import type { ClassicGroup } from './classic-group.ts'
import { type ClassicMember, noAssignment } from './classic-member.ts'
import { groupRecord } from './group-record.ts'
import type { Sessions } from './sessions.ts'

/** How long at least until absent static members are looked for again, whatever rebalance timeout they gave. */
const nobodyJoinedMs = 1_000

/**
 * How a group gets from one generation to the next. Preparing: members join (again), until all have or the longest of their
 * rebalance timeouts is over; who has not is removed, unless it is static. Completing: the members wait for their leader's
 * assignment; who does not ask for it within the same time is removed, and that is the next rebalance.
 */
export class Rebalance {
  private readonly context: GroupContext
  private readonly sessions: Sessions

  constructor(context: GroupContext, sessions: Sessions) {
    this.context = context
    this.sessions = sessions
  }

  /** Something changed: begins a rebalance, or, within one that is being prepared, completes it if it was waited for this. */
  beginOrComplete(group: ClassicGroup, reason: string, turn: Turn): void {
    if (group.stateName === 'PreparingRebalance') this.completeIfJoined(group, turn)
    else this.begin(group, reason, turn)
  }

  /** In any state but PreparingRebalance. */
  begin(group: ClassicGroup, reason: string, turn: Turn): void {
    if (group.stateName === 'CompletingRebalance') this.forgetAssignments(group, ErrorCode.REBALANCE_IN_PROGRESS, turn)
    this.endSyncPhase(group, turn)
    group.transitionTo('PreparingRebalance', turn.wallMs)
    this.context.logger.info(
      { group: group.id, generation: group.generation, members: group.members.size, reason },
      'The group rebalances.',
    )
    if (group.isInitialRebalance) {
      const delayMs = this.context.settings.initialRebalanceDelayMs
      this.waitForMore(group, delayMs, Math.max(group.rebalanceTimeoutMs - delayMs, 0), turn)
    } else if (group.allJoined) this.complete(group, turn)
    else this.completeLater(group, turn)
  }

  /** Completes the preparation if everybody is there; the first rebalance of a group waits for its delay whoever is. */
  completeIfJoined(group: ClassicGroup, turn: Turn): void {
    if (group.stateName === 'PreparingRebalance' && !group.isInitialRebalance && group.allJoined)
      this.complete(group, turn)
  }

  /** The preparation is over, whoever has joined. */
  complete(group: ClassicGroup, turn: Turn): void {
    turn.cancel(this.sessions.timerKey(group, 'join'))
    this.removeAbsent(group, turn)
    if (!this.electLeader(group)) {
      // Only static members are left and none of them is here: they have until their sessions end.
      this.completeLater(group, turn, nobodyJoinedMs)
      return
    }
    group.beginGeneration(turn.wallMs)
    group.newMemberAdded = false
    const { id, generation, members } = group
    const news = group.isEmpty ? 'The group is empty.' : 'The group has a new generation.'
    this.context.logger.info({ group: id, generation, members: members.size }, news)
    if (group.isEmpty) this.storeEmpty(group, turn)
    else this.beginSyncPhase(group, turn)
  }

  /** The group is about to be forgotten, or another kind of group: none of its timers rings again. */
  cancelTimers(group: ClassicGroup, turn: Turn): void {
    turn.cancel(this.sessions.timerKey(group, 'join'))
    turn.cancel(this.sessions.timerKey(group, 'sync'))
    for (const memberId of group.pendingJoins) this.sessions.end(group, memberId, turn)
    for (const { memberId } of group.members) this.sessions.end(group, memberId, turn)
  }

  /** The member has asked for its assignment. */
  synced(group: ClassicGroup, memberId: string, turn: Turn): void {
    group.pendingSyncs.delete(memberId)
    if (group.pendingSyncs.size === 0) turn.cancel(this.sessions.timerKey(group, 'sync'))
  }

  /** No member has an assignment, and whoever waits for one is told why. */
  forgetAssignments(group: ClassicGroup, errorCode: ErrorCode, turn: Turn): void {
    for (const member of group.members) {
      member.assignment = noAssignment
      // Its session may have ended while it waited here, and nothing else would start it again.
      if (refuseWaitingSync(member, errorCode, turn)) this.sessions.start(group, member, turn)
    }
  }

  /** Members of a new group tend to come together: each that comes prolongs the wait, within the rebalance timeout. */
  private waitForMore(group: ClassicGroup, delayMs: number, remainingMs: number, turn: Turn): void {
    this.afterJoinDelay(group, delayMs, turn, later => {
      if (!group.newMemberAdded || remainingMs === 0) return this.complete(group, later)
      group.newMemberAdded = false
      const nextMs = Math.min(this.context.settings.initialRebalanceDelayMs, remainingMs)
      this.waitForMore(group, nextMs, Math.max(remainingMs - delayMs, 0), later)
    })
  }

  private completeLater(group: ClassicGroup, turn: Turn, atLeastMs = 0): void {
    const delayMs = Math.max(group.rebalanceTimeoutMs, atLeastMs)
    this.afterJoinDelay(group, delayMs, turn, later => this.complete(group, later))
  }

  private afterJoinDelay(group: ClassicGroup, delayMs: number, turn: Turn, work: (turn: Turn) => void): void {
    turn.after(this.sessions.timerKey(group, 'join'), delayMs, later => {
      if (this.sessions.isCurrent(group) && group.stateName === 'PreparingRebalance') work(later)
    })
  }

  private removeAbsent(group: ClassicGroup, turn: Turn): void {
    const absent = [...group.members].filter(({ joining, instanceId }) => joining === undefined && instanceId === null)
    for (const { memberId } of absent) this.removeSilently(group, memberId, turn)
    if (absent.length > 0) {
      const removed = absent.map(({ memberId }) => memberId).slice(0, 20)
      this.context.logger.info(
        { group: group.id, count: absent.length, removed },
        'Members did not join again in time.',
      )
    }
  }

  private removeSilently(group: ClassicGroup, memberId: string, turn: Turn): void {
    this.sessions.end(group, memberId, turn)
    group.removeMember(memberId)
  }

  /** The leader stays if it has joined, else it is the first who has. False: there are members and none has joined. */
  private electLeader(group: ClassicGroup): boolean {
    if (group.members.size === 0) return true
    const leader = group.leaderId === null ? undefined : group.members.get(group.leaderId)
    if (leader?.joining !== undefined) return true
    for (const member of group.members) {
      if (member.joining === undefined) continue
      group.leaderId = member.memberId
      return true
    }
    return false
  }

  private storeEmpty(group: ClassicGroup, turn: Turn): void {
    const record = groupRecord(group.facts, group.stateSinceMs)
    if (turn.fits(record)) turn.appendApplied(record)
    else this.context.logger.warn({ group: group.id }, 'The record of an empty group is larger than its topic allows.')
  }

  private beginSyncPhase(group: ClassicGroup, turn: Turn): void {
    for (const member of group.members) {
      this.answerJoined(group, member, turn)
      member.isNew = false
      this.sessions.start(group, member, turn)
      group.pendingSyncs.add(member.memberId)
    }
    turn.after(this.sessions.timerKey(group, 'sync'), group.rebalanceTimeoutMs, later => {
      if (this.sessions.isCurrent(group)) this.endUnsynced(group, later)
    })
  }

  private answerJoined(group: ClassicGroup, member: ClassicMember, turn: Turn): void {
    const { joining } = member
    if (joining === undefined) return
    group.members.setJoining(member, undefined)
    turn.answer(joining.asker, joined(group, member.memberId))
  }

  /** Runs in CompletingRebalance or Stable: the end of either cancels its timer. */
  private endUnsynced(group: ClassicGroup, turn: Turn): void {
    const absent = [...group.pendingSyncs]
    if (absent.length === 0) return
    for (const memberId of absent) this.removeSilently(group, memberId, turn)
    this.begin(group, `members that did not ask for their assignment in time: ${absent.length}`, turn)
  }

  private endSyncPhase(group: ClassicGroup, turn: Turn): void {
    group.pendingSyncs.clear()
    turn.cancel(this.sessions.timerKey(group, 'sync'))
  }
}
