import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { StatusCode } from '../../../src/native/status.ts'
import { ErrorCode } from '../../../src/protocol/index.ts'
import { deleteTopics } from '../../../src/protocol/schema/delete-topics.ts'
import { fetch } from '../../../src/protocol/schema/fetch.ts'
import { listOffsets } from '../../../src/protocol/schema/list-offsets.ts'
import { batchOf, produceOne, testBroker } from '../../support/test-broker.ts'
import type { TestClient } from '../../support/test-client.ts'

const request = (indexes: number[], maxBytes = 50 << 20) => ({
  replicaId: -1,
  maxWaitMs: 1_000,
  minBytes: 1,
  maxBytes,
  topics: [
    {
      topic: 't',
      partitions: indexes.map(partition => ({ partition, fetchOffset: 0, partitionMaxBytes: 1 << 20 })),
    },
  ],
  forgottenTopicsData: [],
})

async function answer(client: TestClient) {
  const { body } = await client.receive<typeof fetch>()
  return body.responses[0]!.partitions.map(({ errorCode, records }) => ({ errorCode, bytes: records?.length ?? 0 }))
}

/** A broker whose partition 0 is not in memory. */
async function coldBroker(t: TestContext, partitions = 1) {
  const broker = await testBroker(t)
  await broker.createTopic('t', partitions)
  const client = broker.connect()
  await produceOne(client, 't', batchOf(['cold']))
  const log = broker.logOf('t')
  log.cold = () => true
  broker.world.storage.holdDisk = true
  return { broker, client, log, size: batchOf(['cold']).length }
}

test('what is not in memory is read while others are served, and the answer waits for it', async t => {
  const { broker, client, size } = await coldBroker(t)
  client.send(fetch, 12, request([0]))
  await broker.world.time.settle()
  assert.equal(broker.world.storage.diskWaiting, 1)
  const other = broker.connect()
  await other.call(listOffsets, 5, {
    replicaId: -1,
    isolationLevel: 0,
    topics: [{ name: 't', partitions: [{ partitionIndex: 0, timestamp: -1 }] }],
  })
  assert.equal(client.unread, 0)
  broker.world.storage.turnDisk()
  assert.deepEqual(await answer(client), [{ errorCode: ErrorCode.NONE, bytes: size }])
})

test('no more than three lookups wait for the disk at once, and each gets its turn', async t => {
  const { broker, client } = await coldBroker(t)
  const clients = [client, ...Array.from({ length: 7 }, () => broker.connect())]
  for (const each of clients) each.send(fetch, 12, request([0]))
  const seen: number[] = []
  while (clients.some(each => each.unread === 0)) {
    await broker.world.time.settle()
    seen.push(broker.world.storage.diskWaiting)
    broker.world.storage.turnDisk()
    await broker.world.time.settle()
  }
  assert.deepEqual(seen.slice(0, 3), [3, 3, 2])
  for (const each of clients) assert.equal((await answer(each))[0]!.errorCode, ErrorCode.NONE)
})

test('limits hold over partitions that are in memory and others that are not', async t => {
  const { broker, client, size } = await coldBroker(t, 2)
  client.send(fetch, 12, request([0, 1], size))
  await broker.world.time.settle()
  broker.world.storage.turnDisk()
  assert.deepEqual(
    (await answer(client)).map(each => each.bytes),
    [size, 0],
  )
})

test('a client that goes while its bytes are looked up leaves nothing behind', async t => {
  const { broker, client } = await coldBroker(t)
  client.send(fetch, 12, request([0]))
  await broker.world.time.settle()
  client.hangUp()
  broker.world.storage.turnDisk()
  await broker.world.time.settle()
  broker.assertNothingHeld()
})

test('a log that is cut under a lookup is looked at again, and not for ever', async t => {
  const { broker, client, log } = await coldBroker(t)
  broker.world.storage.holdDisk = false
  log.coldStatus = StatusCode.wouldBlock
  client.send(fetch, 12, request([0]))
  assert.equal((await answer(client))[0]!.errorCode, ErrorCode.KAFKA_STORAGE_ERROR)
  log.coldStatus = undefined
  client.send(fetch, 12, request([0]))
  assert.equal((await answer(client))[0]!.errorCode, ErrorCode.NONE)
})

test('before Fetch v6 a storage error is called NOT_LEADER_OR_FOLLOWER', async t => {
  const { broker, client, log } = await coldBroker(t)
  broker.world.storage.holdDisk = false
  log.coldStatus = StatusCode.ioError
  for (const [version, code] of [
    [5, ErrorCode.NOT_LEADER_OR_FOLLOWER],
    [6, ErrorCode.KAFKA_STORAGE_ERROR],
  ] as const) {
    client.send(fetch, version, request([0]))
    assert.equal((await answer(client))[0]!.errorCode, code)
  }
})

test('a topic that is deleted under a lookup is answered as unknown', async t => {
  const { broker, client } = await coldBroker(t)
  client.send(fetch, 12, request([0]))
  await broker.world.time.settle()
  await broker.connect().call(deleteTopics, 5, { topicNames: ['t'], timeoutMs: 1_000 })
  broker.world.storage.turnDisk()
  assert.equal((await answer(client))[0]!.errorCode, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
})

test('a search for a time that does not end in time is REQUEST_TIMED_OUT, and the rest is answered', async t => {
  const { broker, client } = await coldBroker(t, 2)
  const asked = (version: number) =>
    client.send(listOffsets, version, {
      replicaId: -1,
      isolationLevel: 0,
      topics: [
        {
          name: 't',
          partitions: [
            { partitionIndex: 0, timestamp: 0 },
            { partitionIndex: 1, timestamp: -1 },
          ],
        },
      ],
      timeoutMs: 500,
    })
  asked(10)
  await broker.world.time.settle()
  await broker.world.time.advance(499)
  assert.equal(client.unread, 0)
  await broker.world.time.advance(1)
  const { body } = await client.receive<typeof listOffsets>()
  assert.deepEqual(
    body.topics[0]!.partitions.map(each => [each.errorCode, each.offset]),
    [
      [ErrorCode.REQUEST_TIMED_OUT, -1],
      [ErrorCode.NONE, 0],
    ],
  )
  broker.world.storage.turnDisk()
})
