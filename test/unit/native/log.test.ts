import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { OpenTrust, type Storage, type StoredLog } from '../../../src/base/world.ts'
import { ControlType, markerBatch } from '../../../src/log/control-batch.ts'
import { EngineStat } from '../../../src/native/addon.ts'
import { Engine } from '../../../src/native/engine.ts'
import { NativeError } from '../../../src/native/errors.ts'
import { StatusCode } from '../../../src/native/status.ts'
import { openStorage } from '../../../src/native/storage.ts'
import { batchEnd, readRecords } from '../../../src/records/record-batch.ts'
import { batchOf, bounded, logSettings, openEngine, temporaryDirectory } from './support.ts'

const now = 1_700_000_000_000

const open = async (storage: Storage, directory: string, trust: OpenTrust = OpenTrust.clean): Promise<StoredLog> =>
  (await storage.openLog(directory, logSettings, trust, 0, 0)).log

async function openOne(t: TestContext): Promise<{ engine: Engine; storage: Storage; log: StoredLog }> {
  const { engine, storage } = openEngine(t)
  return { engine, storage, log: await open(storage, join(temporaryDirectory(t), 'lines-0')) }
}

/** The bytes of [offset, log end), by one region, which is given back. */
function readAll(storage: Storage, log: StoredLog, offset: number): Uint8Array {
  assert.equal(log.read(offset, 1 << 20, log.logEndOffset(), true), StatusCode.ok)
  if (log.lastRegionLength === 0) return new Uint8Array(0)
  const { lastRegion, lastRegionLength } = log
  const bytes = new Uint8Array(lastRegionLength)
  assert.equal(storage.readRegion(lastRegion, 0, bytes), lastRegionLength)
  storage.releaseRegion(lastRegion)
  return bytes
}

function valuesIn(bytes: Uint8Array): { offset: number; value: string }[] {
  const found: { offset: number; value: string }[] = []
  for (let at = 0; at < bytes.length; ) {
    for (const { offset, value } of readRecords(bytes, at))
      found.push({ offset, value: Buffer.from(value!).toString() })
    at = batchEnd(bytes, at)!
  }
  return found
}

const nextDurable = (storage: Storage, log: StoredLog, end: number): Promise<void> =>
  new Promise(resolve => {
    storage.onDurable((which, durableOffset) => {
      if (which === log && durableOffset >= end) resolve()
    })
    log.requestFlush()
    if (log.durableOffset() >= end) resolve()
  })

test('what was appended is read back with its offsets, and again after closing and opening', bounded, async t => {
  const { storage, log } = await openOne(t)
  const { directory } = log
  assert.equal(log.appendBytes(batchOf(['a', 'b', 'c'], now), 7, now), StatusCode.ok)
  const { baseOffset, lastOffset, maxTimestamp, firstBadRecord, rolled } = log.lastAppend
  assert.deepEqual(
    { baseOffset, lastOffset, maxTimestamp, firstBadRecord, rolled },
    { baseOffset: 0, lastOffset: 2, maxTimestamp: now, firstBadRecord: -1, rolled: false },
  )
  assert.equal(log.appendBytes(batchOf(['d'], now + 5), 8, now), StatusCode.ok)
  assert.equal(log.lastAppend.baseOffset, 3)
  const expected = ['a', 'b', 'c', 'd'].map((value, offset) => ({ offset, value }))
  const before = readAll(storage, log, 0)
  assert.deepEqual(valuesIn(before), expected)
  assert.equal(log.sizeBytes(), before.length)
  await log.close(true)

  const { log: reopened, report } = await storage.openLog(directory, logSettings, OpenTrust.clean, 4, 0)
  assert.deepEqual(report, {
    logStartOffset: 0,
    logEndOffset: 4,
    segments: 1,
    scannedBytes: 0,
    indexesRebuilt: 0,
    cutBytes: 0,
    cutFromOffset: -1,
  })
  assert.deepEqual(readAll(storage, reopened, 0), before)
  assert.deepEqual([reopened.logStartOffset(), reopened.logEndOffset(), reopened.activeBaseOffset()], [0, 4, 0])
  assert.equal(reopened.appendBytes(batchOf(['e'], now), 8, now), StatusCode.ok)
  assert.equal(reopened.lastAppend.baseOffset, 4)
  await reopened.close(true)
})

test('a flush that was asked for is announced with the offset that is durable', bounded, async t => {
  const { storage, log } = await openOne(t)
  assert.equal(log.durableOffset(), 0)
  for (let round = 1; round <= 3; round++) {
    assert.equal(log.appendBytes(batchOf(['a', 'b']), 0, now), StatusCode.ok)
    await nextDurable(storage, log, round * 2)
    assert.equal(log.durableOffset(), round * 2)
  }
})

