import assert from 'node:assert/strict'
import { test } from 'node:test'
import { shownRecord, TransactionsUnderTest } from '../../../support/transactions-shard.ts'

const idsOf = (listed: readonly { transactionalId: string }[]): string[] =>
  listed.map(({ transactionalId }) => transactionalId)

test('transactions are described with their partitions, and an unknown id is told so', () => {
  const under = new TransactionsUnderTest()
  under.add(under.producer({ timeoutMs: 30_000 }), ['t-0', 't-2'])
  assert.deepEqual(under.describe(), {
    errorCode: 0,
    transactionalId: 'tx',
    transactionState: 'Ongoing',
    transactionTimeoutMs: 30_000,
    transactionStartTimeMs: under.turns.wallStartMs,
    producerId: 7n,
    producerEpoch: 0,
    topics: [{ topic: 't', partitions: [0, 2] }],
  })
  assert.equal(under.state('nobody'), 'TRANSACTIONAL_ID_NOT_FOUND')
  assert.equal(under.state(''), 'INVALID_REQUEST')
})

test('row 21: transactions are listed by state, by producer id, by how long they are open, and by a pattern', () => {
  const under = new TransactionsUnderTest()
  under.init({ id: 'empty' })
  under.add(under.producer({ id: 'old' }), ['t-0'], { id: 'old' })
  under.turns.advance(10_000)
  under.add(under.producer({ id: 'new' }), ['t-0'], { id: 'new' })
  under.turns.advance(1)
  assert.deepEqual(under.list(), [
    { transactionalId: 'empty', producerId: 7n, transactionState: 'Empty' },
    { transactionalId: 'old', producerId: 8n, transactionState: 'Ongoing' },
    { transactionalId: 'new', producerId: 9n, transactionState: 'Ongoing' },
  ])
  assert.deepEqual(idsOf(under.list({ states: new Set(['Ongoing', 'Dead']) })), ['old', 'new'])
  assert.deepEqual(idsOf(under.list({ states: new Set(['Dead']) })), [])
  assert.deepEqual(idsOf(under.list({ producerIds: new Set([7n, 9n]) })), ['empty', 'new'])
  assert.deepEqual(idsOf(under.list({ states: new Set(['Ongoing']), durationMs: 10_000 })), ['old'])
  assert.deepEqual(idsOf(under.list({ states: new Set(['Ongoing']), durationMs: 0 })), ['old', 'new'])
  assert.deepEqual(idsOf(under.list({ matches: id => id.endsWith('w') })), ['new'])
})

test('a long list is gathered in slices, each id once', () => {
  const under = new TransactionsUnderTest()
  const ids = Array.from({ length: 5_000 }, (_, at) => `tx-${at}`)
  for (const id of ids) under.init({ id })
  assert.deepEqual(idsOf(under.list()), ids)
})

test('transactional ids that were not used for long enough are forgotten, and never one of which a transaction is open', () => {
  const under = new TransactionsUnderTest({ idExpirationMs: 10 * 3_600_000, twoPhaseCommit: true })
  const completed = under.producer({ id: 'completed' })
  under.add(completed, ['t-0'], { id: 'completed' })
  under.commit(completed, { id: 'completed' })
  under.markersIn()
  under.init({ id: 'empty' })
  under.add(under.producer({ id: 'open', enable2Pc: true }), ['t-0'], { id: 'open' })
  const decided = under.producer({ id: 'decided' })
  under.add(decided, ['t-0'], { id: 'decided' })
  under.commit(decided, { id: 'decided' })
  const written = under.log.length
  under.turns.advance(9 * 3_600_000)
  under.init({ id: 'used' })
  assert.equal(under.log.length, written + 1)
  under.turns.advance(3_600_000)
  assert.deepEqual(under.log.slice(written + 1).map(shownRecord), ['completed is forgotten', 'empty is forgotten'])
  assert.deepEqual(idsOf(under.list()), ['open', 'decided', 'used'])
  assert.equal(under.shard.counts.expiredIds, 2)
  under.markersIn()
  assert.equal(under.state('decided'), 'CompleteCommit 10/1')
})

test('a client that comes back after it was forgotten is given another producer id, and its old one is nobody', () => {
  const under = new TransactionsUnderTest({ idExpirationMs: 1_000 })
  const producer = under.producer()
  under.turns.advance(3_600_000)
  assert.equal(under.state(), 'TRANSACTIONAL_ID_NOT_FOUND')
  assert.equal(under.add(producer), 'INVALID_PRODUCER_ID_MAPPING')
  assert.equal(under.init({ has: producer }), '8/0')
})

test('no more is forgotten in a turn than its batch takes', () => {
  const under = new TransactionsUnderTest({ idExpirationMs: 1_000 })
  for (let at = 0; at < 10; at++) under.init({ id: `tx-${at}` })
  under.turns.sizeOf = () => 1
  under.turns.maxRecordBytes = 3
  under.turns.advance(3_600_000)
  assert.deepEqual(under.list(), [])
})

test('a wall clock that jumps ahead makes nobody forgotten before an hour', () => {
  const under = new TransactionsUnderTest({ idExpirationMs: 86_400_000, removeExpiredIntervalMs: 600_000 })
  under.init()
  under.turns.wallStartMs += 30 * 86_400_000
  under.turns.advance(3_600_000)
  assert.equal(under.state(), 'Empty 7/0')
  under.turns.advance(3_600_000)
  assert.equal(under.state(), 'TRANSACTIONAL_ID_NOT_FOUND')
})
