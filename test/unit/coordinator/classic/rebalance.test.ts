import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ErrorCode } from '../../../../src/protocol/index.ts'
import { ClassicShard, text } from '../../../support/classic-shard.ts'

test('the first rebalance waits for its delay, and again as long as members keep coming', () => {
  const shard = new ClassicShard()
  const first = shard.join({ version: 3 })
  shard.turns.advance(2_999)
  const second = shard.join({ version: 3 })
  shard.turns.advance(2_999)
  const third = shard.join({ version: 3 })
  assert.deepEqual([first.done, second.done], [false, false])
  shard.turns.advance(3_001)
  assert.equal(third.done, false, 'it came after the delay was set last')
  shard.turns.advance(1)
  assert.deepEqual(
    [first, second, third].map(({ answer }) => answer.generationId),
    [1, 1, 1],
  )
})

test('members that keep coming do not prolong the first rebalance beyond the rebalance timeout', () => {
  const shard = new ClassicShard()
  const first = shard.join({ version: 3, rebalanceTimeoutMs: 10_000 })
  for (let at = 0; at < 9; at++) {
    shard.turns.advance(1_000)
    shard.join({ version: 3, rebalanceTimeoutMs: 10_000 })
  }
  shard.turns.advance(1_000)
  assert.equal(first.answer.generationId, 1)
})

test('without a delay the first member gets its generation in the next turn', () => {
  const shard = new ClassicShard({ initialRebalanceDelayMs: 0 })
  const first = shard.join({ version: 3 })
  shard.turns.advance(0)
  assert.equal(first.answer.generationId, 1)
})

test('members that do not join again within the longest rebalance timeout are removed', () => {
  const shard = new ClassicShard()
  const [slow, leader, quick] = shard.stable([
    { rebalanceTimeoutMs: 20_000, sessionTimeoutMs: 60_000 },
    { rebalanceTimeoutMs: 30_000, sessionTimeoutMs: 60_000 },
    { rebalanceTimeoutMs: 10_000, sessionTimeoutMs: 60_000 },
  ])
  const fields = { sessionTimeoutMs: 60_000 }
  shard.join({ memberId: slow!, rebalanceTimeoutMs: 20_000, ...fields })
  const joins = [shard.join({ memberId: quick!, rebalanceTimeoutMs: 10_000, ...fields })]
  shard.turns.advance(29_999)
  assert.equal(joins[0]!.done, false)
  shard.turns.advance(1)
  assert.equal(joins[0]!.answer.generationId, 2)
  assert.deepEqual(
    [...shard.group().members].map(({ memberId }) => memberId),
    [slow, quick],
  )
  assert.equal(shard.heartbeat({ memberId: leader! }), ErrorCode.UNKNOWN_MEMBER_ID)
})

test('when the leader does not come back, the first who did leads', () => {
  const shard = new ClassicShard()
  const [leader, follower] = shard.stable([{ groupInstanceId: 'a' }, { groupInstanceId: 'b' }])
  const joining = shard.join({ memberId: follower!, groupInstanceId: 'b', rebalanceTimeoutMs: 1_000 })
  assert.equal(joining.done, true)
  shard.join({ version: 3 })
  const again = shard.join({ memberId: follower!, groupInstanceId: 'b' })
  for (let at = 0; at < 12; at++) {
    shard.turns.advance(5_000)
    shard.heartbeat({ memberId: leader!, groupInstanceId: 'a' })
  }
  assert.equal(again.answer.leader, follower)
  assert.equal(again.answer.members.length, 3, 'a static member stays for its session')
})

test('a group whose static members are all away stays as it is until their sessions end, then is empty', () => {
  const shard = new ClassicShard()
  const [one, two] = shard.stable([
    { groupInstanceId: 'a', sessionTimeoutMs: 100_000 },
    { groupInstanceId: 'b', sessionTimeoutMs: 100_000 },
  ])
  shard.leave({ members: [{ memberId: one!, groupInstanceId: 'a', reason: null }] })
  shard.turns.advance(60_000)
  assert.deepEqual([shard.group().stateName, shard.group().generation], ['PreparingRebalance', 1])
  shard.turns.advance(40_000)
  assert.deepEqual([shard.group().stateName, shard.group().generation], ['Empty', 2])
  assert.equal(shard.heartbeat({ memberId: two!, groupInstanceId: 'b' }), ErrorCode.UNKNOWN_MEMBER_ID)
  assert.deepEqual(shard.turns.timers, [])
})

test('members that never ask for their assignment are removed after the rebalance timeout, thousands as well', () => {
  const shard = new ClassicShard()
  const { memberId, asker } = shard.joinWithId({ sessionTimeoutMs: 70_000 })
  for (let at = 0; at < 3_000; at++) shard.join({ version: 3, sessionTimeoutMs: 70_000 })
  while (!asker.done) shard.turns.advance(1_000)
  shard.sync({ memberId, assignments: [{ memberId, assignment: text('all') }] })
  assert.equal(shard.group().stateName, 'Stable')
  shard.turns.advance(59_999)
  assert.equal(shard.heartbeat({ memberId }), ErrorCode.NONE)
  shard.turns.advance(1)
  assert.deepEqual([shard.group().stateName, shard.group().members.size], ['PreparingRebalance', 1])
  assert.equal(shard.join({ memberId }).answer.generationId, 2)
  assert.equal(shard.turns.timers.length, 2, 'a session and the wait for its next sync')
})

test('when the leader never brings the assignments, those that wait for them start over without it', () => {
  const shard = new ClassicShard()
  const leading = shard.joinWithId({ rebalanceTimeoutMs: 8_000 })
  const following = shard.joinWithId({ rebalanceTimeoutMs: 8_000 })
  shard.turns.advance(6_000)
  assert.equal(leading.asker.answer.leader, leading.memberId)
  const waiting = shard.sync({ memberId: following.memberId })
  shard.turns.advance(8_000)
  assert.equal(waiting.answer.errorCode, ErrorCode.REBALANCE_IN_PROGRESS)
  const again = shard.join({ memberId: following.memberId })
  assert.deepEqual([again.answer.leader, again.answer.members.length], [following.memberId, 1])
})

test('a group that nobody joined in time is empty, and says so in the log', () => {
  const shard = new ClassicShard()
  const [leader] = shard.stable(1)
  const before = shard.turns.log.length
  shard.leave({ memberId: leader! }, 0)
  assert.deepEqual(
    [shard.group().stateName, shard.group().generation, shard.turns.log.length - before],
    ['Empty', 2, 1],
  )
  const value = shard.turns.log.at(-1)!.value as unknown as { members: unknown[]; protocol: null; leader: null }
  assert.deepEqual([value.members, value.protocol, value.leader], [[], null, null])
})

test('static members that are away and gave no rebalance timeout do not keep the coordinator busy', () => {
  const shard = new ClassicShard()
  shard.stable([{ groupInstanceId: 'a' }, { groupInstanceId: 'b' }])
  for (const groupInstanceId of ['a', 'b']) shard.join({ groupInstanceId, rebalanceTimeoutMs: 0 })
  let turns = 0
  const run = shard.turns.run.bind(shard.turns)
  shard.turns.run = work => {
    assert.ok(++turns < 15)
    return run(work)
  }
  shard.leave({ members: [{ memberId: '', groupInstanceId: 'a', reason: null }] })
  shard.turns.advance(9_000)
  assert.equal(shard.group().stateName, 'PreparingRebalance')
})
