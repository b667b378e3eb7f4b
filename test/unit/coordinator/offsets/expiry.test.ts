import assert from 'node:assert/strict'
import { test } from 'node:test'
import { OffsetCalls } from '../../../support/offset-calls.ts'
import { OffsetsShard, offsetSettings } from '../../../support/offsets-shard.ts'

const { offsetsRetentionMs: retentionMs, offsetsRetentionCheckMs: checkMs } = offsetSettings

function callsWithOrders(): OffsetCalls {
  const calls = new OffsetCalls()
  calls.shard.topics.add('orders')
  calls.commit('g', 'orders', [{ partition: 0, offset: 5 }])
  return calls
}

test('offsets of a group without members expire when their retention is over, and the group with them', () => {
  const calls = callsWithOrders()
  calls.turns.advance(retentionMs - checkMs)
  assert.deepEqual(calls.fetchAll('g'), ['orders-0 5'])
  calls.turns.advance(2 * checkMs)
  assert.deepEqual(calls.fetchAll('g'), [])
  assert.equal(calls.shard.groups.size, 0)
  assert.equal(calls.shard.offsets.counts.expired, 1)
  assert.equal(calls.shard.offsets.counts.offsets, 0)
})

test('offsets of a topic that members are subscribed to never expire, however idle they are', () => {
  const calls = callsWithOrders()
  const group = calls.shard.group('g')
  group.isEmpty = false
  group.subscribed.add('orders')
  calls.commit('g', 'orders', [{ partition: 1, offset: 5 }], { version: 4, retentionTimeMs: 1 })
  calls.turns.advance(retentionMs * 3)
  assert.deepEqual(calls.fetchAll('g'), ['orders-0 5', 'orders-1 5'])
})

test('offsets age from when the group says so', () => {
  const calls = callsWithOrders()
  const group = calls.shard.group('g')
  group.ages = () => undefined
  calls.turns.advance(retentionMs * 2)
  assert.deepEqual(calls.fetchAll('g'), ['orders-0 5'])
  const emptySinceMs = calls.turns.wallStartMs + calls.turns.nowMs
  group.ages = () => emptySinceMs
  calls.turns.advance(retentionMs - checkMs)
  assert.deepEqual(calls.fetchAll('g'), ['orders-0 5'])
  calls.turns.advance(checkMs)
  assert.deepEqual(calls.fetchAll('g'), [])
})

test('a commit with a retention of its own expires by that, in a group whose offsets age', () => {
  const calls = callsWithOrders()
  calls.commit('g', 'orders', [{ partition: 1, offset: 6 }], { version: 4, retentionTimeMs: checkMs })
  calls.commit('g', 'orders', [{ partition: 2, offset: 7 }], { version: 4, retentionTimeMs: retentionMs * 2 })
  calls.turns.advance(checkMs)
  assert.deepEqual(calls.fetchAll('g'), ['orders-0 5', 'orders-2 7'])
  calls.turns.advance(retentionMs + checkMs)
  assert.deepEqual(calls.fetchAll('g'), ['orders-2 7'])
  calls.shard.group('g').ages = () => undefined
  calls.turns.advance(retentionMs * 2)
  assert.deepEqual(calls.fetchAll('g'), ['orders-2 7'])
})

test('each commit begins a new retention', () => {
  const calls = callsWithOrders()
  for (let times = 0; times < 5; times++) {
    calls.turns.advance(retentionMs / 2)
    calls.commit('g', 'orders', [{ partition: 0, offset: times }])
  }
  assert.deepEqual(calls.fetchAll('g'), ['orders-0 4'])
})

test('an offset does not expire while a transaction has another one for its partition', () => {
  const calls = callsWithOrders()
  calls.commitIn(7n, 'g', 'orders', [{ partition: 0, offset: 9 }])
  calls.turns.advance(retentionMs * 2)
  assert.deepEqual(calls.fetchAll('g'), ['orders-0 5'])
  calls.shard.endTransaction(7n, false)
  calls.turns.advance(checkMs)
  assert.deepEqual(calls.fetchAll('g'), [])
})

test('an empty group without offsets is removed; one with members, or with a transaction of its own, is not', () => {
  const calls = callsWithOrders()
  calls.shard.group('unused')
  calls.shard.group('live').isEmpty = false
  calls.commitIn(7n, 'pending', 'orders', [{ partition: 0, offset: 9 }])
  calls.turns.advance(checkMs)
  assert.deepEqual([...calls.shard.groups.keys()], ['g', 'live', 'pending'])
})

test('a group that is removed says so in the log', () => {
  const calls = new OffsetCalls()
  calls.shard.group('unused')
  calls.turns.advance(checkMs)
  assert.deepEqual(
    calls.turns.log.map(({ schema, key, value }) => [schema.name, key, value]),
    [['GroupMetadata', { group: 'unused' }, null]],
  )
})

test('what expired stays away after a restart', () => {
  const calls = callsWithOrders()
  calls.turns.advance(retentionMs + checkMs)
  const next = new OffsetsShard(calls.shard.topics)
  next.replayAll(calls.shard.log)
  assert.equal(next.offsets.counts.offsets, 0)
  assert.equal(next.groups.size, 0)
})

