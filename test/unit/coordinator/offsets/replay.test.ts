import assert from 'node:assert/strict'
import { test } from 'node:test'
import { coordinatorRecord } from '../../../../src/coordinator/runtime/record.ts'
import { groupMetadataRecord } from '../../../../src/protocol/records-schema/group-metadata.ts'
import { legacyOffsetCommitRecord } from '../../../../src/protocol/records-schema/legacy-offset-commit.ts'
import { OffsetCalls } from '../../../support/offset-calls.ts'
import { OffsetsShard } from '../../../support/offsets-shard.ts'

const from = { offset: -1, producerId: -1n, producerEpoch: -1 }

test('after a restart everything is answered as before it', () => {
  const calls = new OffsetCalls()
  for (const topic of ['orders', 'visits']) calls.shard.topics.add(topic)
  calls.commit('g', 'orders', [{ partition: 0, offset: 5, leaderEpoch: 3, metadata: 'here' }])
  calls.commit('g', 'visits', [{ partition: 0, offset: 6 }], { version: 3, retentionTimeMs: 1_000 })
  calls.commit('h', 'orders', [{ partition: 1, offset: 7 }])
  calls.deleteOffsets('h', 'orders', [1])
  const shard = new OffsetsShard(calls.shard.topics)
  shard.replayAll(calls.shard.log)
  const next = new OffsetCalls(shard)
  assert.deepEqual(next.fetchAll('g'), ['orders-0 5@3 here', 'visits-0 6'])
  assert.deepEqual(next.fetchAll('h'), [])
  assert.deepEqual([...shard.groups.keys()], ['g', 'h'])
})

test('a record of the first brokers is an offset without leader epoch, expiration and topic id', () => {
  const calls = new OffsetCalls()
  calls.shard.topics.add('orders')
  const key = { group: 'g', topic: 'orders', partition: 0 }
  const value = { offset: 5, metadata: 'old', commitTimestamp: 1 }
  calls.turns.run(turn => turn.append(coordinatorRecord(legacyOffsetCommitRecord, key, value)))
  assert.deepEqual(calls.fetchAll('g'), ['orders-0 5 old'])
  calls.turns.run(turn => turn.append(coordinatorRecord(legacyOffsetCommitRecord, key, null)))
  assert.deepEqual(calls.fetchAll('g'), [])
})

test('records of groups are left to others', () => {
  const calls = new OffsetCalls()
  const record = coordinatorRecord(groupMetadataRecord, { group: 'g' }, null)
  assert.equal(calls.shard.offsets.replay(record, from), false)
})

test('a group that is there already is not made again by its offsets', () => {
  const calls = new OffsetCalls()
  calls.shard.topics.add('orders')
  const group = calls.shard.group('g')
  calls.commit('g', 'orders', [{ partition: 0, offset: 5 }])
  assert.equal(calls.shard.groups.get('g'), group)
})

test('slots of offsets that went are used by those that come', () => {
  const calls = new OffsetCalls()
  calls.shard.topics.add('wide', 1_000)
  for (let round = 0; round < 3; round++) {
    const partitions = Array.from({ length: 1_000 }, (_, partition) => ({ partition, offset: partition + round }))
    calls.commit('g', 'wide', partitions)
    calls.deleteOffsets(
      'g',
      'wide',
      partitions.map(({ partition }) => partition),
    )
    assert.equal(calls.shard.offsets.counts.offsets, 0)
    calls.commit('g', 'wide', partitions.slice(500))
    assert.equal(calls.fetchAll('g').length, 500)
    assert.equal(calls.fetch('g', 'wide', [777])[0], `wide-777 ${777 + round}`)
  }
})
