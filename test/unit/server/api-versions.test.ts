import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ErrorCode } from '../../../src/protocol/index.ts'
import { apiVersions } from '../../../src/protocol/schema/api-versions.ts'
import { testBroker } from '../../support/test-broker.ts'
import { requestFrame } from '../../support/test-client.ts'

const client3 = { clientSoftwareName: 'a-client', clientSoftwareVersion: '1.0' }

for (let version = 0; version <= 5; version++)
  test(`ApiVersions v${version} lists what is served, by key`, async t => {
    const broker = await testBroker(t)
    const client = broker.connect()
    const answer = await client.call(apiVersions, version, version >= 3 ? client3 : {})
    assert.equal(answer.errorCode, ErrorCode.NONE)
    assert.deepEqual(
      answer.apiKeys.map(({ apiKey, minVersion, maxVersion }) => [apiKey, minVersion, maxVersion]),
      [
        [0, 0, 13],
        [1, 4, 18],
        [2, 1, 11],
        [3, 0, 13],
        [18, 0, 5],
        [19, 2, 7],
        [20, 1, 6],
        [22, 0, 5],
      ],
    )
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
