import type { Uuid } from '../../../protocol/index.ts'
import type { CoordinatorRecord } from '../../runtime/record.ts'
import { type AssignmentMember, samePartitions } from '../assignor/assignment.ts'
import { type Assignor, assignorNamed } from '../assignor/assignor.ts'
import type { GroupSettings } from '../group-settings.ts'
import type { TopicsView } from '../topics-view.ts'
import type { ConsumerGroup } from './consumer-group.ts'
import type { ConsumerGroupMember } from './member.ts'
import { targetRecord } from './records.ts'

/** The assignor that most members ask for; the first of the broker's where nobody asks, or where as many ask for another. */
export function preferredAssignor(group: ConsumerGroup, settings: GroupSettings): string {
  const votes = new Map<string, number>()
  for (const { serverAssignor } of group.members.values()) {
    if (serverAssignor !== null) votes.set(serverAssignor, (votes.get(serverAssignor) ?? 0) + 1)
  }
  let preferred = settings.consumerAssignors[0]!
  for (const name of settings.consumerAssignors) {
    if ((votes.get(name) ?? 0) > (votes.get(preferred) ?? 0)) preferred = name
  }
  return preferred
}

/**
 * Whether the group may have a new target assignment now: one an interval, so that members that come one by one do not
 * cost an assignment each. A clock that went back does not hold it up, nor do the members that are gone.
 */
export function mayAssign(group: ConsumerGroup, intervalMs: number, wallMs: number): boolean {
  const sinceMs = wallMs - group.assignmentStampMs
  return !group.hasTargets || sinceMs < 0 || sinceMs >= intervalMs
}

/** The records of the members that are meant to own something else than before, at the group's epoch. */
export function newTargets(group: ConsumerGroup, assignor: Assignor, topics: TopicsView): CoordinatorRecord[] {
  const idsOf = subscribedTopicIds(group, topics)
  const members = new Map<string, AssignmentMember>()
  const subscriptions = new Set<ReadonlySet<Uuid>>()
  for (const [memberId, member] of group.members) {
    const ids = idsOf(member)
    subscriptions.add(ids)
    members.set(memberId, {
      subscribedTopicIds: ids,
      rackId: member.rackId,
      instanceId: member.instanceId,
      assigned: group.targetOf(memberId),
    })
  }
  const assignment = assignor.assign({
    members,
    homogeneous: subscriptions.size <= 1,
    partitionCount: id => topics.topicById(id)?.partitions ?? 0,
  })
  const records: CoordinatorRecord[] = []
  for (const [memberId, target] of assignment) {
    if (group.hasTarget(memberId) && samePartitions(target, group.targetOf(memberId))) continue
    records.push(targetRecord(group.id, memberId, target))
  }
  return records
}

export function assignorOf(name: string): Assignor {
  const assignor = assignorNamed(name)
  if (assignor === undefined) throw new Error(`no assignor is named ${name}`)
  return assignor
}

/** The ids of a member's topics that exist. Members with the same subscription are given the same set. */
function subscribedTopicIds(
  group: ConsumerGroup,
  topics: TopicsView,
): (member: ConsumerGroupMember) => ReadonlySet<Uuid> {
  const known = new Map<ReadonlySet<string>, Map<string, ReadonlySet<Uuid>>>()
  return ({ subscribedTopicNames, subscribedTopicRegex }) => {
    const byRegex = known.get(subscribedTopicNames) ?? new Map<string, ReadonlySet<Uuid>>()
    known.set(subscribedTopicNames, byRegex)
    const made = byRegex.get(subscribedTopicRegex)
    if (made !== undefined) return made
    const ids = new Set<Uuid>()
    for (const names of [subscribedTopicNames, group.subscriptions.resolved.get(subscribedTopicRegex)?.topics ?? []]) {
      for (const name of names) {
        const topic = topics.topic(name)
        if (topic !== undefined) ids.add(topic.id)
      }
    }
    byRegex.set(subscribedTopicRegex, ids)
    return ids
  }
}
