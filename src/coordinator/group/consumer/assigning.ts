import type { CoordinatorRecord } from '../../runtime/record.ts'
import type { Turn } from '../../runtime/shard.ts'
import { noPartitions } from '../assignor/assignment.ts'
import type { GroupContext } from '../group.ts'
import { ConsumerGroup } from './consumer-group.ts'
import { type ConsumerGroupMember, movedTo } from './member.ts'
import { currentAssignmentRecord, groupEpochRecord, targetEpochRecord, targetOf } from './records.ts'
import { assignorOf, mayAssign, newTargets, preferredAssignor } from './target-assignment.ts'

/** A target assignment that is too large for one batch. */
interface Writing {
  readonly epoch: number
  readonly records: readonly CoordinatorRecord[]
  next: number
}

/**
 * Has the target assignment made for a new epoch of a group. That of thousands of members is written over several turns,
 * and counts with the last of them; a change of the group in between makes it void.
 */
export class Assigning {
  private readonly context: GroupContext
  private readonly writings = new Map<string, Writing>()

  constructor(context: GroupContext) {
    this.context = context
  }

  /** `member` takes its step towards the target in the same turn. */
  assign(group: ConsumerGroup, member: ConsumerGroupMember, turn: Turn): void {
    const { settings, topics } = this.context
    if (group.groupEpoch <= group.assignmentEpoch) return
    if (this.writings.get(group.id)?.epoch === group.groupEpoch) return
    if (!mayAssign(group, settings.consumer(group.id).assignmentIntervalMs, turn.wallMs)) return
    const records = newTargets(group, assignorOf(preferredAssignor(group, settings)), topics)
    const epochRecord = targetEpochRecord(group.id, group.groupEpoch, turn.wallMs)
    if (turn.fits(...records, epochRecord, largestStep(group.id, member, records))) {
      turn.append(...records, epochRecord)
      return
    }
    // A member has no epoch without an assignment: the first one is of nothing.
    if (group.assignmentEpoch === 0) {
      turn.append(
        targetEpochRecord(group.id, group.groupEpoch, 0),
        groupEpochRecord(group.id, group.groupEpoch + 1, group.metadataHash),
      )
    }
    const writing = { epoch: group.groupEpoch, records, next: 0 }
    this.writings.set(group.id, writing)
    this.later(group.id, writing, turn)
  }

  /** What is being written is of members that are no longer the same. */
  void(group: ConsumerGroup): void {
    this.writings.delete(group.id)
  }

  private later(groupId: string, writing: Writing, turn: Turn): void {
    turn.after(`${groupId}/target`, 0, next => {
      if (this.writings.get(groupId) !== writing) return
      const group = this.context.groups.get(groupId)
      if (!(group instanceof ConsumerGroup) || group.groupEpoch !== writing.epoch) this.writings.delete(groupId)
      else this.write(group, writing, next)
    })
  }

  private write(group: ConsumerGroup, writing: Writing, turn: Turn): void {
    const epochRecord = targetEpochRecord(group.id, writing.epoch, turn.wallMs)
    const { records, next } = writing
    for (; writing.next < records.length; writing.next++) {
      const record = records[writing.next]!
      if (turn.fits(record, epochRecord)) {
        turn.append(record)
        continue
      }
      if (writing.next > next) {
        this.later(group.id, writing, turn)
        return
      }
      this.context.logger.error(
        { group: group.id, key: record.key },
        'a member would be assigned more than a record can hold',
      )
    }
    this.writings.delete(group.id)
    turn.append(epochRecord)
  }
}

/** The largest record that the member's next step can take. */
function largestStep(
  groupId: string,
  member: ConsumerGroupMember,
  targets: readonly CoordinatorRecord[],
): CoordinatorRecord {
  const own = targets.find(({ key }) => (key as { memberId?: string }).memberId === member.memberId)
  const assigned = own === undefined ? noPartitions : targetOf(own.value as unknown as Parameters<typeof targetOf>[0])
  const { memberEpoch, assigned: pendingRevocation } = member
  return currentAssignmentRecord(
    groupId,
    movedTo(member, { state: 'stable', memberEpoch, assigned, pendingRevocation }),
  )
}
