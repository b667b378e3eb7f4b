import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ErrorCode } from '../../../src/protocol/index.ts'
import { deleteTopics } from '../../../src/protocol/schema/delete-topics.ts'
import { describeConfigs } from '../../../src/protocol/schema/describe-configs.ts'
import { findCoordinator } from '../../../src/protocol/schema/find-coordinator.ts'
import { metadata } from '../../../src/protocol/schema/metadata.ts'
import { offsetCommit } from '../../../src/protocol/schema/offset-commit.ts'
import { offsetFetch } from '../../../src/protocol/schema/offset-fetch.ts'
import { batchOf, produceOne, type TestBroker, testBroker } from '../../support/test-broker.ts'
import type { TestClient } from '../../support/test-client.ts'

const topic = '__consumer_offsets'
const [group, transaction, share] = [0, 1, 2]

const find = (client: TestClient, version: number, keyType: number, keys: readonly string[]) =>
  client.call(findCoordinator, version, version < 4 ? { key: keys[0]!, keyType } : { keyType, coordinatorKeys: keys })

const partitionsOf = (broker: TestBroker) => broker.world.machine.list('/data').filter(name => name.startsWith(topic))

const commit = async (client: TestClient, groupId: string, committedOffset: number): Promise<ErrorCode> => {
  const { topics } = await client.call(offsetCommit, 9, {
    groupId,
    generationIdOrMemberEpoch: -1,
    memberId: '',
    topics: [{ name: 't', partitions: [{ partitionIndex: 0, committedOffset, committedMetadata: '' }] }],
  })
  return topics[0]!.partitions[0]!.errorCode
}

const committed = async (client: TestClient, groupId: string): Promise<number | ErrorCode> => {
  const { groups } = await client.call(offsetFetch, 9, { groups: [{ groupId, topics: null }], requireStable: true })
  const { errorCode, topics } = groups[0]!
  return errorCode === ErrorCode.NONE ? (topics[0]?.partitions[0]?.committedOffset ?? -1) : -errorCode
}

test('the first to look for a coordinator finds it, as its topic is made for him', async t => {
  const broker = await testBroker(t, { 'offsets.topic.num.partitions': '7' })
  assert.equal(partitionsOf(broker).length, 0)
  const client = broker.connect()
  const [first, second] = await Promise.all([
    find(client, 0, group, ['a']),
    find(broker.connect(), 4, group, ['a', 'b', '']),
  ])
  assert.deepEqual([first.errorCode, first.nodeId, first.host], [ErrorCode.NONE, 1, '127.0.0.1'])
  assert.deepEqual(
    second.coordinators.map(({ key, errorCode, errorMessage, nodeId }) => [key, errorCode, errorMessage, nodeId]),
    ['a', 'b', ''].map(key => [key, ErrorCode.NONE, '', 1]),
  )
  assert.equal(partitionsOf(broker).length, 7)
})

test('in every version success and failure look as Kafka has them', async t => {
  const broker = await testBroker(t, { 'offsets.topic.num.partitions': '2' })
  const client = broker.connect()
  for (const version of [1, 2, 3]) {
    const found = await find(client, version, group, ['a'])
    assert.deepEqual([found.errorCode, found.errorMessage], [ErrorCode.NONE, 'NONE'], `v${version}`)
  }
  const expected = { nodeId: -1, host: '', port: -1 }
  for (const [version, keyType, errorCode] of [
    [6, share, ErrorCode.INVALID_REQUEST],
    [5, 9, ErrorCode.INVALID_REQUEST],
  ] as const) {
    const { key: _, errorMessage: message, ...found } = (await find(client, version, keyType, ['a'])).coordinators[0]!
    assert.deepEqual(found, { ...expected, errorCode })
    assert.notEqual(message, '')
  }
  const old = await find(client, 2, share, ['a'])
  assert.deepEqual([old.errorCode, old.nodeId], [ErrorCode.INVALID_REQUEST, -1])
})

test('who looks for the coordinator of a transactional id finds it, as its topic is made for him', async t => {
  const broker = await testBroker(t, { 'transaction.state.log.num.partitions': '3' })
  const client = broker.connect()
  for (const version of [1, 3, 4, 6]) {
    const found = await find(client, version, transaction, ['tx'])
    const { errorCode, nodeId } = version < 4 ? found : found.coordinators[0]!
    assert.deepEqual([errorCode, nodeId], [ErrorCode.NONE, 1], `v${version}`)
  }
  const made = broker.world.machine.list('/data').filter(name => name.startsWith('__transaction_state'))
  assert.equal(made.length, 3)
  const names = ['cleanup.policy', 'compression.type', 'segment.bytes', 'write.caching', 'min.insync.replicas']
  const { results } = await client.call(describeConfigs, 4, {
    resources: [{ resourceType: 2, resourceName: '__transaction_state', configurationKeys: names }],
  })
  assert.deepEqual(Object.fromEntries(results[0]!.configs.map(({ name, value }) => [name, value])), {
    'cleanup.policy': 'compact',
    'compression.type': 'producer',
    'segment.bytes': '104857600',
    'write.caching': 'false',
    'min.insync.replicas': '1',
  })
})

test('the topic has the configs that a coordinator needs, whatever the broker has for others', async t => {
  const broker = await testBroker(t, { 'offsets.topic.num.partitions': '1', 'log.cleanup.policy': 'delete' })
  const client = broker.connect()
  await find(client, 4, group, ['a'])
  const { topics } = await client.call(metadata, 9, { topics: [{ name: topic }], allowAutoTopicCreation: false })
  assert.equal(topics[0]?.isInternal, true)
  const names = ['cleanup.policy', 'compression.type', 'segment.bytes', 'write.caching']
  const { results } = await client.call(describeConfigs, 4, {
    resources: [{ resourceType: 2, resourceName: topic, configurationKeys: names }],
  })
  assert.deepEqual(Object.fromEntries(results[0]!.configs.map(({ name, value }) => [name, value])), {
    'cleanup.policy': 'compact',
    'compression.type': 'producer',
    'segment.bytes': '104857600',
    'write.caching': 'false',
  })
})

test('clients do not write to the topic of a coordinator', async t => {
  const broker = await testBroker(t, { 'offsets.topic.num.partitions': '1' })
  const client = broker.connect()
  await find(client, 4, group, ['a'])
  const answer = await produceOne(client, topic, batchOf(['x']))
  assert.equal(answer.errorCode, ErrorCode.INVALID_TOPIC_EXCEPTION)
})

test('groups go with their topic when somebody deletes it, and begin anew', async t => {
  const broker = await testBroker(t, { 'offsets.topic.num.partitions': '1' })
  await broker.createTopic('t')
  const client = broker.connect()
  await find(client, 4, group, ['a'])
  assert.equal(await commit(client, 'a', 5), ErrorCode.NONE)
  assert.equal(await committed(client, 'a'), 5)
  const { responses } = await client.call(deleteTopics, 4, { topicNames: [topic], timeoutMs: 1_000 })
  assert.equal(responses[0]?.errorCode, ErrorCode.NONE)
  assert.equal(await committed(client, 'a'), -ErrorCode.NOT_COORDINATOR)
  await find(client, 4, group, ['a'])
  assert.equal(await committed(client, 'a'), -1)
  assert.equal(await commit(client, 'a', 6), ErrorCode.NONE)
  assert.equal(await committed(client, 'a'), 6)
})
