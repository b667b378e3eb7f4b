import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { CoordinatorRecord } from '../../../../src/coordinator/runtime/record.ts'
import { ErrorCode } from '../../../../src/protocol/index.ts'
import { ConsumerShard, limitBatches } from '../../../support/consumer-shard.ts'

const names = (records: readonly CoordinatorRecord[]) =>
  records.map(({ schema, value }) => `${schema.name.replace('ConsumerGroup', '')}${value === null ? ' gone' : ''}`)

const partitionsOf = (response: ReturnType<ConsumerShard['heartbeat']>) =>
  response.assignment?.topicPartitions.map(({ partitions }) => partitions)

test('the first member makes the group and is assigned everything, in the order of records that Kafka writes', () => {
  const shard = new ConsumerShard()
  const topicId = shard.topics.put('t', 3)
  const response = shard.join('m', { rackId: 'r', serverAssignor: 'range' })
  assert.deepEqual(response, {
    throttleTimeMs: 0,
    errorCode: ErrorCode.NONE,
    memberId: 'm',
    memberEpoch: 1,
    heartbeatIntervalMs: 5_000,
    assignment: { topicPartitions: [{ topicId, partitions: [0, 1, 2] }] },
  })
  assert.deepEqual(names(shard.turns.log), [
    'MemberMetadata',
    'Metadata',
    'TargetAssignmentMember',
    'TargetAssignmentMetadata',
    'CurrentMemberAssignment',
  ])
  const [member, group, target, targetEpoch, current] = shard.turns.log.map(({ key, value }) => ({ ...key, ...value }))
  assert.deepEqual(member, {
    groupId: 'g',
    memberId: 'm',
    instanceId: null,
    rackId: 'r',
    clientId: 'client',
    clientHost: '/127.0.0.1',
    subscribedTopicNames: ['t'],
    subscribedTopicRegex: '',
    rebalanceTimeoutMs: 60_000,
    serverAssignor: 'range',
    classicMemberMetadata: null,
  })
  assert.equal((group as unknown as { epoch: number }).epoch, 1)
  assert.deepEqual(target, { groupId: 'g', memberId: 'm', topicPartitions: [{ topicId, partitions: [0, 1, 2] }] })
  assert.deepEqual(targetEpoch, { groupId: 'g', assignmentEpoch: 1, assignmentTimestamp: 1_700_000_000_000 })
  assert.deepEqual(current, {
    groupId: 'g',
    memberId: 'm',
    memberEpoch: 1,
    previousMemberEpoch: 0,
    state: 0,
    assignedPartitions: [{ topicId, partitions: [0, 1, 2], assignmentEpochs: [1, 1, 1] }],
    partitionsPendingRevocation: [],
  })
})

test('a heartbeat that tells nothing new writes nothing and is not told the assignment again', () => {
  const shard = new ConsumerShard()
  shard.topics.put('t', 3)
  shard.join('m')
  const before = shard.turns.log.length
  const response = shard.heartbeat({ memberId: 'm', memberEpoch: 1 })
  assert.deepEqual([response.errorCode, response.memberEpoch, response.assignment], [0, 1, null])
  assert.equal(shard.turns.log.length, before)
})

test('a member that tells everything is told everything, as after an error', () => {
  const shard = new ConsumerShard()
  shard.topics.put('t', 2)
  shard.join('m')
  const all = { memberId: 'm', memberEpoch: 1, rebalanceTimeoutMs: 60_000, topicPartitions: [] }
  assert.deepEqual(partitionsOf(shard.heartbeat({ ...all, subscribedTopicNames: ['t'] })), [[0, 1]])
  assert.deepEqual(partitionsOf(shard.heartbeat({ ...all, subscribedTopicNames: null })), undefined)
})

