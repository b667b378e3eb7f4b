import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ErrorCode } from '../../../../src/protocol/index.ts'
import { OffsetCalls } from '../../../support/offset-calls.ts'

function callsWithOffsets(): OffsetCalls {
  const calls = new OffsetCalls()
  for (const topic of ['orders', 'visits']) {
    calls.shard.topics.add(topic)
    calls.commit('g', topic, [
      { partition: 0, offset: 1 },
      { partition: 1, offset: 2 },
    ])
  }
  return calls
}

test('offsets are deleted partition by partition, there or not', () => {
  const calls = callsWithOffsets()
  const codes = calls.deleteOffsets('g', 'orders', [1, 2, 4])
  assert.deepEqual(codes, ['orders-1 NONE', 'orders-2 NONE', 'orders-4 UNKNOWN_TOPIC_OR_PARTITION'])
  assert.deepEqual(calls.fetchAll('g'), ['orders-0 1', 'visits-0 1', 'visits-1 2'])
  assert.equal(calls.shard.offsets.counts.deleted, 1)
})

test('a live group keeps offsets of what it is subscribed to, and loses those of what it is not', () => {
  const calls = callsWithOffsets()
  calls.shard.group('g').subscribed.add('orders')
  assert.deepEqual(calls.deleteOffsets('g', 'orders', [0]), ['orders-0 GROUP_SUBSCRIBED_TO_TOPIC'])
  assert.deepEqual(calls.deleteOffsets('g', 'visits', [0]), ['visits-0 NONE'])
  assert.deepEqual(calls.fetchAll('g'), ['orders-0 1', 'orders-1 2', 'visits-1 2'])
})

test('a group that is not there, or lets nobody delete, answers so and nothing more', () => {
  const calls = callsWithOffsets()
  assert.deepEqual(calls.deleteOffsets('nobody', 'orders', [0]), ['GROUP_ID_NOT_FOUND'])
  calls.shard.group('g').deleteRefusal = ErrorCode.NON_EMPTY_GROUP
  assert.deepEqual(calls.deleteOffsets('g', 'orders', [0]), ['NON_EMPTY_GROUP'])
  assert.equal(calls.fetchAll('g').length, 4)
})

test('an offset that is only pending is deleted too: its transaction brings it back no more', () => {
  const calls = callsWithOffsets()
  calls.commitIn(7n, 'g', 'orders', [{ partition: 2, offset: 9 }])
  calls.deleteOffsets('g', 'orders', [2])
  assert.deepEqual(calls.fetch('g', 'orders', [2], { requireStable: true }), ['orders-2 -1'])
  calls.shard.endTransaction(7n, true)
  assert.deepEqual(calls.fetch('g', 'orders', [2]), ['orders-2 -1'])
})

test('a group that is deleted loses all its offsets, pending ones too, with one tombstone each', () => {
  const calls = callsWithOffsets()
  calls.commit('other', 'orders', [{ partition: 0, offset: 5 }])
  calls.commitIn(7n, 'g', 'orders', [
    { partition: 1, offset: 9 },
    { partition: 2, offset: 9 },
  ])
  const tombstones = calls.turns.run(turn => assert.ok(calls.shard.offsets.deleteAllOf('g', turn)))
  assert.deepEqual(tombstones.map(({ key, value }) => [Object.values(key).join('-'), value]).sort(), [
    ['g-orders-0', null],
    ['g-orders-1', null],
    ['g-orders-2', null],
    ['g-visits-0', null],
    ['g-visits-1', null],
  ])
  calls.shard.endTransaction(7n, true)
  assert.deepEqual(calls.fetchAll('g'), [])
  assert.deepEqual(calls.fetchAll('other'), ['orders-0 5'])
})

test('a group of very many offsets is deleted in several turns, which say when it is done', () => {
  const calls = new OffsetCalls()
  calls.shard.topics.add('wide', 1_200)
  calls.commit(
    'g',
    'wide',
    Array.from({ length: 1_200 }, (_, partition) => ({ partition, offset: 1 })),
  )
  const done: boolean[] = []
  for (let turns = 0; turns < 3; turns++) calls.turns.run(turn => done.push(calls.shard.offsets.deleteAllOf('g', turn)))
  assert.deepEqual(done, [false, false, true])
  assert.equal(calls.shard.offsets.counts.offsets, 0)
  assert.equal(calls.shard.offsets.counts.deleted, 1_200)
})

