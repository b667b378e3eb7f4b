import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  ErrorCode,
  ProtocolError,
  Reader,
  type ResponseInput,
  requestCodec,
  responseCodec,
  Writer,
  zeroUuid,
} from '../../../src/protocol/index.ts'
import { apiVersions } from '../../../src/protocol/schema/api-versions.ts'
import { fetch } from '../../../src/protocol/schema/fetch.ts'
import { heartbeat } from '../../../src/protocol/schema/heartbeat.ts'
import { metadata } from '../../../src/protocol/schema/metadata.ts'
import { produce } from '../../../src/protocol/schema/produce.ts'

type FetchResponse = ResponseInput<typeof fetch>
type Records = FetchResponse['responses'][number]['partitions'][number]['records']

function fetchResponse(...records: Records[]): FetchResponse {
  const partitions = records.map((partitionRecords, partitionIndex) => ({
    partitionIndex,
    errorCode: ErrorCode.NONE,
    highWatermark: 10,
    lastStableOffset: 10,
    logStartOffset: 0,
    abortedTransactions: null,
    records: partitionRecords,
  }))
  return { responses: [{ topic: 'orders', topicId: zeroUuid, partitions }] }
}

/** What goes onto the wire: the output with each region's bytes put in at its split. */
function onTheWire(writer: Writer, regions: ReadonlyMap<number, Uint8Array>): Buffer {
  const parts: Uint8Array[] = []
  let from = 0
  for (const split of writer.splits) {
    parts.push(writer.bytes.slice(from, split.position), regions.get(split.region)!)
    from = split.position
  }
  parts.push(writer.bytes.slice(from, writer.position))
  return Buffer.concat(parts)
}

for (const version of [4, 11, 12, 17]) {
  test(`fetch v${version}: file regions make the same frame as bytes, without passing through the writer`, () => {
    const first = Buffer.alloc(300, 1)
    const second = Buffer.alloc(100_000, 2)
    const copied = new Writer()
    copied.beginFrame()
    responseCodec(fetch, version).encode(copied, fetchResponse(first, null, second, new Uint8Array(0)))
    const copiedSize = copied.endFrame()

    const split = new Writer()
    split.beginFrame()
    const regions = fetchResponse(
      { region: 7, length: 300 },
      null,
      { region: 9, length: 100_000 },
      { region: 1, length: 0 },
    )
    responseCodec(fetch, version).encode(split, regions)
    assert.equal(split.endFrame(), copiedSize)
    assert.equal(split.position, copiedSize - 100_300)
    assert.deepEqual(
      split.splits.map(({ region, length }) => [region, length]),
      [
        [7, 300],
        [9, 100_000],
      ],
    )
    const wire = onTheWire(
      split,
      new Map([
        [7, first],
        [9, second],
      ]),
    )
    assert.deepEqual(wire, Buffer.from(copied.written()))
    assert.equal(wire.readInt32BE(0), wire.length - 4)
  })
}

test('the replies of a turn stand one behind the other, each with its own size', () => {
  const writer = new Writer(16)
  const codec = responseCodec(fetch, 12)
  const sizes = [50, 70_000, 3].map(length => {
    writer.beginFrame()
    codec.encode(writer, fetchResponse({ region: length, length }))
    return writer.endFrame()
  })
  const wire = onTheWire(writer, new Map([50, 70_000, 3].map(length => [length, Buffer.alloc(length)])))
  assert.equal(wire.length, sizes[0]! + sizes[1]! + sizes[2]!)
  const reader = new Reader(wire)
  let at = 0
  for (const [i, length] of [50, 70_000, 3].entries()) {
    const size = wire.readInt32BE(at)
    assert.equal(size, sizes[i]! - 4)
    const decoded = codec.decode(reader.reset(wire, at + 4, at + 4 + size))
    reader.expectEnd()
    assert.equal(decoded.responses[0]?.partitions[0]?.records?.length, length)
    at += 4 + size
  }
  writer.reset()
  assert.deepEqual([writer.position, writer.splits.length], [0, 0])
})

