import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decodeProducerSnapshot } from '../../../src/log/producer-snapshot.ts'
import { ProducerStates } from '../../../src/log/producer-state.ts'
import { withoutVerification } from '../../../src/log/verification.ts'
import { ErrorCode } from '../../../src/protocol/index.ts'
import { BatchAttributes } from '../../../src/records/batch-header.ts'
import type { BatchInput } from '../../../src/records/record-batch.ts'
import { encodedSnapshot } from '../../support/encoded-snapshot.ts'
import { Machine } from '../../support/machine.ts'
import { batchOf } from '../../support/test-broker.ts'
import { appendFrame, offerFrame, startLogs } from './support.ts'

const id = 7n
const batch = (baseSequence: number, producerEpoch = 0, transactional = true, producerId = id) => ({
  producerId,
  producerEpoch,
  baseSequence,
  recordCount: 1,
  transactional,
})
const marker = (producerEpoch: number, { coordinatorEpoch = 0, transactionVersion = 1, committed = true } = {}) => ({
  producerId: id,
  producerEpoch,
  coordinatorEpoch,
  committed,
  transactionVersion,
})

/** Producer 7 with a transaction open since offset 100, of `count` batches. */
function open(count = 1, epoch = 0): ProducerStates {
  const states = new ProducerStates()
  for (let i = 0; i < count; i++) states.apply(batch(i, epoch), 100 + i, 0)
  return states
}

/** In one go. */
function expire(states: ProducerStates, nowMs: number, expirationMs: number): void {
  for (const _ of states.expire(nowMs, expirationMs));
}

test('row 18: a batch opens a transaction only with the guard of its verification; later ones need none', () => {
  const states = new ProducerStates()
  assert.equal(states.check(batch(0)).kind, 'not-verified')
  const guard = states.beginVerification(id, 0, 0, false)
  assert.ok(guard !== undefined)
  assert.equal(states.beginVerification(id, 0, 1, false), guard, 'one question for all that wait')
  assert.equal(states.check(batch(0), guard).kind, 'accept')
  states.apply(batch(0), 100, 0)
  assert.equal(states.check(batch(1)).kind, 'accept')
  assert.equal(states.beginVerification(id, 0, 1, false), undefined)
  assert.equal(states.openTransactionOf(id, 0), 100)
  assert.equal(states.openTransactionOf(id, 1), -1)
})

test('rows 17 and 18: a marker that comes between verification and append makes the guard worthless', () => {
  const states = new ProducerStates()
  const guard = states.beginVerification(id, 0, 0, false)
  states.applyMarker(marker(0), 50, 0)
  assert.equal(states.check(batch(0), guard).kind, 'not-verified')
  const next = states.beginVerification(id, 0, 0, false)
  assert.notEqual(next, guard)
  assert.equal(states.check(batch(0), guard).kind, 'not-verified', 'the first guard stays worthless')
  assert.equal(states.check(batch(0), next).kind, 'accept')
})

test('row 17: what comes after the end of its transaction is refused, by its epoch where each has its own', () => {
  const states = open()
  states.applyMarker(marker(1, { transactionVersion: 2 }), 101, 0)
  assert.equal(states.check(batch(1)).kind, 'stale-epoch')
  assert.equal(states.beginVerification(id, 0, 1, true), undefined, 'and nobody is asked')
  const sameEpoch = open()
  sameEpoch.applyMarker(marker(0), 101, 0)
  assert.equal(sameEpoch.check(batch(1)).kind, 'not-verified')
})

test('a transaction goes on where sequences end: the next one of the epoch follows, a new epoch begins at 0', () => {
  const states = open(3)
  states.applyMarker(marker(0), 103, 0)
  assert.equal(states.check(batch(3), withoutVerification).kind, 'accept')
  assert.equal(states.check(batch(4), withoutVerification).kind, 'out-of-order')
  assert.equal(states.check(batch(2), withoutVerification).kind, 'duplicate')
  states.applyMarker(marker(1, { transactionVersion: 2 }), 104, 0)
  assert.equal(states.check(batch(0, 1), withoutVerification).kind, 'accept')
  assert.equal(states.check(batch(1, 1), withoutVerification).kind, 'out-of-order')
})

