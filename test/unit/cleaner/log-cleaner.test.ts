import assert from 'node:assert/strict'
import { test } from 'node:test'
import { withoutVerification } from '../../../src/log/verification.ts'
import { StatusCode } from '../../../src/native/status.ts'
import { BatchAttributes } from '../../../src/records/batch-header.ts'
import { batchOf } from '../../support/test-broker.ts'
import { appendFrame, idA, idB, key } from '../log/support.ts'
import { backoffMs, compaction, startCleaning } from './support.ts'

test('where no log is compacted there is neither a timer nor a thread', async () => {
  const { world, openFilled, cleaner } = await startCleaning({ settings: { compaction: undefined } })
  const before = world.time.pending
  await openFilled(5)
  await world.time.advance(10 * backoffMs)
  assert.equal(world.time.pending, before)
  assert.equal(world.threads.started.length, 0)
  await cleaner.stop()
})

test('a pass is told what it needs, its segments are put in place one by one, and its end is durable', async () => {
  const { world, machine, openFilled, pass, checkpoint, logger, ended, cleaner } = await startCleaning()
  await openFilled(5)
  const { length } = machine.logs.get('/data/t-0')!.segments
  const first = await pass()
  assert.equal(first.name, 't-0')
  assert.equal(first.task.endOffset, 4, 'the segment being written stays out')
  assert.equal(first.task.firstDirtyOffset, 0)
  assert.deepEqual(
    first.task.segments.map(({ baseOffset }) => baseOffset),
    [0, 1, 2, 3],
  )
  assert.equal(first.task.nowMs, world.clock.wallMs())
  assert.equal(first.task.deleteRetentionMs, compaction.deleteRetentionMs)
  assert.equal(first.task.bytesPerSecond, Number.POSITIVE_INFINITY)
  first.group([0, 1])
  await world.time.settle()
  assert.equal(first.answer(), true)
  assert.equal(machine.logs.get('/data/t-0')!.segments.length, length - 1)
  first.group([2, 3])
  await world.time.settle()
  assert.equal(first.answer(), true)
  assert.equal(checkpoint(), '', 'only the end of a pass counts')
  first.done()
  await world.time.settle()
  assert.equal(checkpoint(), '0\n1\nt 0 4\n')
  assert.deepEqual(
    ended.map(each => each.partition),
    [0],
  )
  const line = logger.lines.find(({ message }) => message === 'compacted')!
  assert.deepEqual(
    [line.fields.log, line.fields.from, line.fields.to, line.fields.bytesRead, line.fields.bytesWritten],
    ['t-0', 0, 4, 500, 100],
  )
  await cleaner.stop()
})

test('the filthiest log comes first, the next one as soon as it is done, and none twice', async () => {
  const { world, openFilled, fill, pass, played, cleaner } = await startCleaning()
  const [a, b, c] = [await openFilled(3, 0), await openFilled(3, 1), await openFilled(3, 2)]
  for (const _ of [a, b, c]) {
    const each = played.next() ?? (await pass())
    each.done()
    await world.time.settle()
  }
  await fill(a, 3)
  await fill(b, 20)
  await fill(c, 4)
  const order: string[] = []
  for (let each = await pass(); ; each = played.take()) {
    order.push(each.name)
    each.done()
    await world.time.settle()
    if (order.length === 3) break
  }
  assert.deepEqual(order, ['t-1', 't-2', 't-0'])
  await world.time.advance(3 * backoffMs)
  assert.equal(played.next(), undefined)
  await cleaner.stop()
})

test('nothing at or above what is stable or durable is cleaned', async () => {
  const { world, openFilled, pass, played, state, cleaner } = await startCleaning()
  world.storage.holdFlushes = true
  const log = await openFilled(6)
  await world.time.advance(backoffMs)
  assert.equal(played.next(), undefined, 'nothing is durable')
  world.storage.holdFlushes = false
  log.stored.requestFlush()
  state.unstable.set(0, 2)
  const first = await pass()
  assert.equal(first.task.endOffset, 2)
  first.done()
  state.unstable.set(0, -1)
  await world.time.advance(3 * backoffMs)
  assert.equal(played.next(), undefined, 'a partition that is not served is left alone')
  state.unstable.delete(0)
  const second = await pass()
  assert.deepEqual([second.task.firstDirtyOffset, second.task.endOffset], [2, 5])
  await world.time.settle()
  const stopping = cleaner.stop()
  second.say({ kind: 'stopped' })
  await world.time.settle()
  await stopping
})

