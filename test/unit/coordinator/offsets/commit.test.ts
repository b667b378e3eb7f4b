import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { CoordinatorRecord } from '../../../../src/coordinator/runtime/record.ts'
import { ErrorCode, Reader, requestCodec, Writer, zeroUuid } from '../../../../src/protocol/index.ts'
import { offsetCommit } from '../../../../src/protocol/schema/offset-commit.ts'
import { OffsetCalls } from '../../../support/offset-calls.ts'
import { fromLog } from '../../../support/record-bytes.ts'

function callsWith(...topics: string[]): OffsetCalls {
  const calls = new OffsetCalls()
  for (const topic of topics) calls.shard.topics.add(topic)
  return calls
}

test('what was committed is answered with its leader epoch and its metadata', () => {
  const calls = callsWith('orders')
  const codes = calls.commit('g', 'orders', [
    { partition: 0, offset: 5, leaderEpoch: 3, metadata: 'here' },
    { partition: 2, offset: 0 },
  ])
  assert.deepEqual(codes, ['orders-0 NONE', 'orders-2 NONE'])
  assert.deepEqual(calls.fetch('g', 'orders', [0, 1, 2]), ['orders-0 5@3 here', 'orders-1 -1', 'orders-2 0'])
})

test('metadata of null is stored as none', () => {
  const calls = callsWith('orders')
  calls.commit('g', 'orders', [{ partition: 0, offset: 5, metadata: null }])
  assert.deepEqual(calls.fetch('g', 'orders', [0]), ['orders-0 5'])
})

test('a negative offset is stored, as in Kafka', () => {
  const calls = callsWith('orders')
  assert.deepEqual(calls.commit('g', 'orders', [{ partition: 0, offset: -1, metadata: 'x' }]), ['orders-0 NONE'])
  assert.deepEqual(calls.fetch('g', 'orders', [0]), ['orders-0 -1 x'])
})

test('an offset that a number cannot tell is refused for its partition alone, and never rounded', () => {
  const request = {
    groupId: 'g',
    topics: [{ name: 'orders', partitions: [{ partitionIndex: 0, committedOffset: 0x0a0b0c, committedMetadata: '' }] }],
  }
  const writer = new Writer()
  const codec = requestCodec(offsetCommit, 7)
  codec.encode(writer, request)
  const bytes = Buffer.from(writer.written())
  bytes.writeBigInt64BE(2n ** 53n + 1n, bytes.indexOf('00000000000a0b0c', 'hex'))
  const decoded = codec.decode(new Reader(bytes, 0, bytes.length))
  const offset = decoded.topics[0]!.partitions[0]!.committedOffset
  const calls = callsWith('orders')
  const codes = calls.commit('g', 'orders', [
    { partition: 0, offset },
    { partition: 1, offset: Number.MAX_SAFE_INTEGER - 1 },
  ])
  assert.deepEqual(codes, ['orders-0 INVALID_COMMIT_OFFSET_SIZE', 'orders-1 NONE'])
  assert.deepEqual(calls.fetch('g', 'orders', [0, 1]), ['orders-0 -1', `orders-1 ${Number.MAX_SAFE_INTEGER - 1}`])
})

test('the last of several commits for one partition in a request counts', () => {
  const calls = callsWith('orders')
  calls.commit('g', 'orders', [
    { partition: 0, offset: 5 },
    { partition: 0, offset: 4 },
  ])
  assert.deepEqual(calls.fetchAll('g'), ['orders-0 4'])
})

test('unknown topics and partitions are refused one by one, and the others are taken', () => {
  const calls = callsWith('orders')
  const codes = calls.commitTopics('g', [
    { name: 'nowhere', partitions: [{ partition: 0, offset: 1 }] },
    {
      name: 'orders',
      partitions: [
        { partition: -1, offset: 1 },
        { partition: 3, offset: 1 },
        { partition: 4, offset: 1 },
      ],
    },
  ])
  assert.deepEqual(codes, [
    'nowhere-0 UNKNOWN_TOPIC_OR_PARTITION',
    'orders--1 UNKNOWN_TOPIC_OR_PARTITION',
    'orders-3 NONE',
    'orders-4 UNKNOWN_TOPIC_OR_PARTITION',
  ])
  assert.deepEqual(calls.fetchAll('g'), ['orders-3 1'])
})

test('a commit of unknown partitions only makes no group and asks none', () => {
  const calls = callsWith('orders')
  calls.commit('g', 'nowhere', [{ partition: 0, offset: 1 }], { generation: 3, memberId: 'm' })
  assert.equal(calls.shard.groups.size, 0)
  const group = calls.shard.group('h')
  calls.commit('h', 'nowhere', [{ partition: 0, offset: 1 }])
  assert.equal(group.claims.length, 0)
})

