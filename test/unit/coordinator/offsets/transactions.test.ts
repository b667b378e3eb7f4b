import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ErrorCode } from '../../../../src/protocol/index.ts'
import { OffsetCalls } from '../../../support/offset-calls.ts'
import { OffsetsShard } from '../../../support/offsets-shard.ts'

const one = (offset: number, partition = 0) => [{ partition, offset }]

function callsWithOrders(): OffsetCalls {
  const calls = new OffsetCalls()
  calls.shard.topics.add('orders')
  calls.commit('g', 'orders', one(5))
  return calls
}

/** The same after a restart: state made from the log alone. */
function restarted({ shard }: OffsetCalls): OffsetCalls {
  const next = new OffsetsShard(shard.topics)
  next.replayAll(shard.log)
  return new OffsetCalls(next)
}

test('row 23: offsets of a transaction count when it is committed, not before', () => {
  const calls = callsWithOrders()
  assert.deepEqual(calls.commitIn(7n, 'g', 'orders', one(9)), ['orders-0 NONE'])
  assert.deepEqual(calls.fetchAll('g'), ['orders-0 5'])
  assert.deepEqual(restarted(calls).fetchAll('g'), ['orders-0 5'])
  calls.shard.endTransaction(7n, true)
  assert.deepEqual(calls.fetchAll('g'), ['orders-0 9'])
  assert.deepEqual(restarted(calls).fetchAll('g'), ['orders-0 9'])
})

test('offsets of a transaction that is aborted never count', () => {
  const calls = callsWithOrders()
  calls.commitIn(7n, 'g', 'orders', one(9))
  calls.shard.endTransaction(7n, false)
  assert.deepEqual(calls.fetchAll('g'), ['orders-0 5'])
  calls.shard.endTransaction(7n, true)
  assert.deepEqual(calls.fetchAll('g'), ['orders-0 5'])
  assert.equal(calls.shard.offsets.counts.pending, 0)
})

test('row 23: who requires stable offsets waits for open transactions, partition by partition', () => {
  const calls = callsWithOrders()
  calls.commit('g', 'orders', one(6, 1))
  calls.commitIn(7n, 'g', 'orders', one(9))
  calls.commitIn(7n, 'g', 'orders', one(9, 2))
  const stable = { requireStable: true }
  assert.deepEqual(calls.fetch('g', 'orders', [0, 1, 2, 3], stable), [
    'orders-0 UNSTABLE_OFFSET_COMMIT',
    'orders-1 6',
    'orders-2 UNSTABLE_OFFSET_COMMIT',
    'orders-3 -1',
  ])
  assert.deepEqual(calls.fetchAll('g', stable), ['orders-0 UNSTABLE_OFFSET_COMMIT', 'orders-1 6'])
  calls.shard.endTransaction(7n, false)
  assert.deepEqual(calls.fetchAll('g', stable), ['orders-0 5', 'orders-1 6'])
})

test('a commit after the transactional one wins, whatever becomes of the transaction', () => {
  const calls = callsWithOrders()
  calls.commitIn(7n, 'g', 'orders', one(9))
  calls.commit('g', 'orders', one(6))
  assert.deepEqual(calls.fetchAll('g', { requireStable: true }), ['orders-0 UNSTABLE_OFFSET_COMMIT'])
  calls.shard.endTransaction(7n, true)
  assert.deepEqual(calls.fetchAll('g'), ['orders-0 6'])
  assert.deepEqual(restarted(calls).fetchAll('g'), ['orders-0 6'])
})

test('of two transactions the one that wrote last wins, not the one that ended last', () => {
  const calls = callsWithOrders()
  calls.commitIn(7n, 'g', 'orders', one(7))
  calls.commitIn(8n, 'g', 'orders', one(8))
  calls.shard.endTransaction(8n, true)
  calls.shard.endTransaction(7n, true)
  assert.deepEqual(calls.fetchAll('g'), ['orders-0 8'])
  assert.deepEqual(restarted(calls).fetchAll('g'), ['orders-0 8'])
})

test('a transaction that ends first does not take from one that wrote later', () => {
  const calls = callsWithOrders()
  calls.commitIn(7n, 'g', 'orders', one(7))
  calls.commitIn(8n, 'g', 'orders', one(8))
  calls.shard.endTransaction(7n, true)
  assert.deepEqual(calls.fetchAll('g'), ['orders-0 7'])
  calls.shard.endTransaction(8n, true)
  assert.deepEqual(calls.fetchAll('g'), ['orders-0 8'])
})

test('what a producer writes again takes the place of what it wrote, and comes after what others wrote between', () => {
  const calls = callsWithOrders()
  calls.commitIn(7n, 'g', 'orders', one(7))
  calls.commitIn(8n, 'g', 'orders', one(8))
  calls.commitIn(7n, 'g', 'orders', one(10))
  calls.shard.endTransaction(7n, true)
  calls.shard.endTransaction(8n, true)
  assert.deepEqual(calls.fetchAll('g'), ['orders-0 10'])
})

test('a transaction that is in flight at a restart ends after it', () => {
  const calls = callsWithOrders()
  calls.commitIn(7n, 'g', 'orders', one(9))
  const next = restarted(calls)
  assert.deepEqual(next.fetchAll('g', { requireStable: true }), ['orders-0 UNSTABLE_OFFSET_COMMIT'])
  next.shard.endTransaction(7n, true)
  assert.deepEqual(next.fetchAll('g'), ['orders-0 9'])
})

test('a transactional commit of no member makes an empty group', () => {
  const calls = callsWithOrders()
  assert.deepEqual(calls.commitIn(7n, 'new', 'orders', one(9)), ['orders-0 NONE'])
  assert.equal(calls.shard.groups.get('new')?.isEmpty, true)
})

test('what a group says of epochs is a wrong generation to a transaction', () => {
  const calls = callsWithOrders()
  const member = { memberId: 'm', generation: 3 }
  assert.deepEqual(calls.commitIn(7n, 'nobody', 'orders', one(9), member), ['orders-0 ILLEGAL_GENERATION'])
  const group = calls.shard.group('g')
  group.refusal = ErrorCode.STALE_MEMBER_EPOCH
  assert.deepEqual(calls.commitIn(7n, 'g', 'orders', one(9), member), ['orders-0 ILLEGAL_GENERATION'])
  group.refusal = ErrorCode.FENCED_INSTANCE_ID
  assert.deepEqual(calls.commitIn(7n, 'g', 'orders', one(9), member), ['orders-0 FENCED_INSTANCE_ID'])
  assert.deepEqual(group.claims.at(-1), {
    memberId: 'm',
    instanceId: null,
    generation: 3,
    transactional: true,
    apiVersion: 5,
  })
})

test('a transactional commit is no sign of life', () => {
  const calls = callsWithOrders()
  const group = calls.shard.group('g')
  calls.commitIn(7n, 'g', 'orders', one(9), { memberId: 'm', generation: 3 })
  assert.deepEqual(group.committers, [])
})

test('version 6 names topics by id', () => {
  const calls = callsWithOrders()
  const { id } = calls.shard.topics.topic('orders')!
  assert.deepEqual(calls.commitIn(7n, 'g', '', one(9), { version: 6, topicId: id }), ['-0 NONE'])
  calls.shard.endTransaction(7n, true)
  assert.deepEqual(calls.fetchAll('g'), ['orders-0 9'])
})

test('the end of a transaction that wrote nothing here changes nothing', () => {
  const calls = callsWithOrders()
  calls.shard.endTransaction(99n, true)
  assert.deepEqual(calls.fetchAll('g'), ['orders-0 5'])
})
