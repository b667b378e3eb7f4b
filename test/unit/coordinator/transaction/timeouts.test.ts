import assert from 'node:assert/strict'
import { test } from 'node:test'
import { shown, TransactionsUnderTest, v1 } from '../../../support/transactions-shard.ts'

test('row 20: a transaction is aborted when it has been open for as long as its producer said', () => {
  const under = new TransactionsUnderTest()
  const producer = under.producer({ timeoutMs: 5_000 })
  under.turns.advance(100_000)
  under.add(producer)
  under.turns.advance(4_000)
  under.add(producer, ['t-1'])
  under.turns.advance(999)
  assert.equal(under.state(), 'Ongoing 7/0')
  under.turns.advance(1)
  assert.equal(under.state(), 'PrepareAbort 7/1')
  assert.deepEqual(
    under.jobs.map(({ committed, producerEpoch, partitions }) => [committed, producerEpoch, partitions.length]),
    [[false, 1, 2]],
  )
  assert.equal(under.shard.counts.timedOut, 1)
})

test('row 20: a client whose transaction timed out may not commit it; of version 2 it learns so, and goes on with the next epoch', () => {
  const under = new TransactionsUnderTest()
  const producer = under.producer()
  under.add(producer)
  under.turns.advance(60_000)
  assert.equal(under.add(producer, ['t-1']), 'PRODUCER_FENCED')
  assert.equal(under.commit(producer), 'INVALID_TXN_STATE')
  under.markersIn()
  assert.equal(under.commit(producer), 'INVALID_TXN_STATE')
  assert.equal(under.abort(producer), '7/1')
})

test('row 20: below version 2 the epoch of who timed out is fenced', () => {
  const under = new TransactionsUnderTest({ transactionVersion: 1 })
  const producer = under.producer()
  under.add(producer, ['t-0'], { version: 0 })
  under.turns.advance(60_000)
  assert.equal(under.jobs[0]!.producerEpoch, 1)
  under.markersIn()
  const old = { version: v1 }
  assert.deepEqual(
    [under.commit(producer, old), under.abort(producer, old), under.add(producer), under.init({ has: producer })],
    Array(4).fill('PRODUCER_FENCED'),
  )
  assert.equal(under.init(), '7/2')
})

test('row 20: a transaction with the last epoch times out into a new producer id, and its client may go on there', () => {
  const under = new TransactionsUnderTest()
  const last = under.lastProducer()
  under.add(last)
  under.turns.advance(60_000)
  assert.equal(under.state(), 'PrepareAbort 7/32767')
  under.markersIn()
  assert.equal(under.state(), 'CompleteAbort 8/0')
  assert.equal(under.abort(last), '8/0')
})

test('the timer of a transaction that ended is not that of the next', () => {
  const under = new TransactionsUnderTest()
  const producer = under.producer()
  under.add(producer)
  under.turns.advance(40_000)
  under.commit(producer)
  under.markersIn()
  under.turns.advance(10_000)
  const next = { id: 7n, epoch: 1 }
  under.add(next)
  under.turns.advance(59_999)
  assert.equal(under.state(), 'Ongoing 7/1')
  under.turns.advance(1)
  assert.equal(under.state(), 'PrepareAbort 7/2')
})

test('a decided transaction is not aborted, however long its markers take', () => {
  const under = new TransactionsUnderTest()
  const producer = under.producer()
  under.add(producer)
  under.commit(producer)
  under.turns.advance(1_000_000)
  assert.equal(under.state(), 'PrepareCommit 7/1')
  under.markersIn()
  assert.equal(under.state(), 'CompleteCommit 7/1')
})

test('row 20: after a restart a transaction has what is left of its time, and what is over is aborted at once', () => {
  const under = new TransactionsUnderTest()
  under.add(under.producer())
  under.turns.advance(20_000)
  under.restart(under.log, 30_000)
  under.turns.advance(9_999)
  assert.equal(under.state(), 'Ongoing 7/0')
  under.turns.advance(1)
  assert.equal(under.state(), 'PrepareAbort 7/1')
  under.markersIn()
  under.add({ id: 7n, epoch: 1 })
  under.restart(under.log, 1_000_000)
  assert.equal(under.state(), 'PrepareAbort 7/2')
})

test('a wall clock that went back makes no transaction last longer than its timeout from the restart on', () => {
  const under = new TransactionsUnderTest()
  under.add(under.producer())
  under.restart(under.log, -86_400_000)
  under.turns.advance(60_000)
  assert.equal(under.state(), 'PrepareAbort 7/1')
})

test('a new producer that meets the abort of a timeout waits for it', () => {
  const under = new TransactionsUnderTest()
  under.add(under.producer())
  under.turns.advance(60_000)
  const asked = under.askInit()
  assert.equal(shown(asked), 'waits')
  under.markersIn()
  assert.equal(shown(asked), '7/2')
})
