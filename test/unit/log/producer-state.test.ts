import assert from 'node:assert/strict'
import { test } from 'node:test'
import { lastSequenceOf, ProducerStates } from '../../../src/log/producer-state.ts'

const maxSequence = 0x7fffffff
const batch = (baseSequence: number, recordCount = 1, producerEpoch = 0) => ({
  producerId: 7n,
  producerEpoch,
  baseSequence,
  recordCount,
})

/** Producer 7 after batches of one record each, from sequence `first` on, at offset 100 and up. */
function after(count: number, first = 0, epoch = 0): ProducerStates {
  const producers = new ProducerStates()
  for (let i = 0; i < count; i++) {
    const next = batch(lastSequenceOf(first, i + 1), 1, epoch)
    assert.equal(producers.check(next).kind, 'accept')
    producers.apply(next, 100 + i, 1_000)
  }
  return producers
}

/** In one go. */
function expire(states: ProducerStates, nowMs: number, expirationMs: number): void {
  for (const _ of states.expire(nowMs, expirationMs));
}

test('row 12: an unknown producer may begin anywhere', () => {
  assert.equal(new ProducerStates().check(batch(42)).kind, 'accept')
})

test('row 11: the last five batches are known again, with the offsets they got; an older one is out of order', () => {
  const producers = after(6)
  for (let sequence = 1; sequence <= 5; sequence++) {
    const verdict = producers.check(batch(sequence))
    assert.deepEqual(verdict.kind === 'duplicate' && verdict.original, {
      baseSequence: sequence,
      lastSequence: sequence,
      baseOffset: 100 + sequence,
      lastOffset: 100 + sequence,
      timestampMs: 1_000,
    })
  }
  assert.equal(producers.check(batch(0)).kind, 'out-of-order')
})

test('a batch that begins like an earlier one and ends elsewhere is no duplicate', () => {
  assert.equal(after(3).check(batch(1, 2)).kind, 'out-of-order')
})

test('a gap is out of order', () => {
  const producers = after(2)
  assert.equal(producers.check(batch(2)).kind, 'accept')
  assert.equal(producers.check(batch(3)).kind, 'out-of-order')
})

test('a new epoch begins at sequence 0 and forgets what the old one wrote', () => {
  const producers = after(3)
  assert.equal(producers.check(batch(3, 1, 1)).kind, 'out-of-order')
  assert.equal(producers.check(batch(0, 1, 1)).kind, 'accept')
  producers.apply(batch(0, 1, 1), 200, 1_000)
  assert.equal(producers.check(batch(1, 1, 1)).kind, 'accept')
  assert.equal(producers.check(batch(2, 1, 0)).kind, 'stale-epoch')
})

test('sequences wrap from 2^31-1 to 0, also inside a batch', () => {
  const ended = after(1, maxSequence)
  assert.equal(ended.check(batch(0)).kind, 'accept')
  assert.equal(ended.check(batch(1)).kind, 'out-of-order')
  const across = new ProducerStates()
  across.apply(batch(maxSequence - 1, 4), 0, 0)
  assert.equal(across.check(batch(2)).kind, 'accept')
  assert.equal(across.check(batch(maxSequence - 1, 4)).kind, 'duplicate')
})

test('row 13: a producer is forgotten once it has been silent for the expiration; what it sends then is taken as it is', () => {
  const producers = after(1)
  expire(producers, 1_000 + 99, 100)
  assert.equal(producers.size, 1)
  expire(producers, 1_000 + 100, 100)
  assert.equal(producers.size, 0)
  const resent = batch(9)
  assert.equal(producers.check(resent).kind, 'accept')
  producers.apply(resent, 200, 1_200)
  assert.equal(producers.check(resent).kind, 'duplicate')
  assert.equal(producers.check(batch(0)).kind, 'out-of-order', 'only a new epoch begins again')
  assert.equal(producers.check(batch(10, 1, 1)).kind, 'out-of-order')
  assert.equal(producers.check(batch(0, 1, 1)).kind, 'accept')
})
