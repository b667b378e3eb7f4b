import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { CommitClaim } from '../../../../src/coordinator/group/group.ts'
import { coordinatorRecord } from '../../../../src/coordinator/runtime/record.ts'
import { ErrorCode } from '../../../../src/protocol/index.ts'
import { consumerGroupPartitionMetadataRecord } from '../../../../src/protocol/records-schema/consumer-group-partition-metadata.ts'
import { ConsumerShard } from '../../../support/consumer-shard.ts'

const claim = (claimed: Partial<CommitClaim>): CommitClaim => ({
  memberId: 'a',
  instanceId: null,
  generation: 1,
  transactional: false,
  apiVersion: 9,
  ...claimed,
})

const classic = { sessionTimeoutMs: 10_000, supportedProtocols: [{ name: 'range', metadata: new Uint8Array([0, 1]) }] }

function joinClassic(shard: ConsumerShard, memberId: string): void {
  const join = {
    memberId,
    instanceId: null,
    replacesStatic: false,
    rackId: null,
    rebalanceTimeoutMs: 30_000,
    clientId: 'old',
    clientHost: '/127.0.0.1',
    subscribedTopicNames: ['t'],
    classic,
    owned: new Map(),
  }
  shard.turns.run(turn => shard.consumers.joinClassic(shard.group(), join, turn))
}

test('members commit at their epoch; by others, and in old versions, nothing is committed', () => {
  const shard = new ConsumerShard()
  shard.topics.put('t', 1)
  shard.join('a')
  const group = shard.group()
  assert.equal(group.refuseCommit(claim({})), ErrorCode.NONE)
  assert.equal(group.refuseCommit(claim({ generation: 2 })), ErrorCode.STALE_MEMBER_EPOCH)
  assert.equal(group.refuseCommit(claim({ generation: 0 })), ErrorCode.STALE_MEMBER_EPOCH)
  assert.equal(group.refuseCommit(claim({ memberId: 'x' })), ErrorCode.UNKNOWN_MEMBER_ID)
  assert.equal(group.refuseCommit(claim({ memberId: '', generation: -1 })), ErrorCode.UNKNOWN_MEMBER_ID)
  assert.equal(group.refuseCommit(claim({ apiVersion: 8 })), ErrorCode.UNSUPPORTED_VERSION)
  assert.equal(group.refuseCommit(claim({ apiVersion: 3, transactional: true })), ErrorCode.NONE)
  const nobody = claim({ memberId: '', generation: -1, transactional: true })
  assert.equal(group.refuseCommit(nobody), ErrorCode.NONE)
  assert.equal(group.refuseFetch(null, -1), ErrorCode.NONE)
  assert.equal(group.refuseFetch('a', 1), ErrorCode.NONE)
  assert.equal(group.refuseFetch('a', 2), ErrorCode.STALE_MEMBER_EPOCH)
  assert.equal(group.refuseFetch('x', 1), ErrorCode.UNKNOWN_MEMBER_ID)
  shard.heartbeat({ memberId: 'a', memberEpoch: -1 })
  assert.equal(group.refuseCommit(claim({ memberId: '', generation: -1 })), ErrorCode.NONE)
})

test('a commit of an earlier epoch is taken for partitions that the member has had since', () => {
  const shard = new ConsumerShard()
  const topicId = shard.topics.put('t', 2)
  shard.join('a')
  shard.join('b')
  shard.heartbeat({ memberId: 'a', memberEpoch: 1, topicPartitions: [{ topicId, partitions: [0, 1] }] })
  shard.heartbeat({ memberId: 'a', memberEpoch: 1, topicPartitions: [{ topicId, partitions: [0] }] })
  shard.heartbeat({ memberId: 'b', memberEpoch: 2 })
  const group = shard.group()
  assert.deepEqual(
    [0, 1].map(partition => group.acceptsStaleCommit(claim({}), 't', partition)),
    [true, false],
  )
  assert.equal(group.acceptsStaleCommit(claim({ generation: 3 }), 't', 0), false, 'an epoch that has not been')
  assert.equal(group.acceptsStaleCommit(claim({ generation: 0 }), 't', 0), false, 'it had nothing then')
  assert.equal(group.acceptsStaleCommit(claim({ memberId: 'b', generation: 1 }), 't', 1), false, 'not its own then')
  assert.equal(group.acceptsStaleCommit(claim({}), 'other', 0), false)
  assert.equal(shard.restarted().group().acceptsStaleCommit(claim({}), 't', 0), true)
})

test('offsets age from when the last member left, or from their commit when nobody subscribes to their topic', () => {
  const shard = new ConsumerShard()
  shard.topics.put('t', 1)
  shard.join('a')
  const committedAt = shard.turns.wallStartMs - 1_000_000
  assert.equal(shard.group().offsetAgesFrom('t', committedAt), undefined)
  assert.equal(shard.group().offsetAgesFrom('other', committedAt), committedAt)
  shard.turns.advance(5_000)
  shard.heartbeat({ memberId: 'a', memberEpoch: -1 })
  const emptySince = shard.turns.wallStartMs + 5_000
  assert.equal(shard.group().offsetAgesFrom('t', committedAt), emptySince)
  assert.equal(shard.group().offsetAgesFrom('t', emptySince + 1), emptySince + 1)
  assert.equal(shard.restarted().group().offsetAgesFrom('t', committedAt), emptySince)
})

