import assert from 'node:assert/strict'
import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { type LogSettings, OpenTrust, type Storage } from '../../../src/base/world.ts'
import { Engine } from '../../../src/native/engine.ts'
import { StatusCode } from '../../../src/native/status.ts'
import { openStorage } from '../../../src/native/storage.ts'
import { batchHeaderBytes } from '../../../src/records/batch-header.ts'
import { crc32c } from '../../../src/records/crc32c.ts'
import {
  batchOf,
  batchOfBytes,
  bounded,
  logSettings,
  openDescriptors,
  openEngine,
  temporaryDirectory,
} from './support.ts'

const now = 1_700_000_000_000

async function open(storage: Storage, directory: string, given: Partial<LogSettings> = {}, start = 0) {
  return (await storage.openLog(directory, { ...logSettings, ...given }, OpenTrust.sameBoot, 0, start)).log
}

/** Fulfilled when `reached` holds; fails after ten seconds. */
async function until(reached: () => boolean, what: string): Promise<void> {
  const deadlineMs = performance.now() + 10_000
  while (!reached()) {
    assert.ok(performance.now() < deadlineMs, what)
    await new Promise(resolve => setImmediate(resolve))
  }
}

/** The same batch with its records compressed. */
function gzipped(batch: Uint8Array): Uint8Array {
  const bytes = Buffer.concat([batch.subarray(0, batchHeaderBytes), gzipSync(batch.subarray(batchHeaderBytes))])
  bytes.writeInt32BE(bytes.length - 12, 8)
  bytes.writeInt16BE(1, 21)
  bytes.writeUint32BE(crc32c(bytes.subarray(21)), 17)
  return bytes
}

test('segments are listed oldest first, with sizes, largest timestamps and file times', bounded, async t => {
  const { storage } = openEngine(t)
  const log = await open(storage, join(temporaryDirectory(t), 'a-0'))
  assert.deepEqual(log.segments(5, false), [{ baseOffset: 0, sizeBytes: 0, maxTimestampMs: -1, modifiedMs: 0 }])
  const began = Date.now()
  log.appendBytes(batchOf(['a', 'b'], now + 7), 0, now)
  log.appendBytes(batchOf(['c'], now + 3), 0, now)
  assert.equal(log.roll(), StatusCode.ok)
  log.appendBytes(batchOf(['d'], now + 5), 0, now)
  const segments = log.segments(5, true)
  assert.deepEqual(
    segments.map(each => [each.baseOffset, each.maxTimestampMs]),
    [
      [0, now + 7],
      [3, now + 5],
    ],
  )
  assert.equal(segments[0]!.sizeBytes + segments[1]!.sizeBytes, log.sizeBytes())
  for (const { modifiedMs } of segments) assert.ok(Math.abs(modifiedMs - began) < 60_000, String(modifiedMs))
  assert.equal(log.segments(1, true).length, 1)
  await log.close(true)
  assert.throws(() => log.segments(1, false), /list the segments/)
})

test('with append time a segment is as new as its last append, whatever its clients claimed', bounded, async t => {
  const { storage } = openEngine(t)
  const log = await open(storage, join(temporaryDirectory(t), 'a-0'), {
    logAppendTime: true,
    timestampAfterMaxMs: 1_000,
  })
  const year2099 = Date.UTC(2099, 0)
  for (const batch of [batchOf(['a'], year2099), gzipped(batchOf(['b'], year2099))]) {
    assert.equal(log.appendBytes(batch, 0, now), StatusCode.ok)
    assert.equal(log.lastAppend.maxTimestamp, now)
  }
  assert.equal(log.segments(1, true)[0]!.maxTimestampMs, now)
  assert.equal((await log.findTimestamp(now, 0, 2))?.offset, 0)
  assert.equal(await log.findTimestamp(now + 1, 0, 2), undefined)
  const [, compressed] = log.readHeaders(0, 2, 2)
  assert.equal(compressed!.attributes, 1 | 8, 'codec and timestamp type')
  assert.equal(compressed!.maxTimestamp, now)
  await log.close(true)
})

test('files of segments below an advanced start go, and after a kill the log begins there', bounded, async t => {
  const { storage, engine } = openEngine(t)
  const directory = join(temporaryDirectory(t), 'a-0')
  const log = await open(storage, directory, { segmentBytes: 4096 })
  for (let i = 0; i < 20; i++) assert.equal(log.appendBytes(batchOfBytes(1000), 0, now), StatusCode.ok)
  const bases = log.segments(64, false).map(each => each.baseOffset)
  assert.ok(bases.length >= 4)
  const start = bases[2]! + 1
  assert.equal(log.advanceStart(start), StatusCode.ok)
  const name = (base: number, kind: string) => join(directory, `${String(base).padStart(20, '0')}.${kind}`)
  await until(() => !existsSync(name(bases[1]!, 'log')), 'the second segment goes')
  for (const kind of ['log', 'index', 'timeindex']) assert.equal(existsSync(name(0, kind)), false, kind)
  assert.ok(existsSync(name(bases[2]!, 'log')))
  await engine.close() // Without closing the log: as a kill leaves it.
  const again = openEngine(t)
  const reopened = await open(again.storage, directory, { segmentBytes: 4096 }, start)
  assert.deepEqual([reopened.logStartOffset(), reopened.logEndOffset()], [start, 20])
  await reopened.close(true)
})

test('a log rests when it is durable: no descriptor, no preallocated space; and goes on', bounded, async t => {
  const { storage } = openEngine(t)
  const directory = join(temporaryDirectory(t), 'a-0')
  const log = await open(storage, directory)
  storage.limitOpenFiles(0)
  assert.equal(log.rest(), true, 'nothing was written yet')
  log.appendBytes(batchOf(['a']), 0, now)
  const file = join(directory, readdirSync(directory).find(each => each.endsWith('.log'))!)
  assert.ok(statSync(file).size > log.sizeBytes())
  log.requestFlush()
  await until(() => log.rest(), 'it is durable, and rests')
  assert.equal(statSync(file).size, log.sizeBytes())
  assert.equal(log.appendBytes(batchOf(['b']), 0, now), StatusCode.ok)
  assert.equal(log.logEndOffset(), 2)
  assert.ok(openDescriptors(directory) > 0)
  await log.close(true)
})

test('logs being written have five eighths of the descriptors that are not reserved', t => {
  const { storage } = openEngine(t)
  const free = storage.limitOpenFiles(0)
  assert.ok(free >= 64)
  const some = storage.limitOpenFiles(1_000)
  assert.ok(some <= free && some >= 64)
  // More than there are: nobody knows how many will be needed, and a tenth is kept.
  const most = storage.limitOpenFiles(1e12)
  assert.ok(most < free && most > free * 0.85)
  assert.ok(storage.limitOpenFiles(free * 1.5) < most)
  storage.limitOpenFiles(0)
})

test('a log with flush.ms of its own is durable within it, though nobody waits', bounded, async t => {
  const engine = new Engine({ flushMaxAgeMs: 3_600_000 })
  t.after(() => engine.close())
  const storage = openStorage(engine)
  const log = await open(storage, join(temporaryDirectory(t), 'a-0'), { flushMs: 0 })
  const durable = new Promise<number>(resolve => storage.onDurable((_, durableOffset) => resolve(durableOffset)))
  const alive = setInterval(() => {}, 1000) // The flush pool keeps no process alive for this.
  t.after(() => clearInterval(alive))
  log.appendBytes(batchOf(['a']), 0, now)
  assert.equal(await durable, 1)
  await log.close(true)
})
