import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ErrorCode } from '../../../../src/protocol/index.ts'
import { subscribed } from '../../../support/migration-shard.ts'
import { given, named, owning, partitionsOf, protocols, rejoin, shardOf, stableClassic } from './mixed-group.ts'

test('a KIP-848 member takes a live classic group over: in one turn, and partitions change hands one owner at a time', () => {
  const shard = shardOf()
  const [member] = stableClassic(shard, [[0, 1, 2, 3]])
  const { generation } = shard.group() as unknown as { generation: number }
  const before = shard.turns.log.length
  const joined = shard.consumerJoin('k')
  assert.deepEqual([named(joined.errorCode), joined.memberEpoch, partitionsOf(joined)], ['NONE', generation + 1, []])
  const written = shard.turns.log
    .slice(before)
    .map(({ schema, value }) => `${schema.name}${value === null ? ' -' : ''}`)
  assert.equal(written[0], 'GroupMetadata -', 'the classic group goes first')
  assert.ok(written.slice(1).every(name => name.startsWith('ConsumerGroup')))
  assert.equal(shard.group()?.type, 'consumer')

  assert.equal(named(shard.commit(member!, generation, 't', 0, 5)), 'NONE', 'commits go on')
  assert.equal(named(shard.heartbeat(member!, generation)), 'REBALANCE_IN_PROGRESS')
  const first = rejoin(shard, member!, [0, 1, 2, 3])
  assert.deepEqual(first, { generation, partitions: [0, 1] }, 'it is told to give two up, at its old epoch')
  assert.equal(partitionsOf(shard.consumerHeartbeat({ memberId: 'k', memberEpoch: joined.memberEpoch })), undefined)
  assert.equal(named(shard.heartbeat(member!, generation)), 'REBALANCE_IN_PROGRESS', 'until it has')
  assert.deepEqual(rejoin(shard, member!, [0, 1]), { generation: generation + 1, partitions: [0, 1] })
  const free = shard.consumerHeartbeat({ memberId: 'k', memberEpoch: generation + 1 })
  assert.deepEqual(partitionsOf(free), [2, 3])
  assert.equal(named(shard.heartbeat(member!, generation + 1)), 'NONE')
  shard.consumerHeartbeat({ memberId: 'k', memberEpoch: generation + 1, topicPartitions: owning(shard, [2, 3]) })
  assert.equal(shard.group()?.stateName, 'Stable')
  assert.deepEqual(shard.restarted().consumerGroup().members, shard.consumerGroup().members, 'the log tells the same')
})

test('who waits in the classic group is told to join again', () => {
  const shard = shardOf()
  const [leader, other] = stableClassic(shard, [
    [0, 1],
    [2, 3],
  ])
  const { generation: generationId } = shard.group() as unknown as { generation: number }
  const waits = shard.join({ memberId: leader!, protocols: protocols([0, 1]) })
  assert.equal(waits.done, false)
  assert.equal(named(shard.consumerJoin('k').errorCode), 'NONE')
  assert.equal(named(waits.answer.errorCode), 'REBALANCE_IN_PROGRESS')
  assert.equal(named(shard.heartbeat(other!, generationId)), 'REBALANCE_IN_PROGRESS')

  const second = shardOf()
  const [one, two] = stableClassic(second, [
    [0, 1],
    [2, 3],
  ])
  const joins = [one!, two!].map(memberId => second.join({ memberId, protocols: protocols() }))
  const { leader: leads } = joins[0]!.answer
  const syncs = second.sync({
    memberId: [one!, two!].find(id => id !== leads)!,
    generationId: joins[0]!.answer.generationId!,
  })
  assert.equal(syncs.done, false)
  second.consumerJoin('k')
  assert.equal(named(syncs.answer.errorCode), 'REBALANCE_IN_PROGRESS')
})

