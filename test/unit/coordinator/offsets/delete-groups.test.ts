import assert from 'node:assert/strict'
import { test } from 'node:test'
import { GroupShard } from '../../../../src/coordinator/group/group-shard.ts'
import type { FetchedGroupAnswer } from '../../../../src/coordinator/group/offsets/group-offsets.ts'
import { ErrorCode, type ResponseInput, zeroUuid } from '../../../../src/protocol/index.ts'
import type { deleteGroups } from '../../../../src/protocol/schema/delete-groups.ts'
import type { listGroups } from '../../../../src/protocol/schema/list-groups.ts'
import { groupShardParts, TestTopics, topicNamed } from '../../../support/group-shard-parts.ts'
import { ShardTurns } from '../../../support/shard-turns.ts'

const client = { clientId: 'c', clientHost: '/127.0.0.1', apiVersion: 9 }

class Shard {
  readonly shard = new GroupShard(groupShardParts(new TestTopics([topicNamed('wide', 2_000)])))
  readonly turns = new ShardTurns(this.shard)

  commit(groupId: string, partitions: number): void {
    const committed = Array.from({ length: partitions }, (_, partitionIndex) => ({
      partitionIndex,
      committedOffset: 1,
      committedLeaderEpoch: -1,
      committedMetadata: '',
    }))
    const who = { groupId, generationIdOrMemberEpoch: -1, memberId: '', groupInstanceId: null, retentionTimeMs: -1 }
    const request = { ...who, topics: [{ name: 'wide', topicId: zeroUuid, partitions: committed }] }
    this.turns.ask((turn, asker) => this.shard.commitOffsets(request, client, asker, turn))
  }

  delete(...groupIds: string[]) {
    return this.turns.ask<readonly ResponseInput<typeof deleteGroups>['results'][number][]>((turn, asker) =>
      this.shard.deleteGroups(groupIds, asker, turn),
    )
  }

  fetchAll(groupId: string) {
    const group = { groupId, memberId: null, memberEpoch: -1, topics: null }
    return this.turns.ask<FetchedGroupAnswer>((turn, asker) =>
      this.shard.fetchOffsets(group, false, client, asker, turn),
    )
  }

  list() {
    const all = { statesFilter: [], typesFilter: [] }
    return this.turns.ask<readonly ResponseInput<typeof listGroups>['groups'][number][]>((turn, asker) =>
      this.shard.list(all, asker as never, turn),
    )
  }

  get tombstones(): number {
    return this.turns.log.filter(({ value }) => value === null).length
  }
}

test('groups of very many offsets are deleted over several turns and answered together, in their order', () => {
  const shard = new Shard()
  shard.commit('small', 1)
  shard.commit('large', 1_200)
  const asked = shard.delete('large', 'nobody', 'small')
  const again = shard.delete('large')
  assert.ok(!asked.done)
  shard.turns.advance(0)
  assert.deepEqual(asked.answer, [
    { groupId: 'large', errorCode: ErrorCode.NONE },
    { groupId: 'nobody', errorCode: ErrorCode.GROUP_ID_NOT_FOUND },
    { groupId: 'small', errorCode: ErrorCode.NONE },
  ])
  assert.deepEqual(again.answer, [{ groupId: 'large', errorCode: ErrorCode.GROUP_ID_NOT_FOUND }])
  const tombstones = shard.turns.log.filter(({ value }) => value === null)
  assert.equal(tombstones.length, 1_200 + 1 + 2)
})

test('what one turn deletes is bounded over all groups of a request', () => {
  const shard = new Shard()
  const groupIds = Array.from({ length: 20 }, (_, group) => `g-${group}`)
  for (const groupId of groupIds) shard.commit(groupId, 100)
  const asked = shard.delete(...groupIds)
  let before = 0
  for (let turns = 0; ; turns++) {
    // Beside those of the offsets each group has one.
    assert.ok(shard.tombstones - before <= 500 + groupIds.length, `${shard.tombstones - before} in one turn`)
    before = shard.tombstones
    if (asked.done) {
      assert.ok(turns >= 3)
      break
    }
    assert.ok(shard.turns.advanceOne())
  }
  assert.equal(before, 20 * 101)
})

test('all offsets of a group are fetched in slices, each once, and none that went meanwhile', () => {
  const shard = new Shard()
  shard.commit('g', 2_000)
  shard.commit('small', 3)
  const asked = shard.fetchAll('g')
  assert.equal(shard.fetchAll('small').answer.topics?.[0]?.partitions?.length, 3, 'few are one turn')
  const request = {
    groupId: 'g',
    topics: [{ name: 'wide', partitions: [{ partitionIndex: 0 }, { partitionIndex: 1_999 }] }],
  }
  shard.turns.ask((turn, asker) => shard.shard.deleteOffsets(request, asker as never, turn))
  shard.commit('g', 1) // Again, and it was met.
  let turns = 1
  for (; !asked.done; turns++) assert.ok(shard.turns.advanceOne())
  assert.ok(turns >= 8, `${turns} turns for 2,000 partitions`)
  const indexes = asked.answer.topics?.[0]?.partitions?.map(({ partitionIndex }) => partitionIndex)
  assert.deepEqual(
    indexes,
    Array.from({ length: 1_999 }, (_, partition) => partition),
  )
})

test('very many groups are listed in slices, each once, and none that went meanwhile', () => {
  const shard = new Shard()
  const groupIds = Array.from({ length: 2_000 }, (_, group) => `g-${group}`)
  for (const groupId of groupIds) shard.commit(groupId, 1)
  const asked = shard.list()
  assert.ok(!asked.done)
  shard.delete('g-0', 'g-1999')
  shard.commit('g-0', 1) // Again, and it was met.
  let turns = 1
  for (; !asked.done; turns++) assert.ok(shard.turns.advanceOne())
  assert.ok(turns >= 4, `${turns} turns for 2,000 groups`)
  assert.deepEqual(
    asked.answer.map(({ groupId }) => groupId),
    groupIds.slice(0, -1),
  )
})