test('a later batch does not overtake an earlier one that is still being verified', () => {
  const states = new ProducerStates()
  const guard = states.beginVerification(id, 0, 5, false)
  assert.equal(states.check(batch(9), guard).kind, 'out-of-order')
  assert.equal(states.check(batch(5), guard).kind, 'accept')
  states.beginVerification(id, 0, 2, false)
  assert.equal(states.check(batch(5), guard).kind, 'out-of-order', 'one that is earlier still has come')
  states.beginVerification(id, 1, 4, false)
  assert.equal(states.check(batch(4, 1), guard).kind, 'accept', 'a new epoch counts anew')
})

test('a client that bumps its epoch with each transaction begins unknown at sequence 0', () => {
  const states = new ProducerStates()
  const guard = states.beginVerification(id, 3, 2, true)
  assert.equal(states.check(batch(2, 3), guard).kind, 'out-of-order')
  states.beginVerification(id, 3, 0, true)
  assert.equal(states.check(batch(0, 3), guard).kind, 'accept')
})

test('verifications that nothing comes of are forgotten after two sweeps', () => {
  const states = new ProducerStates()
  const guard = states.beginVerification(id, 0, 0, false)
  expire(states, 0, 1_000)
  assert.equal(states.check(batch(0), guard).kind, 'accept')
  expire(states, 0, 1_000)
  assert.equal(states.check(batch(0), guard).kind, 'not-verified')
})

test('within a transaction nothing else is written by its producer', () => {
  assert.equal(open().check(batch(1, 0, false)).kind, 'outside-transaction')
})

test('row 15: a marker fences what its producer wrote under earlier epochs, written to or not', () => {
  const states = new ProducerStates()
  assert.equal(states.checkMarker(marker(4)), 'accept')
  assert.equal(states.applyMarker(marker(4), 50, 0), undefined)
  assert.equal(states.check(batch(0, 3), withoutVerification).kind, 'stale-epoch')
  assert.equal(states.checkMarker(marker(3)), 'stale-epoch')
})

test('a marker of version 2 is above the epoch of its transaction, and the same again once it has ended', () => {
  const second = { transactionVersion: 2 }
  const states = open(1, 5)
  assert.equal(states.checkMarker(marker(5, second)), 'stale-epoch', 'a late marker of the transaction before')
  assert.equal(states.checkMarker(marker(5)), 'accept', 'version 1 cannot tell')
  assert.equal(states.checkMarker(marker(6, second)), 'accept')
  assert.deepEqual(states.applyMarker(marker(6, second), 101, 0), { firstOffset: 100, lastStableOffset: 102 })
  assert.equal(states.checkMarker(marker(6, second)), 'accept', 'row 22: a coordinator that came back sends it again')
  assert.equal(states.applyMarker(marker(6, second), 102, 0), undefined)
})

test('row 22: a marker of an earlier coordinator is refused', () => {
  const states = open()
  states.applyMarker(marker(0, { coordinatorEpoch: 5 }), 101, 0)
  assert.equal(states.checkMarker(marker(0, { coordinatorEpoch: 4 })), 'stale-coordinator')
  assert.equal(states.checkMarker(marker(0, { coordinatorEpoch: 5 })), 'accept')
})

test('rows 13 and 21: a producer with an open transaction does not expire; once it has ended, it does', () => {
  const states = open()
  expire(states, 10_000, 1_000)
  assert.equal(states.openTransactionOf(id, 0), 100)
  states.applyMarker(marker(0), 101, 10_000)
  expire(states, 10_500, 1_000)
  assert.equal(states.size, 1)
  expire(states, 11_000, 1_000)
  assert.equal(states.size, 0)
})

test('producers with an open transaction are found without the others, in the order in which these began', () => {
  const states = new ProducerStates()
  for (let other = 100n; other < 110n; other++) states.apply(batch(0, 0, false, other), Number(other), 0)
  for (const [at, producerId] of [9n, 3n, id].entries()) states.apply(batch(0, 0, true, producerId), 200 + at, at)
  const open = () => [...states.withTransaction()].map(({ transactionStart }) => transactionStart)
  assert.deepEqual(open(), [200, 201, 202])
  states.applyMarker({ ...marker(0), producerId: 3n }, 203, 0)
  assert.deepEqual(open(), [200, 202])
})

