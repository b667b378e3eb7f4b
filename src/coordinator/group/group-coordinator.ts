import { ErrorCode, type RequestOf, type ResponseInput } from '../../protocol/index.ts'
import type { consumerGroupHeartbeat } from '../../protocol/schema/consumer-group-heartbeat.ts'
import type { deleteGroups } from '../../protocol/schema/delete-groups.ts'
import type { heartbeat } from '../../protocol/schema/heartbeat.ts'
import type { joinGroup } from '../../protocol/schema/join-group.ts'
import type { leaveGroup } from '../../protocol/schema/leave-group.ts'
import type { listGroups } from '../../protocol/schema/list-groups.ts'
import type { offsetCommit } from '../../protocol/schema/offset-commit.ts'
import type { offsetDelete } from '../../protocol/schema/offset-delete.ts'
import type { syncGroup } from '../../protocol/schema/sync-group.ts'
import type { txnOffsetCommit } from '../../protocol/schema/txn-offset-commit.ts'
import { CoordinatorError } from '../runtime/coordinator-error.ts'
import type { CoordinatorRuntime } from '../runtime/coordinator-runtime.ts'
import type { Asker, Turn } from '../runtime/shard.ts'
import { bytesOfClassic, bytesOfConsumer, type DescribedConsumerGroup, type DescribedGroup } from './answer-sizes.ts'
import type { TopicNews } from './cluster-topics.ts'
import type { ClientInfo } from './group.ts'
import type { GroupSettings } from './group-settings.ts'
import type { GroupShard } from './group-shard.ts'
import type { FetchedGroup, FetchedGroupAnswer } from './offsets/group-offsets.ts'
import { askInSlices, isOneSlice, joinTopics, type Share } from './request-slices.ts'

type ShardWork<T> = (shard: GroupShard, turn: Turn, asker: Asker<T>) => void

/** What the coordinator needs of the runtime that holds its shards. */
export type GroupShards = Pick<
  CoordinatorRuntime<GroupShard>,
  'partitions' | 'partitionFor' | 'ask' | 'askInTransaction' | 'tell'
>

type DeletedGroup = ResponseInput<typeof deleteGroups>['results'][number]
type LeftMember = NonNullable<ResponseInput<typeof leaveGroup>['members']>[number]
type ListedGroup = ResponseInput<typeof listGroups>['groups'][number]

/** Groups that one turn of a shard describes or deletes: a turn is to be short, and a request may name any number. */
const groupsPerTurn = 32
/** About what it takes to describe or delete one, in microseconds. */
const unitsPerGroup = 10
const askedAtOnce = 16
const shardsListedAtOnce = 4
/** The same of members that leave together. */
const membersPerTurn = 250
const unitsPerMember = 4
/** An answer holds everything at once. */
const maxAnswerBytes = 48 << 20
const nothing = new Uint8Array(0)

/**
 * The groups that this broker coordinates: finds the shard of each, and answers for those that cannot. Every method
 * answers; errors are codes in its answers.
 */
export class GroupCoordinator {
  private readonly shards: GroupShards
  private readonly settings: GroupSettings

  constructor(shards: GroupShards, settings: GroupSettings) {
    this.shards = shards
    this.settings = settings
  }

  async joinGroup(request: RequestOf<typeof joinGroup>, client: ClientInfo): Promise<ResponseInput<typeof joinGroup>> {
    const { groupId, memberId, sessionTimeoutMs } = request
    const { minSessionTimeoutMs, maxSessionTimeoutMs } = this.settings
    if (groupId === '') return joinFailure(ErrorCode.INVALID_GROUP_ID, memberId)
    if (sessionTimeoutMs < minSessionTimeoutMs || sessionTimeoutMs > maxSessionTimeoutMs)
      return joinFailure(ErrorCode.INVALID_SESSION_TIMEOUT, memberId)
    return await this.ask(
      groupId,
      (shard, turn, asker) => shard.join(request, client, asker, turn),
      code => joinFailure(code, memberId),
    )
  }

  async syncGroup(request: RequestOf<typeof syncGroup>, client: ClientInfo): Promise<ResponseInput<typeof syncGroup>> {
    const { groupId, protocolType, protocolName } = request
    if (client.apiVersion >= protocolInSync && (protocolType === null || protocolName === null))
      return syncFailure(ErrorCode.INCONSISTENT_GROUP_PROTOCOL)
    if (groupId === '') return syncFailure(ErrorCode.INVALID_GROUP_ID)
    return await this.ask(groupId, (shard, turn, asker) => shard.sync(request, client, asker, turn), syncFailure)
  }

