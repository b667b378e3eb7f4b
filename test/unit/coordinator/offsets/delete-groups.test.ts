import assert from 'node:assert/strict'
import { test } from 'node:test'
import { GroupShard } from '../../../../src/coordinator/group/group-shard.ts'
import { ErrorCode, type ResponseInput, zeroUuid } from '../../../../src/protocol/index.ts'
import type { deleteGroups } from '../../../../src/protocol/schema/delete-groups.ts'
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