test('the last stable offset: first of the open, and of the ended until their markers are committed', () => {
  const states = new ProducerStates()
  for (const [producerId, offset] of [
    [1n, 10],
    [2n, 20],
    [3n, 30],
  ] as const)
    states.apply(batch(0, 0, true, producerId), offset, 0)
  const { transactions } = states
  assert.equal(transactions.firstUnstable(40), 10)
  const ended = states.applyMarker({ ...marker(0), producerId: 1n }, 40, 0)
  assert.deepEqual(ended, { firstOffset: 10, lastStableOffset: 20 })
  assert.equal(transactions.firstUnstable(40), 10, 'the marker may be lost')
  assert.equal(transactions.firstUnstable(41), 20)
  states.applyMarker({ ...marker(0), producerId: 3n }, 41, 0)
  states.applyMarker({ ...marker(0), producerId: 2n }, 42, 0)
  assert.equal(transactions.firstUnstable(42), 20)
  assert.equal(transactions.firstUnstable(43), undefined)
})

test('a snapshot keeps open transactions in their order, and who is known by a marker alone', async () => {
  const states = new ProducerStates()
  states.apply(batch(0, 0, true, 9n), 10, 5)
  states.apply(batch(0, 0, true, 3n), 20, 5)
  states.applyMarker(marker(4, { coordinatorEpoch: 2 }), 30, 6)
  const again = decodeProducerSnapshot(await encodedSnapshot(states))!
  assert.deepEqual([...again], [...states])
  assert.equal(again.transactions.firstUnstable(40), 10)
  again.applyMarker({ ...marker(0), producerId: 9n }, 40, 7)
  assert.equal(again.transactions.firstUnstable(41), 20)
})

const inTransaction = (baseSequence: number, more: Partial<BatchInput> = {}) =>
  batchOf(['x'], {
    producerId: id,
    producerEpoch: 0,
    baseSequence,
    attributes: BatchAttributes.transactional,
    ...more,
  })

test('Kafka tells INVALID_TXN_STATE of what is not verified, and INVALID_PRODUCER_EPOCH of what is fenced', async () => {
  const { world, openLog } = await startLogs(new Machine())
  const log = await openLog()
  const code = (bytes: Uint8Array) => {
    const outcome = offerFrame(world, log, bytes)
    return outcome.ok ? ErrorCode.NONE : outcome.error.code
  }
  assert.equal(code(inTransaction(0)), ErrorCode.INVALID_TXN_STATE)
  assert.equal(log.logEnd, 0)
  appendFrame(world, log, inTransaction(0), withoutVerification)
  assert.equal(code(inTransaction(1, { attributes: 0 })), ErrorCode.INVALID_TXN_STATE)
  assert.ok(log.appendMarker(marker(1, { transactionVersion: 2, coordinatorEpoch: 3 }), 0 as never, 0).ok)
  assert.equal(code(inTransaction(1)), ErrorCode.INVALID_PRODUCER_EPOCH)
  const refused = (outcome: ReturnType<typeof log.appendMarker>) => (outcome.ok ? undefined : outcome.error.code)
  assert.equal(refused(log.appendMarker(marker(0), 0 as never, 0)), ErrorCode.INVALID_PRODUCER_EPOCH)
  assert.equal(refused(log.appendMarker(marker(1), 0 as never, 0)), ErrorCode.TRANSACTION_COORDINATOR_FENCED)
  assert.equal(log.logEnd, 2, 'what was refused left no trace')
})

test('a coordinator writes batches without sequences into a transaction of a producer', async () => {
  const { openLog } = await startLogs(new Machine())
  const log = await openLog()
  for (let i = 0; i < 2; i++) assert.ok(log.appendOwn(inTransaction(-1), 0 as never, 0).ok)
  assert.deepEqual([log.lastStable(2), log.producers.openTransactionOf(id, 0)], [0, 0])
  assert.ok(log.appendMarker(marker(0, { committed: false }), 0 as never, 0).ok)
  assert.equal(log.lastStable(3), 3)
  assert.deepEqual(log.abortedTransactions(0, 3), [
    { producerId: id, firstOffset: 0, lastOffset: 2, lastStableOffset: 3 },
  ])
  assert.ok(log.appendMarker(marker(2), 0 as never, 0).ok)
  const outcome = log.appendOwn(inTransaction(-1, { producerEpoch: 1 }), 0 as never, 0)
  assert.equal(!outcome.ok && outcome.error.code, ErrorCode.INVALID_PRODUCER_EPOCH)
})
