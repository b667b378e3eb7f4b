import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { Worker } from 'node:worker_threads'
import { gunzipSync, gzipSync } from 'node:zlib'
import { OpenTrust, type StoredLog } from '../../../src/base/world.ts'
import { CleaningError, CleaningPass, type CleanTask, type RecordCodecs } from '../../../src/native/cleaner.ts'
import { StatusCode } from '../../../src/native/status.ts'
import { batchHeaderBytes } from '../../../src/records/batch-header.ts'
import { crc32c } from '../../../src/records/crc32c.ts'
import { buildBatch, readRecords } from '../../../src/records/record-batch.ts'
import { bounded, logSettings, openEngine, temporaryDirectory } from './support.ts'

const now = 1_700_000_000_000
const utf8 = new TextEncoder()

const noCodecs: RecordCodecs = {
  unfold: () => assert.fail('nothing is compressed'),
  fold: () => assert.fail('nothing is compressed'),
}

const gzip: RecordCodecs = {
  unfold(codec, records) {
    assert.equal(codec, 1)
    return gunzipSync(records)
  },
  fold(codec, records) {
    assert.equal(codec, 1)
    return gzipSync(records)
  },
}

function keyed(entries: readonly (readonly [string, string | null])[]): Uint8Array {
  const records = entries.map(([key, value]) => ({
    key: utf8.encode(key),
    value: value === null ? null : utf8.encode(value),
  }))
  return buildBatch({ timestampMs: now, records })
}

function gzipped(batch: Uint8Array): Uint8Array {
  const bytes = Buffer.concat([batch.subarray(0, batchHeaderBytes), gzipSync(batch.subarray(batchHeaderBytes))])
  bytes.writeInt32BE(bytes.length - 12, 8)
  bytes.writeInt16BE(1, 21)
  bytes.writeUint32BE(crc32c(bytes.subarray(21)), 17)
  return bytes
}

/** A log of two sealed segments, in which `a` is superseded, and an active one. */
async function openKeyed(t: TestContext, fold: (batch: Uint8Array) => Uint8Array = batch => batch) {
  const { storage } = openEngine(t)
  const directory = join(temporaryDirectory(t), 'keyed-0')
  const { log } = await storage.openLog(directory, logSettings, OpenTrust.sameBoot, 0, 0)
  const append = (entries: readonly (readonly [string, string | null])[]) =>
    assert.equal(log.appendBytes(fold(keyed(entries)), 0, now), StatusCode.ok)
  append([['a', '1'], ['b', '2']]) // biome-ignore format: a batch a line
  assert.equal(log.roll(), StatusCode.ok)
  append([['a', '3'], ['c', null]]) // biome-ignore format: a batch a line
  assert.equal(log.roll(), StatusCode.ok)
  append([['a', '4']])
  const durable = new Promise<void>(resolve =>
    storage.onDurable((_log, offset) => offset === log.logEndOffset() && resolve()),
  )
  log.requestFlush()
  await durable
  return { storage, log, directory }
}

function taskFor(log: StoredLog, given: Partial<CleanTask> = {}): CleanTask {
  const sealed = log.segments(64, false).filter(({ baseOffset }) => baseOffset < log.activeBaseOffset())
  return {
    directory: log.directory,
    segments: sealed.map(({ baseOffset, sizeBytes }) => ({ baseOffset, sizeBytes })),
    endOffset: log.activeBaseOffset(),
    firstDirtyOffset: 0,
    mapBytes: 1 << 20,
    segmentBytes: 1 << 30,
    segmentIndexBytes: 10 << 20,
    indexIntervalBytes: 4096,
    maxMessageBytes: 1 << 20,
    deleteRetentionMs: 1000,
    nowMs: now,
    producers: [],
    bytesPerSecond: Number.POSITIVE_INFINITY,
    ...given,
  }
}

const goOn = (): Int32Array => new Int32Array(new SharedArrayBuffer(4))

async function contentOf(log: StoredLog, unfold?: (records: Uint8Array) => Uint8Array): Promise<string[]> {
  const found: string[] = []
  for (let offset = 0; offset < log.logEndOffset(); ) {
    const batch = await log.readBatch(offset, log.logEndOffset())
    const view = new DataView(batch.buffer)
    const records =
      unfold === undefined || view.getInt32(57) === 0 ? undefined : unfold(batch.subarray(batchHeaderBytes))
    for (const { offset: at, key, value } of readRecords(batch, 0, records)) {
      const text = (bytes: Uint8Array | null) => (bytes === null ? 'null' : Buffer.from(bytes).toString())
      found.push(`${at} ${text(key)}=${text(value)}`)
    }
    offset = Number(view.getBigInt64(0)) + view.getInt32(23) + 1
  }
  return found
}

