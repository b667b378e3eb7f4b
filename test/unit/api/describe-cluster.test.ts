import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ErrorCode, type ResponseOf } from '../../../src/protocol/index.ts'
import { describeCluster } from '../../../src/protocol/schema/describe-cluster.ts'
import { metadata } from '../../../src/protocol/schema/metadata.ts'
import { testBroker } from '../../support/test-broker.ts'
import { TestClient } from '../../support/test-client.ts'

/** Kafka 4.4 answers these bits without an authorizer. */
const allClusterOperations = 8096
const notAsked = -0x8000_0000

for (const version of [0, 1, 2])
  test(`DescribeCluster v${version} tells the id, the controller and the brokers`, async t => {
    const broker = await testBroker(t, { listeners: 'PLAINTEXT://broker.example:9092', 'broker.rack': 'r1' })
    const client = broker.connect()
    const more = version >= 2 ? { includeFencedBrokers: true } : {}
    const asked = { includeClusterAuthorizedOperations: true, ...more }
    const answer: ResponseOf<typeof describeCluster> = await client.call(describeCluster, version, asked)
    const { clusterId } = await client.call(metadata, 12, { topics: [] })
    assert.deepEqual(answer, {
      throttleTimeMs: 0,
      errorCode: ErrorCode.NONE,
      errorMessage: null,
      endpointType: 1,
      clusterId,
      controllerId: 1,
      brokers: [{ brokerId: 1, host: 'broker.example', port: 9092, rack: 'r1', isFenced: false }],
      clusterAuthorizedOperations: allClusterOperations,
    })
    const without = await client.call(describeCluster, version, { includeClusterAuthorizedOperations: false })
    assert.equal(without.clusterAuthorizedOperations, notAsked)
  })

test('controllers are not asked at a broker, and other endpoints do not exist', async t => {
  const client = (await testBroker(t)).connect()
  const ask = (endpointType: number) =>
    client.call(describeCluster, 2, { includeClusterAuthorizedOperations: true, endpointType })
  const controllers = await ask(2)
  assert.equal(controllers.errorCode, ErrorCode.MISMATCHED_ENDPOINT_TYPE)
  assert.deepEqual([controllers.clusterId, controllers.brokers], ['', []])
  for (const endpointType of [0, 3, -1])
    assert.equal((await ask(endpointType)).errorCode, ErrorCode.UNSUPPORTED_ENDPOINT_TYPE, `${endpointType}`)
})

test('brokers are told by the address of the listener that was asked', async t => {
  const broker = await testBroker(t, {
    listeners: 'PLAINTEXT://127.0.0.1:9092,PLAINTEXT://127.0.0.1:0',
    'advertised.listeners': 'PLAINTEXT://inside.example:9092,PLAINTEXT://outside.example:0',
  })
  const told = async (listener: number) => {
    const client = TestClient.connect(broker.world, listener)
    const { brokers } = await client.call(describeCluster, 2, { includeClusterAuthorizedOperations: false })
    return brokers[0]!.host
  }
  assert.deepEqual([await told(0), await told(1)], ['inside.example', 'outside.example'])
})

test('Metadata tells the same operations, of the cluster (v8-10) and of topics (v8 on)', async t => {
  const broker = await testBroker(t)
  await broker.createTopic('t')
  const client = broker.connect()
  const asked = { topics: [{ name: 't' }], includeTopicAuthorizedOperations: true }
  const old = await client.call(metadata, 10, { ...asked, includeClusterAuthorizedOperations: true })
  assert.equal(old.clusterAuthorizedOperations, allClusterOperations)
  assert.equal(old.topics[0]!.topicAuthorizedOperations, 3576)
  const recent = await client.call(metadata, 13, { topics: [{ name: 't' }] })
  assert.equal(recent.topics[0]!.topicAuthorizedOperations, notAsked)
})