test('no more is deleted in a turn than its batch takes', () => {
  const calls = callsWithOffsets()
  calls.turns.sizeOf = () => 10
  calls.turns.maxRecordBytes = 15
  assert.deepEqual(calls.deleteOffsets('g', 'orders', [0, 1]), ['orders-0 NONE', 'orders-1 UNKNOWN_SERVER_ERROR'])
  calls.turns.run(turn => assert.ok(!calls.shard.offsets.deleteAllOf('g', turn)))
  assert.deepEqual(calls.fetchAll('g'), ['visits-0 1', 'visits-1 2'])
})

test('a topic that is deleted takes its offsets in all groups along', () => {
  const calls = callsWithOffsets()
  calls.commit('other', 'orders', [{ partition: 0, offset: 5 }])
  calls.commitIn(7n, 'third', 'orders', [{ partition: 0, offset: 5 }])
  const orders = calls.shard.topics.remove('orders')
  calls.turns.run(turn => calls.shard.offsets.topicsDeleted([orders], turn))
  calls.turns.advance(0)
  assert.deepEqual(calls.fetchAll('g'), ['visits-0 1', 'visits-1 2'])
  assert.deepEqual(calls.fetchAll('other'), [])
  calls.shard.endTransaction(7n, true)
  assert.deepEqual(calls.fetchAll('third'), [])
})

test('a topic that is deleted takes nothing of the one made after it', () => {
  const calls = callsWithOffsets()
  const before = calls.shard.topics.remove('orders')
  calls.shard.topics.add('orders')
  calls.commit('g', 'orders', [{ partition: 0, offset: 11 }])
  calls.commitIn(7n, 'g', 'orders', [{ partition: 1, offset: 12 }])
  calls.turns.run(turn => calls.shard.offsets.topicsDeleted([before], turn))
  calls.turns.advance(0)
  calls.shard.endTransaction(7n, true)
  assert.deepEqual(calls.fetch('g', 'orders', [0, 1]), ['orders-0 11', 'orders-1 12'])
})

test('offsets whose topic id is not known go with the topic of their name', () => {
  const calls = callsWithOffsets()
  calls.commit('g', 'orders', [{ partition: 3, offset: 1 }], { version: 2, retentionTimeMs: 1_000_000 })
  const orders = calls.shard.topics.remove('orders')
  calls.turns.run(turn => calls.shard.offsets.topicsDeleted([orders], turn))
  calls.turns.advance(0)
  assert.deepEqual(calls.fetchAll('g'), ['visits-0 1', 'visits-1 2'])
})

test('topics with very many offsets are forgotten in slices, others that go meanwhile after them', () => {
  const calls = new OffsetCalls()
  const wide = calls.shard.topics.add('wide', 3_000)
  const small = calls.shard.topics.add('small', 1)
  calls.commit(
    'g',
    'wide',
    Array.from({ length: 3_000 }, (_, partition) => ({ partition, offset: 1 })),
  )
  calls.commit('g', 'small', [{ partition: 0, offset: 1 }])
  const first = calls.turns.run(turn => calls.shard.offsets.topicsDeleted([wide], turn))
  assert.ok(first.length > 0 && first.length <= 200, `${first.length} tombstones in a turn`)
  calls.turns.run(turn => calls.shard.offsets.topicsDeleted([small], turn))
  calls.turns.advance(0)
  assert.equal(calls.shard.offsets.counts.offsets, 0)
  assert.equal(calls.shard.offsets.counts.deleted, 3_001)
})

test('no more is forgotten of a topic in a turn than its batch takes', () => {
  const calls = callsWithOffsets()
  const orders = calls.shard.topics.remove('orders')
  calls.turns.sizeOf = () => 10
  calls.turns.maxRecordBytes = 15
  const first = calls.turns.run(turn => calls.shard.offsets.topicsDeleted([orders], turn))
  assert.equal(first.length, 1)
  calls.turns.advance(0)
  assert.deepEqual(calls.fetchAll('g'), ['visits-0 1', 'visits-1 2'])
})
