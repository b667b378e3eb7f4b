import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ErrorCode } from '../../../../src/protocol/index.ts'
import { ConsumerShard, limitBatches } from '../../../support/consumer-shard.ts'

test('a partition is assigned only when the one that has it says that it gave it up', () => {
  const shard = new ConsumerShard()
  const topicId = shard.topics.put('t', 2)
  const owns = (...partitions: number[]) => (partitions.length === 0 ? [] : [{ topicId, partitions }])
  shard.join('a')
  const b = shard.join('b')
  assert.deepEqual([b.memberEpoch, b.assignment], [2, { topicPartitions: [] }])
  assert.equal(shard.group().members.get('b')!.state, 'unreleased')
  const a = shard.heartbeat({ memberId: 'a', memberEpoch: 1, topicPartitions: owns(0, 1) })
  assert.deepEqual([a.memberEpoch, a.assignment], [1, { topicPartitions: owns(0) }])
  assert.deepEqual(shard.heartbeat({ memberId: 'b', memberEpoch: 2 }).assignment, null)
  assert.equal(shard.heartbeat({ memberId: 'a', memberEpoch: 1 }).memberEpoch, 1, 'silence is no acknowledgement')
  assert.equal(shard.group().stateName, 'Reconciling')
  assert.equal(shard.heartbeat({ memberId: 'a', memberEpoch: 1, topicPartitions: owns(0) }).memberEpoch, 2)
  assert.deepEqual(shard.heartbeat({ memberId: 'b', memberEpoch: 2 }).assignment, { topicPartitions: owns(1) })
  assert.equal(shard.group().stateName, 'Stable')
})

test('who does not give up in time loses its place to those that wait', () => {
  const shard = new ConsumerShard({ group: { sessionTimeoutMs: 100_000 } })
  const topicId = shard.topics.put('t', 2)
  shard.join('a', { rebalanceTimeoutMs: 10_000 })
  shard.join('b')
  shard.heartbeat({ memberId: 'a', memberEpoch: 1 })
  shard.turns.advance(9_999)
  assert.equal(shard.heartbeat({ memberId: 'a', memberEpoch: 1 }).errorCode, ErrorCode.NONE)
  shard.turns.advance(1)
  assert.equal(shard.heartbeat({ memberId: 'a', memberEpoch: 1 }).errorCode, ErrorCode.UNKNOWN_MEMBER_ID)
  const b = shard.heartbeat({ memberId: 'b', memberEpoch: 2 })
  assert.deepEqual([b.memberEpoch, b.assignment], [3, { topicPartitions: [{ topicId, partitions: [0, 1] }] }])
})

test('a member that gave up in time is not put out, whatever it is told next', () => {
  const shard = new ConsumerShard({ group: { sessionTimeoutMs: 100_000 } })
  const topicId = shard.topics.put('t', 4)
  shard.join('a', { rebalanceTimeoutMs: 10_000 })
  shard.join('b')
  shard.heartbeat({ memberId: 'a', memberEpoch: 1 })
  shard.turns.advance(8_000)
  shard.join('c')
  shard.join('d')
  // It gave two up, and has to give up another at once: for that it has its time again.
  shard.heartbeat({ memberId: 'a', memberEpoch: 1, topicPartitions: [{ topicId, partitions: [0, 1] }] })
  assert.equal(shard.group().members.get('a')!.state, 'unrevoked')
  shard.turns.advance(8_000)
  shard.heartbeat({ memberId: 'a', memberEpoch: 1, topicPartitions: [{ topicId, partitions: [0] }] })
  shard.turns.advance(20_000)
  assert.equal(shard.group().members.has('a'), true)
})