test('a pass that fails marks its log, says why once, and the others go on', async () => {
  const { world, openFilled, pass, played, logger, cleaner } = await startCleaning()
  const bad = await openFilled(5, 0)
  await openFilled(4, 1)
  const first = await pass()
  assert.equal(first.name, 't-0')
  first.fail('MILLRACE_CORRUPT', 'a batch is damaged')
  await world.time.settle()
  const second = played.take()
  assert.equal(second.name, 't-1')
  second.done()
  await world.time.advance(10 * backoffMs)
  assert.equal(played.next(), undefined)
  assert.equal(logger.lines.filter(({ level }) => level === 'error').length, 1)
  const { uncleanablePartitions, uncleanable, uncleanableBytes, failedPasses } = cleaner.stats()
  assert.deepEqual([uncleanablePartitions, uncleanable, failedPasses], [1, { 't-0': 'a batch is damaged' }, 1])
  assert.ok(uncleanableBytes > 0)
  bad.configure({ ...bad.settings, segmentBytes: 300 })
  const again = await pass()
  assert.equal(again.name, 't-0', 'new configs are a new try')
  again.done()
  await world.time.settle()
  assert.equal(cleaner.stats().uncleanablePartitions, 0)
  await cleaner.stop()
})

test('a segment that cannot be put in its place fails the pass, and the status is told', async () => {
  const { world, openFilled, pass, cleaner } = await startCleaning()
  await openFilled(5)
  const first = await pass()
  world.storage.log('/data/t-0').failed = true
  first.group([0, 1])
  await world.time.settle()
  assert.equal(first.answer(), false)
  first.say({ kind: 'stopped' })
  await world.time.settle()
  assert.match(cleaner.stats().uncleanable['t-0'] ?? '', /put cleaned segments in their place/)
  await cleaner.stop()
})

test('a log that was cut under a pass ends it without a mark', async () => {
  const { world, openFilled, pass, cleaner } = await startCleaning()
  const log = await openFilled(5)
  const first = await pass()
  assert.equal(log.stored.resetTo(100), StatusCode.ok)
  first.group([0, 1])
  await world.time.settle()
  assert.equal(first.answer(), false)
  first.say({ kind: 'stopped' })
  await world.time.settle()
  const { uncleanablePartitions, abortedPasses } = cleaner.stats()
  assert.deepEqual([uncleanablePartitions, abortedPasses], [0, 1])
  await cleaner.stop()
})

test('a pass that was overtaken is tried again after the backoff, not at once', async () => {
  const { world, openFilled, pass, played, cleaner } = await startCleaning()
  await openFilled(5)
  const first = await pass()
  first.group([0, 99])
  await world.time.settle()
  assert.equal(first.answer(), false, 'there is no such place')
  first.say({ kind: 'stopped' })
  await world.time.settle()
  assert.equal(played.next(), undefined)
  ;(await pass()).done()
  await world.time.settle()
  await cleaner.stop()
})

test('what a pass thinks of a log that is being taken from it is not believed', async () => {
  const { world, openFilled, pass, cleaner } = await startCleaning()
  const log = await openFilled(5)
  const first = await pass()
  const holding = cleaner.hold(log)
  first.fail('MILLRACE_NOT_FOUND', 'there is no such file')
  await world.time.settle()
  await holding
  assert.equal(cleaner.stats().uncleanablePartitions, 0)
  await cleaner.stop()
})

test('a full disk is not the log’s fault: it is tried again after a minute', async () => {
  const { world, openFilled, pass, played, cleaner } = await startCleaning()
  await openFilled(5)
  const first = await pass()
  first.fail('MILLRACE_NO_SPACE', 'the disk is full')
  await world.time.advance(59_000)
  assert.equal(played.next(), undefined)
  assert.equal(cleaner.stats().uncleanablePartitions, 0)
  await world.time.advance(2 * backoffMs)
  played.take().done()
  await world.time.settle()
  await cleaner.stop()
})

