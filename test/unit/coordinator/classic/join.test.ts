import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ErrorCode } from '../../../../src/protocol/index.ts'
import { ClassicShard, subscription, text } from '../../../support/classic-shard.ts'

test('a session timeout outside the allowed range is refused, and so is a group without an id', () => {
  const shard = new ClassicShard()
  for (const sessionTimeoutMs of [5_999, 1_800_001]) {
    const { errorCode, memberId } = shard.join({ sessionTimeoutMs, memberId: 'm' }).answer
    assert.deepEqual([errorCode, memberId], [ErrorCode.INVALID_SESSION_TIMEOUT, 'm'])
  }
  assert.equal(shard.join({ groupId: '' }).answer.errorCode, ErrorCode.INVALID_GROUP_ID)
  assert.equal(shard.groups.size, 0)
})

test('a member that names an id no group has given out is unknown, and makes no group', () => {
  const shard = new ClassicShard()
  const { errorCode, memberId, generationId, protocolName } = shard.join({ memberId: 'mine' }).answer
  assert.deepEqual([errorCode, memberId, generationId, protocolName], [ErrorCode.UNKNOWN_MEMBER_ID, 'mine', -1, null])
  assert.equal(shard.join({ memberId: 'mine', version: 6 }).answer.protocolName, '', 'null is not in this version')
  assert.equal(shard.groups.size, 0)
  shard.stable(1)
  assert.equal(shard.join({ memberId: 'mine' }).answer.errorCode, ErrorCode.UNKNOWN_MEMBER_ID)
})

test('members without protocols, or of a type or protocols that nobody else has, are refused', () => {
  const shard = new ClassicShard()
  for (const fields of [{ protocols: [] }, { protocolType: '' }]) {
    assert.equal(shard.join(fields).answer.errorCode, ErrorCode.INCONSISTENT_GROUP_PROTOCOL)
  }
  assert.equal(shard.groups.size, 0, 'nothing is kept of a request that was refused')
  const [leader] = shard.stable(1)
  const other = { protocols: [{ name: 'sticky', metadata: subscription('topic') }] }
  for (const fields of [{ protocolType: 'connect' }, other, { ...other, memberId: leader! }]) {
    const { errorCode, memberId } = shard.join(fields).answer
    assert.deepEqual([errorCode, memberId], [ErrorCode.INCONSISTENT_GROUP_PROTOCOL, 'memberId' in fields ? leader : ''])
  }
  assert.equal(shard.group().stateName, 'Stable')
})

test('from version 4 on a dynamic member is given an id first; a retry gets another, and neither is a member', () => {
  const shard = new ClassicShard()
  const ids = [1, 2].map(() => {
    const { errorCode, memberId } = shard.join({ version: 4, clientId: 'app' }).answer
    assert.equal(errorCode, ErrorCode.MEMBER_ID_REQUIRED)
    assert.match(memberId, /^app-/)
    return memberId
  })
  assert.notEqual(ids[0], ids[1])
  assert.equal(shard.group().members.size, 0)
  const joining = shard.join({ memberId: ids[0]! })
  assert.deepEqual([joining.done, shard.group().members.size], [false, 1])
})

test('an id that nobody joins with is forgotten after the session timeout', () => {
  const shard = new ClassicShard()
  const { memberId } = shard.join().answer
  shard.turns.advance(9_999)
  assert.ok(shard.group().pendingJoins.has(memberId))
  shard.turns.advance(1)
  assert.equal(shard.group().pendingJoins.size, 0)
  assert.equal(shard.join({ memberId }).answer.errorCode, ErrorCode.UNKNOWN_MEMBER_ID)
  assert.deepEqual(shard.turns.timers, [])
})

test('a rebalance waits for members that were given an id', () => {
  const shard = new ClassicShard()
  const [leader] = shard.stable(1)
  const late = shard.join().answer.memberId
  const again = shard.join({ memberId: leader! })
  assert.equal(again.done, false)
  const joining = shard.join({ memberId: late })
  assert.deepEqual([again.answer.generationId, joining.answer.generationId], [2, 2])
})

test('ids that are given out and never used take a bounded amount of memory', () => {
  const shard = new ClassicShard()
  const clientId = 'c'.repeat(30_000)
  const first = shard.join({ clientId }).answer.memberId
  for (let at = 0; at < 5_000; at++) shard.join({ clientId })
  assert.ok(shard.group().pendingJoins.size < 4_500)
  assert.equal(shard.turns.timers.length, shard.group().pendingJoins.size)
  assert.equal(shard.join({ memberId: first }).answer.errorCode, ErrorCode.UNKNOWN_MEMBER_ID, 'the oldest go first')
})