  async heartbeat(request: RequestOf<typeof heartbeat>, client: ClientInfo): Promise<ResponseInput<typeof heartbeat>> {
    const { groupId } = request
    if (groupId === '') return { errorCode: ErrorCode.INVALID_GROUP_ID }
    return await this.ask(
      groupId,
      (shard, turn, asker) => shard.heartbeat(request, client, asker, turn),
      // While the group is loaded its members stay what they were.
      code => ({ errorCode: code === ErrorCode.COORDINATOR_LOAD_IN_PROGRESS ? ErrorCode.NONE : code }),
    )
  }

  /** The members that leave are in `members`, whatever the request's version. */
  async leaveGroup(
    request: RequestOf<typeof leaveGroup>,
    client: ClientInfo,
    share: Share,
  ): Promise<ResponseInput<typeof leaveGroup>> {
    const { groupId, members } = request
    if (groupId === '') return { errorCode: ErrorCode.INVALID_GROUP_ID }
    const left: LeftMember[] = []
    for (let from = 0; from === 0 || from < members.length; from += membersPerTurn) {
      const some = members.slice(from, from + membersPerTurn)
      const answer = await this.ask<ResponseInput<typeof leaveGroup>>(
        groupId,
        (shard, turn, asker) => shard.leave({ ...request, members: some }, client, asker, turn),
        errorCode => ({ errorCode }),
      )
      if (answer.errorCode !== ErrorCode.NONE || members.length <= membersPerTurn) return answer
      left.push(...(answer.members ?? []))
      const due = share.spend(some.length * unitsPerMember)
      if (due !== undefined) await due
    }
    return { errorCode: ErrorCode.NONE, members: left }
  }

  async consumerGroupHeartbeat(
    request: RequestOf<typeof consumerGroupHeartbeat>,
    client: ClientInfo,
  ): Promise<ResponseInput<typeof consumerGroupHeartbeat>> {
    return await this.ask(
      request.groupId,
      (shard, turn, asker) => shard.consumerHeartbeat(request, client, asker, turn),
      errorCode => ({ throttleTimeMs: 0, errorCode, memberEpoch: 0, heartbeatIntervalMs: 0 }),
    )
  }

  /** The empty group id is as good as any: old clients commit without a group. */
  commitOffsets(
    request: RequestOf<typeof offsetCommit>,
    client: ClientInfo,
    share: Share,
  ): Promise<ResponseInput<typeof offsetCommit>> {
    const commit = (part: RequestOf<typeof offsetCommit>): Promise<ResponseInput<typeof offsetCommit>> =>
      this.ask<ResponseInput<typeof offsetCommit>>(
        request.groupId,
        (shard, turn, asker) => shard.commitOffsets(part, client, asker, turn),
        code => commitFailure(part.topics, code),
      )
    if (isOneSlice(request.topics, ({ partitions }) => partitions)) return commit(request)
    return askInSlices(
      request.topics,
      ({ partitions }) => partitions,
      (topic, partitions) => ({ ...topic, partitions: [...partitions] }),
      share,
      async topics => (await commit({ ...request, topics: [...topics] })).topics,
    ).then(answers => ({ topics: joinTopics(answers) }))
  }

  /** The partition of `__consumer_offsets` that has the group; -1 when the topic is not there. */
  partitionFor(groupId: string): number {
    return this.shards.partitionFor(groupId)
  }

  /**
   * Offsets that count when the producer's transaction is committed. `verify` finds out whether the partition of
   * `__consumer_offsets` belongs to it: NONE, or the code that all of the request is refused with.
   */
  async commitInTransaction(
    request: RequestOf<typeof txnOffsetCommit>,
    client: ClientInfo,
    share: Share,
    verify: (() => Promise<ErrorCode>) | undefined,
  ): Promise<ResponseInput<typeof txnOffsetCommit>> {
    const { groupId, producerId, producerEpoch } = request
    if (groupId === '') return commitFailure(request.topics, ErrorCode.INVALID_GROUP_ID)
    // Nobody's transaction: nothing would ever end it, where partitions are not verified.
    if (producerId < 0n || producerEpoch < 0)
      return commitFailure(request.topics, ErrorCode.INVALID_PRODUCER_ID_MAPPING)
    const answers = await askInSlices(
      request.topics,
      ({ partitions }) => partitions,
      (topic, partitions) => ({ ...topic, partitions: [...partitions] }),
      share,
      async topics => {
        try {
          const answer = await this.shards.askInTransaction<ResponseInput<typeof txnOffsetCommit>>(
            this.shards.partitionFor(groupId),
            { producerId, producerEpoch },
            verify,
            (shard, turn, asker) => shard.commitInTransaction({ ...request, topics: [...topics] }, client, asker, turn),
          )
          return answer.topics
        } catch (error) {
          return commitFailure(topics, codeOf(error)).topics
        }
      },
    )
    return { throttleTimeMs: 0, topics: joinTopics(answers) }
  }

