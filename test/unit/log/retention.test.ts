import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { LogSettings, SegmentFacts } from '../../../src/base/world.ts'
import { LogRetention } from '../../../src/log/log-retention.ts'
import { judgeRetention, type RetentionPolicy } from '../../../src/log/retention.ts'
import { Machine } from '../../support/machine.ts'
import { batchOf } from '../../support/test-broker.ts'
import { appendFrame, idA, path, startLogs } from './support.ts'

const hourMs = 3_600_000
const now = 1_700_000_000_000

/** Segments of 100 bytes and ten records; `ages` are those of their largest timestamps. */
function subject(ages: (number | undefined)[], given: { highWatermark?: number; endsActive?: boolean } = {}) {
  const segments = ages.map(
    (ageMs, index): SegmentFacts => ({
      baseOffset: index * 10,
      sizeBytes: 100,
      maxTimestampMs: ageMs === undefined ? -1 : now - ageMs,
      modifiedMs: now - 2 * hourMs,
    }),
  )
  const logEnd = segments.length * 10
  return { segments, endsActive: true, sizeBytes: segments.length * 100, logEnd, highWatermark: logEnd, ...given }
}
const policy = (given: Partial<RetentionPolicy> = {}): RetentionPolicy => ({
  deletes: true,
  retentionMs: -1,
  retentionBytes: -1,
  timestampAfterMaxMs: hourMs,
  ...given,
})
const start = (of: ReturnType<typeof subject>, given: Partial<RetentionPolicy>) =>
  judgeRetention(of, policy(given), now).newStart

test('by time, the oldest segments go while their largest timestamp is older than retention.ms', () => {
  const log = subject([5_000, 4_000, 3_000, 2_000])
  assert.equal(start(log, { retentionMs: 3_500 }), 20)
  assert.equal(start(log, { retentionMs: 4_000 }), 10, 'as old as retention.ms is not too old')
  assert.equal(start(log, { retentionMs: 5_000 }), -1)
  assert.equal(
    start(subject([5_000, 1_000, 5_000]), { retentionMs: 3_000 }),
    10,
    'one that stays keeps those behind it',
  )
})

test('by time, the segment being written goes too, rolled before, unless it is empty', () => {
  const log = subject([5_000, 5_000])
  const verdict = judgeRetention(log, policy({ retentionMs: 0 }), now)
  assert.deepEqual([verdict.newStart, verdict.roll], [20, true])
  const empty = subject([5_000, undefined])
  empty.segments[1]!.sizeBytes = 0
  empty.logEnd = empty.highWatermark = 10
  const kept = judgeRetention(empty, policy({ retentionMs: 0 }), now)
  assert.deepEqual([kept.newStart, kept.roll], [10, false])
  const alone = { ...empty, segments: [{ ...empty.segments[1]!, baseOffset: 0 }], logEnd: 0, highWatermark: 0 }
  assert.equal(start(alone, { retentionMs: 0, retentionBytes: 0 }), -1)
})

test('a segment without timestamps is as old as its file', () => {
  assert.equal(start(subject([undefined, 0]), { retentionMs: 2 * hourMs }), -1)
  assert.equal(start(subject([undefined, 0]), { retentionMs: 2 * hourMs - 1 }), 10)
})

test('by size, segments go while the rest is still retention.bytes or more', () => {
  const log = subject([0, 0, 0, 0])
  assert.equal(start(log, { retentionBytes: 400 }), -1)
  assert.equal(start(log, { retentionBytes: 301 }), -1)
  assert.equal(start(log, { retentionBytes: 300 }), 10)
  assert.equal(start(log, { retentionBytes: 150 }), 20)
  const all = judgeRetention(log, policy({ retentionBytes: 0 }), now)
  assert.deepEqual([all.newStart, all.roll], [40, true])
})

test('what time takes counts for size', () => {
  assert.equal(start(subject([9_000, 0, 0, 0]), { retentionMs: 5_000, retentionBytes: 300 }), 10)
  assert.equal(start(subject([9_000, 0, 0, 0]), { retentionMs: 5_000, retentionBytes: 200 }), 20)
})

test('nothing at or above the high watermark goes', () => {
  assert.equal(start(subject([9_000, 9_000, 9_000], { highWatermark: 19 }), { retentionMs: 1_000 }), 10)
  assert.equal(start(subject([9_000, 9_000, 9_000], { highWatermark: -1 }), { retentionMs: 1_000 }), -1)
})

test('nothing goes without delete in cleanup.policy, or without bounds', () => {
  assert.equal(start(subject([9_000, 0]), { deletes: false, retentionMs: 0, retentionBytes: 0 }), -1)
  assert.equal(start(subject([9_000, 0]), {}), -1)
})

test('one record from 2099 keeps no segment for ever, and is told', () => {
  const log = subject([now - Date.UTC(2099, 0), 0])
  const kept = judgeRetention(log, policy({ retentionMs: hourMs }), now)
  assert.equal(kept.newStart, -1, 'its file was written two hours ago, and it may have been an hour ahead')
  assert.equal(kept.future?.baseOffset, 0)
  assert.equal(start(log, { retentionMs: hourMs - 1 }), 10)
  const anyFuture = Number.MAX_SAFE_INTEGER
  assert.equal(start(log, { retentionMs: 0, timestampAfterMaxMs: anyFuture }), -1, 'a topic that takes them keeps them')
})

