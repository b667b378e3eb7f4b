import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ErrorCode, type RequestInput, zeroUuid } from '../../../src/protocol/index.ts'
import { describeTopicPartitions } from '../../../src/protocol/schema/describe-topic-partitions.ts'
import { dataDirectory, type TestBroker, testBroker } from '../../support/test-broker.ts'

type Request = RequestInput<typeof describeTopicPartitions>

/** What a page shows, as `name:first-last`, and where the next begins. */
async function page(broker: TestBroker, request: Request): Promise<string[]> {
  const { topics, nextCursor } = await broker.connect().call(describeTopicPartitions, 0, request)
  const shown = topics.map(({ name, errorCode, partitions }) => {
    const indexes = partitions.map(({ partitionIndex }) => partitionIndex)
    return errorCode === ErrorCode.NONE ? `${name}:${indexes.join(',')}` : `${name}!${errorCode}`
  })
  return nextCursor === null ? shown : [...shown, `-> ${nextCursor.topicName}:${nextCursor.partitionIndex}`]
}

const named = (...names: string[]) => names.map(name => ({ name }))

test('a topic is described with its partitions, without leaders of last resort, all operations allowed', async t => {
  const broker = await testBroker(t)
  const topicId = await broker.createTopic('t', 2)
  const answer = await broker.connect().call(describeTopicPartitions, 0, { topics: named('t') })
  const partition = (partitionIndex: number) => ({
    errorCode: ErrorCode.NONE,
    partitionIndex,
    leaderId: 1,
    leaderEpoch: 0,
    replicaNodes: [1],
    isrNodes: [1],
    eligibleLeaderReplicas: [],
    lastKnownElr: [],
    offlineReplicas: [],
  })
  assert.deepEqual(answer, {
    throttleTimeMs: 0,
    topics: [
      {
        errorCode: ErrorCode.NONE,
        name: 't',
        topicId,
        isInternal: false,
        partitions: [partition(0), partition(1)],
        topicAuthorizedOperations: 3576,
      },
    ],
    nextCursor: null,
  })
})

test('topics come in the order of their names, each once, whatever the order of the request', async t => {
  const broker = await testBroker(t)
  for (const name of ['b', 'a', 'B', 'a.b']) await broker.createTopic(name)
  assert.deepEqual(await page(broker, { topics: [] }), ['B:0', 'a:0', 'a.b:0', 'b:0'])
  assert.deepEqual(await page(broker, { topics: named('b', 'a', 'b') }), ['a:0', 'b:0'])
})

test('a page ends at the limit, within a topic or between two, and its cursor leads through the rest', async t => {
  const broker = await testBroker(t)
  for (const name of ['a', 'b']) await broker.createTopic(name, 2)
  const topics = named('b', 'a')
  assert.deepEqual(await page(broker, { topics, responsePartitionLimit: 1 }), ['a:0', '-> a:1'])
  assert.deepEqual(await page(broker, { topics, responsePartitionLimit: 2 }), ['a:0,1', '-> b:0'])
  assert.deepEqual(await page(broker, { topics, responsePartitionLimit: 3 }), ['a:0,1', 'b:0', '-> b:1'])
  assert.deepEqual(await page(broker, { topics, responsePartitionLimit: 4 }), ['a:0,1', 'b:0,1'])
  assert.deepEqual(await page(broker, { topics: [], responsePartitionLimit: 2 }), ['a:0,1', '-> b:0'])
  const cursor = { topicName: 'a', partitionIndex: 1 }
  assert.deepEqual(await page(broker, { topics, responsePartitionLimit: 2, cursor }), ['a:1', 'b:0', '-> b:1'])
  for (const responsePartitionLimit of [0, -1])
    assert.deepEqual(await page(broker, { topics, responsePartitionLimit }), ['a:0', '-> a:1'], 'one at least')
})

test('the broker has a limit of its own', async t => {
  const broker = await testBroker(t, { 'max.request.partition.size.limit': '3' })
  await broker.createTopic('t', 4)
  assert.deepEqual(await page(broker, { topics: named('t'), responsePartitionLimit: 100 }), ['t:0,1,2', '-> t:3'])
})

test('topics that are not there are told one by one, and only where they were asked for', async t => {
  const broker = await testBroker(t)
  await broker.createTopic('m')
  const missing = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
  const invalid = ErrorCode.INVALID_TOPIC_EXCEPTION
  assert.deepEqual(await page(broker, { topics: named('z', 'm', 'a b') }), [`a b!${invalid}`, 'm:0', `z!${missing}`])
  // A cursor may name a topic that was deleted since: the next one takes its place.
  const cursor = { topicName: 'gone', partitionIndex: 3 }
  assert.deepEqual(await page(broker, { topics: [], cursor }), ['m:0'])
  assert.deepEqual(await page(broker, { topics: named('gone'), cursor }), [`gone!${missing}`])
  // The page is full when one is reached that is not there: the next page begins with it.
  assert.deepEqual(await page(broker, { topics: named('m', 'z'), responsePartitionLimit: 1 }), ['m:0', '-> z:0'])
})

test('a cursor past the end of its topic shows none of it', async t => {
  const broker = await testBroker(t)
  for (const name of ['a', 'b']) await broker.createTopic(name)
  const cursor = { topicName: 'a', partitionIndex: 9 }
  assert.deepEqual(await page(broker, { topics: [], cursor }), ['a:', 'b:0'])
  await broker.createTopic('c')
  // It takes no room on the page, and hides nothing of what follows.
  assert.deepEqual(await page(broker, { topics: [], cursor, responsePartitionLimit: 1 }), ['a:', 'b:0', '-> c:0'])
})

test('a cursor that is no place in the list is INVALID_REQUEST for every topic', async t => {
  const broker = await testBroker(t)
  await broker.createTopic('b')
  const refused = `b!${ErrorCode.INVALID_REQUEST}`
  const at = (topicName: string, partitionIndex: number) => ({
    topics: named('b'),
    cursor: { topicName, partitionIndex },
  })
  assert.deepEqual(await page(broker, at('a', 0)), [refused])
  assert.deepEqual(await page(broker, at('b', -1)), [refused])
  const { topics } = await broker.connect().call(describeTopicPartitions, 0, at('b', -1))
  assert.equal(topics[0]!.topicId, zeroUuid)
})

test('a partition whose log failed has no leader', async t => {
  const broker = await testBroker(t)
  await broker.createTopic('t')
  broker.world.storage.fail(`${dataDirectory}/t-0`)
  const { topics } = await broker.connect().call(describeTopicPartitions, 0, { topics: named('t') })
  const [partition] = topics[0]!.partitions
  assert.deepEqual([partition!.leaderId, partition!.offlineReplicas], [-1, [1]])
})