test('a pass tells what it does, and the log takes its segment in', bounded, async t => {
  const { storage, log, directory } = await openKeyed(t)
  const pass = new CleaningPass(taskFor(log), noCodecs, goOn())
  assert.deepEqual(
    { ...pass.buildMap(), mapFill: 0 },
    { cleanEndOffset: 4, keys: 3, bytesRead: sizes(log, 2), mapFill: 0 },
  )
  const group = pass.nextGroup()!
  assert.deepEqual(group.bases, [0, 2])
  assert.deepEqual(
    [group.recordsRead, group.recordsKept, group.recordsWithoutKey, group.batchesRead, group.batchesKept],
    [4, 3, 0, 2, 2],
  )
  assert.equal(group.bytesRead, sizes(log, 2))
  assert.equal(pass.nextGroup(), undefined)
  pass.close()
  assert.throws(() => pass.nextGroup(), { code: 'MILLRACE_CLOSED' })

  const before = await log.readBatch(0, 4)
  assert.equal(await log.replaceSegments(group.bases), StatusCode.ok)
  assert.deepEqual(
    log.segments(9, false).map(({ baseOffset }) => baseOffset),
    [0, 4],
  )
  assert.equal(log.segments(1, false)[0]!.sizeBytes, group.bytesWritten)
  assert.deepEqual(await contentOf(log), ['1 b=2', '2 a=3', '3 c=null', '4 a=4'])
  assert.ok((await log.readBatch(0, 4)).length < before.length)
  assert.deepEqual(
    readdirSync(directory).filter(name => /cleaned|swap/.test(name)),
    [],
  )
  // Once more: there is no cleaned segment.
  assert.equal(await log.replaceSegments(group.bases), StatusCode.wouldBlock)
  await log.close(true)
  const { log: again } = await storage.openLog(directory, logSettings, OpenTrust.clean, 5, 0)
  assert.deepEqual(await contentOf(again), ['1 b=2', '2 a=3', '3 c=null', '4 a=4'])
  assert.equal(await log.replaceSegments(group.bases), StatusCode.closed)
})

const sizes = (log: StoredLog, count: number): number =>
  log.segments(count, false).reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)

test('a pass hands compressed records to its codecs, and what they throw ends it', bounded, async t => {
  const { log } = await openKeyed(t, gzipped)
  const failing = new CleaningPass(taskFor(log), { ...gzip, fold: () => { throw new RangeError('no') } }, goOn()) // biome-ignore format: short
  failing.buildMap()
  assert.throws(() => failing.nextGroup(), RangeError)
  failing.close()
  const wrong = new CleaningPass(taskFor(log), { ...gzip, unfold: () => 'text' as never }, goOn())
  assert.throws(() => wrong.buildMap(), { code: 'MILLRACE_INVALID_ARGUMENT' })
  wrong.close()

  const pass = new CleaningPass(taskFor(log), gzip, goOn())
  pass.buildMap()
  const { bases } = pass.nextGroup()!
  pass.close()
  assert.equal(await log.replaceSegments(bases), StatusCode.ok)
  assert.deepEqual(await contentOf(log, gunzipSync), ['1 b=2', '2 a=3', '3 c=null', '4 a=4'])
})

test('a pass that is told to stop, or meets damage, says so', bounded, async t => {
  const { log, directory } = await openKeyed(t)
  const stop = goOn()
  const stopped = new CleaningPass(taskFor(log), noCodecs, stop)
  Atomics.store(stop, 0, 1)
  assert.throws(() => stopped.buildMap(), { code: 'MILLRACE_STOPPED' })
  stopped.close()

  const path = join(directory, '00000000000000000002.log')
  const bytes = readFileSync(path)
  bytes[70]! ^= 1
  writeFileSync(path, bytes)
  const damaged = new CleaningPass(taskFor(log), noCodecs, goOn())
  assert.throws(
    () => damaged.buildMap(),
    (error: unknown) =>
      error instanceof CleaningError &&
      error.code === 'MILLRACE_CORRUPT' &&
      error.segment === 2 &&
      error.position === 0 &&
      /Segment 2, position 0/.test(error.message),
  )
  damaged.close()
})

test('a pass runs on a worker thread', bounded, async t => {
  const { log } = await openKeyed(t)
  const code = `
    const { parentPort, workerData } = require('node:worker_threads')
    const main = async () => {
      const { register } = await import('tsx/esm/api')
      register()
      const { CleaningPass } = await import(workerData.module)
      const pass = new CleaningPass(workerData.task, {}, workerData.stop)
      pass.buildMap()
      const { bases } = pass.nextGroup()
      pass.close()
      parentPort.postMessage(bases)
    }
    main()`
  const module = new URL('../../../src/native/cleaner.ts', import.meta.url).href
  const worker = new Worker(code, { eval: true, workerData: { module, task: taskFor(log), stop: goOn() } })
  const [bases] = await once(worker, 'message')
  await worker.terminate()
  assert.equal(await log.replaceSegments(bases), StatusCode.ok)
  assert.deepEqual(await contentOf(log), ['1 b=2', '2 a=3', '3 c=null', '4 a=4'])
})