test('without a waiter an append becomes durable by its age', bounded, async t => {
  const { storage, log } = await openOne(t)
  const durable = new Promise<number>(resolve => storage.onDurable((_, durableOffset) => resolve(durableOffset)))
  const alive = setInterval(() => {}, 1000) // The flush pool keeps no process alive for this.
  t.after(() => clearInterval(alive))
  log.appendBytes(batchOf(['a']), 0, now)
  assert.equal(await durable, 1)
})

test('a batch that a client got wrong is refused and changes nothing', bounded, async t => {
  const { log } = await openOne(t)
  const damaged = batchOf(['a', 'b'])
  damaged[damaged.length - 1]! ^= 1
  assert.equal(log.appendBytes(damaged, 0, now), StatusCode.batchCorrupt)
  log.configure({ ...logSettings, requireKeys: true })
  assert.equal(log.appendBytes(batchOf(['a', 'b']), 0, now), StatusCode.batchInvalid)
  assert.equal(log.lastAppend.firstBadRecord, 0)
  log.configure({ ...logSettings, maxMessageBytes: 100 })
  assert.equal(log.appendBytes(batchOf(['x'.repeat(100)]), 0, now), StatusCode.batchTooLarge)
  log.configure({ ...logSettings, timestampBeforeMaxMs: 1000 })
  assert.equal(log.appendBytes(batchOf(['a'], now - 1001), 0, now), StatusCode.batchTimestamp)
  assert.equal(log.logEndOffset(), 0)
  log.configure({ ...logSettings, logAppendTime: true })
  assert.equal(log.appendBytes(batchOf(['a'], 5), 0, now), StatusCode.ok)
  assert.equal(log.lastAppend.maxTimestamp, now)
})

test('reads are bounded by size and limit, and an empty one pins nothing', bounded, async t => {
  const { engine, storage, log } = await openOne(t)
  for (let index = 0; index < 10; index++) log.appendBytes(batchOf([`value ${index}`]), 0, now)
  const one = log.sizeBytes() / 10
  const lengthOf = (offset: number, maxBytes: number, limit: number, whole: boolean): number => {
    assert.equal(log.read(offset, maxBytes, limit, whole), StatusCode.ok)
    const { lastRegion, lastRegionLength } = log
    if (lastRegionLength > 0) storage.releaseRegion(lastRegion)
    else assert.equal(lastRegion, 0)
    return lastRegionLength
  }
  assert.equal(lengthOf(0, 1 << 20, 10, false), 10 * one)
  assert.equal(lengthOf(3, 1 << 20, 8, false), 5 * one)
  assert.equal(lengthOf(0, 3 * one + 1, 10, false), 3 * one)
  assert.equal(lengthOf(0, 1, 10, true), one)
  assert.equal(lengthOf(0, 1, 10, false), 0)
  assert.equal(lengthOf(10, 1 << 20, 10, true), 0)
  assert.equal(log.read(11, 1, 10, true), StatusCode.offsetOutOfRange)
  assert.equal(engine.raw.stats()[EngineStat.liveRegions], 0)
})

test('a region outlives the log, and its number is good once', bounded, async t => {
  const { engine, storage, log } = await openOne(t)
  log.appendBytes(batchOf(['kept']), 0, now)
  assert.equal(log.read(0, 1000, 1, true), StatusCode.ok)
  const { lastRegion: region, lastRegionLength: length } = log
  await log.delete()
  const bytes = new Uint8Array(length + 10)
  assert.equal(storage.readRegion(region, 0, bytes), length)
  assert.deepEqual(valuesIn(bytes.subarray(0, length)), [{ offset: 0, value: 'kept' }])
  assert.equal(engine.raw.stats()[EngineStat.liveRegions], 1)
  storage.releaseRegion(region)
  assert.equal(engine.raw.stats()[EngineStat.liveRegions], 0)
  assert.throws(() => storage.releaseRegion(region), { code: 'MILLRACE_CLOSED' })
  assert.throws(() => storage.readRegion(region, 0, bytes), { code: 'MILLRACE_CLOSED' })
})

test('headers come back in order, more of them than one crossing carries', bounded, async t => {
  const { log } = await openOne(t)
  const count = 600
  for (let index = 0; index < count; index++) log.appendBytes(batchOf(['a', 'b'], now + index), index % 5, now)
  const headers = log.readHeaders(0, log.logEndOffset(), 10_000)
  assert.equal(headers.length, count)
  headers.forEach((header, index) => {
    assert.deepEqual(header, {
      baseOffset: index * 2,
      lastOffset: index * 2 + 1,
      baseTimestamp: now + index,
      maxTimestamp: now + index,
      producerId: -1n,
      producerEpoch: -1,
      baseSequence: -1,
      recordCount: 2,
      leaderEpoch: index % 5,
      attributes: 0,
      sizeBytes: log.sizeBytes() / count,
      controlType: -1,
      coordinatorEpoch: -1,
    })
  })
  assert.equal(log.readHeaders(11, log.logEndOffset(), 3)[0]!.baseOffset, 10)
  assert.equal(log.readHeaders(11, log.logEndOffset(), 3).length, 3)
  assert.equal(log.readHeaders(0, 10, 100).length, 5)
})

