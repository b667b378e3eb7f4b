import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encodeAssignment, encodeSubscription } from '../../../src/coordinator/group/consumer-protocol.ts'
import type { ClientInfo } from '../../../src/coordinator/group/group.ts'
import { GroupShard } from '../../../src/coordinator/group/group-shard.ts'
import type { FetchedGroupAnswer } from '../../../src/coordinator/group/offsets/group-offsets.ts'
import type { TopicFacts } from '../../../src/coordinator/group/topics-view.ts'
import type { CoordinatorRecord } from '../../../src/coordinator/runtime/record.ts'
import { ErrorCode, type RequestOf, type ResponseInput } from '../../../src/protocol/index.ts'
import type { consumerGroupDescribe } from '../../../src/protocol/schema/consumer-group-describe.ts'
import type { consumerGroupHeartbeat } from '../../../src/protocol/schema/consumer-group-heartbeat.ts'
import type { describeGroups } from '../../../src/protocol/schema/describe-groups.ts'
import type { joinGroup } from '../../../src/protocol/schema/join-group.ts'
import type { listGroups } from '../../../src/protocol/schema/list-groups.ts'
import type { offsetCommit } from '../../../src/protocol/schema/offset-commit.ts'
import type { syncGroup } from '../../../src/protocol/schema/sync-group.ts'
import { groupShardParts, TestTopics, topicNamed } from '../../support/group-shard-parts.ts'
import { ShardTurns, type TestAsker } from '../../support/shard-turns.ts'

const client: ClientInfo = { clientId: 'c', clientHost: '/127.0.0.1', apiVersion: 4 }
const orders = topicNamed('orders', 3)

class Shard {
  readonly topics: TestTopics
  readonly shard: GroupShard
  readonly turns: ShardTurns

  constructor(topics = new TestTopics([orders]), log: readonly CoordinatorRecord[] = []) {
    this.topics = topics
    this.shard = new GroupShard(groupShardParts(topics))
    this.turns = ShardTurns.replaying(this.shard, log)
  }

  heartbeat(groupId: string, more: Partial<RequestOf<typeof consumerGroupHeartbeat>>) {
    const request: RequestOf<typeof consumerGroupHeartbeat> = {
      groupId,
      memberId: 'kip848',
      memberEpoch: 0,
      instanceId: null,
      rackId: null,
      rebalanceTimeoutMs: 60_000,
      subscribedTopicNames: ['orders'],
      subscribedTopicRegex: null,
      serverAssignor: null,
      topicPartitions: more.memberEpoch === 0 ? [] : null,
      ...more,
    }
    return this.turns.ask<ResponseInput<typeof consumerGroupHeartbeat>>((turn, asker) =>
      this.shard.consumerHeartbeat(request, { ...client, apiVersion: 1 }, asker, turn),
    ).answer
  }

  sync(
    groupId: string,
    memberId: string,
    generationId: number,
    assignments: RequestOf<typeof syncGroup>['assignments'],
  ) {
    const instance = { groupInstanceId: null, protocolType: null, protocolName: null }
    const request = { groupId, memberId, generationId, ...instance, assignments }
    return this.turns.ask<ResponseInput<typeof syncGroup>>((turn, asker) =>
      this.shard.sync(request, { ...client, apiVersion: 3 }, asker, turn),
    ).answer
  }

  describe(groupIds: readonly string[], apiVersion: number) {
    return this.turns.ask<ResponseInput<typeof describeGroups>['groups']>((turn, asker) =>
      this.shard.describe(groupIds, { ...client, apiVersion }, asker, turn),
    ).answer
  }

  describeConsumer(groupIds: readonly string[]) {
    return this.turns.ask<ResponseInput<typeof consumerGroupDescribe>['groups']>((turn, asker) =>
      this.shard.describeConsumer(groupIds, asker, turn),
    ).answer
  }

  commit(groupId: string, offset: number, more: Partial<RequestOf<typeof offsetCommit>> = {}) {
    const request: RequestOf<typeof offsetCommit> = {
      groupId,
      generationIdOrMemberEpoch: -1,
      memberId: '',
      groupInstanceId: null,
      retentionTimeMs: -1,
      topics: [
        {
          name: 'orders',
          topicId: orders.id,
          partitions: [{ partitionIndex: 0, committedOffset: offset, committedLeaderEpoch: -1, committedMetadata: '' }],
        },
      ],
      ...more,
    }
    const asker = this.turns.ask<ResponseInput<typeof offsetCommit>>((turn, each) =>
      this.shard.commitOffsets(request, { ...client, apiVersion: 9 }, each, turn),
    )
    return asker.answer.topics[0]!.partitions[0]!.errorCode
  }

  fetched(groupId: string): { errorCode: ErrorCode | undefined; offsets: number[] } {
    const group = { groupId, memberId: null, memberEpoch: -1, topics: null }
    const { answer } = this.turns.ask<FetchedGroupAnswer>((turn, asker) =>
      this.shard.fetchOffsets(group, false, { ...client, apiVersion: 9 }, asker, turn),
    )
    const offsets = (answer.topics ?? []).flatMap(({ partitions = [] }) =>
      partitions.map(each => each.committedOffset!),
    )
    return { errorCode: answer.errorCode, offsets }
  }

