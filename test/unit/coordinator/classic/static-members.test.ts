import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ErrorCode } from '../../../../src/protocol/index.ts'
import { ClassicShard, type JoinFields, subscription, text } from '../../../support/classic-shard.ts'

const statics = (...fields: JoinFields[]): JoinFields[] =>
  fields.map((field, at) => ({ groupInstanceId: `i${at + 1}`, ...field }))

const two = statics({}, {})

test('a static member joins without being given an id first; its id begins with its instance id', () => {
  const shard = new ClassicShard()
  const asker = shard.join({ groupInstanceId: 'node-1' })
  assert.equal(asker.done, false)
  shard.turns.advance(3_000)
  assert.match(asker.answer.memberId, /^node-1-/)
})

test('a static member that restarts keeps its assignment, and the group notices nothing', () => {
  const shard = new ClassicShard()
  const [leader, follower] = shard.stable(two)
  const before = shard.turns.log.length
  const back = shard.join({ groupInstanceId: 'i2', clientId: 'restarted' }).answer
  assert.notEqual(back.memberId, follower)
  assert.deepEqual([back.errorCode, back.generationId, back.leader, back.members], [ErrorCode.NONE, 1, leader, []])
  assert.equal(back.skipAssignment, undefined)
  assert.deepEqual([shard.group().stateName, shard.turns.log.length - before], ['Stable', 1])
  const synced = shard.sync({ memberId: back.memberId, groupInstanceId: 'i2' }).answer
  assert.deepEqual(synced.assignment, text(`of ${follower}`))
  const started = shard.restarted()
  assert.equal(started.heartbeat({ memberId: back.memberId, groupInstanceId: 'i2' }), ErrorCode.NONE)
  const described = started.classic.describe('g', 6).members.find(({ memberId }) => memberId === back.memberId)
  assert.deepEqual([described!.clientId, described!.memberAssignment], ['restarted', text(`of ${follower}`)])
})

test('the id that a static member had before is fenced wherever it is used with the instance id', () => {
  const shard = new ClassicShard()
  const [, old] = shard.stable(two)
  shard.join({ groupInstanceId: 'i2' })
  const stale = { memberId: old!, groupInstanceId: 'i2' }
  assert.equal(shard.heartbeat(stale), ErrorCode.FENCED_INSTANCE_ID)
  assert.equal(shard.join(stale).answer.errorCode, ErrorCode.FENCED_INSTANCE_ID)
  assert.equal(shard.sync(stale).answer.errorCode, ErrorCode.FENCED_INSTANCE_ID)
  const members = [{ ...stale, reason: null }]
  assert.equal(shard.leave({ members }).members![0]!.errorCode, ErrorCode.FENCED_INSTANCE_ID)
  const claim = { memberId: old!, instanceId: 'i2', generation: 1, transactional: false, apiVersion: 9 }
  assert.equal(shard.group().refuseCommit(claim), ErrorCode.FENCED_INSTANCE_ID)
  assert.equal(shard.heartbeat({ memberId: old! }), ErrorCode.UNKNOWN_MEMBER_ID)
})

test('a leader that restarts is told from version 9 on that it leads and has nothing to assign', () => {
  const shard = new ClassicShard()
  shard.stable(two)
  const back = shard.join({ groupInstanceId: 'i1', version: 9 }).answer
  assert.deepEqual([back.leader, back.skipAssignment, back.members.length], [back.memberId, true, 2])
})

test('before version 9 a leader that restarts is told that its old self leads', () => {
  const shard = new ClassicShard()
  const [leader] = shard.stable(two)
  const back = shard.join({ groupInstanceId: 'i1', version: 8 }).answer
  assert.deepEqual([back.leader, back.skipAssignment, back.members], [leader, undefined, []])
  assert.equal(shard.group().leaderId, back.memberId, 'it leads all the same: its next join rebalances')
  assert.equal(shard.join({ groupInstanceId: 'i1', memberId: back.memberId }).done, false)
})

