import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  messageCodec,
  ProtocolError,
  type ProtocolErrorReason,
  Reader,
  requestCodec,
  responseCodec,
  Writer,
} from '../../../src/protocol/index.ts'
import type { MessageSchema } from '../../../src/protocol/notation.ts'
import { createTopics } from '../../../src/protocol/schema/create-topics.ts'
import { fetch } from '../../../src/protocol/schema/fetch.ts'
import { listOffsets } from '../../../src/protocol/schema/list-offsets.ts'
import { metadata } from '../../../src/protocol/schema/metadata.ts'
import { offsetFetch } from '../../../src/protocol/schema/offset-fetch.ts'
import { produce } from '../../../src/protocol/schema/produce.ts'
import { arbitraryMessage } from './arbitrary.ts'
import { allSchemas } from './schemas.ts'

const runs = Number(process.env.MILLRACE_PROPERTY_RUNS ?? 12)
const schemas = allSchemas.flatMap(schema => [
  [schema, schema.versions.min] as const,
  [schema, schema.versions.max] as const,
])

/** Decodes and returns the error, if there was one; any error but ProtocolError is thrown on. */
function decodeError(schema: MessageSchema, version: number, bytes: Uint8Array): ProtocolError | undefined {
  const reader = new Reader(bytes)
  try {
    messageCodec(schema, version).decode(reader)
    return undefined
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error
    assert.ok(error.position >= 0 && error.position <= bytes.length, `position ${error.position}`)
    return error
  }
}

function refuses(
  schema: MessageSchema,
  version: number,
  hex: string,
  reason: ProtocolErrorReason,
  field: string,
): void {
  const error = decodeError(schema, version, Buffer.from(hex.replaceAll(' ', ''), 'hex'))
  assert.deepEqual({ reason: error?.reason, field: error?.field }, { reason, field })
}

test('random bytes decode or are refused, in every message', () => {
  for (const [schema, version] of schemas) {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), bytes => {
        decodeError(schema, version, bytes)
      }),
      { numRuns: runs },
    )
  }
})

test('valid bytes with some changed decode or are refused', () => {
  const writer = new Writer()
  const change = fc.tuple(fc.nat(), fc.oneof(fc.constantFrom(0, 0x7f, 0x80, 0xff), fc.nat(0xff)))
  for (const [schema, version] of schemas) {
    const property = fc.property(
      arbitraryMessage(schema, version),
      fc.array(change, { maxLength: 4 }),
      (value, changes) => {
        writer.reset()
        messageCodec(schema, version).encode(writer, value)
        const bytes = writer.written().slice()
        for (const [at, byte] of changes) if (bytes.length > 0) bytes[at % bytes.length] = byte
        decodeError(schema, version, bytes)
      },
    )
    fc.assert(property, { numRuns: runs })
  }
})

test('a message cut short at any byte is refused', () => {
  const writer = new Writer()
  for (const [schema, version] of schemas) {
    const property = fc.property(arbitraryMessage(schema, version), value => {
      writer.reset()
      messageCodec(schema, version).encode(writer, value)
      const bytes = writer.written().slice()
      const step = Math.max(1, bytes.length >> 5)
      for (let length = 0; length < bytes.length; length += step) {
        // A slice of a longer array: what lies behind the end must not be read either.
        assert.ok(decodeError(schema, version, bytes.subarray(0, length)) !== undefined, `${schema.name} at ${length}`)
      }
    })
    fc.assert(property, { numRuns: 3 })
  }
})

test('a count that the remaining bytes cannot hold is refused before anything is allocated', () => {
  // Metadata v1: topics, then 2^31 - 1 of them in no bytes.
  refuses(metadata.request, 1, '7fffffff', 'too-many-elements', 'topics')
  refuses(metadata.request, 1, '00000002 0000', 'too-many-elements', 'topics')
  refuses(metadata.request, 12, 'ffffffff0f', 'too-many-elements', 'topics')
})

test('a message has a budget of elements over all its arrays', () => {
  const topics = Array.from({ length: 10 }, () => ({ name: 't', partitions: [{ partitionIndex: 0, timestamp: -1 }] }))
  const writer = new Writer()
  requestCodec(listOffsets, 1).encode(writer, { replicaId: -1, topics })
  const reader = new Reader(writer.written())
  reader.maxElements = 19
  assert.throws(() => requestCodec(listOffsets, 1).decode(reader), { reason: 'decode-limit' })
  reader.reset(writer.written())
  reader.maxElements = 20
  assert.equal(requestCodec(listOffsets, 1).decode(reader).topics.length, 10)
})