  join(groupId: string, memberId = '', protocolType = 'consumer'): TestAsker<ResponseInput<typeof joinGroup>> {
    const request: RequestOf<typeof joinGroup> = {
      groupId,
      sessionTimeoutMs: 10_000,
      rebalanceTimeoutMs: 60_000,
      memberId,
      groupInstanceId: null,
      protocolType,
      protocols: [{ name: 'range', metadata: encodeSubscription(0, { topics: ['orders'], userData: null }) }],
      reason: null,
    }
    return this.turns.ask((turn, asker) => this.shard.join(request, { ...client, apiVersion: 3 }, asker, turn))
  }

  list(statesFilter: string[] = [], typesFilter: string[] = []) {
    const { answer } = this.turns.ask<NonNullable<ResponseInput<typeof listGroups>['groups']>>((turn, asker) =>
      this.shard.list({ statesFilter, typesFilter }, asker as never, turn),
    )
    return answer.map(({ groupId, groupState, groupType }) => [groupId, groupState, groupType])
  }

  remove(...groupIds: string[]) {
    const { answer } = this.turns.ask<readonly { groupId: string; errorCode: ErrorCode }[]>((turn, asker) =>
      this.shard.deleteGroups(groupIds, asker as never, turn),
    )
    return answer.map(({ errorCode }) => errorCode)
  }
}

test('groups are listed by state and type, in any case, and what is no state names none', () => {
  const shard = new Shard()
  shard.commit('simple', 1)
  shard.join('members')
  shard.turns.advance(3_000)
  assert.deepEqual(shard.list(), [
    ['simple', 'Empty', 'classic'],
    ['members', 'CompletingRebalance', 'classic'],
  ])
  assert.deepEqual(shard.list([' empty ']), [['simple', 'Empty', 'classic']])
  assert.deepEqual(shard.list(['completingrebalance', 'Empty'], ['CLASSIC']).length, 2)
  assert.deepEqual(shard.list(['Nonsense']), [])
  assert.deepEqual(shard.list([], ['consumer']), [])
})

test('a group goes with its offsets in one turn; one with members, or none at all, is refused alone', () => {
  const shard = new Shard()
  shard.commit('simple', 1)
  shard.join('members')
  const before = shard.turns.log.length
  assert.deepEqual(shard.remove('simple', 'members', 'nobody'), [
    ErrorCode.NONE,
    ErrorCode.NON_EMPTY_GROUP,
    ErrorCode.GROUP_ID_NOT_FOUND,
  ])
  const written = shard.turns.log.slice(before)
  assert.ok(written.length >= 2 && written.every(record => record.value === null), 'tombstones')
  assert.deepEqual(shard.fetched('simple'), { errorCode: ErrorCode.NONE, offsets: [] })
  assert.deepEqual(
    shard.list().map(([groupId]) => groupId),
    ['members'],
  )
})

test('a group whose own records do not fit behind those of its offsets goes in the next turn', () => {
  const shard = new Shard()
  shard.heartbeat('new', { memberEpoch: 0 })
  shard.commit('new', 4, { memberId: 'kip848', generationIdOrMemberEpoch: 1 })
  shard.turns.advance(45_000)
  assert.deepEqual(shard.list(), [['new', 'Empty', 'consumer']])
  shard.turns.sizeOf = () => 10
  shard.turns.maxRecordBytes = 25
  const removed = shard.turns.ask<readonly { errorCode: ErrorCode }[]>((turn, asker) =>
    shard.shard.deleteGroups(['new'], asker as never, turn),
  )
  assert.ok(!removed.done, 'a tombstone of an offset and two of the group take three places')
  shard.turns.advance(0)
  assert.deepEqual(
    removed.answer.map(({ errorCode }) => errorCode),
    [ErrorCode.NONE],
  )
  assert.deepEqual([shard.list(), shard.fetched('new').offsets], [[], []])
})

test('what was deleted stays deleted after a restart, and what was committed stays committed', () => {
  const shard = new Shard()
  shard.commit('kept', 7)
  shard.commit('gone', 8)
  shard.remove('gone')
  const again = new GroupShard(groupShardParts([orders]))
  const turns = ShardTurns.replaying(again, shard.turns.log)
  const listed = turns.ask<readonly { groupId: string }[]>((turn, asker) =>
    again.list({ statesFilter: [], typesFilter: [] }, asker as never, turn),
  )
  assert.deepEqual(
    listed.answer.map(({ groupId }) => groupId),
    ['kept'],
  )
})

