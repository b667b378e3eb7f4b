import assert from 'node:assert/strict'
import { test } from 'node:test'
import { shown, shownRecord, TransactionsUnderTest, v1 } from '../../../support/transactions-shard.ts'

test('a new transactional id is given a producer id of its own, and each producer after it the next epoch', () => {
  const under = new TransactionsUnderTest()
  assert.deepEqual([under.init(), under.init({ id: 'other' }), under.init()], ['7/0', '8/0', '7/1'])
  assert.deepEqual(under.log.map(shownRecord), ['tx Empty 7/0', 'other Empty 8/0', 'tx Empty 7/1'])
})

test('row 14: who asks again because the answer got lost is given the same epoch, and who was replaced is fenced', () => {
  const under = new TransactionsUnderTest()
  const first = under.producer()
  assert.equal(under.init({ has: first }), '7/1')
  assert.equal(under.init({ has: first }), '7/1', 'the answer before was lost')
  assert.equal(under.init(), '7/2', 'somebody else begins')
  assert.equal(under.init({ has: first }), 'PRODUCER_FENCED')
  assert.equal(under.init({ has: { id: 7n, epoch: 1 } }), 'PRODUCER_FENCED')
  assert.equal(under.state(), 'Empty 7/2')
})

test('row 14: after a transaction of version 2, who asks with its last epoch is given the one that followed, also after a restart', () => {
  const under = new TransactionsUnderTest()
  const first = under.producer()
  under.add(first)
  under.commit(first)
  under.markersIn()
  assert.equal(under.init({ has: first }), '7/1')
  under.restart(under.log.slice(0, -1))
  assert.equal(under.init({ has: first }), '7/1')
})

test('row 15: a producer that begins aborts what the one before left open, which then does nothing more', () => {
  const under = new TransactionsUnderTest()
  const zombie = under.producer()
  under.add(zombie)
  const asked = under.askInit()
  assert.equal(shown(asked), 'waits')
  assert.deepEqual(
    under.jobs.map(({ committed, producerEpoch }) => [committed, producerEpoch]),
    [[false, 1]],
  )
  assert.equal(under.add(zombie, ['t-1']), 'PRODUCER_FENCED', 'also while markers are written')
  under.markersIn()
  assert.equal(shown(asked), '7/2')
  assert.deepEqual(
    [under.add(zombie), under.commit(zombie), under.abort(zombie), under.verify(zombie), under.init({ has: zombie })],
    Array(5).fill('PRODUCER_FENCED'),
  )
  assert.equal(under.state(), 'Empty 7/2')
})

test('row 15: likewise below version 2', () => {
  const under = new TransactionsUnderTest({ transactionVersion: 1 })
  const zombie = under.producer()
  under.add(zombie, ['t-0'], { version: 0 })
  const asked = under.askInit()
  under.markersIn()
  assert.equal(shown(asked), '7/2')
  assert.equal(under.commit(zombie, { version: v1 }), 'PRODUCER_FENCED')
  assert.equal(under.state(), 'Empty 7/2')
})

test('row 15: who has a stale epoch is fenced while its successor has a transaction open, which goes on', () => {
  const under = new TransactionsUnderTest()
  const zombie = under.producer()
  const successor = under.producer()
  under.add(successor)
  assert.equal(under.init({ has: zombie }), 'PRODUCER_FENCED')
  assert.equal(under.state(), 'Ongoing 7/1')
  assert.equal(under.commit(successor), '7/2')
})

test('row 16: a producer that begins when the epochs have run out is given a new producer id', () => {
  const under = new TransactionsUnderTest()
  const last = under.lastProducer()
  assert.equal(under.init({ has: { id: 7n, epoch: 32_765 } }), 'PRODUCER_FENCED')
  assert.equal(under.init({ has: last }), '8/0')
  assert.equal(under.init({ has: last }), '8/0', 'the answer before was lost')
  assert.equal(under.init(), '8/1')
  assert.equal(under.init({ has: last }), 'PRODUCER_FENCED')
})

test('row 16: fencing at the last epoch takes the one that no client has, and the next producer a new id', () => {
  for (const transactionVersion of [1, 2]) {
    const under = new TransactionsUnderTest({ transactionVersion })
    const last = under.lastProducer()
    under.add(last, ['t-0'], { version: 0 })
    const asked = under.askInit()
    assert.deepEqual(
      under.jobs.map(({ producerId, producerEpoch }) => `${producerId}/${producerEpoch}`),
      ['7/32767'],
    )
    under.markersIn()
    // Version 2 has changed the id with the abort, and this producer takes its first epoch after that.
    assert.equal(shown(asked), transactionVersion === 2 ? '8/1' : '8/0')
    assert.equal(under.commit(last, { version: v1 }), 'INVALID_PRODUCER_ID_MAPPING')
  }
})

test('without a producer id at hand clients are told to ask again, and nothing is written', () => {
  const under = new TransactionsUnderTest()
  under.noProducerIds = true
  assert.equal(under.init(), 'COORDINATOR_LOAD_IN_PROGRESS')
  assert.equal(under.log.length, 0)
  under.noProducerIds = false
  assert.equal(under.init(), '7/0')
})

test('bad input: a timeout that is none, or above the limit, and prepared transactions that nobody keeps', () => {
  const under = new TransactionsUnderTest({ maxTimeoutMs: 1_000 })
  assert.equal(under.init({ timeoutMs: 0 }), 'INVALID_TRANSACTION_TIMEOUT')
  assert.equal(under.init({ timeoutMs: -1 }), 'INVALID_TRANSACTION_TIMEOUT')
  assert.equal(under.init({ timeoutMs: 1_001 }), 'INVALID_TRANSACTION_TIMEOUT')
  assert.equal(under.init({ id: '' }), 'INVALID_REQUEST')
  assert.equal(under.init({ enable2Pc: true }), 'TRANSACTIONAL_ID_AUTHORIZATION_FAILED')
  assert.equal(under.init({ keepPreparedTxn: true }), 'UNSUPPORTED_VERSION')
  assert.equal(under.log.length, 0)
  assert.equal(under.init({ timeoutMs: 1_000 }), '7/0')
})

test('a client of two-phase commit has no timeout, where that is allowed', () => {
  const under = new TransactionsUnderTest({ twoPhaseCommit: true })
  const producer = under.producer({ enable2Pc: true, timeoutMs: 5 })
  under.add(producer)
  under.turns.advance(1_000_000_000)
  assert.equal(under.state(), 'Ongoing 7/0')
})
