import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ErrorCode } from '../../../src/protocol/index.ts'
import { createPartitions } from '../../../src/protocol/schema/create-partitions.ts'
import { createTopics } from '../../../src/protocol/schema/create-topics.ts'
import { listOffsets } from '../../../src/protocol/schema/list-offsets.ts'
import { produce } from '../../../src/protocol/schema/produce.ts'
import { change, changes, configOf, operation, resource, set } from '../../support/config-calls.ts'
import { batchOf, produceOne, produceRequest, testBroker } from '../../support/test-broker.ts'
import type { TestClient } from '../../support/test-client.ts'

const big = batchOf(['x'.repeat(500)])
const latest = async (client: TestClient, name: string) => {
  const partitions = [{ partitionIndex: 0, timestamp: -1 }]
  const { topics } = await client.call(listOffsets, 7, {
    replicaId: -1,
    isolationLevel: 0,
    topics: [{ name, partitions }],
  })
  return topics[0]!.partitions[0]!.offset
}

test("a topic's change is in effect when it is answered, on every partition", async t => {
  const broker = await testBroker(t)
  await broker.createTopic('t', 3)
  const client = broker.connect()
  await set(client, resource.topic, 't', { 'max.message.bytes': '100' })
  for (const index of [0, 1, 2]) {
    const { responses } = await client.call(produce, 12, produceRequest('t', big, -1, 1_000, index))
    assert.equal(responses[0]!.partitionResponses[0]!.errorCode, ErrorCode.MESSAGE_TOO_LARGE)
  }
  await set(client, resource.topic, 't', { 'max.message.bytes': '10000' })
  assert.equal((await produceOne(client, 't', big)).errorCode, ErrorCode.NONE)
})

test('a change for all brokers reaches every topic that does not say otherwise, and the topics to come', async t => {
  const broker = await testBroker(t)
  for (let i = 0; i < 5; i++) await broker.createTopic(`plain-${i}`, 100)
  await broker.createTopic('own', 1, { 'max.message.bytes': '10000' })
  const client = broker.connect()
  await set(client, resource.broker, '', { 'message.max.bytes': '100' })
  await broker.createTopic('later')
  for (const name of ['plain-0', 'plain-4', 'later'])
    assert.equal((await produceOne(client, name, big)).errorCode, ErrorCode.MESSAGE_TOO_LARGE, name)
  assert.equal((await produceOne(client, 'own', big)).errorCode, ErrorCode.NONE)
  await set(client, resource.broker, '1', { 'message.max.bytes': '10000' })
  assert.equal((await produceOne(client, 'plain-4', big)).errorCode, ErrorCode.NONE, 'this broker wins over all')
  await change(client, [changes(resource.topic, 'own', [['max.message.bytes', operation.delete, null]])])
  await set(client, resource.broker, '1', { 'message.max.bytes': '100' })
  assert.equal((await produceOne(client, 'own', big)).errorCode, ErrorCode.MESSAGE_TOO_LARGE)
})

test('min.insync.replicas above what is in sync refuses acks=all before anything is written', async t => {
  const broker = await testBroker(t)
  await broker.createTopic('t')
  const client = broker.connect()
  await set(client, resource.topic, 't', { 'min.insync.replicas': '2' })
  assert.equal((await produceOne(client, 't', big)).errorCode, ErrorCode.NOT_ENOUGH_REPLICAS)
  assert.equal((await produceOne(client, 't', big, 1)).errorCode, ErrorCode.NONE)
  await set(client, resource.topic, 't', { 'min.insync.replicas': '1' })
  assert.equal((await produceOne(client, 't', big)).baseOffset, 1)
})