test('the header of a marker tells how its transaction ended, and by which coordinator', bounded, async t => {
  const { log } = await openOne(t)
  for (const committed of [true, false]) {
    const marker = { producerId: 7n, producerEpoch: 3, coordinatorEpoch: 300_000, committed, transactionVersion: 2 }
    assert.equal(log.appendBytes(markerBatch(marker, now), 0, now), 0)
  }
  const ends = log
    .readHeaders(0, 2, 2)
    .map(header => [header.producerId, header.producerEpoch, header.controlType, header.coordinatorEpoch])
  assert.deepEqual(ends, [
    [7n, 3, ControlType.commit, 300_000],
    [7n, 3, ControlType.abort, 300_000],
  ])
})

test('a region says below which offset all of it lies', bounded, async t => {
  const { log, storage } = await openOne(t)
  const count = 600
  for (let index = 0; index < count; index++) log.appendBytes(batchOf(['a', 'b'], now), 0, now)
  const size = log.sizeBytes() / count
  const endOf = (offset: number, maxBytes: number, limit: number) => {
    assert.equal(log.read(offset, maxBytes, limit, true), 0)
    if (log.lastRegionLength > 0) storage.releaseRegion(log.lastRegion)
    return log.lastRegionEnd
  }
  assert.equal(endOf(0, 10 * size, 2 * count), 20)
  assert.equal(endOf(1_001, 10 * size + 1, 2 * count), 1_020)
  assert.equal(endOf(0, 1, 2 * count), 2, 'one batch, as it is the first')
  assert.equal(endOf(0, 1 << 20, 2 * count), 2 * count)
  assert.equal(endOf(0, 1 << 20, 700), 700)
  const { region, end } = await log.readCold(4, 3 * size, 2 * count, true)
  storage.releaseRegion(region)
  assert.equal(end, 10)
})

test('timestamps are found by record', bounded, async t => {
  const { log } = await openOne(t)
  assert.equal(await log.findTimestamp(now, 0, 0), undefined)
  for (let index = 0; index < 5; index++) log.appendBytes(batchOf(['a', 'b'], now + index * 10), 3, now)
  const found = (offset: number, timestamp: number) => ({ offset, timestamp, leaderEpoch: 3, inCompressedBatch: false })
  assert.deepEqual(await log.findTimestamp(now + 11, 0, 10), found(4, now + 20))
  assert.deepEqual(await log.findTimestamp(0, 0, 10), found(0, now))
  assert.equal(await log.findTimestamp(now + 41, 0, 10), undefined)
  assert.equal(await log.findTimestamp(now + 40, 0, 8), undefined)
  assert.deepEqual(await log.findMaxTimestamp(0, 10), found(8, now + 40))
})

test('truncating, resetting, rolling and advancing the start move what they say', bounded, async t => {
  const { storage, log } = await openOne(t)
  for (let index = 0; index < 10; index++) log.appendBytes(batchOf([`value ${index}`]), 0, now)
  assert.equal(log.truncateTo(6), StatusCode.ok)
  assert.equal(log.logEndOffset(), 6)
  assert.equal(log.roll(), StatusCode.ok)
  assert.equal(log.activeBaseOffset(), 6)
  log.appendBytes(batchOf(['after']), 0, now)
  assert.equal(log.advanceStart(6), StatusCode.ok)
  assert.deepEqual([log.logStartOffset(), log.logEndOffset()], [6, 7])
  assert.equal(log.read(5, 100, 7, true), StatusCode.offsetOutOfRange)
  assert.deepEqual(valuesIn(readAll(storage, log, 6)), [{ offset: 6, value: 'after' }])
  assert.equal(log.resetTo(100), StatusCode.ok)
  assert.deepEqual([log.logStartOffset(), log.logEndOffset()], [100, 100])
})

test('a flush that a truncation overtook leaves the process free to end', bounded, async t => {
  const { engine, storage, log } = await openOne(t)
  for (let index = 0; index < 10; index++) log.appendBytes(batchOf(['a']), 0, now)
  log.requestFlush()
  assert.equal(log.truncateTo(3), StatusCode.ok)
  log.appendBytes(batchOf(['a']), 0, now)
  await nextDurable(storage, log, 4)
  await engine.close()
})

