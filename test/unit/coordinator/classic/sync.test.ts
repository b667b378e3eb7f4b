import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ErrorCode } from '../../../../src/protocol/index.ts'
import { ClassicShard, text } from '../../../support/classic-shard.ts'

/** Two members in CompletingRebalance of generation 1. */
function completing(shard: ClassicShard): { leader: string; follower: string } {
  const [leading, following] = [shard.joinWithId(), shard.joinWithId()]
  shard.turns.advance(6_000)
  assert.equal(leading.asker.answer.leader, leading.memberId)
  return { leader: leading.memberId, follower: following.memberId }
}

test('members wait for the leader, whose assignments go to everybody and into the log', () => {
  const shard = new ClassicShard()
  const { leader, follower } = completing(shard)
  const waiting = shard.sync({ memberId: follower })
  assert.equal(waiting.done, false)
  const before = shard.turns.log.length
  const leading = shard.sync({
    memberId: leader,
    assignments: [
      { memberId: leader, assignment: text('1') },
      { memberId: follower, assignment: text('2') },
      { memberId: 'nobody', assignment: text('3') },
    ],
  })
  assert.deepEqual(waiting.answer, {
    errorCode: ErrorCode.NONE,
    protocolType: 'consumer',
    protocolName: 'range',
    assignment: text('2'),
  })
  assert.deepEqual(leading.answer.assignment, text('1'))
  assert.deepEqual([shard.group().stateName, shard.turns.log.length - before], ['Stable', 1])
  assert.deepEqual(shard.sync({ memberId: follower }).answer.assignment, text('2'), 'and can be asked for again')
})

test('a member that the leader left out has an empty assignment', () => {
  const shard = new ClassicShard()
  const { leader, follower } = completing(shard)
  shard.sync({ memberId: leader })
  const { errorCode, assignment } = shard.sync({ memberId: follower }).answer
  assert.deepEqual([errorCode, assignment.byteLength], [ErrorCode.NONE, 0])
})

test('what a follower brings as assignments counts for nothing', () => {
  const shard = new ClassicShard()
  const { leader, follower } = completing(shard)
  shard.sync({ memberId: follower, assignments: [{ memberId: follower, assignment: text('all') }] })
  assert.equal(shard.group().stateName, 'CompletingRebalance')
  shard.sync({ memberId: leader })
  assert.equal(shard.sync({ memberId: follower }).answer.assignment.byteLength, 0)
})

test('who asks with what is not true of the group is refused', () => {
  const shard = new ClassicShard()
  const { follower } = completing(shard)
  const refused = (fields: Parameters<ClassicShard['sync']>[0]) =>
    shard.sync({ memberId: follower, ...fields }).answer.errorCode
  assert.equal(refused({ groupId: '' }), ErrorCode.INVALID_GROUP_ID)
  assert.equal(refused({ groupId: 'other' }), ErrorCode.UNKNOWN_MEMBER_ID)
  assert.equal(refused({ memberId: 'other' }), ErrorCode.UNKNOWN_MEMBER_ID)
  assert.equal(refused({ groupInstanceId: 'i' }), ErrorCode.UNKNOWN_MEMBER_ID)
  assert.equal(refused({ generationId: 0 }), ErrorCode.ILLEGAL_GENERATION)
  assert.equal(refused({ protocolType: 'connect' }), ErrorCode.INCONSISTENT_GROUP_PROTOCOL)
  assert.equal(refused({ protocolName: 'sticky' }), ErrorCode.INCONSISTENT_GROUP_PROTOCOL)
  assert.equal(refused({ protocolName: null }), ErrorCode.INCONSISTENT_GROUP_PROTOCOL, 'version 5 has to name it')
  assert.equal(shard.sync({ memberId: follower, version: 4 }).done, false)
})

test('while members join, nobody gets an assignment', () => {
  const shard = new ClassicShard()
  const [leader, follower] = shard.stable(2)
  shard.join({ memberId: leader! })
  assert.equal(shard.sync({ memberId: follower! }).answer.errorCode, ErrorCode.REBALANCE_IN_PROGRESS)
})

test('a SyncGroup that is sent again takes the place of the first, which is answered', () => {
  const shard = new ClassicShard()
  const { leader, follower } = completing(shard)
  const [first, second] = [shard.sync({ memberId: follower }), shard.sync({ memberId: follower })]
  assert.equal(first.answer.errorCode, ErrorCode.NOT_COORDINATOR)
  shard.sync({ memberId: leader })
  assert.equal(second.answer.errorCode, ErrorCode.NONE)
})

test('assignments that no record can hold are an error for the members that wait, who join again; other groups notice nothing', () => {
  const shard = new ClassicShard()
  const [other] = shard.stable([{ groupId: 'other' }])
  const { leader, follower } = completing(shard)
  shard.turns.sizeOf = ({ value }) => JSON.stringify(value).length
  shard.turns.maxRecordBytes = 2_000
  const waiting = shard.sync({ memberId: follower })
  const before = shard.turns.log.length
  const large = { memberId: leader, assignment: new Uint8Array(5_000) }
  const { errorCode } = shard.sync({ memberId: leader, assignments: [large] }).answer
  assert.deepEqual(
    [errorCode, waiting.answer.errorCode],
    [ErrorCode.UNKNOWN_SERVER_ERROR, ErrorCode.UNKNOWN_SERVER_ERROR],
  )
  assert.deepEqual([shard.group().stateName, shard.turns.log.length], ['PreparingRebalance', before])
  const joins = [leader, follower].map(memberId => shard.join({ memberId }))
  assert.deepEqual(
    joins.map(({ answer }) => answer.generationId),
    [2, 2],
  )
  assert.equal(shard.sync({ memberId: leader, generationId: 2 }).answer.errorCode, ErrorCode.NONE)
  assert.equal(shard.heartbeat({ groupId: 'other', memberId: other! }), ErrorCode.NONE)
})

test('an assignment is answered once it is committed', () => {
  const shard = new ClassicShard()
  const { leader, follower } = completing(shard)
  const waiting = shard.sync({ memberId: follower })
  shard.turns.holdCommits = true
  const leading = shard.sync({ memberId: leader })
  assert.deepEqual([waiting.done, leading.done], [false, false])
  shard.turns.commit()
  assert.deepEqual([waiting.done, leading.done], [true, true])
})
