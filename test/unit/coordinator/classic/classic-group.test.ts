import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ClassicGroup } from '../../../../src/coordinator/group/classic/classic-group.ts'
import { ErrorCode } from '../../../../src/protocol/index.ts'
import { ClassicShard, subscription, text } from '../../../support/classic-shard.ts'

const nobody = { memberId: '', instanceId: null, generation: -1, transactional: false, apiVersion: 9 }

test('anybody may commit to an empty group without saying who they are, and only its members to any other', () => {
  const empty = new ClassicGroup('e')
  assert.equal(empty.refuseCommit(nobody), ErrorCode.NONE)
  assert.equal(empty.refuseCommit({ ...nobody, generation: 1, memberId: 'm' }), ErrorCode.UNKNOWN_MEMBER_ID)
  const shard = new ClassicShard()
  const [memberId] = shard.stable(1)
  const group = shard.group()
  assert.equal(group.refuseCommit(nobody), ErrorCode.UNKNOWN_MEMBER_ID)
  const member = { ...nobody, memberId: memberId!, generation: 1 }
  assert.equal(group.refuseCommit(member), ErrorCode.NONE)
  assert.equal(group.refuseCommit({ ...member, generation: 0 }), ErrorCode.ILLEGAL_GENERATION)
  assert.equal(group.refuseCommit({ ...member, generation: -1 }), ErrorCode.ILLEGAL_GENERATION)
  assert.equal(group.refuseCommit({ ...member, memberId: 'other' }), ErrorCode.UNKNOWN_MEMBER_ID)
  assert.equal(group.refuseCommit({ ...member, instanceId: 'i' }), ErrorCode.UNKNOWN_MEMBER_ID)
})

test('members commit while the others join, and not between their generation and their assignment', () => {
  const shard = new ClassicShard()
  const [memberId] = shard.stable(2)
  const member = { ...nobody, memberId: memberId!, generation: 1 }
  shard.join({ memberId: memberId! })
  assert.equal(shard.group().refuseCommit(member), ErrorCode.NONE)
  shard.turns.advance(10_000)
  assert.equal(shard.group().stateName, 'CompletingRebalance')
  assert.equal(shard.group().refuseCommit({ ...member, generation: 2 }), ErrorCode.REBALANCE_IN_PROGRESS)
  const transactional = { ...member, generation: 2, transactional: true }
  assert.equal(shard.group().refuseCommit(transactional), ErrorCode.NONE)
  assert.equal(shard.group().refuseCommit({ ...nobody, transactional: true }), ErrorCode.NONE, 'old producers')
})

test('a group with members is not deleted, and offsets of other topics than its own only if it says which those are', () => {
  const shard = new ClassicShard()
  shard.stable(1)
  shard.stable([{ groupId: 'other', protocolType: 'connect' }])
  assert.equal(shard.group().refuseDelete(), ErrorCode.NON_EMPTY_GROUP)
  assert.equal(shard.group().refuseOffsetDelete(), ErrorCode.NONE)
  assert.equal(shard.group('other').refuseOffsetDelete(), ErrorCode.NON_EMPTY_GROUP)
  assert.equal(new ClassicGroup('e').refuseDelete(), ErrorCode.NONE)
  assert.equal(new ClassicGroup('e').refuseOffsetDelete(), ErrorCode.NONE)
})

test('a group is subscribed to what any of its members is; to everything when one does not say', () => {
  const shard = new ClassicShard()
  const metadata = (...topics: string[]) => [{ name: 'range', metadata: subscription(...topics) }]
  shard.stable([{ protocols: metadata('a', 'b') }, { protocols: metadata('c') }])
  assert.deepEqual([...shard.group().subscribedTopics()!].sort(), ['a', 'b', 'c'])
  assert.deepEqual([shard.group().isSubscribedTo('c'), shard.group().isSubscribedTo('d')], [true, false])
  assert.deepEqual([...shard.restarted().group().subscribedTopics()!].sort(), ['a', 'b', 'c'])
  for (const content of ['', 'x', '\0\0\0\0\0\u0009', '\uffff\uffff']) {
    const malformed = new ClassicShard()
    malformed.stable([{ protocols: metadata('a') }, { protocols: [{ name: 'range', metadata: text(content) }] }])
    assert.equal(malformed.group().subscribedTopics(), undefined)
    assert.equal(malformed.group().isSubscribedTo('d'), true)
  }
  const connect = new ClassicShard()
  connect.stable([{ protocolType: 'connect' }])
  assert.equal(connect.group().isSubscribedTo('topic'), false)
  assert.equal(new ClassicGroup('e').isSubscribedTo('topic'), false)
})

test('metadata of a version that is not known here still say which topics they are for', () => {
  const shard = new ClassicShard()
  const future = Buffer.concat([Buffer.from([0, 99]), subscription('topic').subarray(2), text('more')])
  shard.stable([{ protocols: [{ name: 'range', metadata: future }] }])
  assert.deepEqual([...shard.group().subscribedTopics()!], ['topic'])
})

test('offsets age from when the group became empty, of topics nobody subscribes to from their commit, else not', () => {
  const shard = new ClassicShard()
  const [memberId] = shard.stable(2)
  const committedAt = shard.turns.wallStartMs
  assert.equal(shard.group().offsetAgesFrom('topic', committedAt), undefined)
  assert.equal(shard.group().offsetAgesFrom('other', committedAt), committedAt)
  shard.join({ memberId: memberId! })
  assert.equal(shard.group().offsetAgesFrom('other', committedAt), undefined, 'subscriptions may change now')
  shard.turns.advance(500_000)
  assert.equal(shard.group().stateName, 'Empty')
  const emptySince = shard.group().stateSinceMs!
  assert.ok(emptySince > committedAt)
  assert.equal(shard.group().offsetAgesFrom('topic', committedAt), emptySince)
  assert.equal(shard.group().offsetAgesFrom('topic', emptySince + 5), emptySince + 5, 'set while it was empty')
  assert.equal(new ClassicGroup('simple').offsetAgesFrom('topic', 5), 5)
})

test('offsets of a stable group that does not say what it reads do not age', () => {
  const shard = new ClassicShard()
  shard.stable([{ protocols: [{ name: 'range', metadata: text('?') }] }])
  assert.equal(shard.group().offsetAgesFrom('topic', 5), undefined)
  const connect = new ClassicShard()
  connect.stable([{ protocolType: 'connect' }])
  assert.equal(connect.group().offsetAgesFrom('topic', 5), undefined)
})
