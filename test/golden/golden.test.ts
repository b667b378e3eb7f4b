/**
 * What real clients and Apache Kafka said to each other decodes with our tables and encodes again to the same bytes.
 * The tables and the tests that are made from them could share a mistake; these bytes come from elsewhere.
 */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { allApis } from '../../src/protocol/all-apis.ts'
import {
  type Api,
  type Codec,
  decodeRequestHeader,
  decodeResponseHeader,
  encodeRequestHeader,
  encodeResponseHeader,
  peekRequest,
  Reader,
  type RecordsView,
  requestCodec,
  requestHeaderVersion,
  responseCodec,
  responseHeaderVersion,
  Writer,
} from '../../src/protocol/index.ts'
import type { Exchange, Fixture } from './fixture.ts'

const apis = new Map<number, Api>(allApis.map(api => [api.key, api]))
const fixturesDir = new URL('./fixtures/', import.meta.url)
const fixtures = readdirSync(fixturesDir).map(
  file => JSON.parse(readFileSync(new URL(file, fixturesDir), 'utf8')) as Fixture,
)

const isRecordsView = (value: object): value is RecordsView =>
  Object.keys(value).sort().join() === 'length,position' && !ArrayBuffer.isView(value)

/** A decoder says where records lie; an encoder takes the bytes themselves. */
const withRecordBytes = (value: unknown, frame: Buffer): unknown => {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return value
  if (Array.isArray(value)) return value.map(element => withRecordBytes(element, frame))
  if (isRecordsView(value)) return frame.subarray(value.position, value.position + value.length)
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, withRecordBytes(field, frame)]))
}

/** Decodes what follows the header in `frame` and appends it to `writer`, encoded again. */
const recode = (codec: Codec<unknown, never>, reader: Reader, frame: Buffer, writer: Writer): void => {
  codec.encode(writer, withRecordBytes(codec.decode(reader), frame) as never)
}

/**
 * librdkafka means null by one zero byte for the topics of a Metadata request, and leaves the three other bytes that it
 * kept for their number. Kafka reads the request as it then stands and ignores the bytes left over; so must we.
 */
const surplusBytesOf = (api: Api, frame: Buffer): number =>
  api.name === 'Metadata' && frame.includes('rdkafka') && frame.readInt16BE(2) === 13 && frame.length === 25 ? 3 : 0

const recodeRequest = (api: Api, frame: Buffer): Buffer => {
  const reader = new Reader(frame)
  const writer = new Writer()
  const { apiVersion } = peekRequest(reader)
  const headerVersion = requestHeaderVersion(api, apiVersion)
  encodeRequestHeader(writer, decodeRequestHeader(reader, headerVersion), headerVersion)
  recode(requestCodec(api, apiVersion) as Codec<unknown, never>, reader, frame, writer)
  assert.equal(reader.remaining, surplusBytesOf(api, frame), 'bytes left over')
  return Buffer.concat([writer.written(), frame.subarray(reader.position)])
}

const recodeResponse = (api: Api, version: number, frame: Buffer): Buffer => {
  const reader = new Reader(frame)
  const writer = new Writer()
  const headerVersion = responseHeaderVersion(api, version)
  encodeResponseHeader(writer, decodeResponseHeader(reader, headerVersion), headerVersion)
  recode(responseCodec(api, version) as Codec<unknown, never>, reader, frame, writer)
  reader.expectEnd()
  return Buffer.from(writer.written())
}

const apiOf = (exchange: Exchange): Api => {
  const api = apis.get(exchange.api)
  assert.ok(api !== undefined, `API ${exchange.api} has no table`)
  return api
}

for (const { client, version, broker, exchanges } of fixtures) {
  test(`${client} ${version} and ${broker} are read and written byte for byte`, async t => {
    for (const [i, exchange] of exchanges.entries()) {
      const api = apiOf(exchange)
      await t.test(`exchange ${i}: ${api.name} v${exchange.version}`, () => {
        const request = Buffer.from(exchange.request, 'hex')
        assert.equal(recodeRequest(api, request).toString('hex'), exchange.request)
        if (exchange.response === null) return
        const response = Buffer.from(exchange.response, 'hex')
        assert.equal(recodeResponse(api, exchange.version, response).toString('hex'), exchange.response)
      })
    }
  })
}

test('the fixtures hold every API that the first clients need, from several clients', () => {
  const needed = ['Produce', 'Fetch', 'ListOffsets', 'Metadata', 'ApiVersions', 'CreateTopics', 'DeleteTopics']
  for (const name of [...needed, 'InitProducerId']) {
    const clients = fixtures.filter(({ exchanges }) => exchanges.some(exchange => apiOf(exchange).name === name))
    assert.ok(clients.length >= 3, `${name} is in the fixtures of ${clients.length} clients`)
  }
})
