import assert from 'node:assert/strict'
import { test } from 'node:test'
import { producerOf, shown, shownRecord, TransactionsUnderTest, v1, v2 } from '../../../support/transactions-shard.ts'

const old = { version: v1 }
const below2 = { version: 0 }

test('a transaction is decided, its markers are asked for, and it completes when they are in', () => {
  const under = new TransactionsUnderTest()
  const producer = under.producer()
  under.add(producer, ['t-0', 't-1', 'u-3'])
  under.turns.holdCommits = true
  const asked = under.askEnd(producer, true)
  assert.deepEqual([under.jobs, asked.done], [[], false], 'not before the decision is committed')
  under.turns.commit()
  under.turns.holdCommits = false
  assert.equal(shown(asked), '7/1')
  assert.equal(under.jobs[0]!.partitions.length, 3)
  const shownJobs = under.jobs.map(job => ({ ...job, partitions: [...job.partitions] }))
  assert.deepEqual(shownJobs, [
    {
      transactionalId: 'tx',
      producerId: 7n,
      producerEpoch: 1,
      coordinatorEpoch: 0,
      committed: true,
      transactionVersion: 2,
      partitions: [
        { topic: 't', partition: 0 },
        { topic: 't', partition: 1 },
        { topic: 'u', partition: 3 },
      ],
    },
  ])
  under.markersIn()
  assert.deepEqual(under.log.slice(-3).map(shownRecord), [
    'tx Ongoing 7/0',
    'tx PrepareCommit 7/1',
    'tx CompleteCommit 7/1',
  ])
})

test('below version 2 the epoch stays, and the answer has none', () => {
  const under = new TransactionsUnderTest({ transactionVersion: 0 })
  const producer = under.producer()
  under.add(producer, ['t-0'], below2)
  assert.equal(under.abort(producer, old), 'NONE')
  assert.deepEqual([under.jobs[0]!.producerEpoch, under.jobs[0]!.transactionVersion], [0, 0])
  under.markersIn()
  assert.equal(under.state(), 'CompleteAbort 7/0')
})

test('row 17: an end of a transaction that comes late is known by its epoch, and leaves the next transaction alone', () => {
  const under = new TransactionsUnderTest()
  const first = under.producer()
  under.add(first)
  under.commit(first)
  under.markersIn()
  const second = { id: 7n, epoch: 1 }
  assert.equal(under.add(second), 'NONE')
  assert.equal(under.commit(first), 'PRODUCER_FENCED')
  assert.equal(under.abort(first), 'PRODUCER_FENCED')
  assert.equal(under.state(), 'Ongoing 7/1')
  assert.equal(under.commit(second), '7/2')
})

test('row 17: partitions that are added late are not part of the next transaction', () => {
  const under = new TransactionsUnderTest()
  const first = under.producer()
  under.add(first)
  under.commit(first)
  assert.equal(under.add(first, ['t-9']), 'PRODUCER_FENCED')
  under.markersIn()
  assert.equal(under.add(first, ['t-9']), 'PRODUCER_FENCED')
  assert.equal(under.state(), 'CompleteCommit 7/1')
})

test('row 16: a transaction that ends with the last epoch gives its client a new producer id, which it can use at once', () => {
  const under = new TransactionsUnderTest()
  const last = under.lastProducer()
  under.add(last)
  assert.equal(under.commit(last), '8/0')
  assert.deepEqual([under.jobs[0]!.producerId, under.jobs[0]!.producerEpoch], [7n, 32_767])
  assert.equal(under.commit(last), '8/0', 'again, while markers are written')
  const next = under.askAdd({ id: 8n, epoch: 0 }, ['t-0'])
  assert.equal(next.done, false)
  under.markersIn()
  assert.deepEqual([...next.answer], [0])
  assert.equal(under.state(), 'Ongoing 8/0')
})

test('row 16: the end of a transaction with the last epoch may be asked for again, also after a restart', () => {
  const under = new TransactionsUnderTest()
  const last = under.lastProducer()
  under.add(last)
  under.commit(last)
  under.restart()
  assert.equal(under.commit(last), '8/0', 'while markers are written')
  under.markersIn()
  assert.equal(under.commit(last), '8/0')
  assert.equal(under.abort(last), 'INVALID_TXN_STATE')
  under.restart()
  assert.equal(under.commit(last), '8/0')
  assert.equal(under.init({ has: last }), '8/0')
})

test('without a producer id at hand a transaction with the last epoch stays open', () => {
  const under = new TransactionsUnderTest()
  const last = under.lastProducer()
  under.add(last)
  under.noProducerIds = true
  assert.equal(under.commit(last), 'COORDINATOR_LOAD_IN_PROGRESS')
  assert.equal(under.init(), 'COORDINATOR_LOAD_IN_PROGRESS')
  assert.equal(under.state(), 'Ongoing 7/32766')
  under.turns.advance(60_000)
  assert.equal(under.state(), 'Ongoing 7/32766', 'nor does it time out')
  under.noProducerIds = false
  under.turns.advance(100)
  assert.equal(under.state(), 'PrepareAbort 7/32767')
})

test('row 19: what ends a transaction is the version of the request, whatever the cluster has been told meanwhile', () => {
  const under = new TransactionsUnderTest({ transactionVersion: 2 })
  let producer = under.producer()
  under.add(producer)
  under.settings.transactionVersion = 0
  assert.equal(under.commit(producer), '7/1', 'its client has not heard that version 2 is off')
  under.restart()
  under.markersIn()
  producer = { id: 7n, epoch: 1 }
  under.add(producer, ['t-0'], below2)
  assert.equal(under.commit(producer, old), 'NONE')
  under.markersIn()
  assert.equal(under.state(), 'CompleteCommit 7/1')
  under.settings.transactionVersion = 2
  assert.equal(under.abort(producer), '7/2', 'the client has heard that it is on')
})