test('before version 4 a member joins at once, and version 0 has the session timeout for its rebalance timeout', () => {
  const shard = new ClassicShard()
  shard.join({ version: 0, sessionTimeoutMs: 7_000, rebalanceTimeoutMs: -1 })
  const [member] = [...shard.group().members]
  assert.equal(member!.rebalanceTimeoutMs, 7_000)
})

test('the leader learns the metadata of all members, the others who leads', () => {
  const shard = new ClassicShard()
  const leading = shard.joinWithId({ protocols: [{ name: 'range', metadata: text('of leader') }] })
  const following = shard.joinWithId({ protocols: [{ name: 'range', metadata: text('of follower') }] })
  shard.turns.advance(6_000)
  const { members, ...answer } = leading.asker.answer
  assert.deepEqual(answer, {
    errorCode: ErrorCode.NONE,
    generationId: 1,
    protocolType: 'consumer',
    protocolName: 'range',
    leader: leading.memberId,
    memberId: leading.memberId,
  })
  assert.deepEqual(
    members.map(({ memberId, metadata }) => [memberId, metadata]),
    [
      [leading.memberId, text('of leader')],
      [following.memberId, text('of follower')],
    ],
  )
  assert.deepEqual([following.asker.answer.leader, following.asker.answer.members], [leading.memberId, []])
})

test('the protocol with most votes is chosen of those that all support, whatever else single members like better', () => {
  const shard = new ClassicShard()
  const protocols = (...names: string[]) => names.map(name => ({ name, metadata: subscription('topic') }))
  const [first] = shard.stable([
    { protocols: protocols('own', 'range', 'sticky') },
    { protocols: protocols('sticky', 'range', 'other') },
    { protocols: protocols('sticky', 'range') },
  ])
  assert.equal(shard.group().protocolName, 'sticky')
  shard.leave({ memberId: first! }, 0)
  assert.equal(shard.group().stateName, 'PreparingRebalance')
})

test('a protocol that is named twice counts once, with its first metadata', () => {
  const shard = new ClassicShard()
  const twice = ['first', 'second'].map(content => ({ name: 'range', metadata: text(content) }))
  shard.stable([{ protocols: twice }, {}])
  assert.deepEqual([...shard.group().members][0]!.metadataOf('range'), text('first'))
})

test('the leader that joins again rebalances the group, a follower with the same metadata does not', () => {
  const shard = new ClassicShard()
  const [leader, follower] = shard.stable(2)
  const same = shard.join({ memberId: follower! }).answer
  assert.deepEqual(
    [same.errorCode, same.generationId, same.leader, same.members, shard.group().stateName],
    [ErrorCode.NONE, 1, leader, [], 'Stable'],
  )
  const again = shard.join({ memberId: leader! })
  assert.deepEqual([again.done, shard.group().stateName], [false, 'PreparingRebalance'])
})

test('a follower whose metadata changed rebalances the group', () => {
  const shard = new ClassicShard()
  const [leader, follower] = shard.stable(2)
  const changed = shard.join({
    memberId: follower!,
    protocols: [{ name: 'range', metadata: subscription('topic', 'more') }],
  })
  assert.equal(shard.group().stateName, 'PreparingRebalance')
  assert.equal(shard.heartbeat({ memberId: leader! }), ErrorCode.REBALANCE_IN_PROGRESS)
  const again = shard.join({ memberId: leader! })
  assert.deepEqual([again.answer.generationId, changed.answer.generationId], [2, 2])
  assert.deepEqual(again.answer.members.at(-1)!.metadata, subscription('topic', 'more'))
})

test('protocols in another order are changed metadata', () => {
  const shard = new ClassicShard()
  const [one, two] = ['range', 'sticky'].map(name => ({ name, metadata: subscription('topic') }))
  const [, follower] = shard.stable([{ protocols: [one!, two!] }, { protocols: [one!, two!] }])
  shard.join({ memberId: follower!, protocols: [two!, one!] })
  assert.equal(shard.group().stateName, 'PreparingRebalance')
})