test('a frame whose encoding failed is taken back, with its regions, and the ones before it stay', () => {
  const writer = new Writer()
  const codec = responseCodec(fetch, 12)
  writer.beginFrame()
  codec.encode(writer, fetchResponse({ region: 1, length: 10 }))
  writer.endFrame()
  const before = Buffer.from(writer.written())
  writer.beginFrame()
  const bad = fetchResponse({ region: 2, length: 10 }, { region: 3, length: -1 })
  assert.throws(() => codec.encode(writer, bad), {
    reason: 'value-out-of-range',
    field: 'responses.partitions.records',
  })
  writer.abandonFrame()
  assert.deepEqual(Buffer.from(writer.written()), before)
  assert.deepEqual(writer.splits.length, 1)
  writer.beginFrame()
  assert.equal(writer.endFrame(), 4)
})

test('values that the wire cannot carry are refused by name', () => {
  const writer = new Writer()
  const refused = (encode: () => void, reason: string, field: string) => {
    assert.throws(encode, (error: unknown) => {
      assert.ok(error instanceof ProtocolError)
      assert.deepEqual([error.reason, error.field], [reason, field])
      return true
    })
  }
  const beat = { groupId: 'g', generationId: 1, memberId: 'm' }
  const encodeBeat = (value: unknown) => () => requestCodec(heartbeat, 0).encode(writer, value as typeof beat)
  refused(encodeBeat({ ...beat, generationId: 2 ** 31 }), 'value-out-of-range', 'generationId')
  refused(encodeBeat({ ...beat, generationId: 1.5 }), 'value-out-of-range', 'generationId')
  refused(encodeBeat({ ...beat, generationId: undefined }), 'value-out-of-range', 'generationId')
  refused(encodeBeat({ ...beat, memberId: null }), 'null-not-allowed', 'memberId')
  refused(encodeBeat({ ...beat, memberId: 'x'.repeat(0x8000) }), 'invalid-length', 'memberId')
  refused(encodeBeat({ ...beat, groupInstanceId: 'i' }), 'not-in-version', 'groupInstanceId')
  encodeBeat({ ...beat, groupInstanceId: null })()
  const offset = { responses: [{ name: 't', partitionResponses: [{ index: 0, errorCode: 0, baseOffset: 2 ** 53 }] }] }
  refused(
    () => responseCodec(produce, 3).encode(writer, offset as ResponseInput<typeof produce>),
    'value-out-of-range',
    'responses.partitionResponses.baseOffset',
  )
  const topics = [{ topicId: 'not a uuid' as typeof zeroUuid, name: null }]
  refused(() => requestCodec(metadata, 12).encode(writer, { topics }), 'value-out-of-range', 'topics.topicId')
})

test('a field that may be dropped is dropped where the version lacks it', () => {
  const writer = new Writer()
  responseCodec(apiVersions, 0).encode(writer, { errorCode: 0, apiKeys: [], throttleTimeMs: 5, zkMigrationReady: true })
  assert.deepEqual(Buffer.from(writer.written()).toString('hex'), '000000000000')
})

test('tagged fields of every size keep their place and length', () => {
  const codec = responseCodec(apiVersions, 3)
  for (const count of [1, 8, 9, 100, 1300, 20_000]) {
    const supportedFeatures = Array.from({ length: count }, (_, i) => ({
      name: `feature-${i}`,
      minVersion: 0,
      maxVersion: i % 100,
    }))
    const writer = new Writer(16)
    const value = { errorCode: ErrorCode.NONE, apiKeys: [], supportedFeatures, finalizedFeaturesEpoch: 77 }
    codec.encode(writer, value)
    const decoded = codec.decode(new Reader(writer.written()))
    assert.deepEqual(decoded.supportedFeatures, supportedFeatures)
    assert.equal(decoded.finalizedFeaturesEpoch, 77)
  }
})