test('a thread that dies is reported with its pass, and another one goes on', async () => {
  const { world, openFilled, pass, played, cleaner, logger } = await startCleaning()
  await openFilled(5, 0)
  await openFilled(4, 1)
  const first = await pass()
  first.thread.die(new Error('out of memory'))
  await world.time.settle()
  const second = played.take()
  assert.equal(second.name, 't-1')
  assert.notEqual(second.thread, first.thread)
  second.done()
  await world.time.settle()
  assert.equal(cleaner.stats().deadThreadCount, 1)
  assert.equal(cleaner.stats().uncleanable['t-0'], 'out of memory')
  assert.ok(logger.has('out of memory'))
  await cleaner.stop()
})

test('a thread that dies while a segment is put in its place is waited for until it is', async () => {
  const { world, machine, openFilled, pass, cleaner } = await startCleaning()
  const log = await openFilled(5)
  const first = await pass()
  world.storage.holdDisk = true
  first.group([0, 1])
  await world.time.settle()
  first.thread.die(new Error('gone'))
  await world.time.settle()
  let held = false
  const holding = cleaner.hold(log).then(() => {
    held = true
  })
  await world.time.settle()
  assert.equal(held, false)
  world.storage.turnDisk()
  await world.time.settle()
  await holding
  assert.equal(machine.logs.get('/data/t-0')!.segments.length, 4)
  world.storage.holdDisk = false
  await cleaner.stop()
})

test('a thread without work ends after half a minute, and work after that gets a new one', async () => {
  const { world, openFilled, fill, pass, cleaner } = await startCleaning()
  const log = await openFilled(5)
  const first = await pass()
  first.done()
  await world.time.advance(29_000)
  assert.equal(first.thread.ended, false)
  await world.time.advance(2_000)
  assert.equal(first.thread.ended, true)
  await fill(log, 9)
  const second = await pass()
  assert.notEqual(second.thread, first.thread)
  second.done()
  await world.time.settle()
  assert.equal(cleaner.stats().deadThreadCount, 0)
  await cleaner.stop()
})

test('a stop sets the flag of each pass and ends the thread, and nothing is reported as failed', async () => {
  const { world, openFilled, pass, played, logger, checkpoint, settle, cleaner, logs } = await startCleaning()
  await openFilled(5)
  const first = await pass()
  const stopping = cleaner.stop()
  await world.time.settle()
  assert.equal(first.stopAsked, true)
  assert.equal(first.thread.ended, false, 'it may take away what it began to write')
  first.say({ kind: 'stopped' })
  await world.time.settle()
  await stopping
  assert.equal(first.thread.ended, true)
  assert.equal(checkpoint(), '')
  assert.equal(logger.lines.filter(({ level }) => level !== 'info').length, 0)
  await world.time.advance(10 * backoffMs)
  assert.equal(played.next(), undefined)
  await settle(logs.close())
})

test('a stop does not wait for a thread that is stuck', async () => {
  const { world, openFilled, pass, cleaner } = await startCleaning()
  await openFilled(5)
  const first = await pass()
  const stopping = cleaner.stop()
  await world.time.advance(2_000)
  await stopping
  assert.equal(first.thread.ended, true)
})

test('a topic that is deleted waits for the pass to let go, and leaves nothing to one of its name', async () => {
  const { world, openFilled, openLog, fill, pass, played, checkpoint, logs, cleaner, settle } = await startCleaning()
  const log = await openFilled(5)
  const first = await pass()
  first.done()
  await world.time.settle()
  assert.equal(checkpoint(), '0\n1\nt 0 4\n')
  await fill(log, 9)
  const second = await pass()
  let gone = false
  const deleting = logs.deleteLogs([key(idA)]).then(() => {
    gone = true
  })
  await world.time.settle()
  assert.equal(second.stopAsked, true)
  assert.equal(gone, false, 'its directory is still in use')
  second.say({ kind: 'stopped' })
  await world.time.settle()
  await deleting
  assert.equal(checkpoint(), '0\n0\n')
  const recreated = await openLog(idB)
  await fill(recreated, 7)
  const third = await pass()
  assert.deepEqual([third.task.firstDirtyOffset, third.task.endOffset], [0, 6])
  third.done()
  await world.time.settle()
  assert.equal(played.next(), undefined)
  await cleaner.stop()
  await settle(logs.close())
})

