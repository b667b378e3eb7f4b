import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import fc from 'fast-check'
import { emptyHeader, readHeader } from '../../../src/log-tool/batch.ts'
import { checkRecords, RecordWalk } from '../../../src/log-tool/record-walk.ts'
import { batchHeaderBytes } from '../../../src/records/batch-header.ts'
import { type BatchInput, buildBatch, readRecords } from '../../../src/records/record-batch.ts'
import { resealed } from '../../support/compressed-batch.ts'
import { runLog, writeSegment } from './support.ts'

const utf8 = new TextEncoder()
const startMs = 1_700_000_000_000

interface Given {
  readonly baseOffset: number
  readonly epoch?: number
  readonly bytes: Uint8Array
}

const batchOf = (input: Partial<BatchInput> = {}, count = 2): Uint8Array =>
  buildBatch({
    timestampMs: startMs,
    records: Array.from({ length: count }, (_, i) => ({ key: utf8.encode('k'), value: utf8.encode(`v${i}`) })),
    ...input,
  })

const changed = (bytes: Uint8Array, change: (view: DataView) => void): Uint8Array => {
  change(new DataView(bytes.buffer, bytes.byteOffset))
  return resealed(bytes)
}

/** A partition of these batches; what `verify` finds in it, and the directory. */
async function verified(t: TestContext, batches: readonly Given[], epochs = '0\n1\n0 0\n') {
  const root = mkdtempSync(join(tmpdir(), 'millrace-findings-'))
  t.after(() => rmSync(root, { recursive: true, force: true }))
  const directory = join(root, 'topic-0')
  mkdirSync(directory)
  writeSegment(directory, batches[0]!.baseOffset, batches)
  writeFileSync(join(directory, 'leader-epoch-checkpoint'), epochs)
  const ran = await runLog(['verify', directory, '--json'])
  return {
    directory,
    found: ran.of('finding').map(({ code, severity, message }) => ({ code, severity, message })),
    ran,
  }
}

const idempotent = (baseSequence: number, producerEpoch = 0): Partial<BatchInput> => ({
  producerId: 5n,
  producerEpoch,
  baseSequence,
})

for (const { name, batches, expected } of [
  {
    name: 'a sequence that does not follow',
    batches: [
      { baseOffset: 0, bytes: batchOf(idempotent(0)) },
      { baseOffset: 2, bytes: batchOf(idempotent(5)) },
    ],
    expected: /data producer-sequence .*goes on with sequence 5, and 2 would follow/,
  },
  {
    name: 'an older epoch of a producer behind a newer one',
    batches: [
      { baseOffset: 0, bytes: batchOf(idempotent(0, 3)) },
      { baseOffset: 2, bytes: batchOf(idempotent(2, 2)) },
    ],
    expected: /data producer-sequence .*goes back from epoch 3 to 2/,
  },
  {
    name: 'offsets that nobody has',
    batches: [
      { baseOffset: 0, bytes: batchOf() },
      { baseOffset: 7, bytes: batchOf() },
    ],
    expected: /data offset-gap offsets 2 to 6 are missing/,
  },
  {
    name: 'a largest timestamp that is not',
    batches: [{ baseOffset: 0, bytes: changed(batchOf(), view => view.setBigInt64(35, BigInt(startMs + 9))) }],
    expected: /harmless batch-timestamp/,
  },
  {
    name: 'a codec that is none',
    batches: [{ baseOffset: 0, bytes: changed(batchOf(), view => view.setInt16(21, 6)) }],
    expected: /data batch-header .*codec 6 is unknown/,
  },
  {
    name: 'bytes that no codec unfolds',
    batches: [{ baseOffset: 0, bytes: changed(batchOf(), view => view.setInt16(21, 4)) }],
    expected: /data batch-records .*cannot be unfolded/,
  },
  {
    name: 'records that are not as many as the header counts',
    batches: [
      {
        baseOffset: 0,
        bytes: changed(batchOf({}, 3), view => view.setInt32(57, 2)),
      },
    ],
    expected: /data batch-records .*bytes lie behind the last of its 2 records/,
  },
  {
    name: 'a transaction marker without a type',
    batches: [{ baseOffset: 0, bytes: batchOf({ attributes: 0x30, producerId: 5n, producerEpoch: 0 }, 1) }],
    expected: /data control-batch .*without a control type/,
  },
])
  test(`verify finds ${name}`, async t => {
    const { found, ran } = await verified(t, batches)
    assert.equal(ran.code, 1)
    assert.equal(found.length, 1, ran.out)
    const [{ code, severity, message }] = found as [(typeof found)[0]]
    assert.match(`${severity} ${code} ${message}`, expected)
  })