test('metadata that are too long are refused for their partition alone', () => {
  const calls = callsWith('orders')
  const codes = calls.commit('g', 'orders', [
    { partition: 0, offset: 1, metadata: 'x'.repeat(17) },
    { partition: 1, offset: 1, metadata: 'x'.repeat(16) },
  ])
  assert.deepEqual(codes, ['orders-0 OFFSET_METADATA_TOO_LARGE', 'orders-1 NONE'])
})

test('a commit whose record the log would not take is refused for its partition alone', () => {
  const calls = callsWith('orders')
  calls.turns.maxRecordBytes = 10
  calls.turns.sizeOf = record => (record.value as { metadata: string }).metadata.length
  const codes = calls.commit('g', 'orders', [
    { partition: 0, offset: 1, metadata: 'x'.repeat(11) },
    { partition: 1, offset: 1 },
  ])
  assert.deepEqual(codes, ['orders-0 INVALID_COMMIT_OFFSET_SIZE', 'orders-1 NONE'])
})

test('a commit larger than a batch is taken as far as the batch goes', () => {
  const calls = callsWith('orders')
  calls.turns.sizeOf = () => 10
  calls.turns.maxRecordBytes = 25
  const codes = calls.commit(
    'g',
    'orders',
    [0, 1, 2].map(partition => ({ partition, offset: 1 })),
  )
  assert.deepEqual(codes, ['orders-0 NONE', 'orders-1 NONE', 'orders-2 INVALID_COMMIT_OFFSET_SIZE'])
  assert.deepEqual(calls.fetchAll('g'), ['orders-0 1', 'orders-1 1'])
})

test('version 10 names topics by id, and an unknown id is refused', () => {
  const calls = callsWith()
  const { id } = calls.shard.topics.add('orders')
  const partitions = [{ partition: 1, offset: 7 }]
  assert.deepEqual(calls.commit('g', '', partitions, { version: 10, topicId: id }), ['-1 NONE'])
  assert.deepEqual(calls.commit('g', '', partitions, { version: 10, topicId: zeroUuid }), ['-1 UNKNOWN_TOPIC_ID'])
  assert.deepEqual(calls.fetchAll('g'), ['orders-1 7'])
})

test('a simple consumer makes an empty group, and is not told of a generation', () => {
  const calls = callsWith('orders')
  assert.deepEqual(calls.commit('g', 'orders', [{ partition: 0, offset: 1 }]), ['orders-0 NONE'])
  assert.equal(calls.shard.groups.get('g')?.isEmpty, true)
})

test('a member of a group that is not there is told so, and before version 9 that its generation is wrong', () => {
  const calls = callsWith('orders')
  const partitions = [{ partition: 0, offset: 1 }]
  const member = { memberId: 'm', generation: 1 }
  assert.deepEqual(calls.commit('g', 'orders', partitions, { ...member, version: 9 }), ['orders-0 GROUP_ID_NOT_FOUND'])
  assert.deepEqual(calls.commit('g', 'orders', partitions, { ...member, version: 8 }), ['orders-0 ILLEGAL_GENERATION'])
  assert.equal(calls.shard.groups.size, 0)
})

test('a group that refuses a commit refuses every partition that is there', () => {
  const calls = callsWith('orders')
  for (const refusal of [ErrorCode.UNKNOWN_MEMBER_ID, ErrorCode.FENCED_INSTANCE_ID, ErrorCode.REBALANCE_IN_PROGRESS]) {
    calls.shard.group('g').refusal = refusal
    const codes = calls.commit('g', 'orders', [
      { partition: 0, offset: 1 },
      { partition: 9, offset: 1 },
    ])
    const name = Object.entries(ErrorCode).find(([, code]) => code === refusal)![0]
    assert.deepEqual(codes, [`orders-0 ${name}`, 'orders-9 UNKNOWN_TOPIC_OR_PARTITION'])
  }
  assert.deepEqual(calls.fetchAll('g'), [])
})

test('the group is asked once, about who commits', () => {
  const calls = callsWith('orders')
  const group = calls.shard.group('g')
  const partitions = [
    { partition: 0, offset: 1 },
    { partition: 1, offset: 1 },
  ]
  calls.commit('g', 'orders', partitions, { memberId: 'm', instanceId: 'i', generation: 4, version: 7 })
  assert.deepEqual(group.claims, [
    { memberId: 'm', instanceId: 'i', generation: 4, transactional: false, apiVersion: 7 },
  ])
})