test('the retention in force when it is looked at counts', () => {
  const calls = callsWithOrders()
  calls.shard.settings.offsetsRetentionMs = checkMs
  calls.turns.advance(checkMs)
  assert.deepEqual(calls.fetchAll('g'), [])
})

test('a wall clock that jumps ahead for less than an hour costs no offsets', () => {
  const calls = callsWithOrders()
  calls.turns.advance(checkMs)
  calls.turns.wallStartMs += retentionMs * 10
  calls.turns.advance(checkMs * 5)
  assert.deepEqual(calls.fetchAll('g'), ['orders-0 5'])
  calls.turns.wallStartMs -= retentionMs * 10
  calls.turns.advance(checkMs * 20)
  assert.deepEqual(calls.fetchAll('g'), ['orders-0 5'])
})

test('a wall clock that went ahead and stays there is believed after an hour', () => {
  const calls = callsWithOrders()
  calls.turns.advance(checkMs)
  calls.turns.wallStartMs += retentionMs * 10
  calls.turns.advance(checkMs * 8)
  assert.deepEqual(calls.fetchAll('g'), [])
})

test('a wall clock that goes back lets offsets live longer', () => {
  const calls = callsWithOrders()
  calls.turns.wallStartMs -= retentionMs
  calls.turns.advance(retentionMs + checkMs)
  assert.deepEqual(calls.fetchAll('g'), ['orders-0 5'])
})

test('very many offsets expire in slices, while commits go on', () => {
  const calls = new OffsetCalls()
  calls.shard.topics.add('wide', 5_000)
  calls.commit(
    'g',
    'wide',
    Array.from({ length: 5_000 }, (_, partition) => ({ partition, offset: 1 })),
  )
  calls.turns.nowMs = retentionMs
  const first = calls.turns.run(turn => calls.shard.offsets.expire(turn))
  assert.ok(first.length > 0 && first.length <= 200, `${first.length} tombstones in a turn`)
  assert.deepEqual(
    calls.turns.run(turn => calls.shard.offsets.expire(turn)),
    [],
  )
  calls.commit('g', 'wide', [{ partition: 4_999, offset: 2 }])
  calls.commit('h', 'wide', [{ partition: 0, offset: 2 }])
  calls.turns.advance(0)
  assert.deepEqual(calls.fetchAll('g'), ['wide-4999 2'])
  assert.deepEqual(calls.fetchAll('h'), ['wide-0 2'])
  assert.equal(calls.shard.offsets.counts.expired, 4_999)
})

test('a group that goes while its offsets expire is left alone', () => {
  const calls = new OffsetCalls()
  calls.shard.topics.add('wide', 1_000)
  calls.commit(
    'g',
    'wide',
    Array.from({ length: 1_000 }, (_, partition) => ({ partition, offset: 1 })),
  )
  calls.turns.nowMs = retentionMs
  calls.turns.run(turn => calls.shard.offsets.expire(turn))
  calls.turns.run(turn => calls.shard.offsets.deleteAllOf('g', turn))
  calls.shard.groups.delete('g')
  const before = calls.turns.log.length
  calls.turns.advance(0)
  assert.equal(calls.turns.log.length, before)
  assert.deepEqual(calls.turns.timers, ['expire-offsets'])
})

test('no more expires in a turn than its batch takes: ids may be as long as 32 KB', () => {
  const calls = new OffsetCalls()
  calls.shard.topics.add('orders')
  calls.commit(
    'g',
    'orders',
    [0, 1, 2].map(partition => ({ partition, offset: 1 })),
  )
  calls.turns.sizeOf = () => 10
  calls.turns.maxRecordBytes = 15
  calls.turns.nowMs = retentionMs
  const first = calls.turns.run(turn => calls.shard.offsets.expire(turn))
  assert.equal(first.length, 1)
  calls.turns.maxRecordBytes = 10
  calls.turns.advance(0)
  assert.deepEqual(calls.fetchAll('g'), [])
  assert.ok(!calls.shard.groups.has('g'), 'its own tombstone takes a turn as well')
})

test('an offset that is committed while its tombstone waits for a turn stays', () => {
  const calls = new OffsetCalls()
  calls.shard.topics.add('orders')
  calls.commit(
    'g',
    'orders',
    [0, 1].map(partition => ({ partition, offset: 1 })),
  )
  calls.turns.sizeOf = () => 10
  calls.turns.maxRecordBytes = 15
  calls.turns.nowMs = retentionMs
  calls.turns.run(turn => calls.shard.offsets.expire(turn))
  calls.commit('g', 'orders', [{ partition: 1, offset: 2 }])
  calls.turns.advance(0)
  assert.deepEqual(calls.fetchAll('g'), ['orders-1 2'])
})

test('a tombstone that no batch takes is left, and the others go', () => {
  const calls = new OffsetCalls()
  calls.shard.topics.add('orders')
  calls.commit(
    'g',
    'orders',
    [0, 1, 2].map(partition => ({ partition, offset: 1 })),
  )
  calls.turns.sizeOf = ({ key }) => ('partition' in key && key.partition === 1 ? 100 : 10)
  calls.turns.maxRecordBytes = 15
  calls.turns.nowMs = retentionMs
  calls.turns.run(turn => calls.shard.offsets.expire(turn))
  calls.turns.advance(0)
  assert.deepEqual(calls.fetchAll('g'), ['orders-1 1'])
})
