import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FetchSession } from '../../../src/api/fetch/session.ts'
import { defaultSessionLimits, FetchSessionCache } from '../../../src/api/fetch/session-cache.ts'
import { FetchTarget } from '../../../src/api/fetch/target.ts'
import { SeededRandom } from '../../support/seeded-random.ts'

const evictionMs = 120_000

function sessionOf(partitions: number, nowMs: number, privileged = false): FetchSession {
  const session = new FetchSession(privileged, false, nowMs)
  for (let partition = 0; partition < partitions; partition++) session.add(targetOf(partition))
  return session
}

const targetOf = (partition: number, topic = 't') =>
  new FetchTarget(topic, {
    partition,
    fetchOffset: 0,
    partitionMaxBytes: 1,
    currentLeaderEpoch: -1,
    lastFetchedEpoch: -1,
  } as never)

const cacheOf = (limits: Partial<typeof defaultSessionLimits> = {}) =>
  new FetchSessionCache(new SeededRandom(1), { ...defaultSessionLimits, slots: 2, ...limits })

const indexes = (session: FetchSession) => session.targets().map(({ index }) => index)

test('a full cache takes no session of the same worth, and none is young enough to go', () => {
  const cache = cacheOf()
  const first = sessionOf(1, 0)
  const second = sessionOf(2, 0)
  assert.ok(cache.admit(first, 0) && cache.admit(second, 0))
  assert.notEqual(first.id, second.id)
  assert.equal(cache.admit(sessionOf(100, 1), 1), false)
  assert.equal(cache.size, 2)
  assert.equal(cache.partitions, 3)
})

test('a session that nobody used for two minutes makes room, the longest unused first', () => {
  const cache = cacheOf()
  const idle = sessionOf(9, 0)
  const used = sessionOf(1, 0)
  cache.admit(idle, 0)
  cache.admit(used, 0)
  cache.touch(used, 1_000)
  assert.equal(cache.admit(sessionOf(1, evictionMs), evictionMs), false, 'exactly two minutes are not more than two')
  assert.ok(cache.admit(sessionOf(1, evictionMs + 1), evictionMs + 1))
  assert.equal(cache.get(idle.id), undefined)
  assert.equal(cache.get(used.id), used)
})

test('an old session goes for one with more partitions, the smallest first, and for none with as many', () => {
  const cache = cacheOf()
  const small = sessionOf(3, 0)
  const large = sessionOf(5, 0)
  cache.admit(large, 0)
  cache.admit(small, 0)
  for (const session of [small, large]) cache.touch(session, evictionMs + 1)
  assert.equal(cache.admit(sessionOf(3, evictionMs + 2), evictionMs + 2), false)
  assert.ok(cache.admit(sessionOf(4, evictionMs + 2), evictionMs + 2))
  assert.equal(cache.get(small.id), undefined)
  assert.equal(cache.get(large.id), large)
})

test("a follower's session goes for a follower's only, and takes the place of any consumer's", () => {
  const cache = cacheOf({ slots: 1 })
  const consumer = sessionOf(50, 0)
  cache.admit(consumer, 0)
  const follower = sessionOf(1, 1, true)
  assert.ok(cache.admit(follower, 1), 'at once, however young and large the other is')
  cache.touch(follower, evictionMs + 2)
  assert.equal(cache.admit(sessionOf(100_000, evictionMs + 3), evictionMs + 3), false)
  assert.ok(cache.admit(sessionOf(2, evictionMs + 3, true), evictionMs + 3))
})

test('sessions are bounded one by one and together', () => {
  const cache = cacheOf({ slots: 9, sessionPartitions: 3, partitions: 5 })
  assert.equal(cache.admit(sessionOf(4, 0), 0), false)
  const kept = sessionOf(3, 0)
  assert.ok(cache.admit(kept, 0))
  assert.equal(cache.admit(sessionOf(3, 0), 0), false)
  const grows = sessionOf(2, 0)
  assert.ok(cache.admit(grows, 0))
  grows.add(targetOf(7))
  assert.equal(cache.touch(grows, 1), false)
  assert.equal(cache.get(grows.id), undefined)
  assert.equal(cache.partitions, 3)
  cache.remove(kept)
  assert.deepEqual([cache.size, cache.partitions], [0, 0])
})

test('without slots there are no sessions', () => {
  assert.equal(cacheOf({ slots: 0 }).admit(sessionOf(1, 0), 0), false)
})

test('a session keeps its order, and what moves goes to the end', () => {
  const session = sessionOf(4, 0)
  session.moveToEnd(session.find('t', 1)!)
  assert.deepEqual(indexes(session), [0, 2, 3, 1])
  session.moveToEnd(session.find('t', 1)!)
  session.moveToEnd(session.find('t', 0)!)
  assert.deepEqual(indexes(session), [2, 3, 1, 0])
  const gone = session.find('t', 3)!
  session.remove('t', 3)
  session.remove('t', 3)
  session.remove('u', 3)
  session.moveToEnd(gone)
  assert.deepEqual(indexes(session), [2, 1, 0])
  for (const index of [0, 1, 2]) session.remove('t', index)
  assert.deepEqual([session.size, indexes(session)], [0, []])
  session.add(targetOf(5))
  assert.deepEqual(indexes(session), [5])
})