test('a commit that is taken is a sign of life of its member, one that is refused is none', () => {
  const calls = callsWith('orders')
  const group = calls.shard.group('g')
  calls.commit('g', 'orders', [{ partition: 0, offset: 1 }], { memberId: 'm', generation: 4 })
  assert.deepEqual(group.committers, ['m'])
  group.refusal = ErrorCode.ILLEGAL_GENERATION
  calls.commit('g', 'orders', [{ partition: 0, offset: 1 }], { memberId: 'm', generation: 3 })
  calls.commit('g', 'orders', [{ partition: 0, offset: 1 }])
  assert.deepEqual(group.committers, ['m'])
})

test('a commit at a stale epoch is taken if the group accepts it for each of its partitions', () => {
  const calls = callsWith('orders')
  const group = calls.shard.group('g')
  group.refusal = ErrorCode.STALE_MEMBER_EPOCH
  group.acceptsStaleCommit = (_claim, topic, partition) => topic === 'orders' && partition === 1
  const at = (...partitions: number[]) => partitions.map(partition => ({ partition, offset: 1 }))
  const member = { memberId: 'm', generation: 4 }
  assert.deepEqual(calls.commit('g', 'orders', at(1), member), ['orders-1 NONE'])
  assert.deepEqual(group.committers, ['m'])
  assert.deepEqual(calls.commit('g', 'orders', at(1, 2), member), [
    'orders-1 STALE_MEMBER_EPOCH',
    'orders-2 STALE_MEMBER_EPOCH',
  ])
})

test('a record has the topic id; one with an expiration has version 1, which has none', () => {
  const calls = callsWith()
  const { id } = calls.shard.topics.add('orders')
  const [record] = recordsOf(calls, () => calls.commit('g', 'orders', [{ partition: 0, offset: 1, leaderEpoch: 2 }]))
  assert.deepEqual(
    [record?.version, record?.key, record?.value],
    [
      4,
      { group: 'g', topic: 'orders', partition: 0 },
      { offset: 1, leaderEpoch: 2, metadata: '', commitTimestamp: 1_700_000_000_000, expireTimestamp: -1, topicId: id },
    ],
  )
  const options = { version: 4, retentionTimeMs: 60_000 }
  const partitions = [{ partition: 0, offset: 1, leaderEpoch: 2 }]
  const [expiring] = recordsOf(calls, () => calls.commit('g', 'orders', partitions, options))
  assert.equal(expiring?.version, 1)
  assert.equal((expiring!.value as { expireTimestamp: number }).expireTimestamp, 1_700_000_060_000)
})

test('each record says all that the shard keeps of it', () => {
  const calls = callsWith('orders')
  const partitions = [{ partition: 0, offset: 1, leaderEpoch: 2, metadata: 'x' }]
  const records = recordsOf(calls, () => {
    calls.commit('g', 'orders', partitions)
    calls.commit('g', 'orders', partitions, { version: 4, retentionTimeMs: 60_000 })
    calls.deleteOffsets('g', 'orders', [0])
  })
  assert.equal(records.length, 3)
  for (const record of records) assert.deepEqual(fromLog(record), record)
})

test('a retention beyond all time does not overflow', () => {
  const calls = callsWith('orders')
  const options = { version: 4, retentionTimeMs: Number.MAX_SAFE_INTEGER }
  const [record] = recordsOf(calls, () => calls.commit('g', 'orders', [{ partition: 0, offset: 1 }], options))
  assert.equal((record!.value as { expireTimestamp: number }).expireTimestamp, Number.MAX_SAFE_INTEGER)
})

test('a request of very many partitions is one turn', () => {
  const calls = new OffsetCalls()
  calls.shard.topics.add('wide', 150_000)
  const partitions = Array.from({ length: 150_000 }, (_, partition) => ({ partition, offset: partition }))
  calls.commit('g', 'wide', partitions)
  assert.equal(calls.shard.offsets.counts.offsets, 150_000)
  assert.equal(calls.shard.offsets.counts.commits, 150_000)
})

test('a commit is answered once it is committed', () => {
  const calls = callsWith('orders')
  calls.turns.holdCommits = true
  assert.throws(() => calls.commit('g', 'orders', [{ partition: 0, offset: 1 }]), /no answer yet/)
})

function recordsOf(calls: OffsetCalls, work: () => void): CoordinatorRecord[] {
  const before = calls.turns.log.length
  work()
  return calls.turns.log.slice(before)
}