test('in version 0 the coordinator makes up the id of a member', () => {
  const shard = new ConsumerShard()
  const response = shard.join('', {})
  assert.deepEqual([response.errorCode, response.errorMessage], [ErrorCode.INVALID_REQUEST, "MemberId can't be empty."])
  const first = { rebalanceTimeoutMs: 1, subscribedTopicNames: ['t'], topicPartitions: [] }
  assert.equal(shard.heartbeat(first, { apiVersion: 0 }).memberId, 'made-1')
})

test('what a heartbeat may not say is refused in the words of Kafka, before anything else', () => {
  const shard = new ConsumerShard()
  const told = (request: Parameters<ConsumerShard['heartbeat']>[0], apiVersion = 1) => {
    const { errorCode, errorMessage } = shard.heartbeat({ memberId: 'm', ...request }, { apiVersion })
    assert.equal(errorCode, ErrorCode.INVALID_REQUEST)
    return errorMessage
  }
  const first = { rebalanceTimeoutMs: 1, subscribedTopicNames: ['t'], topicPartitions: [] }
  assert.equal(told({ memberId: '', memberEpoch: 1 }, 0), "MemberId can't be empty.")
  assert.equal(told({ memberId: '', memberEpoch: -1 }, 0), "MemberId can't be empty.")
  assert.equal(told({ groupId: '' }), "GroupId can't be empty.")
  assert.equal(told({ ...first, instanceId: ' ' }), "InstanceId can't be empty.")
  assert.equal(told({ ...first, rackId: '' }), "RackId can't be empty.")
  assert.equal(told({ ...first, rebalanceTimeoutMs: -1 }), 'RebalanceTimeoutMs must be provided in first request.')
  assert.equal(told({ ...first, topicPartitions: null }), 'TopicPartitions must be empty when (re-)joining.')
  assert.equal(
    told({ ...first, subscribedTopicNames: null }),
    'Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when (re-)joining.',
  )
  assert.equal(told({ memberEpoch: -2 }), "InstanceId can't be null.")
  assert.equal(told({ memberEpoch: -3 }), 'MemberEpoch is invalid.')
  const { errorCode, errorMessage } = shard.join('m', { serverAssignor: 'sticky' })
  assert.equal(errorCode, ErrorCode.UNSUPPORTED_ASSIGNOR)
  assert.equal(errorMessage, 'ServerAssignor sticky is not supported. Supported assignors: uniform, range.')
  assert.equal(shard.turns.log.length, 0)
})

test('who is not in the group, and who goes to a group that is not there, is told so', () => {
  const shard = new ConsumerShard()
  shard.topics.put('t', 1)
  const nobody = shard.heartbeat({ memberId: 'm', memberEpoch: 1 })
  assert.deepEqual(
    [nobody.errorCode, nobody.errorMessage],
    [ErrorCode.GROUP_ID_NOT_FOUND, 'Consumer group g not found.'],
  )
  assert.equal(shard.heartbeat({ memberId: 'm', memberEpoch: -1 }).errorCode, ErrorCode.GROUP_ID_NOT_FOUND)
  shard.join('m')
  for (const memberEpoch of [1, -1]) {
    const { errorCode, errorMessage } = shard.heartbeat({ memberId: 'other', memberEpoch })
    assert.equal(errorCode, ErrorCode.UNKNOWN_MEMBER_ID)
    assert.equal(errorMessage, 'Member other is not a member of group g.')
  }
})

