import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ErrorCode } from '../../../../src/protocol/index.ts'
import { ConsumerShard, limitBatches } from '../../../support/consumer-shard.ts'

const byRegex = (subscribedTopicRegex: string) => ({ subscribedTopicNames: null, subscribedTopicRegex })

const assignedTo = (shard: ConsumerShard, memberId: string): string[] => {
  const { memberEpoch } = shard.group().members.get(memberId)!
  shard.heartbeat({ memberId, memberEpoch, topicPartitions: [] })
  const topicIds = shard.group().members.get(memberId)!.assigned.keys()
  return [...topicIds].map(topicId => shard.topics.topicById(topicId)!.name).sort()
}

test('a regular expression is resolved after the heartbeat that brings it, and a later one sees its topics', () => {
  const shard = new ConsumerShard()
  for (const name of ['orders-1', 'orders-2', 'my-orders-3']) shard.topics.put(name, 1)
  const first = shard.join('m', byRegex('orders-.*'))
  assert.deepEqual([first.memberEpoch, first.assignment], [1, { topicPartitions: [] }])
  shard.turns.advance(0)
  assert.deepEqual(assignedTo(shard, 'm'), ['orders-1', 'orders-2'], 'it matches whole names')
  const [record] = shard.turns.log.filter(({ schema }) => schema.name === 'ConsumerGroupRegularExpression')
  assert.deepEqual(record!.key, { groupId: 'g', regularExpression: 'orders-.*' })
  assert.deepEqual(record!.value, { topics: ['orders-1', 'orders-2'], version: 3, timestamp: 1_700_000_000_000 })
  assert.equal(shard.group().isSubscribedTo('orders-1'), true)
  assert.equal(shard.group().isSubscribedTo('my-orders-3'), false)
})

test('what is no regular expression is refused, and changes nothing', () => {
  const shard = new ConsumerShard()
  const { errorCode, errorMessage } = shard.join('m', byRegex('(a'))
  assert.equal(errorCode, ErrorCode.INVALID_REGULAR_EXPRESSION)
  assert.match(errorMessage!, /^SubscribedTopicRegex `\(a` is not a valid regular expression: .+\.$/)
  assert.equal(shard.group(), undefined)
})

test('topics that come are found at the next heartbeat, but all of them are looked at only every ten seconds', () => {
  const shard = new ConsumerShard()
  shard.topics.put('t1', 1)
  shard.join('m', byRegex('t.*'))
  shard.turns.advance(0)
  shard.topics.put('t2', 1)
  shard.topicsChanged('t2')
  assert.deepEqual(assignedTo(shard, 'm'), ['t1'])
  shard.turns.advance(10_001)
  assignedTo(shard, 'm')
  shard.turns.advance(0)
  assert.deepEqual(assignedTo(shard, 'm'), ['t1', 't2'])
  const before = shard.turns.log.length
  shard.turns.advance(20_000)
  assignedTo(shard, 'm')
  shard.turns.advance(0)
  assert.equal(shard.turns.log.length, before, 'no topic changed since')
  shard.topics.put('u1', 1)
  assignedTo(shard, 'm')
  shard.turns.advance(0)
  assert.equal(shard.group().regexesResolvedAt, shard.topics.version)
  assert.equal(shard.turns.log.length, before, 'what it stands for is known already')
})

test('topics that an expression stands for are taken away when they go, and are others when they come back, at once', () => {
  const shard = new ConsumerShard()
  for (const name of ['t1', 't2']) shard.topics.put(name, 1)
  shard.join('m', byRegex('t.*'))
  shard.turns.advance(0)
  assert.deepEqual(assignedTo(shard, 'm'), ['t1', 't2'])
  const before = shard.topics.topic('t1')!.id
  shard.topics.remove('t1')
  shard.topicsChanged('t1')
  assert.deepEqual(assignedTo(shard, 'm'), ['t2'])
  shard.topics.put('t1', 2)
  shard.topicsChanged('t1')
  assert.deepEqual(assignedTo(shard, 'm'), ['t1', 't2'])
  const after = shard.topics.topic('t1')!.id
  assert.notEqual(after, before)
  assert.deepEqual([...shard.group().members.get('m')!.assigned.get(after)!], [0, 1])
})

test('an expression that comes while all were looked at a moment ago does not wait', () => {
  const shard = new ConsumerShard()
  for (const name of ['t1', 'u1']) shard.topics.put(name, 1)
  shard.join('a', byRegex('t.*'))
  shard.turns.advance(1)
  shard.join('b', byRegex('u.*'))
  shard.turns.advance(0)
  assert.deepEqual(assignedTo(shard, 'b'), ['u1'])
})

