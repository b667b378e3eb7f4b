import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ClassicGroup } from '../../../../src/coordinator/group/classic/classic-group.ts'
import { groupTombstone } from '../../../../src/coordinator/group/classic/group-record.ts'
import { coordinatorRecord } from '../../../../src/coordinator/runtime/record.ts'
import { ErrorCode } from '../../../../src/protocol/index.ts'
import { groupMetadataRecord } from '../../../../src/protocol/records-schema/group-metadata.ts'
import { offsetCommitRecord } from '../../../../src/protocol/records-schema/offset-commit.ts'
import { ClassicShard, subscription, text } from '../../../support/classic-shard.ts'

const facts = (group: ClassicGroup): unknown => ({
  ...group.facts,
  state: group.stateName,
  since: group.stateSinceMs,
  members: group.facts.members.map(member => ({
    ...member,
    protocols: member.protocols.filter(({ name }) => name === group.protocolName),
    sessionEndsMs: undefined,
    sessionTimerMs: undefined,
  })),
})

test('a stable group comes back as it was, of each protocol the chosen one, and goes on', () => {
  const shard = new ClassicShard()
  const protocols = ['range', 'sticky'].map(name => ({ name, metadata: subscription('topic') }))
  const [leader, follower] = shard.stable([
    { protocols, groupInstanceId: 'i', rebalanceTimeoutMs: 7_000 },
    { protocols },
  ])
  const started = shard.restarted()
  assert.deepEqual(facts(started.group()), facts(shard.group()))
  assert.equal(started.heartbeat({ memberId: follower! }), ErrorCode.NONE)
  assert.deepEqual(started.sync({ memberId: leader! }).answer.assignment, text(`of ${leader}`))
})

test('the record is in the newest version without tagged fields', () => {
  const shard = new ClassicShard()
  shard.stable(1)
  assert.deepEqual([...new Set(shard.turns.log.map(({ version }) => version))], [3])
})

test('after a start members have a session, static ones too', () => {
  const shard = new ClassicShard()
  const [silent, alive] = shard.stable([{ groupInstanceId: 'i' }, {}])
  const started = shard.restarted()
  started.turns.advance(9_999)
  assert.equal(started.heartbeat({ memberId: alive! }), ErrorCode.NONE)
  started.turns.advance(1)
  assert.equal(started.group().stateName, 'PreparingRebalance')
  assert.equal(started.group().members.has(silent!), false)
})

test('a rebalance that a stop cut short is as if it had not begun', () => {
  const shard = new ClassicShard()
  const [leader, follower] = shard.stable(2)
  shard.join({ memberId: leader! })
  shard.join({ memberId: follower! })
  assert.equal(shard.group().generation, 2)
  const started = shard.restarted()
  assert.deepEqual([started.group().stateName, started.group().generation], ['Stable', 1])
  assert.equal(started.heartbeat({ memberId: leader!, generationId: 2 }), ErrorCode.ILLEGAL_GENERATION)
})

test('a new group is written when its first member asks, and is an empty one after a start', () => {
  const shard = new ClassicShard()
  const { memberId } = shard.join().answer
  assert.equal(shard.turns.log.length, 1)
  const started = shard.restarted()
  assert.deepEqual([started.group().stateName, started.group().isSimple], ['Empty', true])
  assert.equal(started.join({ memberId }).answer.errorCode, ErrorCode.UNKNOWN_MEMBER_ID)
})

test('a tombstone takes the group back, whatever of it is left waiting', () => {
  const shard = new ClassicShard()
  shard.join()
  shard.turns.run(turn => turn.append(...shard.group().tombstones()))
  assert.equal(shard.groups.size, 0)
  shard.turns.advance(10_000)
  assert.equal(shard.restarted().groups.size, 0)
})

test('timers of a group that is gone do nothing to the one that has its id now', () => {
  const shard = new ClassicShard()
  const [leader] = shard.stable(1)
  shard.leave({ memberId: leader! }, 0)
  shard.join()
  shard.turns.run(turn => turn.append(groupTombstone('g')))
  shard.stable(1)
  shard.turns.advance(5_000)
  assert.equal(shard.group().stateName, 'Stable')
})

