import { ErrorCode, type RequestOf, type ResponseInput } from '../../protocol/index.ts'
import type { consumerGroupDescribe } from '../../protocol/schema/consumer-group-describe.ts'
import type { consumerGroupHeartbeat } from '../../protocol/schema/consumer-group-heartbeat.ts'
import type { deleteGroups } from '../../protocol/schema/delete-groups.ts'
import type { describeGroups } from '../../protocol/schema/describe-groups.ts'
import type { heartbeat } from '../../protocol/schema/heartbeat.ts'
import type { joinGroup } from '../../protocol/schema/join-group.ts'
import type { leaveGroup } from '../../protocol/schema/leave-group.ts'
import type { listGroups } from '../../protocol/schema/list-groups.ts'
import type { offsetCommit } from '../../protocol/schema/offset-commit.ts'
import type { offsetDelete } from '../../protocol/schema/offset-delete.ts'
import type { syncGroup } from '../../protocol/schema/sync-group.ts'
import type { txnOffsetCommit } from '../../protocol/schema/txn-offset-commit.ts'
import type { CoordinatorRecord } from '../runtime/record.ts'
import type { Asker, ReplayedFrom, Shard, Turn } from '../runtime/shard.ts'
import { runInSlices, slicesOf } from '../runtime/slices.ts'
import { ClassicGroup } from './classic/classic-group.ts'
import { ClassicGroups } from './classic/classic-groups.ts'
import type { TopicNews } from './cluster-topics.ts'
import { ConsumerGroups } from './consumer/consumer-groups.ts'
import type { ClientInfo, Group, GroupContext } from './group.ts'
import { GroupMigration } from './migration/group-migration.ts'
import { DeletionRoom, type FetchedGroup, type FetchedGroupAnswer, GroupOffsets } from './offsets/group-offsets.ts'

type DescribedGroup = ResponseInput<typeof describeGroups>['groups'][number]
type DescribedConsumerGroup = ResponseInput<typeof consumerGroupDescribe>['groups'][number]
type DeletedGroup = ResponseInput<typeof deleteGroups>['results'][number]
type ListedGroup = ResponseInput<typeof listGroups>['groups'][number]

/** What a shard is made with: all that its parts share but the groups themselves. */
export type GroupShardParts = Omit<GroupContext, 'groups'>

/** Of listing one group, in microseconds. */
const listCost = 1

/**
 * All groups of one partition of `__consumer_offsets`: who is in them, by either protocol, and what they have committed.
 * What is asked of a group goes to the half that has it; a group is of one kind at a time.
 */
export class GroupShard implements Shard {
  private readonly groups = new Map<string, Group>()
  private readonly classic: ClassicGroups
  private readonly consumer: ConsumerGroups
  private readonly migration: GroupMigration
  private readonly offsets: GroupOffsets
  private deletions = 0
  private lists = 0

  constructor(parts: GroupShardParts) {
    const context: GroupContext = { ...parts, groups: this.groups }
    this.classic = new ClassicGroups(context)
    this.migration = new GroupMigration(context, this.classic, () => this.consumer)
    this.consumer = new ConsumerGroups(context, this.migration)
    this.offsets = new GroupOffsets(context, groupId => new ClassicGroup(groupId))
  }

  replay(record: CoordinatorRecord, from: ReplayedFrom): void {
    // Whatever is left is a record of share or streams groups, which are not served.
    if (this.offsets.replay(record, from) || this.classic.replay(record)) return
    this.consumer.replay(record)
  }

  replayTransactionEnd(producerId: bigint, producerEpoch: number, committed: boolean): void {
    this.offsets.replayTransactionEnd(producerId, producerEpoch, committed)
  }

  loaded(turn: Turn): void {
    this.classic.loaded(turn)
    this.consumer.loaded(turn)
    this.offsets.loaded(turn)
  }

  join(
    request: RequestOf<typeof joinGroup>,
    client: ClientInfo,
    asker: Asker<ResponseInput<typeof joinGroup>>,
    turn: Turn,
  ): void {
    this.migration.join(request, client, asker, turn)
  }

  sync(
    request: RequestOf<typeof syncGroup>,
    client: ClientInfo,
    asker: Asker<ResponseInput<typeof syncGroup>>,
    turn: Turn,
  ): void {
    this.migration.sync(request, client, asker, turn)
  }

  heartbeat(
    request: RequestOf<typeof heartbeat>,
    client: ClientInfo,
    asker: Asker<ResponseInput<typeof heartbeat>>,
    turn: Turn,
  ): void {
    this.migration.heartbeat(request, client, asker, turn)
  }

  leave(
    request: RequestOf<typeof leaveGroup>,
    client: ClientInfo,
    asker: Asker<ResponseInput<typeof leaveGroup>>,
    turn: Turn,
  ): void {
    this.migration.leave(request, client, asker, turn)
  }

