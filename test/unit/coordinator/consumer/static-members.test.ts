import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ErrorCode } from '../../../../src/protocol/index.ts'
import { ConsumerShard } from '../../../support/consumer-shard.ts'

function twoMembers(): { shard: ConsumerShard; topicId: string } {
  const shard = new ConsumerShard()
  const topicId = shard.topics.put('t', 2)
  shard.join('a', { instanceId: 'i' })
  shard.join('b')
  shard.heartbeat({ memberId: 'a', memberEpoch: 1, instanceId: 'i', topicPartitions: [{ topicId, partitions: [0] }] })
  shard.heartbeat({ memberId: 'b', memberEpoch: 2 })
  assert.equal(shard.group().stateName, 'Stable')
  return { shard, topicId }
}

test('a static member that leaves for a while keeps its partitions, and its successor has them with no rebalance', () => {
  const { shard, topicId } = twoMembers()
  const left = shard.heartbeat({ memberId: 'a', instanceId: 'i', memberEpoch: -2 })
  assert.deepEqual([left.errorCode, left.memberEpoch], [ErrorCode.NONE, -2])
  assert.equal(shard.group().stateName, 'Reconciling')
  assert.equal(shard.heartbeat({ memberId: 'b', memberEpoch: 2 }).assignment, null)
  const back = shard.join('c', { instanceId: 'i' })
  assert.deepEqual([back.memberEpoch, back.assignment], [2, { topicPartitions: [{ topicId, partitions: [0] }] }])
  assert.deepEqual([...shard.group().members.keys()].sort(), ['b', 'c'])
  assert.deepEqual([shard.group().groupEpoch, shard.group().stateName], [2, 'Stable'])
  assert.equal(shard.restarted().group().staticMemberId('i'), 'c')
})

test('a static member that does not come back within its session is gone', () => {
  const { shard } = twoMembers()
  shard.heartbeat({ memberId: 'a', instanceId: 'i', memberEpoch: -2 })
  for (const _ of [1, 2]) {
    shard.turns.advance(30_000)
    shard.heartbeat({ memberId: 'b', memberEpoch: shard.group().members.get('b')!.memberEpoch })
  }
  assert.deepEqual([...shard.group().members.keys()], ['b'])
  assert.equal(shard.group().staticMemberId('i'), undefined)
})

test('an instance id that is in use is refused to others, and its former owners are fenced', () => {
  const { shard } = twoMembers()
  const taken = shard.join('c', { instanceId: 'i' })
  assert.equal(taken.errorCode, ErrorCode.UNRELEASED_INSTANCE_ID)
  assert.equal(
    taken.errorMessage,
    'Static member c with instance id i cannot join the group because the instance id is owned by a member.',
  )
  shard.heartbeat({ memberId: 'a', instanceId: 'i', memberEpoch: -2 })
  shard.join('c', { instanceId: 'i' })
  for (const memberEpoch of [2, -1, -2]) {
    const fenced = shard.heartbeat({ memberId: 'a', instanceId: 'i', memberEpoch })
    assert.equal(fenced.errorCode, ErrorCode.FENCED_INSTANCE_ID)
    assert.equal(fenced.errorMessage, 'Static member a with instance id i was fenced by member c.')
  }
  const unknown = shard.heartbeat({ memberId: 'a', instanceId: 'j', memberEpoch: 2 })
  assert.deepEqual(
    [unknown.errorCode, unknown.errorMessage],
    [ErrorCode.UNKNOWN_MEMBER_ID, 'Instance id j is unknown.'],
  )
})

test('a static member that joins again under its own id is taken on: the response to its first join was lost', () => {
  const { shard, topicId } = twoMembers()
  const again = shard.join('a', { instanceId: 'i' })
  assert.deepEqual([again.errorCode, again.assignment], [0, { topicPartitions: [{ topicId, partitions: [0] }] }])
  assert.equal(shard.group().groupEpoch, 2)
})

test('a static member that leaves for good leaves at once', () => {
  const { shard } = twoMembers()
  assert.equal(shard.heartbeat({ memberId: 'a', instanceId: 'i', memberEpoch: -1 }).memberEpoch, -1)
  assert.deepEqual([[...shard.group().members.keys()], shard.group().groupEpoch], [['b'], 3])
})

test('what a static member was giving up when it left for a while is free', () => {
  const shard = new ConsumerShard()
  const topicId = shard.topics.put('t', 2)
  shard.join('a', { instanceId: 'i' })
  shard.join('b')
  shard.heartbeat({ memberId: 'a', instanceId: 'i', memberEpoch: 1 })
  assert.equal(shard.group().members.get('a')!.state, 'unrevoked')
  shard.heartbeat({ memberId: 'a', instanceId: 'i', memberEpoch: -2 })
  const { assignment } = shard.heartbeat({ memberId: 'b', memberEpoch: 2 })
  assert.deepEqual(assignment, { topicPartitions: [{ topicId, partitions: [1] }] })
  shard.turns.advance(44_000)
  assert.equal(shard.group().members.has('a'), true, 'it has its session, not its rebalance timeout')
})
