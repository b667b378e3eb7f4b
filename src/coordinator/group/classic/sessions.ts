import type { Turn } from '../../runtime/shard.ts'
import type { Group } from '../group.ts'
import type { ClassicGroup } from './classic-group.ts'
import type { ClassicMember } from './classic-member.ts'

/** Told when a member's session, or the time to use an id that was given out, is over. */
export type SessionEnded = (group: ClassicGroup, memberId: string, turn: Turn) => void

/**
 * How long members are believed to be alive. A heartbeat moves a deadline and no timer: one that rings too early is set again
 * for the rest. Timers of a group that is gone, or was made anew, ring without effect.
 */
export class Sessions {
  private readonly groups: ReadonlyMap<string, Group>
  private readonly ended: SessionEnded
  private readonly numbers = new WeakMap<ClassicGroup, number>()
  private lastNumber = 0

  constructor(groups: ReadonlyMap<string, Group>, ended: SessionEnded) {
    this.groups = groups
    this.ended = ended
  }

  /** A session of this length begins now, in the place of the one before. */
  start(group: ClassicGroup, member: ClassicMember, turn: Turn, timeoutMs: number = member.sessionTimeoutMs): void {
    member.sessionEndsMs = turn.nowMs + timeoutMs
    if (member.sessionEndsMs < member.sessionTimerMs) this.set(group, member, turn)
  }

  /** An id that was given out is forgotten unless a member joins with it within this time. */
  startPending(group: ClassicGroup, memberId: string, timeoutMs: number, turn: Turn): void {
    turn.after(this.timerKey(group, `session/${memberId}`), timeoutMs, later => {
      if (this.isCurrent(group) && group.pendingJoins.has(memberId)) this.ended(group, memberId, later)
    })
  }

  end(group: ClassicGroup, memberId: string, turn: Turn): void {
    turn.cancel(this.timerKey(group, `session/${memberId}`))
    const member = group.members.get(memberId)
    if (member !== undefined) member.sessionTimerMs = Number.POSITIVE_INFINITY
  }

  /**
   * The key of one of the group's timers. It has a number in the place of the group's id: that may be long, and strings that are
   * long and equally so all have one hash.
   */
  timerKey(group: ClassicGroup, timer: string): string {
    const number = this.numbers.get(group) ?? ++this.lastNumber
    this.numbers.set(group, number)
    return `classic/${number}/${timer}`
  }

  /** Whether this is still the group that its id stands for. */
  isCurrent(group: ClassicGroup): boolean {
    return this.groups.get(group.id) === group
  }

  private set(group: ClassicGroup, member: ClassicMember, turn: Turn): void {
    member.sessionTimerMs = member.sessionEndsMs
    turn.after(this.timerKey(group, `session/${member.memberId}`), member.sessionEndsMs - turn.nowMs, later => {
      member.sessionTimerMs = Number.POSITIVE_INFINITY
      if (!this.isCurrent(group) || group.members.get(member.memberId) !== member) return
      if (member.sessionEndsMs > later.nowMs) this.set(group, member, later)
      else this.ended(group, member.memberId, later)
    })
  }
}