test('records of before rebalance timeouts and state stamps are read, and what makes no sense does not stop a start', () => {
  const shard = new ClassicShard()
  const member = {
    memberId: 'm',
    groupInstanceId: 'i',
    clientId: 'c',
    clientHost: '/h',
    rebalanceTimeout: -1,
    sessionTimeout: 9_000,
    subscription: text('?'),
    assignment: text('a'),
  }
  const members = [member, member, { ...member, memberId: 'n' }]
  const value = {
    protocolType: 'consumer',
    generation: 4,
    protocol: null,
    leader: 'x',
    currentStateTimestamp: -1,
    members,
  }
  assert.equal(shard.classic.replay(coordinatorRecord(groupMetadataRecord, { group: 'g' }, value, 0)), true)
  const group = shard.group()
  assert.deepEqual([group.members.size, group.rebalanceTimeoutMs, group.stateSinceMs], [1, 9_000, undefined])
  assert.equal(group.isSubscribedTo('any'), true, 'nobody knows')
  shard.turns.run(turn => shard.classic.loaded(turn))
  shard.turns.advance(9_000)
  assert.deepEqual([shard.group().stateName, shard.group().generation], ['Empty', 5])
})

test('records of other kinds are others to replay', () => {
  const shard = new ClassicShard()
  const key = { group: 'g', topic: 't', partition: 0 }
  assert.equal(shard.classic.replay(coordinatorRecord(offsetCommitRecord, key, null)), false)
})

test('an empty KIP-848 group gives way to a classic one, one with members does not', () => {
  const shard = new ClassicShard()
  let isEmpty = false
  let tombstones = 0
  const fake = {
    id: 'g',
    type: 'consumer',
    get isEmpty() {
      return isEmpty
    },
    tombstones: () => {
      tombstones++
      return []
    },
  } as unknown as ClassicGroup
  shard.groups.set('g', fake)
  assert.equal(shard.join().answer.errorCode, ErrorCode.INCONSISTENT_GROUP_PROTOCOL)
  assert.equal(shard.classic.describe('g', 6).errorMessage, 'Group g is not a classic group.')
  isEmpty = true
  assert.equal(shard.join({ memberId: 'm' }).answer.errorCode, ErrorCode.UNKNOWN_MEMBER_ID)
  assert.equal(tombstones, 0)
  assert.equal(shard.join().answer.errorCode, ErrorCode.MEMBER_ID_REQUIRED)
  assert.deepEqual([tombstones, shard.group().type], [1, 'classic'])
})

test('conversion reads a group, releases it, and makes one of what it read', () => {
  const shard = new ClassicShard()
  const [leader, follower] = shard.stable(2)
  const joining = shard.join({ memberId: leader! })
  const state = shard.classic.stateOf('g')!
  assert.deepEqual([state.generation, state.members.length, state.leaderId], [1, 2, leader])
  shard.turns.run(turn => shard.classic.release('g', turn))
  assert.equal(joining.answer.errorCode, ErrorCode.REBALANCE_IN_PROGRESS)
  assert.deepEqual(shard.turns.timers, [])
  shard.turns.run(turn => turn.append(groupTombstone('g')))
  assert.equal(shard.classic.stateOf('g'), undefined)
  shard.turns.run(turn => shard.classic.adopt({ ...state, leaderId: null, protocolName: null }, false, turn))
  assert.equal(shard.heartbeat({ memberId: follower! }), ErrorCode.NONE)
  assert.deepEqual([shard.group().leaderId, shard.group().protocolName], [leader, 'range'])
  assert.deepEqual(facts(shard.restarted().group()), facts(shard.group()))
  shard.turns.run(turn => shard.classic.adopt(state, true, turn))
  assert.equal(shard.heartbeat({ memberId: follower! }), ErrorCode.REBALANCE_IN_PROGRESS)
})
