// Messages written out by hand from the protocol's description: both directions must agree with the bytes.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  decodeRequestHeader,
  decodeResponseHeader,
  ErrorCode,
  encodeRequestHeader,
  encodeResponseHeader,
  peekRequest,
  Reader,
  type ResponseInput,
  requestCodec,
  requestHeaderVersion,
  responseCodec,
  responseHeaderVersion,
  uuidFromBytes,
  Writer,
} from '../../../src/protocol/index.ts'
import { apiVersions } from '../../../src/protocol/schema/api-versions.ts'
import { fetch } from '../../../src/protocol/schema/fetch.ts'
import { initProducerId } from '../../../src/protocol/schema/init-producer-id.ts'
import { metadata } from '../../../src/protocol/schema/metadata.ts'
import { produce } from '../../../src/protocol/schema/produce.ts'

function fromHex(...parts: string[]): Buffer {
  return Buffer.from(parts.join('').replaceAll(' ', ''), 'hex')
}

function written(encode: (writer: Writer) => void): Buffer {
  const writer = new Writer()
  encode(writer)
  return Buffer.from(writer.written())
}

test('ApiVersions v0 request: header 1 and an empty body', () => {
  const bytes = fromHex('0012 0000 00000007', '0004 6b636174')
  const reader = new Reader(bytes)
  assert.deepEqual(peekRequest(reader), { apiKey: 18, apiVersion: 0, correlationId: 7 })
  assert.equal(requestHeaderVersion(apiVersions, 0), 1)
  const header = decodeRequestHeader(reader, 1)
  assert.deepEqual(header, { apiKey: 18, apiVersion: 0, correlationId: 7, clientId: 'kcat' })
  requestCodec(apiVersions, 0).decode(reader)
  reader.expectEnd()
  const again = written(writer => {
    encodeRequestHeader(writer, header, 1)
    requestCodec(apiVersions, 0).encode(writer, {})
  })
  assert.deepEqual(again, bytes)
})

test('ApiVersions v3 request: header 2 with a plain client id, compact strings, tagged fields', () => {
  const bytes = fromHex(
    '0012 0003 00000001', // key, version, correlation id
    '0007 72646b61666b61', // client id "rdkafka", two-byte length
    '00', // the header's tagged fields
    '0b 6c696272646b61666b61', // "librdkafka", length + 1
    '06 322e382e30', // "2.8.0"
    '00',
  )
  const reader = new Reader(bytes)
  assert.equal(requestHeaderVersion(apiVersions, 3), 2)
  const header = decodeRequestHeader(reader, 2)
  assert.equal(header.clientId, 'rdkafka')
  const request = requestCodec(apiVersions, 3).decode(reader)
  reader.expectEnd()
  assert.deepEqual(request, {
    clientSoftwareName: 'librdkafka',
    clientSoftwareVersion: '2.8.0',
    clusterId: null,
    nodeId: -1,
  })
  const again = written(writer => {
    encodeRequestHeader(writer, header, 2)
    requestCodec(apiVersions, 3).encode(writer, request)
  })
  assert.deepEqual(again, bytes)
})

test('ApiVersions responses carry header 0 in every version', () => {
  const v0 = fromHex('00000007', '0000', '00000002', '0000 0003 000d', '0012 0000 0005')
  const v3 = fromHex(
    '00000007', // correlation id and no tagged fields
    '0000', // no error
    '03 0000 0003 000d 00 0012 0000 0005 00', // two APIs, each with its tagged fields
    '00000000', // throttle time
    '02', // two tagged fields:
    '01 08 0000000000000009', // finalized features' epoch
    '02 14 02 0e 6b726166742e76657273696f6e 0001 0000 00', // "kraft.version", finalized at 1 to 0
  )
  const response = {
    errorCode: ErrorCode.NONE,
    apiKeys: [
      { apiKey: 0, minVersion: 3, maxVersion: 13 },
      { apiKey: 18, minVersion: 0, maxVersion: 5 },
    ],
  }
  assert.equal(responseHeaderVersion(apiVersions, 3), 0)
  const encode = (version: number, value: ResponseInput<typeof apiVersions>) =>
    written(writer => {
      encodeResponseHeader(writer, 7, responseHeaderVersion(apiVersions, version))
      responseCodec(apiVersions, version).encode(writer, value)
    })
  assert.deepEqual(encode(0, response), v0)
  const finalizedFeatures = [{ name: 'kraft.version', maxVersionLevel: 1, minVersionLevel: 0 }]
  assert.deepEqual(encode(3, { ...response, finalizedFeaturesEpoch: 9, finalizedFeatures }), v3)
})

