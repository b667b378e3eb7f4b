import { zeroUuid } from '../../../protocol/index.ts'
import type { CoordinatorRecord } from '../../runtime/record.ts'
import type { Turn } from '../../runtime/shard.ts'
import { type Steps, sliceCost } from '../../runtime/slices.ts'
import type { Group, GroupContext } from '../group.ts'
import type { TopicFacts } from '../topics-view.ts'
import { type CommittedOffset, offsetTombstone } from './committed-offset.ts'
import type { OffsetTable } from './offset-table.ts'
import type { PendingOffsets } from './pending-offsets.ts'

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
        const ends = (): boolean => {
          const group = context.groups.get(groupId)
          const committed = offsets.get(groupId, topic, partition)
          return (
            group !== undefined &&
            committed !== undefined &&
            hasExpired(group, topic, committed, nowMs, context.settings.offsetsRetentionMs) &&
            !pending.has(groupId, topic, partition)
          )
        }
        if (!ends()) {
          turn = yield lookCost
          continue
        }
        const taken = yield* takeBack([offsetTombstone(groupId, topic, partition)], ends, turn)
        if (taken.done) expired()
        turn = taken.turn
        turn = yield tombstoneCost
      }
    }
    const unused = (): boolean => isUnused(groupId, { context, offsets, pending })
    if (unused()) turn = (yield* takeBack(context.groups.get(groupId)?.tombstones() ?? [], unused, turn)).turn
    turn = yield lookCost
  }
}

function hasExpired(group: Group, topic: string, committed: CommittedOffset, nowMs: number, retentionMs: number) {
  if (group.isSubscribedTo(topic)) return false
  const agesFromMs = group.offsetAgesFrom(topic, committed.commitTimestamp)
  if (agesFromMs === undefined) return false
  return committed.expireTimestamp !== -1 ? nowMs >= committed.expireTimestamp : nowMs - agesFromMs >= retentionMs
}

function isUnused(groupId: string, { context, offsets, pending }: Swept): boolean {
  const group = context.groups.get(groupId)
  return group?.isEmpty === true && !offsets.hasGroup(groupId) && !pending.hasGroup(groupId)
}

/** In this turn, or in the next where this one's batch is full: by then nobody may want it any more. */
function* takeBack(
  tombstones: readonly CoordinatorRecord[],
  wanted: () => boolean,
  turn: Turn,
): Generator<number, { readonly turn: Turn; readonly done: boolean }, Turn> {
  let current = turn
  if (!current.fits(...tombstones)) current = yield sliceCost
  // What not even a turn of its own takes is left: appending it would cost the shard.
  const done = current.fits(...tombstones) && wanted()
  if (done) current.append(...tombstones)
  return { turn: current, done }
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
          const ends = (): boolean =>
            source.has(groupId, name, partition) &&
            isOf(topic, offsets.get(groupId, name, partition)) &&
            pending.of(groupId, name, partition).every(({ committed }) => isOf(topic, committed))
          if (!ends()) {
            turn = yield lookCost
            continue
          }
          const taken = yield* takeBack([offsetTombstone(groupId, name, partition)], ends, turn)
          if (taken.done) forgotten()
          turn = taken.turn
          turn = yield tombstoneCost
        }
        turn = yield lookCost
      }
    }
  }
}
