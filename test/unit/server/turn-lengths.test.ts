import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TurnLengths } from '../../../src/server/turn-lengths.ts'

test('the percentile is of the last 10 to 20 seconds, the maximum of all time', () => {
  const lengths = new TurnLengths()
  assert.deepEqual(lengths.stats(0), { count: 0, maxMs: 0, recentMaxMs: 0, recentP99Ms: 0 })
  lengths.note(1, 50)
  for (let i = 0; i < 999; i++) lengths.note(2, 0.4)
  let stats = lengths.stats(9_999)
  assert.ok(stats.recentP99Ms >= 0.4 && stats.recentP99Ms < 0.48, `${stats.recentP99Ms}`)
  assert.deepEqual([stats.count, stats.maxMs, stats.recentMaxMs], [1_000, 50, 50])
  lengths.note(10_001, 2)
  assert.equal(lengths.stats(10_001).recentMaxMs, 50, 'the window before is kept')
  stats = lengths.stats(20_002)
  assert.deepEqual([stats.maxMs, stats.recentMaxMs, stats.recentP99Ms], [50, 2, 2])
  assert.deepEqual(lengths.stats(60_000), { count: 1_001, maxMs: 50, recentMaxMs: 0, recentP99Ms: 0 })
})

test('lengths of any size are counted', () => {
  const lengths = new TurnLengths()
  for (const length of [0, 0.0001, 1, 100_000]) lengths.note(0, length)
  assert.equal(lengths.stats(0).maxMs, 100_000)
  assert.ok(lengths.stats(0).recentP99Ms > 10_000)
})