test('each kind of malformed field is refused by its reason and name', () => {
  refuses(metadata.request, 0, 'ffffffff', 'null-not-allowed', 'topics')
  refuses(metadata.request, 1, 'fffffffe', 'invalid-length', 'topics')
  refuses(metadata.request, 1, '00000001 ffff', 'null-not-allowed', 'topics.name')
  refuses(metadata.request, 1, '00000001 fffe', 'invalid-length', 'topics.name')
  refuses(metadata.request, 1, '00000001 0005 6162', 'truncated', 'topics.name')
  refuses(metadata.request, 1, '00000001 0002 c328', 'invalid-utf8', 'topics.name')
  refuses(metadata.request, 12, '80808080 80', 'invalid-varint', 'topics')
  refuses(metadata.request, 12, 'ffffffff 10', 'invalid-varint', 'topics')
  refuses(metadata.request, 12, '8080', 'truncated', 'topics')
  // Produce v3: no transactional id, acks 1, 1000 ms, one topic "t" with one partition whose records are too long.
  const produceStart = 'ffff 0001 000003e8 00000001 0001 74 00000001 00000000'
  refuses(produce.request, 3, `${produceStart} 00000002 00`, 'truncated', 'topicData.partitionData.records')
  refuses(produce.request, 3, `${produceStart} 7fffffff 00`, 'truncated', 'topicData.partitionData.records')
})

test('an offset that no number holds exactly is refused, never rounded', () => {
  const committed = (offset: string) => `00000001 0001 74 00000001 00000000 ${offset} ffff 0000`
  const path = 'topics.partitions.committedOffset'
  for (const hex of ['0020000000000000', '0020000000000001', '7fffffffffffffff', 'ffe0000000000000']) {
    refuses(offsetFetch.response, 1, committed(hex), 'int64-range', path)
  }
  for (const [hex, value] of [
    ['001fffffffffffff', Number.MAX_SAFE_INTEGER],
    ['ffe0000000000001', Number.MIN_SAFE_INTEGER],
    ['fffffffffffffffe', -2],
    ['00000000ffffffff', 0xffff_ffff],
  ] as const) {
    const reader = new Reader(Buffer.from(committed(hex).replaceAll(' ', ''), 'hex'))
    assert.equal(responseCodec(offsetFetch, 1).decode(reader).topics[0]?.partitions[0]?.committedOffset, value)
  }
})

test('a timestamp to look for may lie beyond all bounds: Long.MAX_VALUE finds no record, and closes no connection', () => {
  for (const [hex, value] of [
    ['7fffffffffffffff', Number.MAX_SAFE_INTEGER],
    ['8000000000000000', Number.MIN_SAFE_INTEGER],
    ['0020000000000000', Number.MAX_SAFE_INTEGER],
    ['fffffffffffffffe', -2],
  ] as const) {
    const bytes = Buffer.from(`ffffffff000000010001740000000100000000${hex}`, 'hex')
    const request = requestCodec(listOffsets, 1).decode(new Reader(bytes))
    assert.equal(request.topics[0]?.partitions[0]?.timestamp, value)
  }
})

test('tagged fields: unknown ones are skipped, lying sizes and endless lists are refused', () => {
  // Fetch v12 from its topics on: none, none forgotten, rack "", then the tagged fields of the request.
  const start = 'ffffffff 00000064 00000001 00100000 00 00000000 ffffffff 01 01 01'
  const decode = (tags: string) =>
    requestCodec(fetch, 12).decode(new Reader(Buffer.from((start + tags).replaceAll(' ', ''), 'hex')))
  assert.equal(decode('00').clusterId, null)
  assert.equal(decode('02 00 03 03 6162 63 01 ff').clusterId, 'ab')
  assert.equal(decode('01 8001 03 010203').clusterId, null)
  refuses(fetch.request, 12, `${start} 01 00 04 03 6162 00`, 'invalid-length', 'clusterId')
  refuses(fetch.request, 12, `${start} 01 00 02 03 6162`, 'truncated', 'clusterId')
  refuses(fetch.request, 12, `${start} 01 63 05 0000`, 'truncated', '')
  refuses(fetch.request, 12, `${start} ffffffff0f 0000`, 'too-many-elements', '')
})

test('a string longer than Kafka allows is refused', () => {
  const name = Buffer.alloc(0x8000, 'a')
  const bytes = Buffer.concat([Buffer.from('02818002', 'hex'), name, Buffer.alloc(64)])
  assert.equal(decodeError(createTopics.request, 7, bytes)?.reason, 'invalid-length')
})

test('bytes behind a message are left to the caller, who can refuse them', () => {
  const reader = new Reader(Buffer.from('00000000ff', 'hex'))
  assert.deepEqual(requestCodec(metadata, 1).decode(reader).topics, [])
  assert.equal(reader.remaining, 1)
  assert.throws(() => reader.expectEnd(), { name: 'ProtocolError', reason: 'trailing-bytes', position: 4 })
})
