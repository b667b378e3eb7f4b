import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { ErrorCode, type Uuid } from '../../../src/protocol/index.ts'
import { deleteTopics } from '../../../src/protocol/schema/delete-topics.ts'
import { fetch } from '../../../src/protocol/schema/fetch.ts'
import { produce } from '../../../src/protocol/schema/produce.ts'
import { batchEnd, readRecords } from '../../../src/records/record-batch.ts'
import { batchOf, produceOne, type TestBroker, testBroker } from '../../support/test-broker.ts'
import type { TestClient } from '../../support/test-client.ts'

interface Ask {
  offset?: number
  index?: number
  partitionMaxBytes?: number
  epoch?: number
}

interface Limits {
  maxWaitMs?: number
  minBytes?: number
  maxBytes?: number
  isolationLevel?: number
  sessionId?: number
  sessionEpoch?: number
  replicaId?: number
}

const request = (topic: string, asks: Ask[], limits: Limits = {}) => ({
  replicaId: -1,
  maxWaitMs: 0,
  minBytes: 1,
  maxBytes: 50 << 20,
  ...limits,
  topics: [
    {
      topic,
      partitions: asks.map(({ offset = 0, index = 0, partitionMaxBytes = 1 << 20, epoch = -1 }) => ({
        partition: index,
        fetchOffset: offset,
        currentLeaderEpoch: epoch,
        partitionMaxBytes,
      })),
    },
  ],
  forgottenTopicsData: [],
})

/** The values that a fetch gets, by partition, and each partition's code. */
async function read(client: TestClient, topic: string, asks: Ask[], limits: Limits = {}, version = 12) {
  client.send(fetch, version, request(topic, asks, limits))
  return await answer(client)
}

async function answer(client: TestClient) {
  const reply = await client.receive<typeof fetch>()
  const partitions = (reply.body.responses[0]?.partitions ?? []).map(partition => ({
    ...partition,
    values: valuesOf(reply.records(partition.records)),
  }))
  return { errorCode: reply.body.errorCode, sessionId: reply.body.sessionId, partitions, first: partitions[0]! }
}

function valuesOf(bytes: Uint8Array): string[] {
  const values: string[] = []
  for (let at = 0, end = batchEnd(bytes, 0); end !== undefined; at = end, end = batchEnd(bytes, at))
    values.push(...readRecords(bytes, at).map(record => new TextDecoder().decode(record.value ?? undefined)))
  return values
}

async function brokerWith(t: TestContext, batches: string[][], configs: Record<string, string> = {}) {
  const broker = await testBroker(t)
  await broker.createTopic('t', 2, configs)
  const client = broker.connect()
  for (const values of batches) await produceOne(client, 't', batchOf(values))
  return { broker, client }
}

/** Sends a fetch that waits, and checks that it does. */
async function startWaiting(broker: TestBroker, client: TestClient, asks: Ask[], limits: Limits): Promise<void> {
  client.send(fetch, 12, request('t', asks, limits))
  await broker.world.time.settle()
  assert.equal(client.unread, 0, 'the fetch waits')
  assert.equal(broker.world.storage.regionsHeld, 0, 'a fetch that waits holds no region')
}

for (const version of [4, 5, 7, 9, 11, 12])
  test(`Fetch v${version} reads what was written`, async t => {
    const { client } = await brokerWith(t, [['a', 'b'], ['c']])
    const { first } = await read(client, 't', [{ offset: 0 }], {}, version)
    assert.deepEqual(first.values, ['a', 'b', 'c'])
    assert.deepEqual([first.highWatermark, first.lastStableOffset], [3, 3])
  })

for (const version of [13, 15, 17, 18])
  test(`Fetch v${version} names topics by id, and a deleted id is UNKNOWN_TOPIC_ID under a new topic's name`, async t => {
    const broker = await testBroker(t)
    const topicId = await broker.createTopic('t')
    const client = broker.connect()
    await produceOne(client, 't', batchOf(['old']))
    const byId = async (id: Uuid) => {
      const partitions = [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1 << 20 }]
      const limits = { maxWaitMs: 0, minBytes: 1, maxBytes: 1 << 20, forgottenTopicsData: [] }
      client.send(fetch, version, { ...limits, topics: [{ topicId: id, partitions }] })
      return await answer(client)
    }
    assert.deepEqual((await byId(topicId)).first.values, ['old'])
    await client.call(deleteTopics, 5, { topicNames: ['t'], timeoutMs: 1_000 })
    const renewed = await broker.createTopic('t')
    assert.notEqual(renewed, topicId)
    assert.equal((await byId(topicId)).first.errorCode, ErrorCode.UNKNOWN_TOPIC_ID)
    assert.deepEqual((await byId(renewed)).first.values, [])
  })

test('an offset in mid-batch gives the whole batch around it', async t => {
  const { client } = await brokerWith(t, [['a'], ['b', 'c', 'd'], ['e']])
  assert.deepEqual((await read(client, 't', [{ offset: 2 }])).first.values, ['b', 'c', 'd', 'e'])
})