test('an epoch ahead of its member is fenced; the one before it only when the member owns nothing else than it may', () => {
  const shard = new ConsumerShard()
  const topicId = shard.topics.put('t', 4)
  shard.join('a')
  shard.join('b')
  const owned = (partitions: number[]) => ({
    memberId: 'a',
    memberEpoch: 1,
    topicPartitions: [{ topicId, partitions }],
  })
  assert.equal(shard.heartbeat({ memberId: 'a', memberEpoch: 5 }).errorCode, ErrorCode.FENCED_MEMBER_EPOCH)
  assert.deepEqual(partitionsOf(shard.heartbeat(owned([0, 1, 2, 3]))), [[0, 1]])
  // The response to this one is lost.
  assert.equal(shard.heartbeat(owned([0, 1])).memberEpoch, 2)
  assert.equal(shard.heartbeat(owned([0, 1])).memberEpoch, 2, 'the request comes again')
  const { errorCode, errorMessage } = shard.heartbeat(owned([0, 1, 2]))
  assert.equal(errorCode, ErrorCode.FENCED_MEMBER_EPOCH)
  assert.equal(
    errorMessage,
    'The consumer group member has a smaller member epoch (1) than the one known by the group coordinator (2). ' +
      'The member must abandon all its partitions and rejoin.',
  )
  assert.equal(shard.heartbeat({ memberId: 'a', memberEpoch: 1 }).errorCode, ErrorCode.FENCED_MEMBER_EPOCH)
  shard.join('c')
  shard.heartbeat({ memberId: 'a', memberEpoch: 2, topicPartitions: [{ topicId, partitions: [0] }] })
  assert.equal(shard.heartbeat(owned([0])).errorCode, ErrorCode.FENCED_MEMBER_EPOCH, 'two epochs ago')
})

test('a member that begins anew is taken back with what it is meant to have', () => {
  const shard = new ConsumerShard()
  shard.topics.put('t', 2)
  shard.join('m')
  const again = shard.join('m')
  assert.deepEqual([again.errorCode, again.memberEpoch, partitionsOf(again)], [ErrorCode.NONE, 1, [[0, 1]]])
})

test('a full group takes nobody but its own members and those that take a static member’s place', () => {
  const shard = new ConsumerShard({ settings: { consumerMaxSize: 2 } })
  shard.topics.put('t', 2)
  shard.join('a', { instanceId: 'i' })
  shard.join('b')
  const { errorCode, errorMessage } = shard.join('c')
  assert.equal(errorCode, ErrorCode.GROUP_MAX_SIZE_REACHED)
  assert.equal(errorMessage, 'The consumer group has reached its maximum capacity of 2 members.')
  assert.equal(shard.join('b').errorCode, ErrorCode.NONE)
  shard.heartbeat({ memberId: 'a', instanceId: 'i', memberEpoch: -2 })
  assert.equal(shard.join('c', { instanceId: 'i' }).errorCode, ErrorCode.NONE)
})

test('a member that tells more than a record holds is refused and harms nobody', () => {
  const shard = new ConsumerShard()
  shard.topics.put('t', 2)
  limitBatches(shard, 2_000)
  const huge = Array.from({ length: 500 }, (_, at) => `topic-${at}`)
  assert.equal(shard.join('m', { subscribedTopicNames: huge }).errorCode, ErrorCode.UNKNOWN_SERVER_ERROR)
  assert.equal(shard.group(), undefined)
  shard.join('m')
  const before = shard.turns.log.length
  const all = { memberId: 'm', memberEpoch: 1, subscribedTopicNames: huge }
  assert.equal(shard.heartbeat(all).errorCode, ErrorCode.UNKNOWN_SERVER_ERROR)
  assert.equal(shard.turns.log.length, before)
  assert.equal(shard.heartbeat({ memberId: 'm', memberEpoch: 1 }).errorCode, ErrorCode.NONE)
})

test('a member in a state of a later version is taken on only when it owns nothing', () => {
  const shard = new ConsumerShard()
  shard.topics.put('t', 2)
  shard.join('m')
  const [current] = shard.turns.log.filter(({ schema }) => schema.name === 'ConsumerGroupCurrentMemberAssignment')
  shard.turns.run(turn => turn.append({ ...current!, value: { ...current!.value, state: 9 } }))
  const { errorCode } = shard.heartbeat({ memberId: 'm', memberEpoch: 1 })
  assert.equal(errorCode, ErrorCode.FENCED_MEMBER_EPOCH)
  assert.deepEqual(partitionsOf(shard.join('m')), [[0, 1]])
  assert.equal(shard.group().members.get('m')!.state, 'stable')
})
