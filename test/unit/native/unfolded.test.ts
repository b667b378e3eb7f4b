// Compressed batches as clients make them, whole and mutated, against the native check of what they unfold to.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import fc from 'fast-check'
import { OpenTrust, RecordFaultKind } from '../../../src/base/world.ts'
import { StatusCode } from '../../../src/native/status.ts'
import { batchHeaderBytes, Codec } from '../../../src/records/batch-header.ts'
import { decompress } from '../../../src/records/compression.ts'
import { buildBatch, type RecordInput, readRecords } from '../../../src/records/record-batch.ts'
import { codecs, compressed } from '../../support/compressed-batch.ts'
import { bounded, Client, logSettings, openEngine, startNetwork, temporaryDirectory } from './support.ts'

const now = 1_700_000_000_000
const scratchBytes = 1 << 20

/** A log, and the memory of a frame that is never given back: batches are laid there as if they had come. */
async function build(t: TestContext) {
  const { engine, storage } = openEngine(t)
  const { network, recorder, port } = startNetwork(t, engine)
  const { log } = await storage.openLog(join(temporaryDirectory(t), 'lines-0'), logSettings, OpenTrust.clean, 0, 0)
  const client = await Client.connect(t, port)
  client.send(new Uint8Array(scratchBytes))
  await recorder.signal.until(() => recorder.frames.length === 1)
  const { arena, position } = recorder.frames[0]!
  const memory = network.arenaBytes(arena).subarray(position, position + scratchBytes)
  const check = (batch: Uint8Array, records: Uint8Array): number => {
    memory.set(batch)
    return log.checkUnfolded(arena, position, batch.length, records, now)
  }
  const append = (batch: Uint8Array): number => {
    memory.set(batch)
    return log.appendFrame(arena, position, batch.length, 0, now, true)
  }
  return { log, memory, check, append }
}

const bytes = fc.option(fc.uint8Array({ maxLength: 300 }), { nil: null })
const record: fc.Arbitrary<RecordInput> = fc.record({
  key: bytes,
  value: bytes,
  timestampMs: fc.integer({ min: now - 100_000, max: now + 100_000 }),
  headers: fc.array(fc.record({ key: fc.string({ maxLength: 20 }), value: bytes }), { maxLength: 3 }),
})
const batch = fc
  .array(record, { minLength: 1, maxLength: 40 })
  .map(records => buildBatch({ timestampMs: now, records }))
const codec = fc.constantFrom(...codecs)
const sectionOf = (whole: Uint8Array) => whole.subarray(batchHeaderBytes)

/** What this process's own reader of batches says: another implementation than the native one. */
function soundRecords(whole: Uint8Array, records: Uint8Array): boolean {
  try {
    return readRecords(whole, 0, records).every(({ offset }, index) => offset === index)
  } catch (error) {
    if (error instanceof RangeError) return false
    throw error
  }
}

test('every batch that a client can make passes, by every codec, and can be appended', bounded, async t => {
  const { log, check, append } = await build(t)
  await fc.assert(
    fc.asyncProperty(batch, codec, async (whole, by) => {
      const folded = compressed(whole, by)
      const records = await decompress(by, sectionOf(folded))
      assert.deepEqual(Buffer.from(records), Buffer.from(sectionOf(whole)))
      assert.equal(check(folded, records), StatusCode.ok)
      assert.equal(append(folded), StatusCode.ok)
      const [header] = log.readHeaders(log.lastAppend.baseOffset, log.logEndOffset(), 1)
      assert.equal(header!.maxTimestamp, Math.max(...readRecords(whole, 0).map(({ timestampMs }) => timestampMs)))
    }),
    { numRuns: 150 },
  )
})

type Change = { readonly at: number; readonly by: number; readonly kind: 'flip' | 'insert' | 'drop' | 'cut' }
const change: fc.Arbitrary<Change> = fc.record({
  at: fc.nat(),
  by: fc.integer({ min: 1, max: 255 }),
  kind: fc.constantFrom('flip', 'insert', 'drop', 'cut'),
})
function changed(original: Uint8Array, { at, by, kind }: Change): Uint8Array {
  const place = at % Math.max(original.length, 1)
  const [before, after] = [original.subarray(0, place), original.subarray(place + 1)]
  if (kind === 'cut') return before
  if (kind === 'drop') return Buffer.concat([before, after])
  if (kind === 'insert') return Buffer.concat([before, Buffer.of(by), original.subarray(place)])
  return Buffer.concat([before, Buffer.of((original[place] ?? 0) ^ by), after])
}

test('records that were changed are accepted only where another reader finds them sound', bounded, async t => {
  const { memory, check } = await build(t)
  fc.assert(
    fc.property(batch, codec, fc.array(change, { minLength: 1, maxLength: 3 }), (whole, by, changes) => {
      const records = changes.reduce(changed, sectionOf(whole))
      const folded = compressed(whole, by, Buffer.of(1, 2, 3))
      const status = check(folded, records)
      if (status === StatusCode.ok) assert.ok(soundRecords(folded, records))
      else assert.equal(status, StatusCode.batchInvalid)
      if (status !== StatusCode.ok) assert.deepEqual(memory.slice(0, folded.length), new Uint8Array(folded))
    }),
    { numRuns: 2_000 },
  )
})

test('compressed bytes that were changed are refused, or unfold to what is checked', bounded, async t => {
  const { check } = await build(t)
  await fc.assert(
    fc.asyncProperty(batch, codec, fc.array(change, { minLength: 1, maxLength: 3 }), async (whole, by, changes) => {
      const section = changes.reduce(changed, sectionOf(compressed(whole, by)))
      let records: Uint8Array
      try {
        records = await decompress(by, section)
      } catch (error) {
        assert.match((error as { code: string }).code, /^(CORRUPT_COMPRESSION|COMPRESSION_TOO_LARGE)$/)
        return
      }
      const folded = compressed(whole, by, section)
      if (check(folded, records) === StatusCode.ok) assert.ok(soundRecords(folded, records))
    }),
    { numRuns: 600 },
  )
})

test('every record at fault is told, with its timestamp', bounded, async t => {
  const { log, check } = await build(t)
  log.configure({ ...logSettings, requireKeys: true, timestampBeforeMaxMs: 1_000 })
  const records = [
    { key: new Uint8Array(), value: null },
    { key: null, value: null },
    { key: new Uint8Array(1), value: null, timestampMs: now - 1_001 },
    { key: null, value: null, timestampMs: now - 5_000 },
  ]
  const whole = buildBatch({ timestampMs: now, records })
  assert.equal(check(compressed(whole, Codec.gzip), sectionOf(whole)), StatusCode.batchTimestamp)
  assert.deepEqual(log.recordFaults(), [
    { index: 1, kind: RecordFaultKind.keyMissing, timestamp: now },
    { index: 2, kind: RecordFaultKind.timestampOutOfBounds, timestamp: now - 1_001 },
    { index: 3, kind: RecordFaultKind.keyMissing, timestamp: now - 5_000 },
  ])
})