  async fetchOffsets(
    group: FetchedGroup,
    requireStable: boolean,
    client: ClientInfo,
    share: Share,
  ): Promise<FetchedGroupAnswer> {
    const { groupId } = group
    const ask = (topics: FetchedGroup['topics']): Promise<FetchedGroupAnswer> =>
      this.ask(
        groupId,
        (shard, turn, asker) => shard.fetchOffsets({ ...group, topics }, requireStable, client, asker, turn),
        // Consumers before Kafka 3.9 know only the latter here, and it sends them to look for the coordinator.
        code => ({
          groupId,
          topics: [],
          errorCode: code === ErrorCode.COORDINATOR_NOT_AVAILABLE ? ErrorCode.NOT_COORDINATOR : code,
        }),
      )
    if (group.topics === null) return await ask(null)
    const answers = await askInSlices(
      group.topics,
      ({ partitionIndexes }) => partitionIndexes,
      (topic, partitionIndexes) => ({ ...topic, partitionIndexes: [...partitionIndexes] }),
      share,
      topics => ask([...topics]),
    )
    const failed = answers.find(({ answer }) => answer.errorCode !== ErrorCode.NONE)
    if (failed !== undefined) return { ...failed.answer, topics: [] }
    const topics = answers.map(({ answer, continues }) => ({ answer: answer.topics ?? [], continues }))
    return { groupId, topics: joinTopics(topics), errorCode: ErrorCode.NONE }
  }

  async deleteOffsets(
    request: RequestOf<typeof offsetDelete>,
    share: Share,
  ): Promise<ResponseInput<typeof offsetDelete>> {
    const failure = (errorCode: ErrorCode) => ({ errorCode, throttleTimeMs: 0, topics: [] })
    const { groupId } = request
    if (groupId === '') return failure(ErrorCode.INVALID_GROUP_ID)
    const answers = await askInSlices(
      request.topics,
      ({ partitions }) => partitions,
      (topic, partitions) => ({ ...topic, partitions: [...partitions] }),
      share,
      topics =>
        this.ask(
          groupId,
          (shard, turn, asker) => shard.deleteOffsets({ groupId, topics: [...topics] }, asker, turn),
          failure,
        ),
    )
    const failed = answers.find(({ answer }) => answer.errorCode !== ErrorCode.NONE)
    if (failed !== undefined) return failure(failed.answer.errorCode)
    const topics = answers.map(({ answer, continues }) => ({ answer: answer.topics, continues }))
    return { errorCode: ErrorCode.NONE, throttleTimeMs: 0, topics: joinTopics(topics) }
  }

  /** The groups in the order of `groupIds`. */
  async describeGroups(groupIds: readonly string[], client: ClientInfo, share: Share): Promise<DescribedGroup[]> {
    return await this.forEach<DescribedGroup>(
      groupIds,
      (shard, some, turn, asker) => shard.describe(some, client, asker, turn),
      (groupId, errorCode) => ({
        errorCode,
        groupId,
        groupState: '',
        protocolType: '',
        protocolData: '',
        members: [],
      }),
      share,
      bytesOfClassic,
    )
  }

  async describeConsumerGroups(groupIds: readonly string[], share: Share): Promise<DescribedConsumerGroup[]> {
    const failure = (groupId: string, errorCode: ErrorCode): DescribedConsumerGroup => ({
      errorCode,
      groupId,
      groupState: '',
      groupEpoch: 0,
      assignmentEpoch: 0,
      assignorName: '',
      members: [],
    })
    const described = await this.forEach<DescribedConsumerGroup>(
      groupIds.filter(groupId => groupId !== ''),
      (shard, some, turn, asker) => shard.describeConsumer(some, asker, turn),
      failure,
      share,
      bytesOfConsumer,
    )
    const nameless = groupIds.filter(groupId => groupId === '')
    return [...nameless.map(groupId => failure(groupId, ErrorCode.INVALID_GROUP_ID)), ...described]
  }

  async deleteGroups(groupIds: readonly string[], share: Share): Promise<DeletedGroup[]> {
    return await this.forEach<DeletedGroup>(
      [...new Set(groupIds)],
      (shard, some, turn, asker) => shard.deleteGroups(some, asker, turn),
      (groupId, errorCode) => ({ groupId, errorCode }),
      share,
      () => 0,
    )
  }

