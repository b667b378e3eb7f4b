import type { RequestOf, ResponseInput } from '../../../protocol/index.ts'
import type { offsetCommit } from '../../../protocol/schema/offset-commit.ts'
import type { offsetDelete } from '../../../protocol/schema/offset-delete.ts'
import type { offsetFetch } from '../../../protocol/schema/offset-fetch.ts'
import type { txnOffsetCommit } from '../../../protocol/schema/txn-offset-commit.ts'
import type { CoordinatorRecord } from '../../runtime/record.ts'
import type { Asker, ReplayedFrom, Turn } from '../../runtime/shard.ts'
import type { ClientInfo, Group, GroupContext } from '../group.ts'
import type { TopicFacts } from '../topics-view.ts'

/** One group of an OffsetFetch request, as version 8 and later have it. */
export type FetchedGroup = RequestOf<typeof offsetFetch>['groups'][number]
/** What one group is answered. */
export type FetchedGroupAnswer = NonNullable<ResponseInput<typeof offsetFetch>['groups']>[number]

/** The committed offsets of the groups of one shard. */
export class GroupOffsets {
  /** `newSimpleGroup` makes the empty classic group that stands for a group of which only offsets are known. */
  constructor(context: GroupContext, newSimpleGroup: (groupId: string) => Group) {
    throw new Error(`not written yet: ${context.groups.size} ${newSimpleGroup.length}`)
  }
  commit(
    request: RequestOf<typeof offsetCommit>,
    client: ClientInfo,
    asker: Asker<ResponseInput<typeof offsetCommit>>,
    turn: Turn,
  ): void {
    throw new Error(`not written yet: ${request.groupId} ${client.clientId} ${asker} ${turn.nowMs}`)
  }
  /** What `turn` appends must become part of the producer's transaction: the runtime gives such a turn. */
  transactionalCommit(
    request: RequestOf<typeof txnOffsetCommit>,
    client: ClientInfo,
    asker: Asker<ResponseInput<typeof txnOffsetCommit>>,
    turn: Turn,
  ): void {
    throw new Error(`not written yet: ${request.groupId} ${client.clientId} ${asker} ${turn.nowMs}`)
  }
  /** `client.apiVersion` decides whether topics are named by id (10) or by name. */
  fetch(
    group: FetchedGroup,
    requireStable: boolean,
    client: ClientInfo,
    asker: Asker<FetchedGroupAnswer>,
    turn: Turn,
  ): void {
    throw new Error(`not written yet: ${group.groupId} ${requireStable} ${client.clientId} ${asker} ${turn.nowMs}`)
  }
  deleteOffsets(
    request: RequestOf<typeof offsetDelete>,
    asker: Asker<ResponseInput<typeof offsetDelete>>,
    turn: Turn,
  ): void {
    throw new Error(`not written yet: ${request.groupId} ${asker} ${turn.nowMs}`)
  }
  /** Takes back all offsets of a group that is being deleted. */
  deleteAllOf(groupId: string, turn: Turn): void {
    throw new Error(`not written yet: ${groupId} ${turn.nowMs}`)
  }
  topicsDeleted(topics: readonly TopicFacts[], turn: Turn): void {
    throw new Error(`not written yet: ${topics.length} ${turn.nowMs}`)
  }
  /** Looks for what has expired, now; otherwise it happens every offsets.retention.check.interval.ms. */
  expire(turn: Turn): void {
    throw new Error(`not written yet: ${turn.nowMs}`)
  }
  /** True if it was a record of an offset. */
  replay(record: CoordinatorRecord, from: ReplayedFrom): boolean {
    throw new Error(`not written yet: ${record.version} ${from.offset}`)
  }
  replayTransactionEnd(producerId: bigint, producerEpoch: number, committed: boolean): void {
    throw new Error(`not written yet: ${producerId} ${producerEpoch} ${committed}`)
  }
  loaded(turn: Turn): void {
    throw new Error(`not written yet: ${turn.nowMs}`)
  }
}