test('of a listing that ends before the segment being written, the last is not judged', () => {
  const verdict = judgeRetention(subject([9_000, 9_000], { endsActive: false }), policy({ retentionMs: 0 }), now)
  assert.deepEqual([verdict.newStart, verdict.roll, verdict.goesOn], [10, false, true])
})

async function prepare(given: Partial<LogSettings>, batches = 6) {
  const machine = new Machine()
  const started = await startLogs(machine, given)
  const log = await started.openLog()
  for (let i = 0; i < batches; i++) appendFrame(started.world, log, batchOf(['x'.repeat(50)]))
  log.stored.requestFlush()
  await started.world.time.settle()
  const moved: number[] = []
  const retention = new LogRetention({
    world: started.world,
    logs: started.logs,
    logger: started.logger,
    highWatermark: () => log.durableEnd,
    onMoved: () => moved.push(log.logStart),
  })
  return {
    ...started,
    machine,
    log,
    retention,
    moved,
    segments: () => machine.logs.get(`${path}/t-0`)!.segments.length,
  }
}

test('every check removes what has expired, the segment being written included, and the next records follow', async () => {
  const { world, log, retention, moved, segments } = await prepare({ retentionMs: hourMs })
  retention.start(60_000)
  await world.time.advance(hourMs - 60_000)
  assert.equal(log.logStart, 0)
  await world.time.advance(2 * 60_000 + 30_000)
  assert.equal(log.logStart, 6)
  assert.equal(segments(), 1)
  assert.deepEqual(moved, [6])
  appendFrame(world, log, batchOf(['y']))
  assert.equal(log.logEnd, 7)
  retention.stop()
})

test('by size as many segments stay as retention.bytes asks for', async () => {
  const { log, retention, settle } = await prepare({ retentionBytes: 300 }, 12)
  const before = log.stored.sizeBytes()
  await settle(retention.check())
  assert.ok(log.logStart > 0)
  assert.ok(log.stored.sizeBytes() >= 300, `${log.stored.sizeBytes()} of ${before} stay`)
  assert.ok(log.stored.sizeBytes() < 300 + 250, 'less than a segment more')
  const start = log.logStart
  await settle(retention.check())
  assert.equal(log.logStart, start)
})

test('a log whose start cannot be made durable keeps its segments, says so, and is looked at again', async () => {
  const { world, logs, log, retention, settle, openLog, logger, segments } = await prepare({ retentionBytes: 0 })
  const other = await openLog(idA, 1)
  appendFrame(world, other, batchOf(['x']))
  other.stored.requestFlush()
  await world.time.settle()
  world.disk.fault = (operation, file) =>
    operation === 'replace' && file.endsWith('log-start-offset-checkpoint') ? new Error('ENOSPC') : undefined
  const before = segments()
  await settle(retention.check())
  assert.equal(log.logStart, 0)
  assert.ok(segments() >= before)
  assert.ok(logger.has('retention could not remove segments'))
  world.disk.fault = () => undefined
  await settle(retention.check())
  assert.deepEqual([log.logStart, other.logStart], [6, 1])
  await settle(logs.close())
})

test('a check of many logs gives others their turn', async () => {
  const { world, retention, openLog } = await prepare({ retentionBytes: 0 })
  for (let partition = 1; partition < 50; partition++) await openLog(idA, partition)
  let turns = 0
  const soon = world.timers.soon.bind(world.timers)
  world.timers.soon = run => {
    turns++
    soon(run)
  }
  const clock = world.clock.monotonicMs.bind(world.clock)
  let looks = 0
  world.clock.monotonicMs = () => clock() + looks++ / 10
  const checking = retention.check()
  await world.time.settle()
  await checking
  assert.ok(turns >= 3, `${turns} turns`)
})

test('a log that is not written for ten seconds rests, once, and again after it was written', async () => {
  const { world, log } = await prepare({})
  const stored = world.storage.log(`${path}/t-0`)
  await world.time.advance(9_000)
  assert.equal(stored.rests, 0)
  await world.time.advance(3_000)
  assert.equal(stored.rests, 1)
  await world.time.advance(30_000)
  assert.equal(stored.rests, 1)
  appendFrame(world, log, batchOf(['y']))
  await world.time.advance(30_000)
  assert.ok(stored.rests > 2, 'not durable: it is asked again')
  log.stored.requestFlush()
  await world.time.advance(2_000)
  const rests = stored.rests
  await world.time.advance(30_000)
  assert.equal(stored.rests, rests)
})

test('segment.jitter.ms lets a segment be rolled earlier, by a draw for each', async () => {
  const given = { segmentMs: 1_000_000, segmentJitterMs: 400_000 }
  const { world, log } = await prepare(given, 1)
  const stored = world.storage.log(`${path}/t-0`)
  const drawn = new Set<number>()
  for (let i = 0; i < 5; i++) {
    const { segmentMs } = stored.configured
    assert.ok(segmentMs <= 1_000_000 && segmentMs > 600_000, String(segmentMs))
    drawn.add(segmentMs)
    assert.equal(log.roll(), 0)
    appendFrame(world, log, batchOf(['x']))
  }
  assert.ok(drawn.size > 1)
  assert.equal(log.settings.segmentMs, 1_000_000)
})
