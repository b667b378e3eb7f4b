import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hasFewElements } from '../../../src/server/answer-size.ts'

const topics = (count: number, partitions: number) => ({
  throttleTimeMs: 0,
  topics: Array.from({ length: count }, (_, index) => ({
    name: `t${index}`,
    partitions: Array.from({ length: partitions }, (_, partitionIndex) => ({ partitionIndex, errorCode: 0 })),
  })),
})

test('an answer has few elements when all its arrays together have', () => {
  assert.equal(hasFewElements(topics(1, 1)), true)
  assert.equal(hasFewElements(topics(1, 63)), true)
  assert.equal(hasFewElements(topics(1, 64)), false)
  assert.equal(hasFewElements(topics(8, 7)), true)
  assert.equal(hasFewElements(topics(8, 8)), false)
  assert.equal(hasFewElements(topics(10_000, 1)), false)
})

test('bytes, texts and what is not there are no elements', () => {
  const assignment = new Uint8Array(100_000)
  assert.equal(
    hasFewElements({ errorCode: 0, assignment, name: 'x'.repeat(1_000), error: null, more: undefined }),
    true,
  )
})