test('a producer may begin anywhere, begin anew with an epoch, wrap around, and go on after a day of silence', async t => {
  const day = 86_400_000
  const late = (input: Partial<BatchInput>) => batchOf({ ...input, timestampMs: startMs + day })
  const { found } = await verified(t, [
    { baseOffset: 0, bytes: batchOf(idempotent(41)) },
    { baseOffset: 2, bytes: batchOf(idempotent(0, 1)) },
    { baseOffset: 4, bytes: batchOf({ producerId: 6n, producerEpoch: 0, baseSequence: 0x7ffffffe }) },
    { baseOffset: 6, bytes: batchOf({ producerId: 6n, producerEpoch: 0, baseSequence: 0 }) },
    { baseOffset: 8, bytes: late(idempotent(77, 1)) },
  ])
  assert.deepEqual(found, [])
})

test('a time index without its last entry is found and made again', async t => {
  const batches = Array.from({ length: 4 }, (_, i) => ({
    baseOffset: i * 2,
    bytes: batchOf({ timestampMs: startMs + i }),
  }))
  const { directory } = await verified(t, batches)
  writeSegment(directory, 8, [{ baseOffset: 8, bytes: batchOf({ timestampMs: startMs + 9 }) }])
  const index = join(directory, '00000000000000000000.timeindex')
  writeFileSync(index, new Uint8Array())
  const ran = await runLog(['verify', directory, '--json'])
  assert.deepEqual(
    ran.of('finding').map(finding => finding.code),
    ['time-index'],
  )
  assert.equal((await runLog(['repair', directory])).code, 0)
})

test('the walk over records agrees with the reader of the broker, and never leaves its batch', () => {
  const bytes = fc.uint8Array({ maxLength: 40 })
  const record = fc.record({
    key: fc.option(bytes),
    value: fc.option(bytes),
    timestampMs: fc.integer({ min: 0, max: 2 ** 42 }),
    headers: fc.array(fc.record({ key: fc.string({ maxLength: 5 }), value: fc.option(bytes) }), { maxLength: 3 }),
  })
  fc.assert(
    fc.property(fc.array(record, { minLength: 1, maxLength: 6 }), fc.nat(), fc.nat(255), (records, at, byte) => {
      const batch = buildBatch({ records, timestampMs: startMs })
      const header = emptyHeader()
      const read = (whole: Uint8Array) => {
        readHeader(new DataView(whole.buffer, whole.byteOffset), 0, header)
        return checkRecords(header, whole, batchHeaderBytes, whole.length, facts)
      }
      const facts = { maxTimestamp: -1, holes: false }
      assert.equal(read(batch), undefined)
      assert.equal(facts.maxTimestamp, Math.max(...records.map(each => each.timestampMs)))
      const walk = new RecordWalk(batch, batchHeaderBytes)
      for (const view of readRecords(batch, 0)) {
        assert.equal(walk.next(), undefined)
        assert.equal(walk.offsetDelta, view.offset)
        assert.equal(header.baseTimestamp + walk.timestampDelta, view.timestampMs)
        const key = walk.keyLength < 0 ? null : batch.slice(walk.keyAt, walk.keyAt + walk.keyLength)
        assert.deepEqual(key, view.key === null ? null : view.key.slice())
        const names: string[] = []
        walk.headers(name => names.push(new TextDecoder('utf-8', { ignoreBOM: true }).decode(name)))
        assert.deepEqual(
          names,
          view.headers.map(each => each.key),
        )
      }
      const hostile = batch.slice()
      hostile[batchHeaderBytes + (at % (batch.length - batchHeaderBytes))] = byte
      const before = hostile.slice()
      read(hostile)
      assert.deepEqual(hostile, before)
    }),
    { numRuns: 300 },
  )
})