test('a silent member is put out when its session ends, and leaves no timer behind', () => {
  const shard = new ConsumerShard()
  shard.topics.put('t', 2)
  shard.join('a')
  shard.turns.advance(44_999)
  assert.equal(shard.group().members.size, 1)
  shard.turns.advance(1)
  assert.deepEqual([shard.group().stateName, shard.group().groupEpoch, shard.group().assignmentEpoch], ['Empty', 2, 2])
  assert.deepEqual(shard.turns.timers, [])
  shard.join('b')
  shard.heartbeat({ memberId: 'b', memberEpoch: -1 })
  assert.deepEqual(shard.turns.timers, [])
})

test('one target assignment an interval: who joins in between waits with nothing', () => {
  const shard = new ConsumerShard({ group: { assignmentIntervalMs: 1_000 } })
  const topicId = shard.topics.put('t', 2)
  shard.join('a')
  shard.turns.advance(400)
  const b = shard.join('b')
  assert.deepEqual([b.memberEpoch, b.assignment, shard.group().stateName], [1, { topicPartitions: [] }, 'Assigning'])
  shard.turns.advance(600)
  assert.equal(shard.heartbeat({ memberId: 'b', memberEpoch: 1 }).memberEpoch, 2)
  const a = shard.heartbeat({ memberId: 'a', memberEpoch: 1 })
  assert.deepEqual(a.assignment, { topicPartitions: [{ topicId, partitions: [0] }] })
})

test('neither a clock that went back nor members that are gone delay an assignment', () => {
  const shard = new ConsumerShard({ group: { assignmentIntervalMs: 10_000 } })
  shard.topics.put('t', 2)
  shard.join('a')
  shard.turns.wallStartMs -= 3_600_000
  assert.equal(shard.join('b').memberEpoch, 2)
  shard.heartbeat({ memberId: 'a', memberEpoch: -1 })
  shard.heartbeat({ memberId: 'b', memberEpoch: -1 })
  assert.equal(shard.group().stateName, 'Empty')
  assert.equal(shard.join('c').assignment!.topicPartitions[0]!.partitions.length, 2)
})

test('the assignor that most members ask for assigns; a change of it is a change of the group', () => {
  const shard = new ConsumerShard()
  shard.topics.put('t', 2)
  shard.join('a')
  assert.equal(shard.consumers.describe('g').assignorName, 'uniform')
  const told = { rebalanceTimeoutMs: 60_000, subscribedTopicNames: ['t'], topicPartitions: [] }
  assert.equal(shard.heartbeat({ memberId: 'a', memberEpoch: 1, serverAssignor: 'range', ...told }).memberEpoch, 2)
  assert.equal(shard.consumers.describe('g').assignorName, 'range')
  shard.join('b', { serverAssignor: 'uniform' })
  assert.equal(shard.consumers.describe('g').assignorName, 'uniform', 'as many for both: the broker’s first')
})

test('what no longer is subscribed to is taken away without waiting for the next target assignment', () => {
  const shard = new ConsumerShard({ group: { assignmentIntervalMs: 10_000 } })
  const [t, u] = [shard.topics.put('t', 1), shard.topics.put('u', 1)]
  shard.join('a', { subscribedTopicNames: ['t', 'u'] })
  const both = [t, u].map(topicId => ({ topicId, partitions: [0] }))
  const fewer = { memberId: 'a', memberEpoch: 1, subscribedTopicNames: ['t'], topicPartitions: both }
  const { memberEpoch, assignment } = shard.heartbeat(fewer)
  assert.deepEqual([memberEpoch, assignment], [1, { topicPartitions: [{ topicId: t, partitions: [0] }] }])
  assert.equal(shard.group().members.get('a')!.state, 'unrevoked')
})

