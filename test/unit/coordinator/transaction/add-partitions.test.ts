import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ErrorCode } from '../../../../src/protocol/index.ts'
import { shownCodes, shownRecord, TransactionsUnderTest, v1 } from '../../../support/transactions-shard.ts'

test('the first partitions open a transaction, others join it, and what is in it already is not written again', () => {
  const under = new TransactionsUnderTest()
  const producer = under.producer()
  assert.equal(under.add(producer, ['t-0', 't-1']), 'NONE')
  under.turns.advance(1_000)
  assert.equal(under.add(producer, ['u-0', 't-1']), 'NONE')
  const written = under.log.length
  assert.equal(under.add(producer, ['t-1', 't-0']), 'NONE')
  assert.equal(under.log.length, written)
  const { topics, transactionStartTimeMs } = under.describe()
  assert.deepEqual(topics, [
    { topic: 't', partitions: [0, 1] },
    { topic: 'u', partitions: [0] },
  ])
  assert.equal(transactionStartTimeMs, under.turns.wallStartMs, 'it began with the first')
})

test('many partitions at once are those that they would be one by one', () => {
  const under = new TransactionsUnderTest()
  const producer = under.producer()
  const names = Array.from({ length: 30 }, (_, at) => `${at % 3 === 0 ? 't' : 'u'}-${at % 20}`)
  for (const name of names) under.add(producer, [name])
  const { topics } = under.describe()
  assert.equal(under.add(producer, names), 'NONE')
  assert.deepEqual(under.verify(producer, names), 'NONE')
  assert.deepEqual(under.verify(producer, [...names, 't-99']), 'NONE TRANSACTION_ABORTABLE')
  const other = new TransactionsUnderTest()
  const first = other.producer()
  other.add(first, names.slice(0, 3))
  other.add(first, names)
  other.add(first, ['u-1', 't-9', 't-9'])
  assert.deepEqual(other.describe().topics, topics)
})

test('a transaction begins with none of the partitions of the one before', () => {
  const under = new TransactionsUnderTest()
  const producer = under.producer()
  under.add(producer, ['t-0'])
  under.commit(producer)
  under.markersIn()
  under.turns.advance(5)
  under.add({ id: 7n, epoch: 1 }, ['t-1'])
  const { topics, transactionStartTimeMs } = under.describe()
  assert.deepEqual(topics, [{ topic: 't', partitions: [1] }])
  assert.equal(transactionStartTimeMs, under.turns.wallStartMs + 5)
})

test('rows 17 and 18: a partition is verified only within the open transaction of this very producer that has it', () => {
  const under = new TransactionsUnderTest({ transactionVersion: 1 })
  const producer = under.producer()
  assert.equal(under.verify(producer), 'TRANSACTION_ABORTABLE', 'before anything was added')
  under.add(producer, ['t-0'], { version: 0 })
  assert.deepEqual(
    [under.verify(producer), under.verify(producer, ['t-1']), under.verify(producer, ['t-0', 't-1'])],
    ['NONE', 'TRANSACTION_ABORTABLE', 'NONE TRANSACTION_ABORTABLE'],
  )
  under.commit(producer, { version: v1 })
  assert.equal(under.verify(producer), 'CONCURRENT_TRANSACTIONS')
  under.markersIn()
  assert.equal(under.verify(producer), 'TRANSACTION_ABORTABLE', 'what comes late is not let into the next')
  under.add(producer, ['t-1'], { version: 0 })
  assert.equal(under.verify(producer), 'TRANSACTION_ABORTABLE')
  assert.equal(under.verify({ id: 7n, epoch: 1 }), 'PRODUCER_FENCED')
  assert.equal(under.verify({ id: 8n, epoch: 0 }), 'INVALID_PRODUCER_ID_MAPPING')
  assert.equal(under.verify(producer, ['t-1'], { id: 'nobody' }), 'INVALID_PRODUCER_ID_MAPPING')
  assert.equal(under.verify(producer, ['t-1'], { id: '' }), 'INVALID_REQUEST')
})

test('partitions for the next transaction wait for the markers of this one, and join the record that these are in', () => {
  const under = new TransactionsUnderTest()
  const producer = under.producer()
  under.add(producer)
  under.commit(producer)
  const asked = under.askAdd({ id: 7n, epoch: 1 }, ['t-1'])
  assert.equal(shownCodes(asked), 'waits')
  assert.deepEqual(under.markersIn().map(shownRecord), ['tx CompleteCommit 7/1', 'tx Ongoing 7/1'])
  assert.equal(shownCodes(asked), 'NONE')
})

