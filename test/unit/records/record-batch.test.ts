import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { batchEnd, buildBatch, type RecordInput, readRecords } from '../../../src/records/record-batch.ts'
import { readVarint, readVarlong, writeVarint, writeVarlong } from '../../../src/records/varint.ts'

const bytes = fc.uint8Array({ maxLength: 200 })
const nullable = fc.option(bytes, { nil: null })
const timestamp = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER })
const header = fc.record(
  { key: fc.string({ unit: 'grapheme', maxLength: 20 }), value: nullable },
  { noNullPrototype: true },
)
const record: fc.Arbitrary<RecordInput> = fc.record({
  key: nullable,
  value: nullable,
  timestampMs: timestamp,
  headers: fc.array(header, { maxLength: 4 }),
})

test('what is built is read back: nulls, headers, timestamps that go back', () => {
  fc.assert(
    fc.property(fc.array(record, { minLength: 1, maxLength: 20 }), timestamp, (records, timestampMs) => {
      const batch = buildBatch({ records, timestampMs })
      assert.equal(batchEnd(batch, 0), batch.length)
      assert.deepEqual(
        readRecords(batch, 0).map(({ key, value, headers, timestampMs: at }) => ({
          key,
          value,
          headers,
          timestampMs: at,
        })),
        records.map(({ key, value, headers, timestampMs: at }) => ({ key, value, headers, timestampMs: at })),
      )
    }),
  )
})

test('a header key that begins with a byte order mark keeps it', () => {
  const headers = [{ key: '\ufeffkey', value: null }]
  const batch = buildBatch({ timestampMs: 0, records: [{ key: null, value: null, headers }] })
  assert.deepEqual(readRecords(batch, 0)[0]!.headers, headers)
})

test('batches one behind the other, and not at the start of their memory, are read where they are', () => {
  const one = buildBatch({ timestampMs: 5, records: [{ key: null, value: new Uint8Array([1]) }] })
  const two = buildBatch({ timestampMs: 6, records: [{ key: null, value: new Uint8Array([2]) }] })
  const memory = Buffer.concat([new Uint8Array(7), one, two, one.subarray(0, 30)])
  const view = memory.subarray(7)
  const next = batchEnd(view, 0)!
  assert.equal(readRecords(view, next)[0]!.value![0], 2)
  assert.equal(batchEnd(view, batchEnd(view, next)!), undefined)
})

test('malformed records are a RangeError and nothing else', () => {
  const random = fc.tuple(
    fc.array(record, { minLength: 1, maxLength: 5 }),
    fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 6 }),
  )
  fc.assert(
    fc.property(random, ([records, changes]) => {
      const batch = buildBatch({ records, timestampMs: 0 })
      // Behind the header: what stands in it was checked before.
      for (const [at, byte] of changes) batch[57 + (at % (batch.length - 57))] = byte
      try {
        readRecords(batch, 0)
      } catch (error) {
        assert.ok(error instanceof RangeError, String(error))
      }
    }),
  )
})

test('varints go both ways over their whole range', () => {
  const buffer = new Uint8Array(10)
  for (const value of [0, -1, 1, 63, 64, -64, -65, 0x7fffffff, -0x80000000]) {
    const end = writeVarint(buffer, 0, value)
    const cursor = { at: 0 }
    assert.deepEqual([readVarint(buffer, cursor), cursor.at], [value, end])
  }
  for (const value of [0, -1, 2 ** 31, -(2 ** 40), Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER]) {
    const end = writeVarlong(buffer, 0, value)
    const cursor = { at: 0 }
    assert.deepEqual([readVarlong(buffer, cursor), cursor.at], [value, end])
  }
  assert.throws(() => readVarint(new Uint8Array(6).fill(0xff), { at: 0 }), RangeError)
  assert.throws(() => readVarlong(new Uint8Array(11).fill(0xff), { at: 0 }), RangeError)
  assert.throws(() => readVarint(new Uint8Array([0x80]), { at: 0 }), RangeError)
})
