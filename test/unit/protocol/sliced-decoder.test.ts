import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decodeRequestInSlices, Reader, requestCodec, Writer } from '../../../src/protocol/index.ts'
import { fetch } from '../../../src/protocol/schema/fetch.ts'
import { metadata } from '../../../src/protocol/schema/metadata.ts'

/** Decodes to the end; how many slices it took comes with the request. */
function decode(reader: Reader, version: number): { request: unknown; slices: number } {
  const steps = decodeRequestInSlices(fetch, version, reader)
  for (let slices = 1; ; slices++) {
    const { done, value } = steps.next()
    if (done === true) return { request: value, slices }
  }
}

const partition = { partition: 1, fetchOffset: 2, partitionMaxBytes: 3 }
function fetchBytes(topics: number, partitions: number, name = 't'): Uint8Array {
  const writer = new Writer()
  requestCodec(fetch, 12).encode(writer, {
    maxWaitMs: 0,
    minBytes: 0,
    maxBytes: 0,
    forgottenTopicsData: [],
    topics: Array.from({ length: topics }, () => ({ topic: name, partitions: new Array(partitions).fill(partition) })),
  })
  return writer.written()
}

test('a request decoded in slices is the request decoded at once, and says how many elements it has', () => {
  const bytes = fetchBytes(7, 100)
  for (const sliceElements of [1, 10, 99, 100_000]) {
    const reader = new Reader(bytes)
    reader.sliceElements = sliceElements
    const { request, slices } = decode(reader, 12)
    assert.deepEqual(request, requestCodec(fetch, 12).decode(new Reader(bytes)))
    assert.equal(reader.elements, 707)
    assert.equal(reader.remaining, 0)
    assert.equal(slices, 1 + Math.floor(707 / (sliceElements + 1)))
  }
})

test('a slice ends with its text, too', () => {
  const bytes = fetchBytes(20, 1, 'x'.repeat(1_000))
  const reader = new Reader(bytes)
  reader.sliceElements = 1_000_000
  reader.textLeft = reader.maxTextBytes = 5_000
  const { request, slices } = decode(reader, 12)
  assert.deepEqual(request, requestCodec(fetch, 12).decode(new Reader(bytes)))
  assert.ok(slices >= 4, `${slices} slices`)
})

test('text beyond its limit ends a decoder that knows no slices', () => {
  const bytes = fetchBytes(20, 1, 'x'.repeat(1_000))
  const reader = new Reader()
  reader.maxTextBytes = 19_999
  assert.throws(() => requestCodec(fetch, 12).decode(reader.reset(bytes)), { reason: 'decode-limit' })
  reader.maxTextBytes = 20_000
  assert.doesNotThrow(() => requestCodec(fetch, 12).decode(reader.reset(bytes)))
})

test('elements beyond their limit end the slices', () => {
  const reader = new Reader(fetchBytes(7, 100))
  reader.sliceElements = 10
  reader.maxElements = 706
  assert.throws(() => decode(reader, 12), { reason: 'decode-limit' })
})

test('a version that does not exist is refused', () => {
  assert.throws(() => decodeRequestInSlices(fetch, 99, new Reader()), { reason: 'unsupported-version' })
})

test('tagged fields are counted over the whole message', () => {
  // Topics with a name and 9,000 empty tagged fields each: one passes, two are more than any message has.
  const tags = Buffer.concat([Buffer.from('a846', 'hex'), Buffer.alloc(18_000)])
  const topic = Buffer.concat([Buffer.alloc(16), Buffer.from([2, 0x74]), tags])
  const message = (topics: number) =>
    Buffer.concat([Buffer.from([topics + 1]), ...new Array(topics).fill(topic), Buffer.from([0, 0, 0])])
  assert.equal(requestCodec(metadata, 12).decode(new Reader(message(1))).topics?.length, 1)
  assert.throws(() => requestCodec(metadata, 12).decode(new Reader(message(2))), { reason: 'too-many-elements' })
})