test('Metadata v1 asks for all topics by null and for none by an empty list', () => {
  const codec = requestCodec(metadata, 1)
  assert.equal(codec.decode(new Reader(fromHex('ffffffff'))).topics, null)
  assert.deepEqual(codec.decode(new Reader(fromHex('00000000'))).topics, [])
  assert.deepEqual(
    written(writer => codec.encode(writer, { topics: null })),
    fromHex('ffffffff'),
  )
  assert.equal(codec.decode(new Reader(fromHex('ffffffff'))).allowAutoTopicCreation, true)
})

test('Produce v9 request: records are a place in the frame', () => {
  const bytes = fromHex(
    '00', // no transactional id
    'ffff 00007530', // acks all, 30 s
    '02 07 6f7264657273', // one topic, "orders"
    '02 00000003', // one partition, number 3
    '05 cafebabe 00 00 00', // four bytes of records; tagged fields of partition, topic, request
  )
  const request = requestCodec(produce, 9).decode(new Reader(bytes))
  assert.deepEqual(request, {
    transactionalId: null,
    acks: -1,
    timeoutMs: 30_000,
    topicData: [
      {
        name: 'orders',
        topicId: 'AAAAAAAAAAAAAAAAAAAAAA',
        partitionData: [{ index: 3, records: { position: 21, length: 4 } }],
      },
    ],
  })
  const partitionData = [{ index: 3, records: fromHex('cafebabe') }]
  const again = written(writer =>
    requestCodec(produce, 9).encode(writer, { ...request, topicData: [{ name: 'orders', partitionData }] }),
  )
  assert.deepEqual(again, bytes)
})

test('Fetch v13 request: topic ids, and the defaults of what is not sent', () => {
  const id = fromHex('00112233445566778899aabbccddeeff')
  const bytes = fromHex(
    'ffffffff 000001f4 00000001 03200000 01', // replica id, wait, minimum, maximum, read committed
    '00000000 ffffffff', // session id and epoch
    '02', // one topic
    id.toString('hex'),
    '02 00000000 00000005 0000000000000064 ffffffff ffffffffffffffff 00100000 00', // one partition
    '00', // the topic's tagged fields
    '01', // nothing forgotten
    '01', // rack ""
    '00',
  )
  const reader = new Reader(bytes)
  const request = requestCodec(fetch, 13).decode(reader)
  reader.expectEnd()
  assert.equal(request.topics[0]?.topicId, uuidFromBytes(id))
  assert.equal(request.topics[0]?.topic, '')
  assert.deepEqual(request.topics[0]?.partitions, [
    {
      partition: 0,
      currentLeaderEpoch: 5,
      fetchOffset: 100,
      lastFetchedEpoch: -1,
      logStartOffset: -1,
      partitionMaxBytes: 1_048_576,
      replicaDirectoryId: 'AAAAAAAAAAAAAAAAAAAAAA',
      highWatermark: 9_223_372_036_854_775_807n,
    },
  ])
  assert.deepEqual(request.replicaState, { replicaId: -1, replicaEpoch: -1 })
  assert.deepEqual(
    written(writer => requestCodec(fetch, 13).encode(writer, request)),
    bytes,
  )
})

test('InitProducerId v2 response: header 1, and an id that no number holds', () => {
  const bytes = fromHex('00000005 00', '00000000 0000', '7ffffffffffffffe 0007 00')
  const reader = new Reader(bytes)
  assert.equal(responseHeaderVersion(initProducerId, 2), 1)
  assert.equal(decodeResponseHeader(reader, 1), 5)
  const response = responseCodec(initProducerId, 2).decode(reader)
  reader.expectEnd()
  assert.equal(response.producerId, 9_223_372_036_854_775_806n)
  const again = written(writer => {
    encodeResponseHeader(writer, 5, 1)
    responseCodec(initProducerId, 2).encode(writer, response)
  })
  assert.deepEqual(again, bytes)
})
