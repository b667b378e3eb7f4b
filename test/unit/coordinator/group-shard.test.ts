import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ClientInfo } from '../../../src/coordinator/group/group.ts'
import { GroupShard } from '../../../src/coordinator/group/group-shard.ts'
import type { FetchedGroupAnswer } from '../../../src/coordinator/group/offsets/group-offsets.ts'
import type { TopicFacts } from '../../../src/coordinator/group/topics-view.ts'
import { ErrorCode, type RequestOf, type ResponseInput } from '../../../src/protocol/index.ts'
import type { joinGroup } from '../../../src/protocol/schema/join-group.ts'
import type { listGroups } from '../../../src/protocol/schema/list-groups.ts'
import type { offsetCommit } from '../../../src/protocol/schema/offset-commit.ts'
import { groupShardParts, topicNamed } from '../../support/group-shard-parts.ts'
import { ShardTurns, type TestAsker } from '../../support/shard-turns.ts'

const client: ClientInfo = { clientId: 'c', clientHost: '/127.0.0.1', apiVersion: 4 }
const orders = topicNamed('orders', 3)

class Shard {
  readonly shard = new GroupShard(groupShardParts([orders]))
  readonly turns = new ShardTurns(this.shard)

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
      protocols: [{ name: 'range', metadata: new Uint8Array(0) }],
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