test('no timer of the classic group is left, and each member has its own session', () => {
  const shard = shardOf()
  const [member] = stableClassic(shard, [[0, 1, 2, 3]])
  shard.consumerJoin('k')
  assert.deepEqual(
    shard.turns.timers.filter(key => key.startsWith('g/classic')),
    [],
  )
  shard.turns.advance(9_999)
  assert.ok(shard.consumerGroup().members.has(member!))
  shard.turns.advance(1)
  assert.ok(!shard.consumerGroup().members.has(member!), 'ten seconds, as it had asked for')
})

test('a group that may not be converted stays as it is, and the KIP-848 member finds no group', () => {
  const cases = [shardOf({ consumerMigration: 'disabled' }), shardOf({ consumerMigration: 'downgrade' })]
  for (const shard of cases) {
    const [member] = stableClassic(shard, [[0, 1, 2, 3]])
    const before = shard.turns.log.length
    assert.equal(named(shard.consumerJoin('k').errorCode), 'GROUP_ID_NOT_FOUND')
    assert.equal(shard.turns.log.length, before)
    const { generation } = shard.group() as unknown as { generation: number }
    assert.equal(named(shard.heartbeat(member!, generation)), 'NONE')
  }
  const connect = shardOf()
  connect.join({ protocolType: 'connect' }, 3)
  assert.equal(named(connect.consumerJoin('k').errorCode), 'GROUP_ID_NOT_FOUND')
  const full = shardOf({ consumerMaxSize: 1 })
  stableClassic(full, [[0, 1, 2, 3]])
  assert.equal(named(full.consumerJoin('k').errorCode), 'GROUP_MAX_SIZE_REACHED')
  assert.equal(full.group()?.type, 'classic')
})

test('members whose bytes are no subscription, or that were given no assignment, keep their group classic', () => {
  const shard = shardOf()
  shard.join({ protocols: [{ name: 'range', metadata: new Uint8Array([0]) }] }, 3)
  assert.equal(named(shard.consumerJoin('k').errorCode), 'GROUP_ID_NOT_FOUND')

  const other = shardOf()
  const asked = other.join({ protocols: protocols() }, 3)
  other.turns.advance(0)
  const { answer } = asked
  const garbage = [{ memberId: answer.memberId, assignment: new Uint8Array([0, 1, 0xff, 0xff]) }]
  other.sync({ memberId: answer.memberId, generationId: 1, assignments: garbage })
  assert.equal(named(other.consumerJoin('k').errorCode), 'GROUP_ID_NOT_FOUND')
  assert.equal(other.group()?.type, 'classic')
})

test('a group that is larger than a batch stays classic, and one that is about to be stays KIP-848', () => {
  const shard = shardOf()
  stableClassic(shard, [[0, 1, 2, 3]])
  shard.turns.sizeOf = () => 100
  shard.turns.maxRecordBytes = 500
  assert.equal(named(shard.consumerJoin('k').errorCode), 'GROUP_ID_NOT_FOUND')
  shard.turns.maxRecordBytes = 2_000
  assert.equal(named(shard.consumerJoin('k').errorCode), 'NONE')
  shard.turns.maxRecordBytes = 700
  shard.consumerHeartbeat({ memberId: 'k', memberEpoch: -1 })
  assert.equal(shard.group()?.type, 'consumer')
})

test('a full group of static members is upgraded by one of them that comes back with the newer protocol', () => {
  const shard = shardOf({ consumerMaxSize: 1 })
  const asked = shard.join({ groupInstanceId: 'i', protocols: protocols() })
  shard.turns.advance(0)
  const { memberId, generationId } = asked.answer
  const assignments = [{ memberId, assignment: given([0, 1, 2, 3]) }]
  shard.sync({ memberId, groupInstanceId: 'i', generationId: generationId!, assignments })
  assert.equal(named(shard.consumerJoin('k').errorCode), 'GROUP_MAX_SIZE_REACHED')
  const joined = shard.consumerJoin('k', { instanceId: 'i' })
  assert.deepEqual([named(joined.errorCode), partitionsOf(joined)], ['NONE', [0, 1, 2, 3]])
  assert.deepEqual([...shard.consumerGroup().members.keys()], ['k'])
})