test('while assignments are awaited, who joins again with the same metadata is told again, with changed ones all start over', () => {
  const shard = new ClassicShard()
  const leading = shard.joinWithId()
  const following = shard.joinWithId()
  shard.turns.advance(6_000)
  assert.equal(shard.join({ memberId: leading.memberId }).answer.members.length, 2)
  assert.deepEqual(shard.join({ memberId: following.memberId }).answer.members, [])
  const waiting = shard.sync({ memberId: following.memberId })
  const metadata = subscription('more')
  const changed = shard.join({ memberId: leading.memberId, protocols: [{ name: 'range', metadata }] })
  assert.equal(waiting.answer.errorCode, ErrorCode.REBALANCE_IN_PROGRESS)
  assert.equal(changed.done, false)
})

test('a JoinGroup that is sent again takes the place of the first, which is answered', () => {
  const shard = new ClassicShard()
  const [leader] = shard.stable(2)
  const first = shard.join({ memberId: leader! })
  const second = shard.join({ memberId: leader! })
  assert.equal(first.answer.errorCode, ErrorCode.NOT_COORDINATOR)
  shard.turns.advance(60_000)
  assert.equal(second.answer.generationId, 2)
})

test('a full group takes nobody new, and keeps those that it has', () => {
  const shard = new ClassicShard({ maxSize: 2 })
  const [leader] = shard.stable(2)
  const refused = shard.join().answer
  assert.deepEqual([refused.errorCode, refused.memberId], [ErrorCode.GROUP_MAX_SIZE_REACHED, ''])
  assert.equal(shard.group().stateName, 'Stable')
  assert.equal(shard.join({ memberId: leader! }).done, false)
})

test('of a group that became too large those stay that join again first', () => {
  const shard = new ClassicShard()
  const [first, second, third] = shard.stable(3)
  shard.settings.maxSize = 2
  const started = shard.restarted()
  assert.equal(started.group().stateName, 'PreparingRebalance', 'so that its members can commit')
  const joins = [third, first].map(memberId => started.join({ memberId: memberId! }))
  assert.equal(started.join({ memberId: second! }).answer.errorCode, ErrorCode.GROUP_MAX_SIZE_REACHED)
  assert.deepEqual(
    joins.map(({ answer }) => answer.generationId),
    [2, 2],
    'nobody else is waited for',
  )
  assert.deepEqual([...started.group().members].map(({ memberId }) => memberId).sort(), [first, third].sort())
})

test('ids that are very long and alike do not make a group slow', () => {
  const shard = new ClassicShard({ initialRebalanceDelayMs: 100 })
  const groupId = 'g'.repeat(30_000)
  const clientId = 'c'.repeat(30_000)
  const join = (): unknown => shard.join({ version: 3, groupId, clientId })
  for (let at = 0; at < 1_500; at++) join()
  assert.ok([...shard.group(groupId).members].every(({ memberId }) => memberId.length < 300))
  assert.ok(
    shard.turns.timers.every(key => key.length < 400),
    'longer strings have their length for a hash',
  )
})

test('protocols that are too many or too long to be any are refused', () => {
  const shard = new ClassicShard()
  const named = (...names: string[]) => ({ protocols: names.map(name => ({ name, metadata: subscription('topic') })) })
  const many = Array.from({ length: 65 }, (_, at) => `p${at}`)
  for (const fields of [named(...many), named('p'.repeat(256))]) {
    assert.equal(shard.join(fields).answer.errorCode, ErrorCode.INCONSISTENT_GROUP_PROTOCOL)
  }
  assert.equal(shard.join(named(...many.slice(1))).answer.errorCode, ErrorCode.MEMBER_ID_REQUIRED)
})

test('members with little to say and long names count as well', () => {
  const shard = new ClassicShard()
  const clientId = 'c'.repeat(32_000)
  const outcomes = Array.from({ length: 2_100 }, () => shard.join({ version: 3, clientId }))
  const refused = outcomes.filter(({ done }) => done)
  assert.ok(refused.length > 0 && refused.length < 300)
  assert.equal(refused[0]!.answer.errorCode, ErrorCode.GROUP_MAX_SIZE_REACHED)
  assert.ok(shard.group().members.bytes < 65 * 1024 * 1024)
})

test('members whose metadata no record could hold are not let in', () => {
  const shard = new ClassicShard()
  const metadata = new Uint8Array(30 * 1024 * 1024)
  const join = () => shard.join({ version: 3, protocols: [{ name: 'range', metadata }] })
  assert.deepEqual([join().done, join().done], [false, false])
  assert.equal(join().answer.errorCode, ErrorCode.GROUP_MAX_SIZE_REACHED)
  assert.equal(shard.group().members.size, 2)
})
