import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { CoordinatorRecord } from '../../../../src/coordinator/runtime/record.ts'
import { ErrorCode } from '../../../../src/protocol/index.ts'
import { ConsumerShard } from '../../../support/consumer-shard.ts'
import { ShardTurns } from '../../../support/shard-turns.ts'

function replaying(shard: ConsumerShard, log: readonly CoordinatorRecord[]): ConsumerShard {
  const next = new ConsumerShard(shard.options, shard.topics)
  next.turns = ShardTurns.replaying(next, log, shard.turns.nowMs)
  return next
}

function life(): ConsumerShard {
  const shard = new ConsumerShard()
  const topicId = shard.topics.put('t', 4)
  shard.join('a', { instanceId: 'i' })
  shard.join('b', { subscribedTopicNames: null, subscribedTopicRegex: 't' })
  shard.turns.advance(0)
  shard.heartbeat({
    memberId: 'a',
    instanceId: 'i',
    memberEpoch: 1,
    topicPartitions: [{ topicId, partitions: [0, 1] }],
  })
  shard.heartbeat({ memberId: 'b', memberEpoch: 2 })
  shard.join('c')
  shard.heartbeat({ memberId: 'c', memberEpoch: -1 })
  return shard
}

test('a start goes on where the log ends, epochs before the last one included', () => {
  const shard = life()
  const next = shard.restarted()
  assert.deepEqual([...next.group().members], [...shard.group().members])
  assert.deepEqual(next.consumers.describe('g'), shard.consumers.describe('g'))
  const { memberEpoch, previousMemberEpoch } = next.group().members.get('a')!
  assert.ok(previousMemberEpoch < memberEpoch)
  const retried = { memberId: 'a', instanceId: 'i', memberEpoch: previousMemberEpoch, topicPartitions: [] }
  assert.equal(next.heartbeat(retried).errorCode, ErrorCode.NONE)
})

test('a start gives every member its session, and those that revoke their time', () => {
  const shard = new ConsumerShard({ group: { sessionTimeoutMs: 90_000 } })
  shard.topics.put('t', 2)
  shard.join('a')
  shard.join('b')
  shard.heartbeat({ memberId: 'a', memberEpoch: 1 })
  const next = shard.restarted()
  assert.deepEqual(next.turns.timers, ['g/revocation/1/a', 'g/session/1/a', 'g/session/1/b'])
  next.turns.advance(60_000)
  assert.deepEqual([...next.group().members.keys()], ['b'])
})

test('any part of the log can be replayed, in any order: a compacted one has gaps', () => {
  const { turns } = life()
  const records = [...turns.log]
  for (let skip = 1; skip < 7; skip++) {
    replaying(
      life(),
      records.filter((_, at) => at % (skip + 1) !== 0),
    )
    replaying(
      life(),
      records
        .slice()
        .reverse()
        .filter((_, at) => at % (skip + 1) !== 0),
    )
  }
  const tombstones = records.map(record => ({ ...record, value: null }))
  assert.equal(replaying(life(), tombstones).groups.size, 0, 'tombstones make no group')
})

test('a record that says a partition is another’s by now wins over the one before it', () => {
  const shard = new ConsumerShard()
  const topicId = shard.topics.put('t', 1)
  shard.join('a')
  shard.join('b', { subscribedTopicNames: [] })
  const current = shard.turns.log.find(({ schema }) => schema.name === 'ConsumerGroupCurrentMemberAssignment')!
  const owns = { ...current.value, assignedPartitions: [{ topicId, partitions: [0], assignmentEpochs: [1] }] }
  const to = (memberId: string, value: unknown) =>
    ({ ...current, key: { groupId: 'g', memberId }, value }) as CoordinatorRecord
  const next = replaying(shard, [...shard.turns.log, to('b', owns), to('a', { ...owns, assignedPartitions: [] })])
  assert.equal(next.group().ownerOf(topicId, 0), 'b')
})