test('requests of the old self that wait are answered with FENCED_INSTANCE_ID', () => {
  const shard = new ClassicShard()
  const joining = shard.join({ groupInstanceId: 'i1' })
  const again = shard.join({ groupInstanceId: 'i1' })
  assert.equal(joining.answer.errorCode, ErrorCode.FENCED_INSTANCE_ID)
  shard.join({ groupInstanceId: 'i2' })
  shard.turns.advance(6_000)
  const { memberId, leader } = again.answer
  assert.equal(leader, memberId)
  const [follower] = [...shard.group().members].filter(member => member.memberId !== leader)
  const syncing = shard.sync({ memberId: follower!.memberId, groupInstanceId: 'i2' })
  const back = shard.join({ groupInstanceId: 'i2' })
  assert.equal(syncing.answer.errorCode, ErrorCode.FENCED_INSTANCE_ID)
  assert.equal(back.done, false, 'what the leader assigns to the old id would reach nobody')
  assert.equal(shard.group().stateName, 'PreparingRebalance')
})

test('a restarted member with other topics, or that changes the chosen protocol, rebalances the group', () => {
  const protocol = (name: string, ...topics: string[]) => ({ name, metadata: subscription(...topics) })
  const [range, sticky] = [protocol('range', 'topic'), protocol('sticky', 'topic')]
  const fields = [{ protocols: [range, sticky] }, { protocols: [range, sticky] }, { protocols: [sticky, range] }]
  const rebalances = (protocols: JoinFields['protocols']): boolean => {
    const shard = new ClassicShard()
    shard.stable(statics(...fields))
    shard.join({ groupInstanceId: 'i2', protocols: protocols! })
    return shard.group().stateName === 'PreparingRebalance'
  }
  assert.equal(rebalances([range, sticky]), false)
  assert.equal(rebalances([protocol('range', 'topic', 'more'), sticky]), true)
  assert.equal(rebalances([sticky, range]), true)
})

test('what a restarted member says beside its topics is no reason to rebalance', () => {
  const shard = new ClassicShard()
  shard.stable(two)
  const metadata = Buffer.concat([subscription('topic').subarray(0, -4), Buffer.from([0, 0, 0, 1, 7])])
  const back = shard.join({ groupInstanceId: 'i2', protocols: [{ name: 'range', metadata }] })
  assert.equal(back.answer.errorCode, ErrorCode.NONE)
  assert.equal(shard.group().stateName, 'Stable')
})

test('a restart in time cancels the old session and begins a new one', () => {
  const shard = new ClassicShard()
  shard.stable([two[0]!])
  shard.turns.advance(9_999)
  const { memberId } = shard.join({ groupInstanceId: 'i1' }).answer
  shard.turns.advance(9_999)
  assert.equal(shard.heartbeat({ memberId, groupInstanceId: 'i1' }), ErrorCode.NONE)
  shard.turns.advance(10_000)
  assert.equal(shard.group().stateName, 'Empty')
  assert.deepEqual(shard.turns.timers, [])
})

test('a member that restarts before it synced is still expected to', () => {
  const shard = new ClassicShard()
  const joins = two.map(fields => shard.join({ ...fields, sessionTimeoutMs: 100_000 }))
  shard.turns.advance(6_000)
  shard.sync({ memberId: joins[0]!.answer.memberId, groupInstanceId: 'i1' })
  const back = shard.join({ groupInstanceId: 'i2', sessionTimeoutMs: 100_000 }).answer
  shard.sync({ memberId: back.memberId, groupInstanceId: 'i2' })
  shard.turns.advance(60_000)
  assert.deepEqual([shard.group().stateName, shard.group().members.size], ['Stable', 2])
})

test('a restarted member that no record has room for is refused, and the old one stays', () => {
  const shard = new ClassicShard()
  const [, old] = shard.stable(two)
  shard.turns.sizeOf = ({ value }) => JSON.stringify(value).length
  shard.turns.maxRecordBytes = 2_000
  const metadata = Buffer.concat([subscription('topic'), Buffer.alloc(5_000)])
  const { errorCode } = shard.join({ groupInstanceId: 'i2', protocols: [{ name: 'range', metadata }] }).answer
  assert.equal(errorCode, ErrorCode.UNKNOWN_SERVER_ERROR)
  assert.equal(shard.heartbeat({ memberId: old!, groupInstanceId: 'i2' }), ErrorCode.NONE)
  assert.equal(shard.group().members.size, 2)
})
