import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ErrorCode } from '../../../../src/protocol/index.ts'
import { ClassicShard } from '../../../support/classic-shard.ts'

test('several members leave with one rebalance, each told its own outcome', () => {
  const shard = new ClassicShard()
  const [one, two, three] = shard.stable([{}, { groupInstanceId: 'i' }, {}])
  const { errorCode, members } = shard.leave({
    members: [
      { memberId: one!, groupInstanceId: null, reason: 'closing' },
      { memberId: '', groupInstanceId: 'i', reason: null },
      { memberId: '', groupInstanceId: 'other', reason: null },
      { memberId: '', groupInstanceId: null, reason: null },
      { memberId: 'other', groupInstanceId: null, reason: null },
    ],
  })
  const unknown = ErrorCode.UNKNOWN_MEMBER_ID
  assert.deepEqual([errorCode, members!.map(member => member.errorCode)], [0, [0, 0, unknown, unknown, unknown]])
  assert.deepEqual([members![1]!.memberId, members![1]!.groupInstanceId], ['', 'i'])
  assert.deepEqual(
    [...shard.group().members].map(({ memberId }) => memberId),
    [three],
  )
  assert.equal(shard.join({ memberId: three! }).answer.generationId, 2)
  assert.equal(two === three, false)
})

test('before version 3 one member leaves, and its outcome is the answer', () => {
  const shard = new ClassicShard()
  const [leader] = shard.stable(1)
  assert.deepEqual(shard.leave({ memberId: 'other' }, 2), { errorCode: ErrorCode.UNKNOWN_MEMBER_ID })
  assert.deepEqual(shard.leave({ memberId: leader! }, 2), { errorCode: ErrorCode.NONE })
})

test('who leaves a group that does not exist is unknown, one by one', () => {
  const shard = new ClassicShard()
  assert.deepEqual(shard.leave({ memberId: 'm' }, 1), { errorCode: ErrorCode.UNKNOWN_MEMBER_ID })
  const members = [{ memberId: 'm', groupInstanceId: null, reason: null }]
  const left = shard.leave({ members })
  assert.deepEqual([left.errorCode, left.members![0]!.errorCode], [ErrorCode.NONE, ErrorCode.UNKNOWN_MEMBER_ID])
  assert.equal(shard.leave({ groupId: '', members }).errorCode, ErrorCode.INVALID_GROUP_ID)
})

test('a member that leaves while its request waits is told so', () => {
  const shard = new ClassicShard()
  const [leader, follower] = shard.stable(2)
  const joining = shard.join({ memberId: leader! })
  shard.leave({ memberId: leader! }, 0)
  assert.deepEqual([joining.answer.errorCode, joining.answer.memberId], [ErrorCode.UNKNOWN_MEMBER_ID, ''])
  const again = shard.join({ memberId: follower! }).answer
  assert.deepEqual([again.generationId, again.leader], [2, follower])
  shard.sync({ memberId: follower!, generationId: 2 })
  const late = shard.joinWithId()
  shard.join({ memberId: follower! })
  const syncing = shard.sync({ memberId: late.memberId, generationId: 3 })
  assert.equal(syncing.done, false)
  shard.leave({ memberId: late.memberId }, 0)
  assert.equal(syncing.answer.errorCode, ErrorCode.UNKNOWN_MEMBER_ID)
})

test('an id that was given out can be given back', () => {
  const shard = new ClassicShard()
  const { memberId } = shard.join().answer
  assert.deepEqual(shard.leave({ memberId }, 0), { errorCode: ErrorCode.NONE })
  assert.deepEqual([shard.group().pendingJoins.size, shard.turns.timers], [0, []])
})

test('a member without heartbeats is removed when its session ends, one with heartbeats or commits stays', () => {
  const shard = new ClassicShard()
  const [silent, alive, committing] = shard.stable(3)
  for (let at = 0; at < 3; at++) {
    shard.turns.advance(3_333)
    assert.equal(shard.heartbeat({ memberId: alive! }), ErrorCode.NONE)
    shard.turns.run(turn => shard.group().committed(committing!, turn))
  }
  shard.turns.advance(1)
  const ids = [...shard.group().members].map(({ memberId }) => memberId)
  assert.deepEqual([shard.group().stateName, ids], ['PreparingRebalance', [alive, committing]])
  assert.equal(shard.heartbeat({ memberId: silent! }), ErrorCode.UNKNOWN_MEMBER_ID)
})

test('heartbeats count while members join and while they wait for assignments', () => {
  const shard = new ClassicShard()
  const [leader, follower] = shard.stable(2)
  shard.join({ memberId: leader! })
  for (let at = 0; at < 4; at++) {
    shard.turns.advance(9_000)
    assert.equal(shard.heartbeat({ memberId: follower! }), ErrorCode.REBALANCE_IN_PROGRESS)
  }
  shard.join({ memberId: follower! })
  for (let at = 0; at < 4; at++) {
    shard.turns.advance(9_000)
    for (const memberId of [leader!, follower!]) {
      assert.equal(shard.heartbeat({ memberId, generationId: 2 }), ErrorCode.NONE)
    }
  }
})

test('a member whose request waits needs no heartbeats, and has a whole session after its answer', () => {
  const shard = new ClassicShard()
  const [leader, follower] = shard.stable(2)
  const joining = shard.join({ memberId: leader! })
  for (let at = 0; at < 7; at++) {
    shard.turns.advance(8_000)
    shard.heartbeat({ memberId: follower! })
  }
  assert.equal(joining.done, false)
  shard.join({ memberId: follower! })
  shard.turns.advance(9_999)
  assert.equal(shard.heartbeat({ memberId: leader!, generationId: 2 }), ErrorCode.NONE)
})

test('a heartbeat of another generation, instance or group is refused', () => {
  const shard = new ClassicShard()
  const [member] = shard.stable(1)
  assert.equal(shard.heartbeat({ memberId: member!, generationId: 2 }), ErrorCode.ILLEGAL_GENERATION)
  assert.equal(shard.heartbeat({ memberId: member!, groupInstanceId: 'i' }), ErrorCode.UNKNOWN_MEMBER_ID)
  assert.equal(shard.heartbeat({ memberId: member!, groupId: 'other' }), ErrorCode.UNKNOWN_MEMBER_ID)
  assert.equal(shard.heartbeat({ memberId: member!, groupId: '' }), ErrorCode.INVALID_GROUP_ID)
  const pending = shard.join().answer.memberId
  assert.equal(shard.heartbeat({ memberId: pending }), ErrorCode.UNKNOWN_MEMBER_ID)
})

test('the JoinGroup of a new member whose client may be gone does not wait longer than five minutes', () => {
  const shard = new ClassicShard()
  const fields = { rebalanceTimeoutMs: 1_000_000, sessionTimeoutMs: 1_000_000 }
  const [leader] = shard.stable([fields])
  const joining = shard.join({ ...fields, version: 3 })
  shard.turns.advance(299_999)
  assert.equal(joining.done, false)
  shard.turns.advance(1)
  assert.deepEqual([joining.answer.errorCode, joining.answer.memberId], [ErrorCode.UNKNOWN_MEMBER_ID, ''])
  assert.equal(shard.join({ memberId: leader! }).answer.members.length, 1)
})
