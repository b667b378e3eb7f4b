import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { ErrorCode } from '../../../src/protocol/index.ts'
import { deleteTopics } from '../../../src/protocol/schema/delete-topics.ts'
import { fetch } from '../../../src/protocol/schema/fetch.ts'
import { produce } from '../../../src/protocol/schema/produce.ts'
import { batchOf, produceOne, produceRequest, testBroker } from '../../support/test-broker.ts'
import type { TestClient } from '../../support/test-client.ts'

interface Ask {
  topic?: string
  index: number
  offset?: number
  lastFetchedEpoch?: number
  epoch?: number
}

function send(client: TestClient, asks: Ask[], more: object = {}, version = 12): void {
  client.send(fetch, version, {
    replicaId: -1,
    maxWaitMs: 0,
    minBytes: 1,
    maxBytes: 50 << 20,
    topics: asks.map(({ topic = 't', index, offset = 0, lastFetchedEpoch = -1, epoch = -1 }) => ({
      topic,
      partitions: [
        {
          partition: index,
          fetchOffset: offset,
          currentLeaderEpoch: epoch,
          lastFetchedEpoch,
          partitionMaxBytes: 1 << 20,
        },
      ],
    })),
    forgottenTopicsData: [],
    ...more,
  })
}

async function answer(client: TestClient) {
  const { body } = await client.receive<typeof fetch>()
  return body.responses.flatMap(topic => topic.partitions)
}

async function brokerWith(t: TestContext, partitions: number) {
  const broker = await testBroker(t)
  await broker.createTopic('t', partitions)
  return { broker, client: broker.connect() }
}

test('a fetch of thousands of partitions takes many turns, in which others are served', async t => {
  const { broker, client } = await brokerWith(t, 2)
  await produceOne(client, 't', batchOf(['a']))
  const asks = Array.from({ length: 20_000 }, (_, index) => ({ index }))
  send(client, asks, { sessionEpoch: 0 })
  const other = broker.connect()
  send(other, [{ index: 0 }])
  assert.equal((await answer(other)).length, 1)
  assert.equal(client.unread, 0, 'the small one overtook the large one')
  const partitions = await answer(client)
  assert.equal(partitions.length, 20_000)
  assert.equal(partitions.filter(each => each.errorCode === ErrorCode.NONE).length, 2)
})

test('of many partitions that are waited for, the one that changes is enough', async t => {
  const { broker, client } = await brokerWith(t, 300)
  const bytes = 2 * batchOf(['a']).length
  send(
    client,
    Array.from({ length: 300 }, (_, index) => ({ index })),
    { maxWaitMs: 1_000, minBytes: bytes },
  )
  await broker.world.time.settle()
  const writer = broker.connect()
  await writer.call(produce, 9, produceRequest('t', batchOf(['a']), -1, 1_000, 17))
  await broker.world.time.settle()
  assert.equal(client.unread, 0, 'half of what is waited for')
  await writer.call(produce, 9, produceRequest('t', batchOf(['b']), -1, 1_000, 250))
  const got = (await answer(client)).filter(each => (each.records?.length ?? 0) > 0)
  assert.deepEqual(
    got.map(each => each.partitionIndex),
    [17, 250],
  )
})

test('a partition that is missing is told with the others, when they have something or time is up', async t => {
  const { broker, client } = await brokerWith(t, 1)
  send(client, [{ index: 0 }, { topic: 'missing', index: 0 }], { maxWaitMs: 1_000 })
  await broker.world.time.settle()
  assert.equal(client.unread, 0)
  await produceOne(broker.connect(), 't', batchOf(['a']))
  assert.deepEqual(
    (await answer(client)).map(each => each.errorCode),
    [ErrorCode.NONE, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION],
  )
})

test('a reader whose last epoch is not that of the log is told where they part', async t => {
  const { client } = await brokerWith(t, 1)
  await produceOne(client, 't', batchOf(['a']))
  send(client, [{ index: 0, offset: 1, lastFetchedEpoch: 0 }])
  assert.deepEqual((await answer(client))[0]!.divergingEpoch, { epoch: -1, endOffset: -1 })
  // An epoch that the log has not come to: it cannot tell.
  send(client, [{ index: 0, offset: 1, lastFetchedEpoch: 5 }])
  assert.equal((await answer(client))[0]!.errorCode, ErrorCode.OFFSET_OUT_OF_RANGE)
  // More was read in the epoch than the log has of it.
  send(client, [{ index: 0, offset: 9, lastFetchedEpoch: 0 }], { maxWaitMs: 1_000 })
  const [diverging] = await answer(client)
  assert.equal(diverging!.errorCode, ErrorCode.NONE)
  assert.deepEqual(diverging!.divergingEpoch, { epoch: 0, endOffset: 1 })
})

test('from v16 on who asks the wrong broker is told the leader and where it is', async t => {
  const broker = await testBroker(t)
  const id = await broker.createTopic('t', 1)
  const client = broker.connect()
  const ask = async (version: number) => {
    client.send(fetch, version, {
      replicaState: { replicaId: 7, replicaEpoch: -1 },
      maxWaitMs: 0,
      minBytes: 1,
      maxBytes: 1 << 20,
      topics: [{ topicId: id, partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1 << 20 }] }],
      forgottenTopicsData: [],
    })
    return (await client.receive<typeof fetch>()).body
  }
  const old = await ask(15)
  assert.equal(old.responses[0]!.partitions[0]!.errorCode, ErrorCode.NOT_LEADER_OR_FOLLOWER)
  assert.deepEqual(old.responses[0]!.partitions[0]!.currentLeader, { leaderId: -1, leaderEpoch: -1 })
  const told = await ask(16)
  const { leaderId, leaderEpoch } = told.responses[0]!.partitions[0]!.currentLeader
  assert.equal(leaderEpoch, 0)
  assert.equal(told.nodeEndpoints.length, 1)
  assert.equal(told.nodeEndpoints[0]!.nodeId, leaderId)
  assert.ok(told.nodeEndpoints[0]!.port > 0)
})

test('a waiting fetch of many partitions leaves none of them when its client goes', async t => {
  const { broker, client } = await brokerWith(t, 3)
  send(
    client,
    Array.from({ length: 5_000 }, (_, index) => ({ index: index % 3 })),
    { maxWaitMs: 1_000 },
  )
  for (let turn = 0; turn < 20; turn++) await broker.world.time.settle()
  client.hangUp()
  for (let turn = 0; turn < 20; turn++) await broker.world.time.settle()
  await produceOne(broker.connect(), 't', batchOf(['a']))
  await broker.connect().call(deleteTopics, 5, { topicNames: ['t'], timeoutMs: 1_000 })
})