  /** The groups of all shards; a shard that another broker has counts for nothing, one that is loading for a failure. */
  async listGroups(request: RequestOf<typeof listGroups>, share: Share): Promise<ResponseInput<typeof listGroups>> {
    const partitions = Array.from({ length: this.shards.partitions }, (_, partition) => partition)
    const groups: ListedGroup[] = []
    try {
      for (let from = 0; from < partitions.length; from += shardsListedAtOnce) {
        const some = partitions.slice(from, from + shardsListedAtOnce)
        const lists = await Promise.all(some.map(partition => this.listShard(partition, request)))
        for (const list of lists) for (const group of list) groups.push(group)
        const due = share.spend(lists.reduce((sum, list) => sum + list.length, unitsPerGroup))
        if (due !== undefined) await due
      }
      return { errorCode: ErrorCode.NONE, groups }
    } catch (error) {
      return { errorCode: codeOf(error), groups: [] }
    }
  }

  /** Tells every shard what became of topics. */
  topicsChanged(news: TopicNews): void {
    this.shards.tell('all', (shard, turn) => shard.topicsChanged(news, turn))
  }

  private async listShard(partition: number, request: RequestOf<typeof listGroups>): Promise<readonly ListedGroup[]> {
    try {
      return await this.shards.ask<ListedGroup[]>(partition, (shard, turn, asker) => shard.list(request, asker, turn))
    } catch (error) {
      if (codeOf(error) === ErrorCode.NOT_COORDINATOR) return []
      throw error
    }
  }

  private async ask<T>(groupId: string, work: ShardWork<T>, failed: (code: ErrorCode) => T): Promise<T> {
    try {
      return await this.shards.ask(this.shards.partitionFor(groupId), work)
    } catch (error) {
      return failed(codeOf(error))
    }
  }

  /**
   * Asks each shard for its groups among `groupIds`, a few a turn; answers in the order of `groupIds`. Groups that would make
   * the answer larger than anyone should get are refused: a request may name one group a hundred thousand times.
   */
  private async forEach<T>(
    groupIds: readonly string[],
    work: (shard: GroupShard, groupIds: readonly string[], turn: Turn, asker: Asker<readonly T[]>) => void,
    failed: (groupId: string, code: ErrorCode) => T,
    share: Share,
    bytesOf: (answer: T) => number,
  ): Promise<T[]> {
    const answers: T[] = new Array(groupIds.length)
    let room = maxAnswerBytes
    const ask = async (partition: number, places: readonly number[]): Promise<void> => {
      const names = places.map(at => groupIds[at]!)
      const refused = (code: ErrorCode): T[] => names.map(groupId => failed(groupId, code))
      const answered =
        room > 0
          ? await this.shards
              .ask<readonly T[]>(partition, (shard, turn, asker) => work(shard, names, turn, asker))
              .catch((error: unknown) => refused(codeOf(error)))
          : refused(ErrorCode.INVALID_REQUEST)
      places.forEach((at, index) => {
        answers[at] = answered[index]!
        room -= bytesOf(answers[at])
      })
    }
    let asked: Promise<void>[] = []
    for (const [partition, places] of await this.byPartition(groupIds, share))
      for (let from = 0; from < places.length; from += groupsPerTurn) {
        const some = places.slice(from, from + groupsPerTurn)
        asked.push(ask(partition, some))
        const due = share.spend(some.length * unitsPerGroup)
        if (due !== undefined) await due
        if (asked.length < askedAtOnce) continue
        await Promise.all(asked)
        asked = []
      }
    await Promise.all(asked)
    return answers
  }

  /** Where in `groupIds` the groups of each partition are. */
  private async byPartition(groupIds: readonly string[], share: Share): Promise<Map<number, number[]>> {
    const byPartition = new Map<number, number[]>()
    for (const [at, groupId] of groupIds.entries()) {
      const partition = this.shards.partitionFor(groupId)
      const places = byPartition.get(partition)
      if (places === undefined) byPartition.set(partition, [at])
      else places.push(at)
      const due = share.spend(1)
      if (due !== undefined) await due
    }
    return byPartition
  }
}

/** Since this version a SyncGroup says what it takes the group's protocol for. */
const protocolInSync = 5

function codeOf(error: unknown): ErrorCode {
  if (error instanceof CoordinatorError) return error.code
  throw error
}

function joinFailure(errorCode: ErrorCode, memberId: string): ResponseInput<typeof joinGroup> {
  return { errorCode, protocolName: null, leader: '', memberId, members: [] }
}

function syncFailure(errorCode: ErrorCode): ResponseInput<typeof syncGroup> {
  return { errorCode, assignment: nothing }
}

function commitFailure(
  topics: readonly RequestOf<typeof offsetCommit>['topics'][number][],
  errorCode: ErrorCode,
): ResponseInput<typeof offsetCommit> & ResponseInput<typeof txnOffsetCommit> {
  return {
    throttleTimeMs: 0,
    topics: topics.map(({ name, topicId, partitions }) => ({
      name,
      topicId,
      partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode })),
    })),
  }
}
