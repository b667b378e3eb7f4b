import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Row } from '../../../bench/lib/measure.ts'
import type { BenchOptions } from '../../../bench/lib/options.ts'
import { durationText, estimateSeconds } from '../../../bench/lib/progress.ts'

const row = (part: Partial<Row>): Row => ({
  name: 'row',
  acks: '1',
  promised: 'written',
  replyBytes: undefined,
  fillsMemory: false,
  goals: [],
  load: () => Promise.reject(new Error('not run')),
  ...part,
})
const options = { runs: 3, seconds: 30, warmupSeconds: 10, peerKafka: false, steadySeconds: 180 } as BenchOptions

describe('the estimate of a bench', () => {
  it('counts every run of every broker, and what filling memory and the ceiling take', () => {
    const plain = estimateSeconds([row({})], options)
    assert.ok(plain >= 3 * 40 && plain < 3 * 60, `${plain} s`)
    assert.equal(estimateSeconds([row({})], { ...options, peerKafka: true }), 2 * plain)
    assert.ok(estimateSeconds([row({ fillsMemory: true })], options) > plain)
    assert.ok(estimateSeconds([row({ replyBytes: 60 })], options) > plain)
  })

  it('knows rows with a length of their own', () => {
    const steady = row({ seconds: ({ steadySeconds }) => steadySeconds })
    assert.equal(estimateSeconds([steady], options) - estimateSeconds([row({})], options), 3 * 150)
  })

  it('is said in the unit that fits', () => {
    assert.equal(durationText(75.4), '75 s')
    assert.equal(durationText(600), '10 min')
    assert.equal(durationText(2 * 3600 + 300), '2 h 5 min')
  })
})
