import { zeroUuid } from '../../../protocol/index.ts'
import type { Turn } from '../../runtime/shard.ts'
import type { Group, GroupContext } from '../group.ts'
import type { TopicFacts } from '../topics-view.ts'
import { type CommittedOffset, offsetTombstone } from './committed-offset.ts'
import type { OffsetTable } from './offset-table.ts'
import type { PendingOffsets } from './pending-offsets.ts'
import type { Steps } from './slices.ts'

export interface Swept {
  readonly context: GroupContext
  readonly offsets: OffsetTable
  readonly pending: PendingOffsets
}

const lookCost = 0.5
const tombstoneCost = 5

/**
 * Takes back the offsets that are older than they may be, and groups that are empty and have no offsets (KIP-211).
 * `nowMs` is wall clock. Between steps anything may change, so each looks afresh.
 */
export function* expireOffsets({ context, offsets, pending }: Swept, nowMs: number, expired: () => void): Steps {
  let turn: Turn = yield 0
  for (const groupId of context.groups.keys()) {
    for (const topic of offsets.topics(groupId)) {
      for (const partition of offsets.partitions(groupId, topic)) {
        const group = context.groups.get(groupId)
        const committed = offsets.get(groupId, topic, partition)!
        const ends =
          group !== undefined &&
          hasExpired(group, topic, committed, nowMs, context.settings.offsetsRetentionMs) &&
          !pending.has(groupId, topic, partition)
        if (ends) {
          turn.append(offsetTombstone(groupId, topic, partition))
          expired()
        }
        turn = yield ends ? tombstoneCost : lookCost
      }
    }
    removeIfUnused(groupId, { context, offsets, pending }, turn)
    turn = yield lookCost
  }
}

function hasExpired(group: Group, topic: string, committed: CommittedOffset, nowMs: number, retentionMs: number) {
  if (group.isSubscribedTo(topic)) return false
  const agesFromMs = group.offsetAgesFrom(topic, committed.commitTimestamp)
  if (agesFromMs === undefined) return false
  return committed.expireTimestamp !== -1 ? nowMs >= committed.expireTimestamp : nowMs - agesFromMs >= retentionMs
}

function removeIfUnused(groupId: string, { context, offsets, pending }: Swept, turn: Turn): void {
  const group = context.groups.get(groupId)
  if (group === undefined || !group.isEmpty || offsets.hasGroup(groupId) || pending.hasGroup(groupId)) return
  turn.append(...group.tombstones())
}

/** Takes back what was committed for topics that are no more, and nothing of others of the same names. */
export function* forgetTopics(
  { offsets, pending }: Swept,
  topics: readonly TopicFacts[],
  forgotten: () => void,
): Steps {
  let turn: Turn = yield 0
  const isOf = (topic: TopicFacts, committed: CommittedOffset | undefined): boolean =>
    committed === undefined || committed.topicId === zeroUuid || committed.topicId === topic.id
  for (const source of [offsets, pending]) {
    for (const groupId of source.groupIds()) {
      for (const topic of topics) {
        const { name } = topic
        for (const partition of source.partitions(groupId, name)) {
          const ends =
            isOf(topic, offsets.get(groupId, name, partition)) &&
            pending.of(groupId, name, partition).every(({ committed }) => isOf(topic, committed))
          if (ends) {
            turn.append(offsetTombstone(groupId, name, partition))
            forgotten()
          }
          turn = yield ends ? tombstoneCost : lookCost
        }
        turn = yield lookCost
      }
    }
  }
}