test('DeleteRecords and retention end the pass first, and cleaning goes on from the new start', async () => {
  const { world, openFilled, fill, pass, played, logs, logger, cleaner, checkpoint } = await startCleaning({
    settings: { deletes: true },
  })
  const log = await openFilled(5)
  ;(await pass()).done(1)
  await world.time.settle()
  const second = played.take()
  let moved = false
  const moving = logs.advanceStart(key(), 4).then(() => {
    moved = true
  })
  await world.time.settle()
  assert.equal(second.stopAsked, true)
  assert.equal(moved, false)
  second.say({ kind: 'stopped' })
  await world.time.settle()
  await moving
  assert.equal(log.logStart, 4)
  await fill(log, 5)
  const third = await pass()
  assert.deepEqual([third.task.firstDirtyOffset, third.task.segments[0]?.baseOffset], [4, 4])
  assert.equal(checkpoint(), '0\n1\nt 0 4\n', 'the checkpoint has followed')
  assert.equal(logger.has('mended'), false, 'with delete in the policy that is a matter of course')
  third.done()
  await world.time.settle()
  await cleaner.stop()
})

test('row 27: a clock that jumps ahead makes no mark of a deleted key old, until it has stayed there for an hour', async () => {
  const { world, openFilled, fill, pass, cleaner } = await startCleaning()
  const log = await openFilled(5)
  const dayMs = 86_400_000
  world.time.jumpWall(dayMs)
  const first = await pass()
  assert.equal(first.task.nowMs, world.clock.wallMs() - dayMs)
  first.done()
  await world.time.advance(3_600_000)
  await fill(log, 9)
  const second = await pass()
  assert.equal(second.task.nowMs, world.clock.wallMs())
  second.done()
  await world.time.settle()
  await cleaner.stop()
})

test('a log that is held gets no pass until it is released', async () => {
  const { world, openFilled, pass, played, cleaner } = await startCleaning()
  const log = await openFilled(5)
  const [release, other] = [await cleaner.hold(log), await cleaner.hold(log)]
  await world.time.advance(3 * backoffMs)
  assert.equal(played.next(), undefined)
  release()
  release()
  await world.time.advance(3 * backoffMs)
  assert.equal(played.next(), undefined, 'somebody else still wants it')
  other()
  ;(await pass()).done()
  await world.time.settle()
  await cleaner.stop()
})

test('a log that was cut is clean no further than it was cut to', async () => {
  const { world, openFilled, fill, pass, cleaner, logger, checkpoint } = await startCleaning()
  const log = await openFilled(8)
  ;(await pass()).done()
  await world.time.settle()
  await cleaner.truncated(key(), 20)
  assert.equal(checkpoint(), '0\n1\nt 0 7\n')
  const release = await cleaner.hold(log)
  log.stored.truncateTo(3)
  const noted = cleaner.truncated(key(), 3)
  await world.time.settle()
  await noted
  release()
  assert.equal(checkpoint(), '0\n1\nt 0 3\n')
  await fill(log, 6)
  const again = await pass()
  assert.equal(again.task.firstDirtyOffset, 3)
  again.done()
  await world.time.settle()
  assert.equal(logger.has('mended'), false)
  await cleaner.stop()
})

test('a policy that loses compact ends the pass and keeps the checkpoint, from which compact goes on', async () => {
  const { world, openFilled, fill, pass, played, cleaner, checkpoint } = await startCleaning()
  const log = await openFilled(5)
  ;(await pass()).done()
  await world.time.settle()
  await fill(log, 9)
  const second = await pass()
  log.configure({ ...log.settings, compaction: undefined, deletes: true })
  await world.time.settle()
  assert.equal(second.stopAsked, true)
  second.group([4, 5])
  await world.time.settle()
  assert.equal(second.answer(), false, 'nothing more is put in its place')
  second.say({ kind: 'stopped' })
  await world.time.advance(5 * backoffMs)
  assert.equal(played.next(), undefined)
  assert.equal(checkpoint(), '0\n1\nt 0 4\n')
  log.configure({ ...log.settings, compaction, deletes: false })
  const third = await pass()
  assert.equal(third.task.firstDirtyOffset, 4)
  third.done()
  await world.time.settle()
  await cleaner.stop()
})

test('settings that are told again and are the same disturb no pass', async () => {
  const { world, openFilled, pass, cleaner } = await startCleaning()
  const log = await openFilled(5)
  const first = await pass()
  log.configure({ ...log.settings, compaction: { ...compaction } })
  assert.equal(first.stopAsked, false)
  log.configure({ ...log.settings, compaction: { ...compaction, deleteRetentionMs: 1 } })
  assert.equal(first.stopAsked, true)
  first.say({ kind: 'stopped' })
  await world.time.settle()
  const second = await pass()
  assert.equal(second.task.deleteRetentionMs, 1)
  second.done()
  await world.time.settle()
  await cleaner.stop()
})

