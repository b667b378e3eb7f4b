import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ErrorCode, zeroUuid } from '../../../../src/protocol/index.ts'
import { OffsetCalls } from '../../../support/offset-calls.ts'

function callsWithOrders(): OffsetCalls {
  const calls = new OffsetCalls()
  calls.shard.topics.add('orders')
  calls.commit('g', 'orders', [{ partition: 1, offset: 7 }])
  return calls
}

test('a group that is not there has committed nothing, which is no error', () => {
  const calls = callsWithOrders()
  assert.deepEqual(calls.fetch('nobody', 'orders', [0]), ['orders-0 -1'])
  assert.deepEqual(calls.fetchAll('nobody'), [])
  calls.shard.group('dead').fetchRefusal = ErrorCode.GROUP_ID_NOT_FOUND
  assert.deepEqual(calls.fetch('dead', 'orders', [0]), ['orders-0 -1'])
})

test('unknown topics by name have no offsets, which is no error', () => {
  assert.deepEqual(callsWithOrders().fetch('g', 'nowhere', [0, 1]), ['nowhere-0 -1', 'nowhere-1 -1'])
})

test('a partition without an offset is answered whole: -1 everywhere, no metadata, no error', () => {
  const topics = [{ name: 'orders', topicId: zeroUuid, partitionIndexes: [0] }]
  assert.deepEqual(callsWithOrders().fetchAnswer('g', topics).topics![0]!.partitions, [
    { partitionIndex: 0, committedOffset: -1, committedLeaderEpoch: -1, metadata: '', errorCode: ErrorCode.NONE },
  ])
})

test('a group that refuses who asks answers with its error and no topics', () => {
  const calls = callsWithOrders()
  calls.shard.group('g').fetchRefusal = ErrorCode.STALE_MEMBER_EPOCH
  const answer = calls.fetchAnswer('g', null, { memberId: 'm', memberEpoch: 3 })
  assert.deepEqual(answer, { groupId: 'g', topics: [], errorCode: ErrorCode.STALE_MEMBER_EPOCH })
})

test('version 10 names topics by id, asked for and answered', () => {
  const calls = callsWithOrders()
  const { id } = calls.shard.topics.topic('orders')!
  const topics = [{ name: '', topicId: id, partitionIndexes: [1] }]
  const answer = calls.fetchAnswer('g', topics, { version: 10 })
  assert.deepEqual([answer.topics![0]!.topicId, answer.topics![0]!.partitions![0]!.committedOffset], [id, 7])
  assert.equal(calls.fetchAnswer('g', null, { version: 10 }).topics![0]!.topicId, id)
})

test('version 10 refuses an unknown id partition by partition', () => {
  const calls = callsWithOrders()
  const topics = [{ name: '', topicId: zeroUuid, partitionIndexes: [1] }]
  const [partition] = calls.fetchAnswer('g', topics, { version: 10 }).topics![0]!.partitions!
  assert.equal(partition!.errorCode, ErrorCode.UNKNOWN_TOPIC_ID)
  assert.equal(partition!.committedOffset, -1)
})

test('all topics by id are those that still have one', () => {
  const calls = callsWithOrders()
  calls.shard.topics.remove('orders')
  assert.deepEqual(calls.fetchAll('g', { version: 9 }), ['orders-1 7'])
  assert.deepEqual(calls.fetchAll('g', { version: 10 }), [])
})

test('a topic made again under its name is given nothing of what was committed for the one before', () => {
  const calls = callsWithOrders()
  calls.shard.topics.remove('orders')
  const { id } = calls.shard.topics.add('orders')
  assert.deepEqual(calls.fetch('g', 'orders', [1]), ['orders-1 -1'])
  assert.deepEqual(calls.fetchAll('g'), [])
  const topics = [{ name: '', topicId: id, partitionIndexes: [1] }]
  assert.equal(calls.fetchAnswer('g', topics, { version: 10 }).topics![0]!.partitions![0]!.committedOffset, -1)
  calls.commit('g', 'orders', [{ partition: 0, offset: 1 }])
  assert.deepEqual(calls.fetchAll('g'), ['orders-0 1'])
})

test('what is not committed yet is not answered', () => {
  const calls = callsWithOrders()
  calls.turns.holdCommits = true
  assert.throws(() => calls.commit('g', 'orders', [{ partition: 1, offset: 8 }]), /no answer yet/)
  assert.throws(() => calls.fetchAll('g'), /no answer yet/)
})