test('offsets below the log start, past its end and beyond all numbers are OFFSET_OUT_OF_RANGE; the end is not', async t => {
  const { client } = await brokerWith(t, [['a']])
  for (const offset of [-1, 2, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER]) {
    const { first } = await read(client, 't', [{ offset }])
    assert.equal(first.errorCode, ErrorCode.OFFSET_OUT_OF_RANGE, `${offset}`)
  }
  assert.equal((await read(client, 't', [{ offset: 1 }])).first.errorCode, ErrorCode.NONE)
})

test('an offset of Long.MAX_VALUE is OFFSET_OUT_OF_RANGE and not the end of the connection', async t => {
  const { client } = await brokerWith(t, [['a']])
  const frame = client.encode(fetch, 4, request('t', [{ offset: 0x0123456789abcd }]))
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength)
  const at = Array.from({ length: frame.length - 7 }, (_, i) => i).find(i => view.getBigInt64(i) === 0x0123456789abcdn)
  view.setBigInt64(at!, 2n ** 63n - 1n)
  client.deliver([frame])
  assert.equal((await answer(client)).first.errorCode, ErrorCode.OFFSET_OUT_OF_RANGE)
})

test('only what is committed is read, and a fetch that waits asks for the flush', async t => {
  const { broker, client } = await brokerWith(t, [['a']])
  broker.world.storage.holdFlushes = true
  await produceOne(client, 't', batchOf(['b']), 1)
  const early = await read(client, 't', [{ offset: 0 }])
  assert.deepEqual(early.first.values, ['a'])
  assert.equal(early.first.highWatermark, 1)
  assert.equal(broker.world.storage.flushesWaiting, 0)
  await startWaiting(broker, client, [{ offset: 1 }], { maxWaitMs: 1_000 })
  assert.equal(broker.world.storage.flushesWaiting, 1)
  broker.world.storage.flush()
  assert.deepEqual((await answer(client)).first.values, ['b'])
})

test('a fetch that waits is woken by a produce to any of its partitions', async t => {
  const { broker, client } = await brokerWith(t, [])
  await startWaiting(broker, client, [{ index: 0 }, { index: 1 }], { maxWaitMs: 1_000 })
  const { responses } = await broker.connect().call(produce, 9, {
    acks: 1,
    timeoutMs: 1_000,
    topicData: [{ name: 't', partitionData: [{ index: 1, records: batchOf(['late']) }] }],
  })
  assert.equal(responses[0]!.partitionResponses[0]!.errorCode, ErrorCode.NONE)
  assert.deepEqual(
    (await answer(client)).partitions.map(each => each.values),
    [[], ['late']],
  )
})

test('a fetch waits for minBytes, and no longer than maxWaitMs', async t => {
  const { broker, client } = await brokerWith(t, [])
  const producer = broker.connect()
  const minBytes = 2 * batchOf(['a']).length
  await startWaiting(broker, client, [{}], { maxWaitMs: 1_000, minBytes })
  await produceOne(producer, 't', batchOf(['a']))
  await broker.world.time.settle()
  assert.equal(client.unread, 0, 'one batch is not enough')
  await produceOne(producer, 't', batchOf(['b']))
  assert.deepEqual((await answer(client)).first.values, ['a', 'b'])

  await startWaiting(broker, client, [{ offset: 2 }], { maxWaitMs: 1_000, minBytes })
  await produceOne(producer, 't', batchOf(['c']))
  await broker.world.time.advance(999)
  assert.equal(client.unread, 0)
  await broker.world.time.advance(1)
  assert.deepEqual((await answer(client)).first.values, ['c'])
})

test('minBytes above maxBytes does not make a full response wait', async t => {
  const { client } = await brokerWith(t, [['a'], ['b'], ['c']])
  const maxBytes = batchOf(['a']).length
  const { first } = await read(client, 't', [{}], { maxWaitMs: 1_000, minBytes: 10 * maxBytes, maxBytes })
  assert.deepEqual(first.values, ['a'])
})

test('a reader far behind whose whole batches do not add up to minBytes exactly does not wait', async t => {
  const { client } = await brokerWith(t, [['a'], ['b'], ['c']])
  const limit = 2 * batchOf(['a']).length + 1
  const limits = { maxWaitMs: 1_000, minBytes: limit }
  const { first } = await read(client, 't', [{ partitionMaxBytes: limit }], limits)
  assert.deepEqual(first.values, ['a', 'b'])
})

