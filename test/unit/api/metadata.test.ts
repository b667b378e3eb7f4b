import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ErrorCode, type Uuid, zeroUuid } from '../../../src/protocol/index.ts'
import { metadata } from '../../../src/protocol/schema/metadata.ts'
import { testBroker } from '../../support/test-broker.ts'
import { TestClient } from '../../support/test-client.ts'

for (let version = 0; version <= 13; version++)
  test(`Metadata v${version} describes a topic and the broker`, async t => {
    const broker = await testBroker(t, { listeners: 'PLAINTEXT://broker.example:9092', 'broker.rack': 'r1' })
    const id = await broker.createTopic('t', 2)
    const answer = await broker.connect().call(metadata, version, { topics: [{ name: 't' }] })
    assert.deepEqual(answer.brokers, [
      { nodeId: 1, host: 'broker.example', port: 9092, rack: version >= 1 ? 'r1' : null },
    ])
    const [topic] = answer.topics
    assert.equal(topic!.errorCode, ErrorCode.NONE)
    assert.equal(topic!.topicId, version >= 10 ? id : zeroUuid)
    assert.deepEqual(
      topic!.partitions.map(each => [each.partitionIndex, each.leaderId, [...each.replicaNodes], [...each.isrNodes]]),
      [
        [0, 1, [1], [1]],
        [1, 1, [1], [1]],
      ],
    )
  })

test('null asks for all topics, an empty list for none; in v0 the empty list asks for all', async t => {
  const broker = await testBroker(t)
  await broker.createTopic('a')
  await broker.createTopic('b')
  const client = broker.connect()
  const names = async (version: number, topics: [] | null) =>
    (await client.call(metadata, version, { topics })).topics.map(topic => topic.name)
  assert.deepEqual(await names(12, null), ['a', 'b'])
  assert.deepEqual(await names(1, []), [])
  assert.deepEqual(await names(12, []), [])
  assert.deepEqual(await names(0, []), ['a', 'b'])
})

test('a missing topic is created and described when client and broker allow it', async t => {
  const broker = await testBroker(t, { 'num.partitions': '3' })
  const client = broker.connect()
  const refused = await client.call(metadata, 12, { topics: [{ name: 'auto' }], allowAutoTopicCreation: false })
  assert.equal(refused.topics[0]!.errorCode, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
  const created = await client.call(metadata, 12, { topics: [{ name: 'auto' }], allowAutoTopicCreation: true })
  assert.equal(created.topics[0]!.errorCode, ErrorCode.NONE)
  assert.equal(created.topics[0]!.partitions.length, 3)
  const old = await client.call(metadata, 1, { topics: [{ name: 'old-client' }] })
  assert.equal(old.topics[0]!.errorCode, ErrorCode.NONE)
})

test('a broker without auto-creation says so', async t => {
  const broker = await testBroker(t, { 'auto.create.topics.enable': 'false' })
  const { topics } = await broker
    .connect()
    .call(metadata, 12, { topics: [{ name: 'a' }], allowAutoTopicCreation: true })
  assert.equal(topics[0]!.errorCode, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
})

test('names that no topic can have are INVALID_TOPIC_EXCEPTION', async t => {
  const broker = await testBroker(t)
  for (const name of ['', '.', '..', 'a b', 'ä', 'x'.repeat(250)]) {
    const { topics } = await broker.connect().call(metadata, 12, { topics: [{ name }] })
    assert.deepEqual([topics[0]!.name, topics[0]!.errorCode], [name, ErrorCode.INVALID_TOPIC_EXCEPTION])
  }
})

test("the broker's own metadata log is no topic that a client could create", async t => {
  const broker = await testBroker(t)
  const { topics } = await broker.connect().call(metadata, 12, { topics: [{ name: '__cluster_metadata' }] })
  assert.equal(topics[0]!.errorCode, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
})

test('topics are found by id from v12 on; before, a topic without a name is refused and not a lost connection', async t => {
  const broker = await testBroker(t)
  const topicId = await broker.createTopic('t')
  const client = broker.connect()
  const known = await client.call(metadata, 12, { topics: [{ topicId, name: null }] })
  assert.deepEqual([known.topics[0]!.name, known.topics[0]!.errorCode], ['t', ErrorCode.NONE])
  const strange = 'AAAAAAAAAAAAAAAAAAAAAQ' as Uuid
  const unknown = await client.call(metadata, 12, { topics: [{ topicId: strange, name: null }] })
  assert.deepEqual([unknown.topics[0]!.name, unknown.topics[0]!.topicId], [null, strange])
  assert.equal(unknown.topics[0]!.errorCode, ErrorCode.UNKNOWN_TOPIC_ID)
  for (const version of [10, 11]) {
    const early = await client.call(metadata, version, { topics: [{ topicId, name: null }] })
    assert.deepEqual([early.topics[0]!.name, early.topics[0]!.errorCode], ['', ErrorCode.INVALID_REQUEST])
  }
})

test('two connections that ask for the same missing topic get the same one', async t => {
  const broker = await testBroker(t)
  const [a, b] = [broker.connect(), broker.connect()]
  a.send(metadata, 12, { topics: [{ name: 'auto' }], allowAutoTopicCreation: true })
  b.send(metadata, 12, { topics: [{ name: 'auto' }], allowAutoTopicCreation: true })
  const ids = []
  for (const client of [a, b]) ids.push((await client.receive<typeof metadata>()).body.topics[0]!.topicId)
  assert.equal(ids[0], ids[1])
  assert.notEqual(ids[0], zeroUuid)
})

test('clients are told the address of the listener they came to', async t => {
  const broker = await testBroker(t, {
    listeners: 'PLAINTEXT://127.0.0.1:9092,PLAINTEXT://127.0.0.1:0',
    'advertised.listeners': 'PLAINTEXT://inside.example:9092,PLAINTEXT://outside.example:0',
  })
  const told = async (listener: number) => {
    const { brokers } = await TestClient.connect(broker.world, listener).call(metadata, 12, { topics: [] })
    return [brokers[0]!.host, brokers[0]!.port]
  }
  assert.deepEqual(await told(0), ['inside.example', 9092])
  assert.deepEqual(await told(1), ['outside.example', 40_001])
})