test('an empty group may be deleted, and its tombstones leave nothing of it', () => {
  const shard = new ConsumerShard()
  shard.topics.put('t', 1)
  const older = {
    topics: [{ topicId: shard.topics.topic('t')!.id, topicName: 't', numPartitions: 1, partitionMetadata: [] }],
  }
  shard.turns.run(turn => turn.append(coordinatorRecord(consumerGroupPartitionMetadataRecord, { groupId: 'g' }, older)))
  shard.join('a', { subscribedTopicNames: null, subscribedTopicRegex: 't' })
  shard.turns.advance(0)
  assert.equal(shard.group().refuseDelete(), ErrorCode.NON_EMPTY_GROUP)
  assert.equal(shard.group().refuseOffsetDelete(), ErrorCode.NONE)
  const records = shard.turns.run(turn => turn.append(...shard.group().tombstones()))
  assert.equal(shard.group(), undefined)
  const keys = (log: typeof records) => new Set(log.map(({ schema, key }) => `${schema.name} ${JSON.stringify(key)}`))
  assert.ok(records.every(({ value }) => value === null))
  assert.deepEqual(
    [...keys(shard.turns.log)].filter(key => !keys(records).has(key) && !key.includes('Partition')),
    [],
  )
  assert.equal(shard.restarted().groups.size, 0)
})

test('the record of partitions that an older broker wrote goes with the first epoch after it', () => {
  const shard = new ConsumerShard()
  shard.topics.put('t', 1)
  shard.turns.run(turn =>
    turn.append(coordinatorRecord(consumerGroupPartitionMetadataRecord, { groupId: 'g' }, { topics: [] })),
  )
  shard.join('a')
  const written = shard.turns.log.filter(({ schema }) => schema.name === 'ConsumerGroupPartitionMetadata')
  assert.deepEqual(
    written.map(({ value }) => value === null),
    [false, true],
  )
})

test('describe tells the state, the epochs, and of each member what it has, what it gives up and what it is meant to have', () => {
  const shard = new ConsumerShard()
  const topicId = shard.topics.put('t', 2)
  shard.join('a', { instanceId: 'i', rackId: 'r' })
  shard.join('b')
  shard.heartbeat({ memberId: 'a', memberEpoch: 1, instanceId: 'i' })
  const described = shard.consumers.describe('g')
  const of = (...partitions: number[]) => ({
    topicPartitions: partitions.length === 0 ? [] : [{ topicId, topicName: 't', partitions }],
  })
  const { members, ...group } = described
  assert.deepEqual(group, {
    errorCode: ErrorCode.NONE,
    groupId: 'g',
    groupState: 'Reconciling',
    groupEpoch: 2,
    assignmentEpoch: 2,
    assignorName: 'uniform',
  })
  const common = {
    clientId: 'client',
    clientHost: '/127.0.0.1',
    subscribedTopicNames: ['t'],
    subscribedTopicRegex: '',
    memberType: 1,
  }
  assert.deepEqual(members, [
    {
      memberId: 'a',
      instanceId: 'i',
      rackId: 'r',
      memberEpoch: 1,
      ...common,
      assignment: of(0, 1),
      targetAssignment: of(0),
    },
    {
      memberId: 'b',
      instanceId: null,
      rackId: null,
      memberEpoch: 2,
      ...common,
      assignment: of(),
      targetAssignment: of(1),
    },
  ])
  const unknown = shard.consumers.describe('x')
  assert.deepEqual([unknown.errorCode, unknown.errorMessage], [ErrorCode.GROUP_ID_NOT_FOUND, 'Group x not found.'])
})

test('a member that talks the classic protocol is one of the group, with errors of its own protocol', () => {
  const shard = new ConsumerShard()
  const topicId = shard.topics.put('t', 2)
  shard.join('a')
  joinClassic(shard, 'c')
  shard.heartbeat({ memberId: 'a', memberEpoch: 1, topicPartitions: [{ topicId, partitions: [0] }] })
  joinClassic(shard, 'c')
  const group = shard.group()
  assert.deepEqual([...group.members.get('c')!.assigned.get(topicId)!], [1])
  assert.deepEqual(
    shard.consumers.describe('g').members.map(({ memberType }) => memberType),
    [1, 0],
  )
  assert.equal(group.refuseCommit(claim({ memberId: 'c', generation: 1, apiVersion: 2 })), ErrorCode.ILLEGAL_GENERATION)
  assert.equal(group.refuseCommit(claim({ memberId: 'c', generation: 2, apiVersion: 2 })), ErrorCode.NONE)
  assert.equal(group.refuseFetch('c', 1), ErrorCode.ILLEGAL_GENERATION)
  const next = shard.restarted()
  assert.deepEqual(next.group().members.get('c')!.classic, classic)
  next.turns.advance(10_000)
  assert.deepEqual([...next.group().members.keys()], ['a'], 'its session is as long as it said')
})