test('a closed log refuses, whatever is asked of it', bounded, async t => {
  const { storage, log } = await openOne(t)
  log.appendBytes(batchOf(['a']), 0, now)
  const closing = log.close(true)
  const closedError = (error: unknown): boolean => error instanceof NativeError && error.code === 'MILLRACE_CLOSED'
  const refuses = async (): Promise<void> => {
    assert.equal(log.appendBytes(batchOf(['b']), 0, now), StatusCode.closed)
    assert.equal(log.appendFrame(0, 0, 0, 0, now), StatusCode.closed)
    assert.equal(log.validateFrame(0, 0, 0, now), StatusCode.closed)
    assert.equal(log.read(0, 1, 1, true), StatusCode.closed)
    assert.equal(log.truncateTo(0), StatusCode.closed)
    assert.equal(log.resetTo(0), StatusCode.closed)
    assert.equal(log.advanceStart(0), StatusCode.closed)
    assert.equal(log.roll(), StatusCode.closed)
    log.requestFlush()
    for (const ask of [
      () => log.logEndOffset(),
      () => log.durableOffset(),
      () => log.readHeaders(0, 1, 1),
      () => log.configure(logSettings),
    ]) {
      assert.throws(ask, closedError)
    }
    await assert.rejects(() => log.findTimestamp(0, 0, 1), closedError)
    assert.equal((await log.readCold(0, 1, 1, true)).status, StatusCode.closed)
    await assert.rejects(() => log.close(true), closedError)
    await assert.rejects(() => log.delete(), closedError)
  }
  await refuses()
  await closing
  await refuses()
  // Its number is not the next log's.
  const next = await open(storage, `${log.directory}-next`)
  await refuses()
  assert.equal(next.logEndOffset(), 0)
})

test('a deleted log leaves no directory', bounded, async t => {
  const { log } = await openOne(t)
  log.appendBytes(batchOf(['a']), 0, now)
  assert.ok(existsSync(log.directory))
  await log.delete()
  assert.ok(!existsSync(log.directory))
  assert.ok(!existsSync(`${log.directory}-delete`))
})

test('a directory that cannot be opened is an error that names it', bounded, async t => {
  const { storage } = openEngine(t)
  const directory = join(temporaryDirectory(t), 'no', 'such', 'parent')
  await assert.rejects(
    () => open(storage, directory),
    (error: unknown) =>
      error instanceof NativeError && error.code === 'MILLRACE_NOT_FOUND' && error.message.includes(directory),
  )
})

test('numbers outside their range are refused, never converted', bounded, async t => {
  const { log } = await openOne(t)
  for (const wrong of [Number.NaN, -1, 2 ** 60, Number.POSITIVE_INFINITY]) {
    assert.equal(log.truncateTo(wrong), StatusCode.invalidArgument)
    assert.equal(log.advanceStart(wrong), StatusCode.invalidArgument)
  }
  assert.equal(log.read(0, Number.NaN, 0, true), StatusCode.invalidArgument)
  assert.equal(log.appendBytes(batchOf(['a']), 2 ** 31, now), StatusCode.invalidArgument)
  assert.equal(log.appendFrame(Number.NaN, 0, 0, 0, now), StatusCode.invalidArgument)
  assert.equal(log.appendFrame(0, 0, 100, 0, now), StatusCode.invalidArgument, 'no network, so no arena')
})

test('closing the engine waits for what is on the way and refuses what comes after', bounded, async t => {
  const directory = temporaryDirectory(t)
  const engine = new Engine()
  const storage = openStorage(engine)
  const log = await open(storage, join(directory, 'open-0'))
  const opening = Array.from({ length: 8 }, (_, index) => open(storage, join(directory, `late-${index}`)))
  const closing = storage.close()
  assert.equal(storage.close(), closing)
  const late = await Promise.all(opening)
  await closing
  for (const each of [log, ...late]) assert.equal(each.appendBytes(batchOf(['a']), 0, now), StatusCode.closed)
  await assert.rejects(() => open(storage, join(directory, 'after-0')), { code: 'MILLRACE_CLOSED' })
  assert.throws(() => engine.raw.onDeliver(() => {}), { code: 'MILLRACE_CLOSED' })
})

test('flushes that are asked for together come, whatever becomes of who asks', bounded, async t => {
  const { storage } = openEngine(t)
  const directory = temporaryDirectory(t)
  const logs = await Promise.all([0, 1, 2].map(index => open(storage, join(directory, `lines-${index}`))))
  const durable = new Set<StoredLog>()
  const all = new Promise<void>(resolve => {
    storage.onDurable(log => {
      if (durable.add(log).size === logs.length) resolve()
    })
  })
  assert.throws(
    () =>
      storage.flushTogether(() => {
        for (const log of logs) {
          assert.equal(log.appendBytes(batchOf(['a'], now), 0, now), StatusCode.ok)
          log.requestFlush()
        }
        throw new Error('thrown by who asks')
      }),
    /thrown by who asks/,
  )
  await all
  for (const log of logs) assert.equal(log.durableOffset(), 1)
})