test('a transaction takes no more partitions than a record that says how it is decided', () => {
  const under = new TransactionsUnderTest()
  const producer = under.producer()
  under.turns.sizeOf = record => {
    const { transactionPartitions } = record.value as { transactionPartitions: { partitionIds: number[] }[] | null }
    const tags = (record.value as { nextProducerId: bigint }).nextProducerId === -1n ? 0 : 1
    return 4 * (transactionPartitions ?? []).reduce((sum, { partitionIds }) => sum + partitionIds.length, 0) + tags
  }
  under.turns.maxRecordBytes = 9
  assert.equal(under.add(producer, ['t-0', 't-1']), 'NONE')
  assert.equal(under.add(producer, ['t-2']), 'UNKNOWN_SERVER_ERROR')
  assert.equal(under.state(), 'Ongoing 7/0')
  assert.equal(under.commit(producer), '7/1')
  assert.equal(under.jobs[0]!.partitions.length, 2)
})

test('bad input: partitions of unknown ids, of foreign producers and for transactions that are over change nothing', () => {
  const under = new TransactionsUnderTest()
  const producer = under.producer()
  const written = under.log.length
  assert.equal(under.add(producer, ['t-0'], { id: 'nobody' }), 'INVALID_PRODUCER_ID_MAPPING')
  assert.equal(under.add(producer, ['t-0'], { id: '' }), 'INVALID_REQUEST')
  assert.equal(under.add({ id: 8n, epoch: 0 }), 'INVALID_PRODUCER_ID_MAPPING')
  assert.equal(under.add({ id: 7n, epoch: 1 }), 'PRODUCER_FENCED')
  assert.equal(under.log.length, written)
  under.add(producer)
  under.abort(producer)
  assert.equal(under.add(producer), 'PRODUCER_FENCED', 'it ended')
  under.markersIn()
  assert.equal(under.add(producer), 'PRODUCER_FENCED')
  assert.equal(under.state(), 'CompleteAbort 7/1')
})

test('very many partitions are added and verified in turns of their own, all or none of them', () => {
  const under = new TransactionsUnderTest()
  const producer = under.producer()
  under.add(producer, ['t0-5'])
  const names = Array.from({ length: 50_000 }, (_, at) => `t${at % 40}-${at % 6_000}`)
  const written = under.log.length
  const asked = under.askAdd(producer, names)
  let turns = 1
  for (; !asked.done; turns++) {
    assert.equal(under.log.length, written, 'nothing is written before all of it is')
    under.turns.advanceOne()
  }
  assert.equal(shownCodes(asked), 'NONE')
  assert.equal(under.log.length, written + 1)
  // 56,000 looks, of which a turn may take 2,560, and the record in a turn of its own.
  assert.ok(turns >= 20, `${turns} turns`)
  const { topics } = under.describe()
  assert.deepEqual(topics[0]!.partitions.slice(0, 3), [5, 0, 40], 'those that it had come first')
  const distinct = new Set(names).add('t0-5')
  assert.equal(
    topics.map(({ partitions }) => partitions.length).reduce((a, b) => a + b),
    distinct.size,
  )
  const verified = under.askAdd(producer, [...names, 't1-9999'], { verifyOnly: true })
  assert.equal(shownCodes(verified), 'waits')
  under.turns.advance(0)
  assert.equal(verified.answer.lastIndexOf(ErrorCode.NONE), names.length - 1)
  assert.equal(verified.answer[names.length], ErrorCode.TRANSACTION_ABORTABLE)
})

test('a transaction that changes while partitions are looked through is looked at again', () => {
  const under = new TransactionsUnderTest()
  const producer = under.producer()
  under.add(producer, ['t-0'])
  const names = Array.from({ length: 10_000 }, (_, at) => `t-${at + 1}`)
  const added = under.askAdd(producer, names)
  under.add(producer, ['u-0'])
  under.turns.advance(0)
  assert.equal(shownCodes(added), 'NONE')
  assert.deepEqual(
    under.describe().topics.map(({ topic, partitions }) => [topic, partitions.length]),
    [
      ['t', 10_001],
      ['u', 1],
    ],
  )
  const late = under.askAdd(
    producer,
    names.map(name => `v${name}`),
  )
  const verified = under.askAdd(producer, names, { verifyOnly: true })
  assert.equal(under.commit(producer), '7/1')
  under.turns.advance(0)
  assert.deepEqual([shownCodes(late), shownCodes(verified)], ['PRODUCER_FENCED', 'PRODUCER_FENCED'])
  assert.equal(under.jobs[0]!.partitions.length, 10_002)
})
