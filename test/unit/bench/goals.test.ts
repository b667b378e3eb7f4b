import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { atMost, judge, partOfPeer, timesPeer, verdictText } from '../../../bench/lib/goals.ts'
import type { LoadResult } from '../../../bench/lib/loadgen.ts'
import type { Run } from '../../../bench/lib/measure.ts'
import { growthOf, latency, metrics, timesAlone } from '../../../bench/lib/metrics.ts'

const load: LoadResult = {
  mode: 'produce',
  seconds: 1,
  machineCpuSeconds: 1,
  generatorCpuSeconds: 0,
  requests: 0,
  records: 0,
  bytes: 0,
  errors: {},
  ok: true,
}
const runOf = (part: Partial<LoadResult>): Run => ({
  load: { ...load, ...part },
  memory: undefined,
  samples: [],
  deviceBytes: undefined,
})
const rates = (...perSecond: number[]): Run[] => perSecond.map(requests => runOf({ requests }))

describe('what a row is to reach', () => {
  const twice = timesPeer(metrics.requests, 2)

  it('is reached when the median is, and two of three turns by themselves', () => {
    assert.equal(judge(twice, rates(21, 19, 22), rates(10, 10, 10))?.reached, true)
  })

  it('is not reached by medians that no two turns bear out', () => {
    // The medians are 20 and 9; turn by turn 1.1, 1 and 3.3.
    const verdict = judge(twice, rates(10, 20, 30), rates(9, 20, 9))
    assert.ok((verdict?.value ?? 0) > 2)
    assert.equal(verdict?.reached, false)
  })

  it('is not reached by two turns whose median is short', () => {
    const verdict = judge(atMost(metrics.requests, 10), rates(11, 11, 9), undefined)
    assert.equal(verdict?.reached, false)
  })

  it('compares the other way where less is better', () => {
    assert.equal(judge(partOfPeer(metrics.requests, 1 / 3), rates(3, 3, 3), rates(10, 10, 10))?.reached, true)
    assert.equal(judge(partOfPeer(metrics.requests, 1 / 3), rates(4, 4, 4), rates(10, 10, 10))?.reached, false)
  })

  it('needs a peer to compare with, and is open without one', () => {
    assert.equal(judge(twice, rates(1), undefined), undefined)
  })

  it('is not reached where the figure is missing: a percentile of too few requests, a CPU that is unknown', () => {
    const verdict = judge(partOfPeer(latency('p99_9'), 1), rates(1, 1, 1), rates(1, 1, 1))
    assert.equal(verdict?.reached, false)
    assert.match(verdictText(verdict), /^NOT REACHED: p99.9 ms not measured, wanted at most 1$/)
    // A third that is missing is a turn that did not reach it.
    const cpu = [runOf({ requests: 1, brokerCpuSeconds: 1 }), runOf({ requests: 1 }), runOf({ requests: 1 })]
    assert.equal(judge(atMost(metrics.cpuPerRequest, 2e6), cpu, undefined)?.reached, false)
  })

  it('says what was wanted and what every turn came to', () => {
    const verdict = judge(twice, rates(20, 30, 25), rates(10, 10, 10))
    assert.ok(verdict !== undefined)
    assert.equal(verdictText(verdict), 'reached: requests/s 2.5 × peer, wanted at least 2 (runs 2, 3, 2.5)')
  })
})

describe('the growth of a percentile', () => {
  it('compares the halves, leaving out a slice in the middle', () => {
    assert.equal(growthOf([10, 12, 11, 500, 22, 24, 22]), 2)
    assert.equal(growthOf([10, 10]), 1)
  })

  it('takes one bad slice for a bad slice, not for growth', () => {
    assert.equal(growthOf([10, 10, 10, 10, 900, 10]), 1)
  })

  it('is unknown of one slice', () => {
    assert.equal(growthOf([10]), undefined)
    assert.equal(metrics.growth.of(runOf({})), undefined)
  })
})

describe('a load beside another', () => {
  const times = (p99: number, count = 1_000) => ({
    count,
    mean: 0,
    p50: 0,
    p90: 0,
    p99,
    p99_9: 0,
    p99_99: 0,
    max: 0,
    curve: [],
  })

  it('is compared with itself alone, by percentiles that both have', () => {
    const beside = runOf({ ackMicros: times(500) })
    assert.equal(timesAlone('p99').of({ ...beside, alone: { ...load, ackMicros: times(250) } }), 2)
    assert.equal(timesAlone('p99').of({ ...beside, alone: { ...load, ackMicros: times(250, 99) } }), undefined)
    assert.equal(timesAlone('p99').of(beside), undefined)
  })

  it('leaves its reader a share of what a plain read gets', () => {
    const run = { ...runOf({}), cold: { bytes: 6e9, seconds: 10, cpuSeconds: 1 } }
    assert.equal(metrics.shareOfPlainRead.of({ ...run, plain: { bytes: 4e9, seconds: 5 } }), 0.75)
    assert.equal(metrics.shareOfPlainRead.of(run), undefined)
  })
})
