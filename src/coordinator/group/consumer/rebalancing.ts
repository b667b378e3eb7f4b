import type { CoordinatorRecord } from '../../runtime/record.ts'
import type { Turn } from '../../runtime/shard.ts'
import type { TopicPartitionsById } from '../assignor/assignment.ts'
import type { GroupContext } from '../group.ts'
import { Assigning } from './assigning.ts'
import { ConsumerGroup } from './consumer-group.ts'
import { type ConsumerGroupMember, newMember, sameMetadata, samePosition, sameSet } from './member.ts'
import { metadataHash } from './metadata-hash.ts'
import { reconcile } from './reconciliation.ts'
import {
  currentAssignmentRecord,
  groupEpochRecord,
  memberRecord,
  memberTombstones,
  partitionMetadataTombstone,
  regexTombstone,
  targetEpochRecord,
  targetRecord,
} from './records.ts'
import { RegexResolution } from './regex-resolution.ts'
import { preferredAssignor } from './target-assignment.ts'

/**
 * What membership does to a group: the group epoch that rises with each change, the target assignment made for it, and the
 * steps that members take towards theirs. Everything is written down in the order in which it is decided, and each decision
 * sees what was written before it.
 */
export class Rebalancing {
  private readonly context: GroupContext
  private readonly regexes: RegexResolution
  private readonly assigning: Assigning

  constructor(context: GroupContext) {
    this.context = context
    this.assigning = new Assigning(context)
    this.regexes = new RegexResolution(context, (group, turn) => this.changeEpoch(group, true, turn))
  }

  /**
   * The middle of a heartbeat. `updated` is the member with what it tells of itself now; `before` is how it was, undefined for
   * one that joins. Returns the member after its step.
   */
  settle(
    groupId: string,
    before: ConsumerGroupMember | undefined,
    updated: ConsumerGroupMember,
    owned: TopicPartitionsById | undefined,
    turn: Turn,
  ): ConsumerGroupMember {
    const told = before === undefined || !sameMetadata(before, updated)
    const changed = told && this.tell(groupId, before, updated, turn)
    const group = this.groupOf(groupId)
    this.forgetUnusedRegexes(group, turn)
    this.regexes.refresh(group, turn)
    this.changeEpoch(group, changed, turn)
    this.assigning.assign(group, group.members.get(updated.memberId)!, turn)
    return this.step(group, group.members.get(updated.memberId)!, owned, turn)
  }

  /** Writes down what a member tells of itself, and whether that changes what its group has to do. */
  private tell(
    groupId: string,
    before: ConsumerGroupMember | undefined,
    updated: ConsumerGroupMember,
    turn: Turn,
  ): boolean {
    const known = this.context.groups.get(groupId)
    const preferred = known instanceof ConsumerGroup ? preferredAssignor(known, this.context.settings) : undefined
    // The first record of a group makes it.
    turn.append(memberRecord(groupId, updated))
    const group = this.groupOf(groupId)
    return (
      group.groupEpoch === 0 ||
      subscriptionChanged(group, before ?? newMember(updated.memberId), updated) ||
      preferredAssignor(group, this.context.settings) !== preferred
    )
  }

  /**
   * How a static member takes the place of the one that had its instance id: with its subscription, its target and its
   * partitions.
   */
  replacing(group: ConsumerGroup, leaving: ConsumerGroupMember, joining: ConsumerGroupMember): CoordinatorRecord[] {
    return [
      ...memberTombstones(group.id, leaving.memberId),
      memberRecord(group.id, joining),
      targetRecord(group.id, joining.memberId, group.targetOf(leaving.memberId)),
      currentAssignmentRecord(group.id, joining),
    ]
  }

  replace(group: ConsumerGroup, leaving: ConsumerGroupMember, joining: ConsumerGroupMember, turn: Turn): void {
    turn.append(...this.replacing(group, leaving, joining))
    this.assigning.void(group)
  }

  /** As many of them as a batch takes, from the first on; returns the others, which are for another turn. */
  remove(group: ConsumerGroup, memberIds: readonly string[], turn: Turn): readonly string[] {
    let removed = 0
    for (const memberId of memberIds) {
      const tombstones = memberTombstones(group.id, memberId)
      if (!turn.fits(...tombstones, ...epochRecords(group))) break
      turn.append(...tombstones)
      removed++
    }
    this.forgetUnusedRegexes(group, turn)
    this.changeEpoch(group, true, turn)
    // Nobody is left to assign to. The stamp says from when the group's offsets age.
    if (group.isEmpty) turn.append(targetEpochRecord(group.id, group.groupEpoch, turn.wallMs))
    return memberIds.slice(removed)
  }

  /** Bumps the group epoch if something changed, `changed` or what is known of its topics. */
  private changeEpoch(group: ConsumerGroup, changed: boolean, turn: Turn): void {
    if (!changed && !group.topicsMayDiffer) return
    const hash = metadataHash(group.subscriptions.topics(), this.context.topics)
    group.topicsMayDiffer = false
    if (changed || hash !== group.metadataHash) {
      turn.append(groupEpochRecord(group.id, group.groupEpoch + 1, hash))
      this.context.logger.info({ group: group.id, epoch: group.groupEpoch }, 'a consumer group has a new epoch')
    }
    if (group.hasPartitionMetadata) turn.append(partitionMetadataTombstone(group.id))
  }

  private step(
    group: ConsumerGroup,
    member: ConsumerGroupMember,
    owned: TopicPartitionsById | undefined,
    turn: Turn,
  ): ConsumerGroupMember {
    const next = reconcile(member, {
      assignmentEpoch: group.assignmentEpoch,
      target: group.targetOf(member.memberId),
      isSubscribedTo: topicId => group.subscribes(member, topicId),
      ownerOf: (topicId, partition) => group.ownerOf(topicId, partition),
      owned,
    })
    if (samePosition(member, next)) return member
    const record = currentAssignmentRecord(group.id, next)
    if (!turn.fits(record)) {
      this.context.logger.error(
        { group: group.id, member: member.memberId },
        'a member would own more than a record can hold',
      )
      return member
    }
    turn.append(record)
    return group.members.get(member.memberId)!
  }

  private forgetUnusedRegexes(group: ConsumerGroup, turn: Turn): void {
    const { regexes, resolved } = group.subscriptions
    for (const regex of resolved.keys()) {
      if (regexes.has(regex)) continue
      const tombstone = regexTombstone(group.id, regex)
      // The next change of the group tries again.
      if (!turn.fits(tombstone, ...epochRecords(group))) return
      turn.append(tombstone)
    }
  }

  private groupOf(groupId: string): ConsumerGroup {
    const group = this.context.groups.get(groupId)
    if (!(group instanceof ConsumerGroup)) throw new Error(`${groupId} is no KIP-848 group`)
    return group
  }
}

/** A regular expression that is not resolved yet changes nothing: its topics will. */
function subscriptionChanged(group: ConsumerGroup, before: ConsumerGroupMember, after: ConsumerGroupMember): boolean {
  if (!sameSet(before.subscribedTopicNames, after.subscribedTopicNames)) return true
  const regex = after.subscribedTopicRegex
  if (regex === before.subscribedTopicRegex) return false
  return regex === '' || group.subscriptions.resolved.has(regex)
}

/** As large as what is written of the group itself after a change of its members. */
function epochRecords({ id, groupEpoch, metadataHash: hash }: ConsumerGroup): CoordinatorRecord[] {
  return [groupEpochRecord(id, groupEpoch, hash), partitionMetadataTombstone(id), targetEpochRecord(id, groupEpoch, 0)]
}
