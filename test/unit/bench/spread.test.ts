import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { figure, spreadOf, spreadText } from '../../../bench/lib/spread.ts'

describe('the spread of a benchmark', () => {
  it('takes the middle run, or the mean of the two in the middle, in whatever order they came', () => {
    assert.deepEqual(spreadOf([30, 10, 20]), { median: 20, min: 10, max: 30, runs: [30, 10, 20] })
    assert.equal(spreadOf([40, 10, 20, 30]).median, 25)
    assert.equal(spreadOf([7]).median, 7)
  })

  it('sorts by value, not as text', () => {
    assert.deepEqual(spreadOf([9, 100, 20]), { median: 20, min: 9, max: 100, runs: [9, 100, 20] })
  })

  it('claims no more than three digits, and says the range where there is one', () => {
    assert.equal(figure(0.123456), '0.123')
    assert.equal(figure(99.96), '100')
    assert.equal(figure(123456.7), '123,457')
    assert.equal(spreadText(spreadOf([1.2345])), '1.23')
    assert.equal(spreadText(spreadOf([1, 2, 3])), '2 (1–3)')
  })

  it('has nothing to say of no runs', () => {
    assert.throws(() => spreadOf([]), /no runs/)
  })
})