test('offsets of a topic that was deleted go, also when another of its name is there already', () => {
  const shard = new Shard()
  shard.commit('g', 5)
  const facts: TopicFacts = { name: orders.name, id: orders.id, partitions: 3 }
  shard.turns.run(turn => shard.shard.topicsChanged({ changed: new Set(['orders']), deleted: [facts] }, turn))
  shard.turns.advance(1_000)
  assert.deepEqual(shard.fetched('g').offsets, [])
})

test('each kind of group is asked in its own words, and is not there for those of the other', () => {
  const shard = new Shard()
  shard.join('old')
  const { errorCode, memberId, memberEpoch } = shard.heartbeat('new', { memberEpoch: 0 })
  assert.deepEqual([errorCode, memberEpoch], [ErrorCode.NONE, 1])
  assert.deepEqual(shard.list([], ['Consumer']), [['new', 'Stable', 'consumer']])
  assert.deepEqual(
    shard.describe(['old', 'new', 'none'], 5).map(({ groupState }) => groupState),
    ['PreparingRebalance', 'Dead', 'Dead'],
  )
  const { GROUP_ID_NOT_FOUND, INCONSISTENT_GROUP_PROTOCOL, NONE, UNKNOWN_MEMBER_ID } = ErrorCode
  assert.deepEqual(
    shard.describe(['old', 'new', 'none'], 6).map(each => each.errorCode),
    [NONE, GROUP_ID_NOT_FOUND, GROUP_ID_NOT_FOUND],
  )
  assert.deepEqual(
    shard.describeConsumer(['old', 'new', 'none']).map(each => each.errorCode),
    [GROUP_ID_NOT_FOUND, NONE, GROUP_ID_NOT_FOUND],
  )
  assert.equal(shard.join('new', '', 'connect').answer.errorCode, INCONSISTENT_GROUP_PROTOCOL)
  const asked = { groupId: 'new', generationId: memberEpoch, memberId: memberId!, groupInstanceId: null }
  const classicHeartbeat = shard.turns.ask<{ errorCode: ErrorCode }>((turn, asker) =>
    shard.shard.heartbeat(asked, client, asker, turn),
  )
  assert.equal(classicHeartbeat.answer.errorCode, UNKNOWN_MEMBER_ID)
})

test('a KIP-848 group commits by member epoch, follows its topics, and is all there after a restart', () => {
  const shard = new Shard()
  const { memberId, assignment } = shard.heartbeat('new', { memberEpoch: 0 })
  assert.deepEqual(assignment?.topicPartitions, [{ topicId: orders.id, partitions: [0, 1, 2] }])
  const claim = { memberId: memberId!, generationIdOrMemberEpoch: 1 }
  assert.equal(shard.commit('new', 4, claim), ErrorCode.NONE)
  assert.equal(shard.commit('new', 4, { ...claim, generationIdOrMemberEpoch: 9 }), ErrorCode.STALE_MEMBER_EPOCH)
  const more = { ...orders, partitions: 4 }
  shard.topics.put(more)
  shard.turns.run(turn => shard.shard.topicsChanged({ changed: new Set(['orders']), deleted: [] }, turn))
  shard.turns.advance(1_000)
  const next = shard.heartbeat('new', { memberId: memberId!, memberEpoch: 1 })
  assert.deepEqual([next.memberEpoch, next.assignment?.topicPartitions[0]?.partitions], [2, [0, 1, 2, 3]])

  const again = new Shard(shard.topics, shard.turns.log)
  assert.deepEqual(again.describeConsumer(['new']), shard.describeConsumer(['new']))
  assert.deepEqual(again.fetched('new').offsets, [4])
  assert.equal(again.heartbeat('new', { memberId: memberId!, memberEpoch: 2 }).errorCode, ErrorCode.NONE)
  again.turns.advance(45_000)
  assert.deepEqual(again.list(), [['new', 'Empty', 'consumer']])
  assert.deepEqual(again.remove('new'), [ErrorCode.NONE])
  assert.deepEqual(new Shard(shard.topics, again.turns.log).list(), [])
})

test('a group of classic members takes a KIP-848 one, and is classic again when that has gone', () => {
  const shard = new Shard()
  const joined = shard.join('moves')
  shard.turns.advance(3_000)
  const { memberId, generationId } = joined.answer
  const assignment = encodeAssignment(0, [{ topic: 'orders', partitions: [0, 1, 2] }])
  shard.sync('moves', memberId, generationId!, [{ memberId, assignment }])
  assert.deepEqual(shard.list(), [['moves', 'Stable', 'classic']])
  const came = shard.heartbeat('moves', { memberEpoch: 0 })
  assert.equal(came.errorCode, ErrorCode.NONE)
  assert.equal(shard.list()[0]![2], 'consumer')
  assert.equal(shard.describeConsumer(['moves'])[0]!.members.length, 2)
  assert.equal(shard.heartbeat('moves', { memberId: came.memberId!, memberEpoch: -1 }).errorCode, ErrorCode.NONE)
  assert.equal(shard.list()[0]![2], 'classic')
  const again = new Shard(shard.topics, shard.turns.log)
  assert.deepEqual(again.list()[0]![2], 'classic')
})