test('an expression that comes while others are being looked at is looked at after them', () => {
  const shard = new ConsumerShard()
  for (const name of ['t1', 'u1']) shard.topics.put(name, 1)
  shard.join('a', byRegex('t.*'))
  shard.join('b', byRegex('u.*'))
  shard.turns.advance(0)
  assert.deepEqual([...shard.group().subscriptions.resolved.keys()].sort(), ['t.*', 'u.*'])
})

test('what many expressions stand for is written in as many turns as it takes', () => {
  const shard = new ConsumerShard()
  for (let at = 0; at < 100; at++) shard.topics.put(`t${at}`, 1)
  const regexes = ['t.*', 't1.*', 't2.*', 't[0-9]+', 't\\d\\d?']
  const first = shard.restarted()
  for (const [at, regex] of regexes.entries()) first.join(`m${at}`, byRegex(regex))
  const next = first.restarted()
  limitBatches(next, 2_000)
  next.heartbeat({ memberId: 'm0', memberEpoch: 1 })
  next.turns.advance(0)
  assert.deepEqual([...next.group().subscriptions.resolved.keys()].sort(), regexes.sort())
  assert.equal(next.group().subscriptions.hasUnresolved, false)
})

test('the topics of a last expression go with its last member', () => {
  const shard = new ConsumerShard()
  for (const name of ['t1', 'u1']) shard.topics.put(name, 1)
  shard.join('a', byRegex('t.*'))
  shard.join('b', byRegex('t.*'))
  shard.turns.advance(0)
  assignedTo(shard, 'a')
  shard.heartbeat({ memberId: 'b', memberEpoch: -1 })
  assert.deepEqual([...shard.group().subscriptions.resolved.keys()], ['t.*'])
  const { memberEpoch } = shard.group().members.get('a')!
  shard.heartbeat({ memberId: 'a', memberEpoch, ...byRegex('u.*') })
  assert.deepEqual([...shard.group().subscriptions.resolved.keys()], [])
  shard.turns.advance(0)
  assert.deepEqual(assignedTo(shard, 'a'), ['u1'])
  shard.heartbeat({ memberId: 'a', memberEpoch: -1 })
  assert.deepEqual([...shard.restarted().group().subscriptions.resolved.keys()], [])
})

test('partitions are not left with a member whose new expression stands for nothing', () => {
  const shard = new ConsumerShard()
  shard.topics.put('t1', 2)
  shard.join('a', byRegex('t.*'))
  shard.join('b', { subscribedTopicNames: ['t1'] })
  shard.turns.advance(0)
  assignedTo(shard, 'a')
  shard.heartbeat({ memberId: 'b', memberEpoch: shard.group().members.get('b')!.memberEpoch })
  const { memberEpoch } = shard.group().members.get('a')!
  shard.heartbeat({ memberId: 'a', memberEpoch, topicPartitions: [], ...byRegex('nothing') })
  shard.turns.advance(0)
  assignedTo(shard, 'a')
  assignedTo(shard, 'b')
  const [[, owned]] = shard.group().members.get('b')!.assigned as unknown as [[string, Set<number>]]
  assert.deepEqual([...owned].sort(), [0, 1])
})

test('many topics are looked at some in a turn, and other requests come in between', () => {
  const shard = new ConsumerShard()
  for (let at = 0; at < 2_500; at++) shard.topics.put(`t${at}`, 1)
  shard.join('m', byRegex('t.*7'))
  const waiting = shard.turns.timers.filter(key => key.endsWith('/regex'))
  assert.equal(waiting.length, 1)
  let turns = 0
  const { turns: runtime } = shard
  const run = runtime.run.bind(runtime)
  runtime.run = work => {
    turns++
    return run(work)
  }
  runtime.advance(0)
  assert.ok(turns >= 4, `${turns} turns`)
  assert.equal(shard.group().subscriptions.resolved.get('t.*7')!.topics.size, 250)
})

test('an expression of more topics than a record can name keeps what it stood for, and is not tried in vain', () => {
  const shard = new ConsumerShard()
  for (let at = 0; at < 1_000; at++) shard.topics.put(`t${at}`, 1)
  limitBatches(shard, 2_000)
  shard.join('m', byRegex('t.*'))
  shard.turns.advance(0)
  assert.equal(shard.group().subscriptions.resolved.size, 0)
  shard.heartbeat({ memberId: 'm', memberEpoch: 1 })
  assert.deepEqual(
    shard.turns.timers.filter(key => key.endsWith('/regex')),
    [],
  )
})

test('after a start expressions are looked at again: nobody knows what came meanwhile', () => {
  const shard = new ConsumerShard()
  shard.topics.put('t1', 1)
  shard.join('m', byRegex('t.*'))
  shard.turns.advance(0)
  assignedTo(shard, 'm')
  shard.topics.put('t2', 1)
  const next = shard.restarted()
  assert.deepEqual(assignedTo(next, 'm'), ['t1'])
  next.turns.advance(0)
  assert.deepEqual(assignedTo(next, 'm'), ['t1', 't2'])
})