test('a log that is not compacted is held without a timer', async () => {
  const { world, logs, openFilled, cleaner } = await startCleaning({ settings: { compaction: undefined } })
  await openFilled(5)
  const before = world.time.pending
  const moving = logs.advanceStart(key(), 3)
  await world.time.settle()
  await moving
  assert.equal(world.time.pending, before)
  await cleaner.stop()
})

test('more logs than one look keeps are cleaned all the same, each once', async () => {
  const { world, openFilled, pass, played, cleaner } = await startCleaning()
  for (let partition = 0; partition < 530; partition++) await openFilled(2, partition)
  const cleaned: string[] = []
  for (let each: ReturnType<typeof played.next> = await pass(); each !== undefined; each = played.next()) {
    cleaned.push(each.name)
    each.done()
    await world.time.settle()
  }
  assert.equal(cleaned.length, 530)
  assert.equal(new Set(cleaned).size, 530)
  await cleaner.stop()
})

test('as many passes run as there are threads, and a change of settings begins them anew by their new shares', async () => {
  const { world, openFilled, pass, played, state, cleaner } = await startCleaning({
    cleaner: { threads: 2, maxBytesPerSecond: 1_000 },
  })
  for (const partition of [0, 1, 2]) await openFilled(6 - partition, partition)
  const first = await pass()
  const second = played.take()
  assert.deepEqual([first.name, second.name].sort(), ['t-0', 't-1'])
  assert.equal(first.task.bytesPerSecond, 500)
  assert.equal(played.next(), undefined)
  state.settings = { ...state.settings, threads: 1, maxBytesPerSecond: 400 }
  cleaner.reconfigured()
  assert.deepEqual([first.stopAsked, second.stopAsked], [true, true])
  first.say({ kind: 'stopped' })
  second.say({ kind: 'stopped' })
  await world.time.advance(1)
  const third = played.take()
  assert.equal(third.task.bytesPerSecond, 400)
  assert.equal(played.next(), undefined)
  third.done()
  for (let i = 0; i < 2; i++) {
    await world.time.settle()
    played.take().done()
  }
  await world.time.settle()
  await cleaner.stop()
})

test('no thread is a cleaner that does nothing, until it is given one', async () => {
  const { world, openFilled, pass, played, state, cleaner } = await startCleaning({ cleaner: { threads: 0 } })
  await openFilled(5)
  await world.time.advance(5 * backoffMs)
  assert.equal(played.next(), undefined)
  state.settings = { ...state.settings, threads: 1 }
  cleaner.reconfigured()
  ;(await pass()).done()
  await world.time.settle()
  await cleaner.stop()
})

test('a pass that lacked a codec is begun again at once', async () => {
  const { world, openFilled, pass, played, cleaner } = await startCleaning()
  await openFilled(5)
  ;(await pass()).say({ kind: 'again' })
  await world.time.settle()
  played.take().done()
  await world.time.settle()
  assert.equal(cleaner.stats().abortedPasses, 0)
  await cleaner.stop()
})

test('a pass that got nowhere is not tried for ever', async () => {
  const { world, openFilled, pass, played, cleaner } = await startCleaning()
  await openFilled(5)
  ;(await pass()).done(0)
  await world.time.advance(3 * backoffMs)
  assert.equal(played.next(), undefined)
  assert.match(cleaner.stats().uncleanable['t-0'] ?? '', /dedupe\.buffer\.size/)
  await cleaner.stop()
})

test('a record that waited longer than max.compaction.lag.ms makes a log due whatever its ratio', async () => {
  const maxLagMs = 100_000
  const { world, openFilled, fill, pass, played, cleaner } = await startCleaning({
    settings: { compaction: { ...compaction, minCleanableRatio: 0.9, maxLagMs } },
  })
  const log = await openFilled(12)
  ;(await pass()).done()
  await world.time.settle()
  await fill(log, 2)
  await world.time.advance(30_000)
  assert.equal(played.next(), undefined)
  await world.time.advance(100_000)
  const second = played.take()
  assert.equal(second.task.firstDirtyOffset, 11)
  second.done()
  await world.time.settle()
  assert.ok(cleaner.stats().maxCompactionDelaySecs >= 0)
  await cleaner.stop()
})

