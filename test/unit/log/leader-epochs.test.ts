import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LeaderEpochs } from '../../../src/log/leader-epochs.ts'

/** Epochs 2, 5 and 7 began at 10, 20 and 30; the log ends at 40. */
const epochs = new LeaderEpochs([
  { epoch: 2, startOffset: 10 },
  { epoch: 5, startOffset: 20 },
  { epoch: 7, startOffset: 30 },
])
const end = (asked: number, current = 7, of = epochs) => {
  const { epoch, endOffset } = of.endOf(asked, current, 40)
  return [epoch, endOffset]
}

test('the largest epoch that is not above the asked one is told, with its own end', () => {
  assert.deepEqual(end(2), [2, 20])
  assert.deepEqual(end(3), [2, 20])
  assert.deepEqual(end(4), [2, 20])
  assert.deepEqual(end(5), [5, 30])
  assert.deepEqual(end(6), [5, 30])
})

test('the present epoch ends at the log end, also where nothing was written in it', () => {
  assert.deepEqual(end(7), [7, 40])
  assert.deepEqual(end(9, 9), [9, 40])
  assert.deepEqual(end(8, 9), [7, 40])
  assert.deepEqual(end(0, 0, new LeaderEpochs()), [0, 40])
})

test('nothing is told of no epoch, and of one that has not come', () => {
  assert.deepEqual(end(-1), [-1, -1])
  assert.deepEqual(end(8), [-1, -1])
})

test('an epoch before the first that is known is said to end where that one begins', () => {
  assert.deepEqual(end(1), [1, 10])
  assert.deepEqual(end(0), [0, 10])
  assert.deepEqual(end(-5), [-5, 10])
})

test('after the prefix was cut, an epoch that is gone ends at the log start', () => {
  const cut = new LeaderEpochs(epochs.entries)
  cut.truncateStart(24)
  assert.deepEqual(end(2, 7, cut), [2, 24])
  assert.deepEqual(end(5, 7, cut), [5, 30])
})
