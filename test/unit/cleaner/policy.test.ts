import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { CompactionSettings, SegmentFacts } from '../../../src/base/world.ts'
import {
  type CleaningSubject,
  cleanable,
  dirtySegments,
  firstDirtyOffset,
  isDue,
  mayBeOverdue,
  overdueMs,
} from '../../../src/cleaner/policy.ts'
import { shareOf } from '../../../src/cleaner/settings.ts'

const now = 1_700_000_000_000
const never = Number.MAX_SAFE_INTEGER
const compaction: CompactionSettings = { minCleanableRatio: 0.5, minLagMs: 0, maxLagMs: never, deleteRetentionMs: 0 }

/** Segments of ten records and `sizes` bytes, the last of them being written. */
function subject(sizes: number[], given: Partial<CleaningSubject> & { ages?: number[] } = {}): CleaningSubject {
  const { ages, ...rest } = given
  const segments = sizes.map(
    (sizeBytes, index): SegmentFacts => ({
      baseOffset: index * 10,
      sizeBytes,
      maxTimestampMs: ages === undefined ? -1 : now - ages[index]!,
      modifiedMs: 0,
    }),
  )
  const logEnd = sizes.length * 10
  return { compaction, segments, logStart: 0, logEnd, stableEnd: logEnd, cleanedTo: undefined, ...rest }
}
const range = (of: CleaningSubject) => {
  const { firstDirtyOffset: from, endOffset, cleanBytes, cleanableBytes } = cleanable(of, now)
  return [from, endOffset, cleanBytes, cleanableBytes]
}

test('what was never cleaned is all dirty, but for the segment being written', () => {
  assert.deepEqual(range(subject([100, 100, 100])), [0, 20, 0, 200])
  assert.deepEqual(range(subject([100])), [0, 0, 0, 0])
  assert.equal(cleanable(subject([100]), now).dirtyRatio, 0, 'nothing of nothing is no ratio')
})

test('the ratio is what is new of what a pass would read', () => {
  const found = cleanable(subject([300, 50, 50, 999], { cleanedTo: 10 }), now)
  assert.deepEqual(
    [found.firstDirtyOffset, found.endOffset, found.cleanBytes, found.cleanableBytes],
    [10, 30, 300, 100],
  )
  assert.equal(found.dirtyRatio, 0.25)
})

test('a checkpoint inside a segment makes the whole of that segment count as new', () => {
  assert.deepEqual(range(subject([100, 100, 100, 1], { cleanedTo: 15 })), [15, 30, 100, 200])
})

test('nothing is cleaned that is not stable, and no part of a segment', () => {
  const sizes = [100, 100, 100, 100]
  assert.deepEqual(range(subject(sizes, { stableEnd: 30 })), [0, 30, 0, 300])
  assert.deepEqual(range(subject(sizes, { stableEnd: 29 })), [0, 20, 0, 200])
  assert.deepEqual(range(subject(sizes, { stableEnd: 9 })), [0, 0, 0, 0])
  assert.deepEqual(range(subject(sizes, { stableEnd: 15, cleanedTo: 20 })), [20, 20, 200, 0])
})

test('min.compaction.lag.ms keeps the first segment with a younger record, and all behind it', () => {
  const lag = { compaction: { ...compaction, minLagMs: 5_000 } }
  const sizes = [100, 100, 100, 100]
  assert.deepEqual(range(subject(sizes, { ...lag, ages: [9_000, 4_999, 9_000, 0] })), [0, 10, 0, 100])
  assert.deepEqual(range(subject(sizes, { ...lag, ages: [9_000, 5_000, 5_001, 0] })), [0, 30, 0, 300])
  assert.deepEqual(range(subject(sizes, { ...lag, ages: [0, 9_000, 9_000, 0] })), [0, 0, 0, 0])
  assert.deepEqual(
    range(subject(sizes, { ...lag, ages: [0, 9_000, 9_000, 0], cleanedTo: 10 })),
    [10, 30, 100, 200],
    'what was cleaned before is not asked for its age',
  )
  assert.deepEqual(range(subject(sizes, { ages: [0, 0, 0, 0] })), [0, 30, 0, 300], 'without it age does not matter')
})

test('a record from the future keeps its segment while min.compaction.lag.ms is set', () => {
  const lag = { compaction: { ...compaction, minLagMs: 1 } }
  assert.deepEqual(range(subject([100, 100], { ...lag, ages: [-1_000, 0] })), [0, 0, 0, 0])
})