test('row 19: records are of version 0 until the cluster leaves it, and again when it is back', () => {
  const under = new TransactionsUnderTest({ transactionVersion: 0 })
  under.init()
  under.settings.transactionVersion = 2
  const producer = under.producer()
  under.add(producer)
  under.settings.transactionVersion = 0
  under.commit(producer)
  under.markersIn()
  under.restart()
  assert.equal(under.commit(producer), '7/2', 'what tells a retry is not lost')
  const next = under.producer()
  under.add(next, ['t-0'], below2)
  under.commit(next, old)
  assert.deepEqual(
    under.log.map(record => `${shownRecord(record).split(' ')[1]} ${record.version}`),
    [
      'Empty 0',
      'Empty 1',
      'Ongoing 1',
      'PrepareCommit 1',
      'CompleteCommit 1',
      'Empty 0',
      'Ongoing 0',
      'PrepareCommit 0',
    ],
  )
})

test('the end of a transaction asked for twice: the answer is the same while markers are written and after that', () => {
  for (const [version, committed, answer] of [
    [v1, true, 'NONE'],
    [v1, false, 'NONE'],
    [v2, true, '7/1'],
    [v2, false, '7/1'],
  ] as const) {
    const under = new TransactionsUnderTest()
    const producer = under.producer()
    under.add(producer)
    const ask = (as = committed): string => under.end(producer, as, { version })
    assert.deepEqual([ask(), ask(), ask(!committed)], [answer, answer, 'INVALID_TXN_STATE'])
    const written = under.log.length
    under.markersIn()
    assert.deepEqual([ask(), ask(!committed)], [answer, 'INVALID_TXN_STATE'])
    assert.equal(under.log.length, written + 1)
    assert.deepEqual(under.jobs, [])
  }
})

test('nothing to end: below version 2 it is refused; from there on an abort is fine and takes an epoch, without markers', () => {
  const under = new TransactionsUnderTest()
  const producer = under.producer()
  assert.equal(under.commit(producer, old), 'INVALID_TXN_STATE')
  assert.equal(under.abort(producer, old), 'INVALID_TXN_STATE')
  assert.equal(under.commit(producer), 'INVALID_TXN_STATE')
  assert.equal(under.state(), 'Empty 7/0')
  assert.equal(under.abort(producer), '7/1')
  assert.deepEqual(under.log.slice(1).map(shownRecord), ['tx PrepareAbort 7/1', 'tx CompleteAbort 7/1'])
  assert.equal(under.abort(producer), '7/1', 'again')
  assert.equal(under.commit(producer), 'INVALID_TXN_STATE')
  const next = producerOf('7/1')
  assert.equal(under.commit(next), 'INVALID_TXN_STATE')
  assert.equal(under.abort(next), '7/2')
  assert.deepEqual(under.jobs, [])
})

test('who was fenced by a new producer is not taken for who asks again', () => {
  const under = new TransactionsUnderTest()
  const zombie = under.producer()
  const producer = under.producer()
  under.add(producer, ['t-0'], below2)
  under.commit(producer, old)
  assert.equal(under.commit(zombie), 'PRODUCER_FENCED')
  under.markersIn()
  // One epoch below that of a committed transaction: Kafka tells it NONE, and its successor's epoch.
  assert.equal(under.commit(zombie), 'PRODUCER_FENCED')
})

test('below version 2 an epoch that a client went on from is not that of a transaction', () => {
  const under = new TransactionsUnderTest()
  const first = under.producer()
  const next = under.producer({ has: first })
  under.add(next, ['t-0'], below2)
  under.commit(next, old)
  under.markersIn()
  assert.equal(under.commit(first), 'PRODUCER_FENCED')
  assert.equal(under.init({ has: first }), '7/1', 'it began with this, and lost the answer')
})

test('bad input: no epoch is not the one before the first of a new producer id', () => {
  const under = new TransactionsUnderTest()
  const last = under.lastProducer()
  under.abort(last)
  assert.equal(under.state(), 'CompleteAbort 8/0')
  assert.equal(under.abort({ id: 8n, epoch: -1 }), 'PRODUCER_FENCED')
  assert.equal(under.abort({ id: 8n, epoch: 32_766 }), 'PRODUCER_FENCED')
  assert.equal(under.abort({ id: 7n, epoch: 32_765 }), 'INVALID_PRODUCER_ID_MAPPING')
  assert.equal(under.abort(last), '8/0')
})

test('bad input: unknown ids, foreign producer ids and epochs from the future change nothing', () => {
  const under = new TransactionsUnderTest()
  const producer = under.producer()
  under.add(producer)
  const written = under.log.length
  for (const version of [v1, v2]) {
    assert.equal(under.commit(producer, { version, id: 'nobody' }), 'INVALID_PRODUCER_ID_MAPPING')
    assert.equal(under.commit(producer, { version, id: '' }), 'INVALID_REQUEST')
    assert.equal(under.commit({ id: 8n, epoch: 0 }, { version }), 'INVALID_PRODUCER_ID_MAPPING')
    assert.equal(under.commit({ id: 7n, epoch: 1 }, { version }), 'PRODUCER_FENCED')
    assert.equal(under.commit({ id: 7n, epoch: -1 }, { version }), 'PRODUCER_FENCED')
    assert.equal(under.commit({ id: -1n, epoch: -1 }, { version }), 'INVALID_PRODUCER_ID_MAPPING')
  }
  assert.deepEqual([under.log.length, under.state(), under.jobs.length], [written, 'Ongoing 7/0', 0])
})