test('what a leader gave to two members, or is not there, is owned by one at most', () => {
  const shard = shardOf()
  const [one, two] = stableClassic(shard, [
    [0, 1, 2],
    [2, 3, 9],
  ])
  shard.consumerJoin('k')
  const members = shard.consumerGroup().members
  const id = shard.topics.topic('t')!.id
  assert.deepEqual(members.get(one!)!.assigned, new Map([[id, new Set([0, 1, 2])]]))
  assert.deepEqual(members.get(two!)!.assigned, new Map([[id, new Set([3])]]))
})

test('what a cooperative member still uses while it has not synced goes to nobody before it is given up', () => {
  const shard = shardOf()
  const [leader, slow] = stableClassic(shard, [
    [0, 1],
    [2, 3],
  ])
  shard.join({ memberId: leader!, protocols: protocols([0, 1]) })
  const { generationId } = shard.join({ memberId: slow!, protocols: protocols([2, 3]) }).answer
  const assignments = [
    { memberId: leader!, assignment: given([0, 1]) },
    { memberId: slow!, assignment: given([2]) },
  ]
  shard.sync({ memberId: leader!, generationId: generationId!, assignments })
  assert.deepEqual(
    partitionsOf(shard.consumerJoin('k')),
    [],
    'the slow member knows of nothing yet and uses partition 3',
  )
  assert.equal(shard.consumerGroup().members.get(slow!)!.state, 'unrevoked')
  assert.equal(named(shard.sync({ memberId: slow!, generationId: generationId! }).answer.errorCode), 'NONE')
  shard.join({ memberId: slow!, protocols: protocols([2]) })
  const next = shard.consumerHeartbeat({ memberId: 'k', memberEpoch: generationId! + 1 })
  assert.deepEqual(partitionsOf(next), [3])
})

test('a group that nobody is in gives way, and its offsets stay', () => {
  const shard = shardOf()
  const [member] = stableClassic(shard, [[0, 1, 2, 3]])
  const { generation } = shard.group() as unknown as { generation: number }
  assert.equal(shard.commit(member!, generation, 't', 0, 7), ErrorCode.NONE)
  shard.leave([{ memberId: member! }])
  const joined = shard.consumerJoin('k')
  assert.deepEqual([named(joined.errorCode), joined.memberEpoch, partitionsOf(joined)], ['NONE', 1, [0, 1, 2, 3]])
  assert.deepEqual(shard.committed(), new Map([['t-0', 7]]))
  assert.equal(shard.restarted().group()?.type, 'consumer')

  const simple = shardOf()
  simple.commit('', -1, 't', 1, 3)
  assert.equal(named(simple.consumerJoin('k').errorCode), 'NONE', 'also one of which only offsets are known')
  assert.deepEqual(simple.committed(), new Map([['t-1', 3]]))
})

test('a member that speaks of other topics in each protocol is read by the one that the group chose', () => {
  const shard = shardOf()
  shard.topics.put({ ...shard.topics.topic('t')!, name: 'u', id: 'AAAAAAAAAAAAAAAAAAAAAg' as never })
  const both = [
    { name: 'range', metadata: subscribed(['t']) },
    { name: 'sticky', metadata: subscribed(['u']) },
  ]
  const asked = shard.join({ protocols: both }, 3)
  shard.turns.advance(0)
  const { answer } = asked
  assert.equal(answer.protocolName, 'range')
  shard.sync({ memberId: answer.memberId, generationId: 1, assignments: [] })
  shard.consumerJoin('k')
  const member = shard.consumerGroup().members.get(answer.memberId)!
  assert.deepEqual([...member.subscribedTopicNames], ['t'])
  assert.deepEqual(
    member.classic?.supportedProtocols.map(({ name }) => name),
    ['range', 'sticky'],
  )
})