test('a checkpoint that cannot be written costs only what is cleaned again after a restart', async () => {
  const { world, openFilled, pass, played, logger, cleaner } = await startCleaning()
  await openFilled(5)
  world.disk.fault = (operation, file) =>
    operation === 'replace' && file.includes('cleaner-offset') ? new Error('EIO') : undefined
  ;(await pass()).done()
  await world.time.advance(5 * backoffMs)
  assert.equal(played.next(), undefined)
  assert.ok(logger.has('checkpoint of the cleaner could not be written'))
  await cleaner.stop()
})

test('after a restart cleaning goes on from the checkpoint', async () => {
  const before = await startCleaning()
  await before.openFilled(9)
  ;(await before.pass()).done(3)
  await before.world.time.settle()
  const next = before.played.take()
  next.say({ kind: 'stopped' })
  before.machine.killProcess()
  const after = await startCleaning({ machine: before.machine })
  const log = await after.openLog()
  await after.fill(log, 9)
  const pass = await after.pass()
  assert.equal(pass.task.firstDirtyOffset, 3)
  pass.done()
  await after.world.time.settle()
  await after.cleaner.stop()
})

test('the numbers are those of Kafka’s metrics, and are told a minute after something moved them', async () => {
  const { world, openFilled, pass, logger, cleaner } = await startCleaning()
  await openFilled(5)
  assert.equal(cleaner.stats().timeSinceLastCleanMs, -1)
  const first = await pass()
  assert.equal(cleaner.stats().maxDirtyPercent, 100)
  assert.equal(cleaner.stats().runningPasses, 1)
  await world.time.advance(7_000)
  first.group([0, 1])
  await world.time.settle()
  first.done()
  await world.time.advance(5_000)
  const stats = cleaner.stats()
  assert.deepEqual(
    [stats.maxCleanTimeSecs, stats.recopyPercent, stats.maxBufferUtilizationPercent, stats.timeSinceLastCleanMs],
    [7, 16, 25, 5_000],
  )
  assert.deepEqual([stats.passes, stats.bytesRead, stats.bytesWritten, stats.runningPasses], [1, 300, 50, 0])
  assert.equal(logger.lines.filter(({ message }) => message === 'cleaner').length, 0)
  await world.time.advance(60_000)
  assert.equal(logger.lines.filter(({ message }) => message === 'cleaner').length, 1)
  await world.time.advance(600_000)
  assert.equal(logger.lines.filter(({ message }) => message === 'cleaner').length, 1, 'nothing moved')
  await cleaner.stop()
})

test('a look at very many logs gives others their turn', async () => {
  const { world, openFilled, openLog, played, cleaner } = await startCleaning()
  for (let partition = 1; partition < 60; partition++) await openLog(idA, partition)
  await openFilled(5)
  let turns = 0
  const soon = world.timers.soon.bind(world.timers)
  world.timers.soon = run => {
    turns++
    soon(run)
  }
  const clock = world.clock.monotonicMs.bind(world.clock)
  let looks = 0
  world.clock.monotonicMs = () => clock() + looks++ / 10
  await world.time.advance(backoffMs)
  assert.ok(turns >= 5, `${turns} turns`)
  played.take().done()
  await world.time.settle()
  await cleaner.stop()
})

test('row 26: when a pass begins the indexes name all that was aborted; what none names counts as committed', async () => {
  const { world, machine, openFilled, fill, pass, cleaner } = await startCleaning()
  const log = await openFilled(2)
  const producer = { producerId: 7n, producerEpoch: 0, baseSequence: 0, attributes: BatchAttributes.transactional }
  appendFrame(world, log, batchOf(['x'], producer), withoutVerification)
  await fill(log, 2)
  appendFrame(world, log, batchOf(['x'])) // A roll saves all that is known.
  await world.time.settle()
  const marker = { producerId: 7n, producerEpoch: 0, coordinatorEpoch: 0, committed: false, transactionVersion: 1 }
  assert.ok(log.appendMarker(marker, 0 as never, 0).ok)
  log.stored.requestFlush()
  await world.time.settle()
  const indexes = () => [...machine.files.keys()].filter(name => name.endsWith('.txnindex')).length
  assert.equal(indexes(), 0, 'nothing else has asked for it yet')
  const first = await pass()
  assert.equal(indexes(), 1)
  first.done()
  await world.time.settle()
  await cleaner.stop()
})