test('a checkpoint outside of the log counts as none, and is to be mended', () => {
  const at = (cleanedTo: number | undefined) => {
    const { offset, checkpointInvalid } = firstDirtyOffset({ logStart: 10, logEnd: 50, cleanedTo })
    return [offset, checkpointInvalid]
  }
  assert.deepEqual(at(undefined), [10, false])
  assert.deepEqual(at(9), [10, true], 'the log start moved past it')
  assert.deepEqual(at(10), [10, false])
  assert.deepEqual(at(50), [50, false])
  assert.deepEqual(at(51), [10, true], 'the log was cut below it')
})

test('a log is due above its ratio, not at it, and with an overdue record at once, if anything can be cleaned', () => {
  const half = cleanable(subject([100, 100, 1], { cleanedTo: 10 }), now)
  assert.equal(half.dirtyRatio, 0.5)
  assert.equal(isDue(half, compaction, 0), false)
  assert.equal(isDue(half, { ...compaction, minCleanableRatio: 0.49 }, 0), true)
  assert.equal(isDue(half, compaction, 1), true)
  const nothing = cleanable(subject([100, 100, 1], { stableEnd: 5 }), now)
  assert.equal(isDue(nothing, { ...compaction, minCleanableRatio: 0 }, 1), false)
  assert.equal(isDue(cleanable(subject([1, 1]), now), { ...compaction, minCleanableRatio: 1 }, 0), false)
})

test('max.compaction.lag.ms counts from the first record of the oldest dirty segment that has a time', () => {
  const lag = { ...compaction, maxLagMs: 10_000 }
  assert.equal(overdueMs([now - 12_000, now - 20_000], lag, now), 10_000)
  assert.equal(overdueMs([now - 10_000], lag, now), 0)
  assert.equal(overdueMs([-1, 0], lag, now), 0)
  assert.equal(overdueMs([], lag, now), 0)
  assert.equal(mayBeOverdue(compaction, now), false)
  assert.equal(mayBeOverdue(lag, now), true)
})

test('sealed segments that reach past an offset are dirty, the one it lies in included', () => {
  const { segments } = subject([1, 1, 1, 1])
  const bases = (offset: number) => dirtySegments(segments, offset).map(({ segment }) => segment.baseOffset)
  assert.deepEqual(bases(0), [0, 10, 20])
  assert.deepEqual(bases(10), [10, 20])
  assert.deepEqual(bases(19), [10, 20])
  assert.deepEqual(bases(30), [])
})

test('whatever the log looks like, a range is whole sealed stable segments from the first dirty offset on', () => {
  const log = fc.record({
    sizes: fc.array(fc.nat(1_000), { minLength: 1, maxLength: 8 }),
    cleanedTo: fc.option(fc.nat(100), { nil: undefined }),
    stableEnd: fc.nat(100),
    logStart: fc.nat(30),
    minLagMs: fc.constantFrom(0, 5_000),
    ages: fc.array(fc.integer({ min: -10_000, max: 10_000 }), { minLength: 8, maxLength: 8 }),
  })
  fc.assert(
    fc.property(log, ({ sizes, minLagMs, ages, ...rest }) => {
      const of = subject(sizes, { ...rest, ages, compaction: { ...compaction, minLagMs } })
      const found = cleanable(of, now)
      const ends = of.segments.map(({ baseOffset }) => baseOffset)
      assert.ok(found.dirtyRatio >= 0 && found.dirtyRatio <= 1)
      assert.ok(found.endOffset >= found.firstDirtyOffset)
      if (found.endOffset === found.firstDirtyOffset) return
      assert.ok(ends.includes(found.endOffset), 'the end of a sealed segment')
      assert.ok(found.endOffset <= of.stableEnd)
    }),
    { numRuns: 500 },
  )
})

test('passes share memory and bytes per second equally, and a map has its bounds', () => {
  const settings = {
    threads: 2,
    dedupeBufferBytes: 128 << 20,
    loadFactor: 0.9,
    maxBytesPerSecond: 50_000_000,
    backoffMs: 15_000,
  }
  assert.deepEqual(shareOf(settings), { mapBytes: Math.floor((64 << 20) * 0.9), bytesPerSecond: 25_000_000 })
  assert.equal(shareOf({ ...settings, maxBytesPerSecond: never }).bytesPerSecond, Number.POSITIVE_INFINITY)
  assert.equal(shareOf({ ...settings, dedupeBufferBytes: 10 }).mapBytes, 1 << 20)
  assert.equal(shareOf({ ...settings, dedupeBufferBytes: 2 ** 40 }).mapBytes, 2 ** 31 - 1)
  assert.equal(shareOf({ ...settings, loadFactor: 7 }).mapBytes, 64 << 20)
})
