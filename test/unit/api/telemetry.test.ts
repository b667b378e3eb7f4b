import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ErrorCode, type Uuid, uuidFromBytes, zeroUuid } from '../../../src/protocol/index.ts'
import { apiVersions } from '../../../src/protocol/schema/api-versions.ts'
import { getTelemetrySubscriptions } from '../../../src/protocol/schema/get-telemetry-subscriptions.ts'
import { pushTelemetry } from '../../../src/protocol/schema/push-telemetry.ts'
import { resource, set } from '../../support/config-calls.ts'
import { testBroker } from '../../support/test-broker.ts'
import type { TestClient } from '../../support/test-client.ts'

const someId = uuidFromBytes(Buffer.alloc(16, 9), 0)
const zstd = 4

const subscribe = (client: TestClient, clientInstanceId: Uuid = someId) =>
  client.call(getTelemetrySubscriptions, 0, { clientInstanceId })

const push = async (
  client: TestClient,
  subscriptionId: number,
  more: { id?: Uuid; terminating?: boolean; compressionType?: number; bytes?: number } = {},
) => {
  const { id = someId, terminating = false, compressionType = zstd, bytes = 10 } = more
  const request = {
    clientInstanceId: id,
    subscriptionId,
    terminating,
    compressionType,
    metrics: new Uint8Array(bytes),
  }
  return (await client.call(pushTelemetry, 0, request)).errorCode
}

const subscription = (client: TestClient, name: string, configs: Record<string, string>) =>
  set(client, resource.metrics, name, configs)

test('a client that nobody wants metrics of gets an id, five minutes, and nothing to push', async t => {
  const client = (await testBroker(t)).connect()
  const answer = await subscribe(client, zeroUuid)
  assert.notEqual(answer.clientInstanceId, zeroUuid)
  assert.deepEqual(answer.requestedMetrics, [])
  assert.equal(answer.pushIntervalMs, 300_000)
  assert.equal(answer.telemetryMaxBytes, 1 << 20)
  assert.deepEqual(answer.acceptedCompressionTypes, [4, 3, 1, 2])
  assert.equal(answer.deltaTemporality, true)
})

test('subscriptions that match are added up, at the shortest interval; one of everything swallows the rest', async t => {
  const broker = await testBroker(t)
  const client = broker.connect()
  await client.call(apiVersions, 3, { clientSoftwareName: 'librdkafka', clientSoftwareVersion: '2.15.0' })
  await subscription(client, 'a', { metrics: 'p.latency,q', 'interval.ms': '9000' })
  await subscription(client, 'b', { metrics: 'q,r', match: 'client_software_name=librd.*,client_id=te.t' })
  await subscription(client, 'c', { metrics: 'x', match: 'client_software_name=librd' })
  await subscription(client, 'd', { metrics: 'y', match: 'client_source_address=10\\..*' })
  const answer = await subscribe(client)
  assert.deepEqual(answer.requestedMetrics, ['p.latency', 'q', 'r'])
  assert.equal(answer.pushIntervalMs, 9_000)
  await subscription(client, 'e', { metrics: '*' })
  const all = await subscribe(client)
  assert.deepEqual(all.requestedMetrics, ['*'])
  assert.notEqual(all.subscriptionId, answer.subscriptionId)
})

test('a client that said nothing of its software is not matched by it', async t => {
  const client = (await testBroker(t)).connect()
  await subscription(client, 'a', { metrics: 'm', match: 'client_software_name=.*' })
  assert.deepEqual((await subscribe(client)).requestedMetrics, [])
})

test('the first push of a client is logged, with who it is', async t => {
  const broker = await testBroker(t)
  const client = broker.connect()
  await subscription(client, 'a', { metrics: '*', 'interval.ms': '1000' })
  const { subscriptionId } = await subscribe(client)
  assert.equal(await push(client, subscriptionId), ErrorCode.NONE)
  await broker.world.time.advance(1_000)
  assert.equal(await push(client, subscriptionId), ErrorCode.NONE)
  const lines = broker.logger.lines.filter(({ message }) => message.includes('push its metrics'))
  assert.equal(lines.length, 1)
  const { client_instance_id, client_id, bytes } = lines[0]!.fields
  assert.deepEqual([client_instance_id, client_id, bytes], [someId, 'test', 10])
})

test('asking or pushing again before the interval is over is THROTTLING_QUOTA_EXCEEDED', async t => {
  const broker = await testBroker(t)
  const client = broker.connect()
  await subscription(client, 'a', { metrics: '*', 'interval.ms': '1000' })
  const { subscriptionId } = await subscribe(client)
  assert.equal((await subscribe(client)).errorCode, ErrorCode.THROTTLING_QUOTA_EXCEEDED)
  assert.equal(await push(client, subscriptionId), ErrorCode.NONE, 'the first push may come at any time')
  assert.equal(await push(client, subscriptionId), ErrorCode.THROTTLING_QUOTA_EXCEEDED)
  await broker.world.time.advance(999)
  assert.equal(await push(client, subscriptionId), ErrorCode.THROTTLING_QUOTA_EXCEEDED)
  await broker.world.time.advance(1)
  assert.equal(await push(client, subscriptionId), ErrorCode.NONE)
})

test('a changed subscription is told at once, and pushes for the old one are UNKNOWN_SUBSCRIPTION_ID', async t => {
  const broker = await testBroker(t)
  const client = broker.connect()
  await subscription(client, 'a', { metrics: 'm', 'interval.ms': '1000' })
  const { subscriptionId } = await subscribe(client)
  await subscription(client, 'a', { metrics: 'n' })
  assert.equal(await push(client, subscriptionId), ErrorCode.UNKNOWN_SUBSCRIPTION_ID)
  const renewed = await subscribe(client)
  assert.equal(renewed.errorCode, ErrorCode.NONE)
  assert.deepEqual(renewed.requestedMetrics, ['n'])
  assert.equal(await push(client, renewed.subscriptionId), ErrorCode.NONE)
})

test('compressions that do not exist, too much at once and ids that nobody has are refused', async t => {
  const broker = await testBroker(t, { 'telemetry.max.bytes': '100' })
  const client = broker.connect()
  await subscription(client, 'a', { metrics: 'm', 'interval.ms': '1000' })
  const { subscriptionId, telemetryMaxBytes } = await subscribe(client)
  assert.equal(telemetryMaxBytes, 100)
  assert.equal(await push(client, subscriptionId, { compressionType: 5 }), ErrorCode.UNSUPPORTED_COMPRESSION_TYPE)
  assert.equal((await subscribe(client)).errorCode, ErrorCode.NONE, 'who compressed wrongly may ask at once')
  await broker.world.time.advance(1_000)
  assert.equal(await push(client, subscriptionId, { bytes: 101 }), ErrorCode.TELEMETRY_TOO_LARGE)
  await broker.world.time.advance(1_000)
  assert.equal(await push(client, subscriptionId, { bytes: 100, compressionType: 0 }), ErrorCode.NONE)
  assert.equal(await push(client, subscriptionId, { id: zeroUuid }), ErrorCode.INVALID_REQUEST)
})

test('a goodbye is taken before its time, and is the last', async t => {
  const broker = await testBroker(t)
  const client = broker.connect()
  await subscription(client, 'a', { metrics: 'm', 'interval.ms': '1000' })
  const { subscriptionId } = await subscribe(client)
  await push(client, subscriptionId)
  assert.equal(await push(client, subscriptionId, { terminating: true }), ErrorCode.NONE)
  await broker.world.time.advance(1_000)
  assert.equal(await push(client, subscriptionId), ErrorCode.INVALID_REQUEST)
})
