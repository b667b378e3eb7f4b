import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  decodeResponseHeader,
  ErrorCode,
  Reader,
  type ResponseOf,
  responseCodec,
  responseHeaderVersion,
} from '../../../src/protocol/index.ts'
import { apiVersions } from '../../../src/protocol/schema/api-versions.ts'
import { readFixture } from '../../golden/fixture.ts'
import { testBroker } from '../../support/test-broker.ts'
import { requestFrame } from '../../support/test-client.ts'

const client3 = { clientSoftwareName: 'a-client', clientSoftwareVersion: '1.0' }

/** What Kafka 4.4 advertises; telemetry only where it has a plugin that takes it. */
const kafkaRanges = new Map<number, readonly [number, number]>([...recordedRanges(), [71, [0, 0]], [72, [0, 0]]])

function recordedRanges(): [number, [number, number]][] {
  const asked = readFixture('kafka-clients-java').exchanges.find(({ api }) => api === apiVersions.key)
  const reader = new Reader(Buffer.from(asked!.response!, 'hex'))
  decodeResponseHeader(reader, responseHeaderVersion(apiVersions, asked!.version))
  const { apiKeys } = responseCodec(apiVersions, asked!.version).decode(reader) as ResponseOf<typeof apiVersions>
  return apiKeys.map(({ apiKey, minVersion, maxVersion }) => [apiKey, [minVersion, maxVersion]])
}

for (let version = 0; version <= 5; version++)
  test(`ApiVersions v${version} lists what is served, by key, in Kafka's ranges`, async t => {
    const broker = await testBroker(t)
    const client = broker.connect()
    const answer = await client.call(apiVersions, version, version >= 3 ? client3 : {})
    assert.equal(answer.errorCode, ErrorCode.NONE)
    const keys = answer.apiKeys.map(({ apiKey }) => apiKey)
    assert.deepEqual(
      keys,
      [...keys].sort((a, b) => a - b),
    )
    const needed = [0, 1, 2, 3, 18, 19, 20, 21, 22, 23, 29, 34, 35, 37, 43, 45, 46, 48, 50, 55, 57, 60, 61, 66, 75]
    for (const key of needed) assert.ok(keys.includes(key), `key ${key}`)
    for (const { apiKey, minVersion, maxVersion } of answer.apiKeys)
      assert.deepEqual([minVersion, maxVersion], kafkaRanges.get(apiKey), `key ${apiKey}`)
  })

for (const version of [3, 4, 5])
  test(`ApiVersions v${version} tells the release by its metadata version, KIP-848 groups and transactions v2`, async t => {
    const broker = await testBroker(t)
    const answer = await broker.connect().call(apiVersions, version, client3)
    const groups = { name: 'group.version', minVersion: 0, maxVersion: 1 }
    const release = { name: 'metadata.version', minVersion: 7, maxVersion: 33 }
    const transactions = { name: 'transaction.version', minVersion: 0, maxVersion: 2 }
    assert.deepEqual(answer.supportedFeatures, version >= 4 ? [release, transactions, groups] : [release])
    assert.deepEqual(answer.finalizedFeatures, [
      { name: 'group.version', minVersionLevel: 1, maxVersionLevel: 1 },
      { name: 'metadata.version', minVersionLevel: 29, maxVersionLevel: 29 },
      { name: 'transaction.version', minVersionLevel: 2, maxVersionLevel: 2 },
    ])
    assert.ok(answer.finalizedFeaturesEpoch > 0)
  })

test('a version from the future gets UNSUPPORTED_VERSION in the layout of v0, with its own range, in its place', async t => {
  const broker = await testBroker(t)
  const client = broker.connect()
  const before = client.encode(apiVersions, 0, {})
  const future = requestFrame(apiVersions, 3, 77, client3)
  new DataView(future.buffer, future.byteOffset).setInt16(2, 99)
  client.expect(apiVersions, 0, 77)
  const after = client.encode(apiVersions, 4, client3)
  client.deliver([before, future, after])
  assert.equal((await client.receive<typeof apiVersions>()).body.errorCode, ErrorCode.NONE)
  const refused = await client.receive<typeof apiVersions>()
  assert.equal(refused.body.errorCode, ErrorCode.UNSUPPORTED_VERSION)
  assert.deepEqual(refused.body.apiKeys, [{ apiKey: 18, minVersion: 0, maxVersion: 5 }])
  assert.equal((await client.receive<typeof apiVersions>()).body.errorCode, ErrorCode.NONE)
  assert.equal(client.closed, false)
})

for (const clientSoftwareName of ['', '-dash', 'dash-', 'white space', 'ümlaut'])
  test(`software name ${JSON.stringify(clientSoftwareName)} is an INVALID_REQUEST`, async t => {
    const broker = await testBroker(t)
    const client = broker.connect()
    const answer = await client.call(apiVersions, 3, { ...client3, clientSoftwareName })
    assert.equal(answer.errorCode, ErrorCode.INVALID_REQUEST)
    assert.deepEqual(answer.apiKeys, [])
  })

test('a client that reached another cluster or node than it meant is told to start over', async t => {
  const broker = await testBroker(t)
  const client = broker.connect()
  const strange = await client.call(apiVersions, 5, { ...client3, clusterId: 'another-cluster', nodeId: 1 })
  assert.equal(strange.errorCode, ErrorCode.REBOOTSTRAP_REQUIRED)
})