test('topics that come, grow, go and come back under another id are the next heartbeat’s to find', () => {
  const shard = new ConsumerShard()
  shard.join('a')
  const after = (change: () => void) => {
    change()
    shard.topicsChanged('t')
    const { memberEpoch } = shard.group().members.get('a')!
    return shard.heartbeat({ memberId: 'a', memberEpoch, topicPartitions: [] }).assignment?.topicPartitions
  }
  const change = (partitions: number) => () => void shard.topics.put('t', partitions)
  const [first] = after(change(1))!
  assert.deepEqual(first!.partitions, [0])
  assert.deepEqual(after(change(2))![0]!.partitions, [0, 1])
  const again = after(() => {
    shard.topics.remove('t')
    shard.topics.put('t', 2)
  })
  assert.deepEqual(again![0]!.partitions, [0, 1])
  assert.notEqual(again![0]!.topicId, first!.topicId)
  assert.deepEqual(
    after(() => shard.topics.remove('t')),
    [],
  )
  const { groupEpoch } = shard.group()
  shard.topicsChanged('t')
  shard.heartbeat({ memberId: 'a', memberEpoch: groupEpoch })
  assert.equal(shard.group().groupEpoch, groupEpoch, 'news of nothing changes nothing')
})

test('a target assignment that is too large for one batch is written over several turns, and counts with the last', () => {
  const shard = new ConsumerShard()
  shard.topics.put('t', 200)
  limitBatches(shard, 1_500)
  const first = shard.join('m0')
  assert.deepEqual([first.errorCode, first.memberEpoch, first.assignment], [0, 1, { topicPartitions: [] }])
  for (let at = 1; at < 20; at++) assert.equal(shard.join(`m${at}`).errorCode, ErrorCode.NONE)
  assert.equal(shard.group().stateName, 'Assigning')
  shard.turns.advance(0)
  const { groupEpoch, assignmentEpoch } = shard.group()
  assert.equal(assignmentEpoch, groupEpoch)
  for (let at = 0; at < 20; at++) {
    const { memberEpoch } = shard.group().members.get(`m${at}`)!
    const told = shard.heartbeat({ memberId: `m${at}`, memberEpoch, topicPartitions: [] })
    assert.deepEqual([told.memberEpoch, told.assignment!.topicPartitions[0]!.partitions.length], [groupEpoch, 10])
  }
  assert.equal(shard.group().stateName, 'Stable')
})

test('a target assignment in writing is void when its members change: nothing is meant for who is gone', () => {
  for (const goes of ['replaced', 'leaves']) {
    const shard = new ConsumerShard()
    shard.topics.put('t', 400)
    limitBatches(shard, 2_500)
    shard.join('m0', { instanceId: 'i' })
    for (let at = 1; at < 10; at++) shard.join(`m${at}`)
    assert.equal(shard.group().stateName, 'Assigning')
    if (goes === 'leaves') shard.heartbeat({ memberId: 'm0', instanceId: 'i', memberEpoch: -1 })
    else {
      shard.heartbeat({ memberId: 'm0', instanceId: 'i', memberEpoch: -2 })
      assert.equal(shard.join('n0', { instanceId: 'i' }).errorCode, ErrorCode.NONE)
    }
    shard.turns.advance(0)
    assert.equal(shard.group().hasTarget('m0'), false, goes)
    shard.heartbeat({ memberId: 'm1', memberEpoch: shard.group().members.get('m1')!.memberEpoch })
    shard.turns.advance(0)
    assert.equal(shard.group().assignmentEpoch, shard.group().groupEpoch)
    assert.equal(shard.group().hasTarget('n0'), goes === 'replaced')
  }
})

test('more members than one batch has tombstones for go over several turns', () => {
  const shard = new ConsumerShard()
  shard.topics.put('t', 10)
  for (let at = 0; at < 50; at++) shard.join(`m${at}`)
  const { turns } = shard
  turns.sizeOf = () => 100
  turns.maxRecordBytes = 1_500
  const all = [...shard.group().members.keys()]
  turns.run(turn => shard.consumers.removeMembers(shard.group(), all, turn))
  assert.equal(shard.group().isEmpty, false)
  turns.advance(0)
  assert.deepEqual([shard.group().stateName, turns.timers], ['Empty', []])
})
