import assert from 'node:assert/strict'
import { test } from 'node:test'
import { shown, shownCodes, shownRecord, TransactionsUnderTest } from '../../../support/transactions-shard.ts'

function ending(): TransactionsUnderTest {
  const under = new TransactionsUnderTest()
  const producer = under.producer()
  under.add(producer)
  under.commit(producer)
  return under
}

test('who waits for markers for too long is told to ask again, each after its own second', () => {
  const under = ending()
  const add = under.askAdd({ id: 7n, epoch: 1 }, ['t-0'])
  under.turns.advance(400)
  const init = under.askInit()
  const end = under.askEnd({ id: 7n, epoch: 1 }, false)
  under.turns.advance(599)
  assert.deepEqual([shownCodes(add), shown(init), shown(end)], ['waits', 'waits', 'waits'])
  under.turns.advance(1)
  assert.deepEqual([shownCodes(add), shown(init), shown(end)], ['CONCURRENT_TRANSACTIONS', 'waits', 'waits'])
  under.turns.advance(400)
  assert.deepEqual([shown(init), shown(end)], ['CONCURRENT_TRANSACTIONS', 'CONCURRENT_TRANSACTIONS'])
  assert.equal(under.shard.counts.parked, 0)
  assert.deepEqual(under.markersIn().map(shownRecord), ['tx CompleteCommit 7/1'], 'nobody goes on who was sent away')
})

test('who waits goes on in the order in which it came', () => {
  const under = ending()
  const first = under.askInit()
  const add = under.askAdd({ id: 7n, epoch: 1 }, ['t-0'])
  const second = under.askInit()
  assert.equal(under.shard.counts.parked, 3)
  under.markersIn()
  assert.deepEqual([shown(first), shownCodes(add), shown(second)], ['7/2', 'PRODUCER_FENCED', '7/3'])
  assert.deepEqual([under.shard.counts.parked, under.turns.timers.includes('parked tx')], [0, false])
})

test('who meets one transaction after the other waits no longer for it than a second together', () => {
  const under = ending()
  const add = under.askAdd({ id: 7n, epoch: 1 }, ['t-0'])
  const init = under.askInit()
  under.turns.advance(900)
  under.markersIn()
  assert.deepEqual([shownCodes(add), shown(init)], ['NONE', 'waits'], 'the second fences the first')
  assert.equal(under.state(), 'PrepareAbort 7/2')
  under.turns.advance(99)
  assert.equal(shown(init), 'waits')
  under.turns.advance(1)
  assert.equal(shown(init), 'CONCURRENT_TRANSACTIONS')
})

test('no more than a thousand requests wait', () => {
  const under = ending()
  const asked = Array.from({ length: 1_001 }, () => under.askAdd({ id: 7n, epoch: 1 }, ['t-0']))
  assert.equal(asked.filter(({ done }) => done).length, 1)
  assert.equal(shownCodes(asked.at(-1)!), 'CONCURRENT_TRANSACTIONS')
  under.markersIn()
  assert.ok(asked.every(({ done }) => done))
})