  consumerHeartbeat(
    request: RequestOf<typeof consumerGroupHeartbeat>,
    client: ClientInfo,
    asker: Asker<ResponseInput<typeof consumerGroupHeartbeat>>,
    turn: Turn,
  ): void {
    this.consumer.heartbeat(request, client, asker, turn)
  }

  commitOffsets(
    request: RequestOf<typeof offsetCommit>,
    client: ClientInfo,
    asker: Asker<ResponseInput<typeof offsetCommit>>,
    turn: Turn,
  ): void {
    this.offsets.commit(request, client, asker, turn)
  }

  /** In a turn whose records become part of the producer's transaction. */
  commitInTransaction(
    request: RequestOf<typeof txnOffsetCommit>,
    client: ClientInfo,
    asker: Asker<ResponseInput<typeof txnOffsetCommit>>,
    turn: Turn,
  ): void {
    this.offsets.transactionalCommit(request, client, asker, turn)
  }

  fetchOffsets(
    group: FetchedGroup,
    requireStable: boolean,
    client: ClientInfo,
    asker: Asker<FetchedGroupAnswer>,
    turn: Turn,
  ): void {
    this.offsets.fetch(group, requireStable, client, asker, turn)
  }

  deleteOffsets(
    request: RequestOf<typeof offsetDelete>,
    asker: Asker<ResponseInput<typeof offsetDelete>>,
    turn: Turn,
  ): void {
    this.offsets.deleteOffsets(request, asker, turn)
  }

  /** DescribeGroups, of groups of any kind. */
  describe(groupIds: readonly string[], client: ClientInfo, asker: Asker<readonly DescribedGroup[]>, turn: Turn): void {
    turn.answer(
      asker,
      groupIds.map(groupId => this.classic.describe(groupId, client.apiVersion)),
    )
  }

  /** ConsumerGroupDescribe, of groups of any kind. */
  describeConsumer(groupIds: readonly string[], asker: Asker<readonly DescribedConsumerGroup[]>, turn: Turn): void {
    turn.answer(
      asker,
      groupIds.map(groupId => this.consumer.describe(groupId)),
    )
  }

  /** Both filters are for all kinds of groups, in any case; what is no state or type is that of no group. */
  list(request: RequestOf<typeof listGroups>, asker: Asker<ListedGroup[]>, turn: Turn): void {
    const states = new Set(request.statesFilter.map(state => state.trim().toLowerCase()))
    const types = new Set(request.typesFilter.map(type => type.toLowerCase()))
    let listed: ListedGroup[] = []
    const steps = slicesOf(this.listed(states, types), all => {
      listed = all
    })
    // No slash, as below.
    runInSlices(`list-groups ${this.lists++}`, steps, turn, last => last.answer(asker, listed))
  }

  /** Each group goes with its offsets, which take turns of their own when there are very many; `results` are of groups before. */
  deleteGroups(
    groupIds: readonly string[],
    asker: Asker<readonly DeletedGroup[]>,
    turn: Turn,
    results: readonly DeletedGroup[] = [],
  ): void {
    const done = [...results]
    const room = new DeletionRoom()
    for (const groupId of groupIds.slice(done.length)) {
      const errorCode = this.deleteGroup(groupId, turn, room)
      if (errorCode === undefined) {
        // No slash: it is no group's timer. Two requests may be deleting the same group.
        turn.after(`delete-groups ${this.deletions++}`, 0, next => this.deleteGroups(groupIds, asker, next, done))
        return
      }
      done.push({ groupId, errorCode })
    }
    turn.answer(asker, done)
  }

  topicsChanged({ changed, deleted }: TopicNews, turn: Turn): void {
    if (deleted.length > 0) this.offsets.topicsDeleted(deleted, turn)
    this.consumer.topicsChanged(turn, changed)
  }

  /** In steps, between which groups come and go: each is met once, as it is then. */
  private *listed(states: ReadonlySet<string>, types: ReadonlySet<string>): Generator<number, ListedGroup[]> {
    const listed: ListedGroup[] = []
    for (const group of [...this.groups.values()]) {
      yield listCost
      const { id, type, stateName, protocolType } = group
      if (this.groups.get(id) !== group) continue
      if (states.size > 0 && !states.has(stateName.toLowerCase())) continue
      if (types.size > 0 && !types.has(type)) continue
      listed.push({ groupId: id, protocolType, groupState: stateName, groupType: type })
    }
    return listed
  }

  /** Undefined: some of its offsets are gone, and the rest is for the next turn. */
  private deleteGroup(groupId: string, turn: Turn, room: DeletionRoom): ErrorCode | undefined {
    const group = this.groups.get(groupId)
    if (group === undefined) return ErrorCode.GROUP_ID_NOT_FOUND
    const refused = group.refuseDelete()
    if (refused !== ErrorCode.NONE) return refused
    if (!this.offsets.deleteAllOf(groupId, turn, room)) return undefined
    const tombstones = group.tombstones()
    if (!turn.fits(...tombstones)) return undefined
    turn.append(...tombstones)
    return ErrorCode.NONE
  }
}