test('limits hold across partitions, but the first batch always goes out', async t => {
  const broker = await testBroker(t)
  await broker.createTopic('t', 2)
  const client = broker.connect()
  for (const index of [0, 1]) {
    const partitionData = [{ index, records: batchOf(['x'.repeat(500)]) }]
    await client.call(produce, 9, { acks: -1, timeoutMs: 1_000, topicData: [{ name: 't', partitionData }] })
  }
  const counts = async (limits: Limits, partitionMaxBytes = 1 << 20) =>
    (
      await read(
        client,
        't',
        [
          { index: 0, partitionMaxBytes },
          { index: 1, partitionMaxBytes },
        ],
        limits,
      )
    ).partitions.map(each => each.values.length)
  assert.deepEqual(await counts({}), [1, 1])
  assert.deepEqual(await counts({ maxBytes: 10 }), [1, 0])
  assert.deepEqual(await counts({ maxBytes: 0 }), [1, 0])
  assert.deepEqual(await counts({}, 10), [1, 0])
  assert.deepEqual(await counts({}, 0), [1, 0])
})

test('a region ends with its segment, and the fetch does not wait for what lies in the next', async t => {
  const broker = await testBroker(t)
  await broker.createTopic('t', 1, { 'segment.bytes': String(1 << 20) })
  const client = broker.connect()
  for (const letter of ['a', 'b', 'c']) await produceOne(client, 't', batchOf([letter.repeat(600_000)]))
  const { first } = await read(client, 't', [{}], { maxWaitMs: 1_000, minBytes: 1 << 20 })
  assert.equal(first.values.length, 1)
})

test('an older leader epoch is fenced, a newer one is unknown', async t => {
  const { client } = await brokerWith(t, [['a']])
  assert.equal((await read(client, 't', [{ epoch: 0 }])).first.errorCode, ErrorCode.NONE)
  assert.equal((await read(client, 't', [{ epoch: 1 }])).first.errorCode, ErrorCode.UNKNOWN_LEADER_EPOCH)
})

test('unknown topics and partitions are told at once, also to a fetch that may wait', async t => {
  const { client } = await brokerWith(t, [['a']])
  const missing = await read(client, 'missing', [{}], { maxWaitMs: 1_000 })
  assert.equal(missing.first.errorCode, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
  const strange = await read(client, 't', [{ index: 9 }, { index: -1 }], { maxWaitMs: 1_000 })
  for (const each of strange.partitions) assert.equal(each.errorCode, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
})

test('a broker that fetches as a follower is NOT_LEADER_OR_FOLLOWER', async t => {
  const { client } = await brokerWith(t, [['a']])
  assert.equal((await read(client, 't', [{}], { replicaId: 2 })).first.errorCode, ErrorCode.NOT_LEADER_OR_FOLLOWER)
})

test('committed reads name no aborted transactions, others none at all', async t => {
  const { client } = await brokerWith(t, [['a']])
  assert.deepEqual((await read(client, 't', [{}], { isolationLevel: 1 })).first.abortedTransactions, [])
  assert.equal((await read(client, 't', [{}])).first.abortedTransactions, null)
})

test('a client that hangs up while its fetch waits leaves nothing behind', async t => {
  const { broker, client } = await brokerWith(t, [])
  const timers = broker.world.time.pending
  await startWaiting(broker, client, [{}], { maxWaitMs: 1_000 })
  assert.equal(broker.world.time.pending, timers + 1)
  client.hangUp()
  assert.equal(broker.world.time.pending, timers)
  await produceOne(broker.connect(), 't', batchOf(['a']))
})

test('a client that hangs up between an answer and its sending gives the regions back', async t => {
  const { broker, client } = await brokerWith(t, [['a']])
  broker.world.storage.holdFlushes = true
  client.deliver([
    client.encode(produce, 9, {
      acks: -1,
      timeoutMs: 1_000,
      topicData: [{ name: 't', partitionData: [{ index: 0, records: batchOf(['b']) }] }],
    }),
    client.encode(fetch, 12, request('t', [{ offset: 0 }])),
  ])
  await broker.world.time.settle()
  assert.equal(broker.world.storage.regionsHeld, 1, 'the fetch is answered and waits behind the produce')
  client.hangUp()
  assert.equal(broker.world.storage.regionsHeld, 0)
})

test('deleting a topic answers the fetches that wait on it', async t => {
  const { broker, client } = await brokerWith(t, [])
  await startWaiting(broker, client, [{}], { maxWaitMs: 1_000 })
  await broker.connect().call(deleteTopics, 5, { topicNames: ['t'], timeoutMs: 1_000 })
  assert.equal((await answer(client)).first.errorCode, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
})

test('a fetch that breaks when it is woken costs its connection and not the broker', async t => {
  const { broker, client } = await brokerWith(t, [])
  await startWaiting(broker, client, [{}], { maxWaitMs: 1_000 })
  const log = broker.logOf('t')
  const { read: sound } = log
  log.read = () => {
    throw new Error('a bug')
  }
  await produceOne(broker.connect(), 't', batchOf(['a']))
  await broker.world.time.settle()
  assert.equal(client.closed, true)
  assert.ok(broker.logger.has('a bug'))
  log.read = sound
  assert.deepEqual((await read(broker.connect(), 't', [{}])).first.values, ['a'])
})