test('turning write.caching off takes nothing back that was seen, and waits for the disk from then on', async t => {
  const broker = await testBroker(t)
  await broker.createTopic('t', 1, { 'write.caching': 'true' })
  const [client, other] = [broker.connect(), broker.connect()]
  const { storage, time } = broker.world
  storage.holdFlushes = true
  assert.equal((await produceOne(client, 't', big)).errorCode, ErrorCode.NONE, 'written is enough')
  assert.equal(await latest(other, 't'), 1)
  const turning = change(other, [changes(resource.topic, 't', [['write.caching', operation.set, 'false']])])
  await time.settle()
  // The metadata are flushed, and with them the log of the topic: so it is written to once more, held back.
  storage.flush()
  assert.deepEqual(await turning, [[ErrorCode.NONE, null]])
  assert.equal(await latest(other, 't'), 1)
  client.send(produce, 12, produceRequest('t', big))
  await time.settle()
  assert.equal(client.unread, 0, 'written is not enough any more')
  assert.equal(await latest(other, 't'), 1)
  storage.flush()
  assert.equal(
    (await client.receive<typeof produce>()).body.responses[0]!.partitionResponses[0]!.errorCode,
    ErrorCode.NONE,
  )
  assert.equal(await latest(other, 't'), 2)
  storage.holdFlushes = false
})

test('turning write.caching on commits what is written, and tells those who wait for it', async t => {
  const broker = await testBroker(t)
  await broker.createTopic('t')
  const [client, other] = [broker.connect(), broker.connect()]
  const { storage, time } = broker.world
  storage.holdFlushes = true
  client.send(produce, 12, produceRequest('t', big))
  await time.settle()
  assert.deepEqual([client.unread, await latest(other, 't')], [0, 0])
  // The change itself waits for the disk of the metadata alone.
  const turning = change(other, [changes(resource.topic, 't', [['write.caching', operation.set, 'true']])])
  await time.settle()
  storage.holdFlushes = false
  storage.flush()
  assert.deepEqual(await turning, [[ErrorCode.NONE, null]])
  assert.equal(
    (await client.receive<typeof produce>()).body.responses[0]!.partitionResponses[0]!.errorCode,
    ErrorCode.NONE,
  )
})

test('changes of one topic at once are all made, whoever else changes it meanwhile', async t => {
  const broker = await testBroker(t)
  await broker.createTopic('t')
  const clients = Array.from({ length: 8 }, () => broker.connect())
  const names = [
    'retention.ms',
    'segment.ms',
    'flush.ms',
    'flush.messages',
    'delete.retention.ms',
    'segment.jitter.ms',
    'file.delete.delay.ms',
  ]
  const answers = Promise.all([
    ...names.map((name, i) => change(clients[i]!, [changes(resource.topic, 't', [[name, operation.set, '7']])])),
    clients[7]!.call(createPartitions, 3, {
      topics: [{ name: 't', count: 3, assignments: null }],
      timeoutMs: 1_000,
      validateOnly: false,
    }),
  ])
  await answers
  for (const name of names) assert.equal(await configOf(clients[0]!, resource.topic, 't', name), '7', name)
  const { responses } = await clients[0]!.call(produce, 12, produceRequest('t', big, -1, 1_000, 2))
  assert.equal(responses[0]!.partitionResponses[0]!.errorCode, ErrorCode.NONE, 'the new partitions are there')
})

test('a new topic is judged together with what the broker is set to', async t => {
  const broker = await testBroker(t)
  const client = broker.connect()
  await set(client, resource.broker, '', { 'log.cleaner.max.compaction.lag.ms': '5' })
  const configs = [{ name: 'min.compaction.lag.ms', value: '10' }]
  const asked = { name: 't', numPartitions: 1, replicationFactor: 1, assignments: [], configs }
  const { topics } = await client.call(createTopics, 7, { topics: [asked], timeoutMs: 1_000, validateOnly: false })
  assert.deepEqual(
    [topics[0]!.errorCode, topics[0]!.errorMessage],
    [ErrorCode.INVALID_CONFIG, 'conflict topic config setting min.compaction.lag.ms (10) > max.compaction.lag.ms (5)'],
  )
})

test('a topic is created with the sources that its settings have at that moment', async t => {
  const broker = await testBroker(t)
  const client = broker.connect()
  await set(client, resource.broker, '', { 'log.retention.ms': '5' })
  const asked = { name: 't', numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] }
  const { topics } = await client.call(createTopics, 7, { topics: [asked], timeoutMs: 1_000, validateOnly: false })
  const retention = topics[0]!.configs!.find(({ name }) => name === 'retention.ms')!
  assert.deepEqual([retention.value, retention.configSource], ['5', 3])
})
