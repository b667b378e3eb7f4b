import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Disk } from '../../../src/base/world.ts'
import { ErrorCode } from '../../../src/protocol/index.ts'
import { deleteRecords } from '../../../src/protocol/schema/delete-records.ts'
import { deleteTopics } from '../../../src/protocol/schema/delete-topics.ts'
import { fetch } from '../../../src/protocol/schema/fetch.ts'
import { listOffsets } from '../../../src/protocol/schema/list-offsets.ts'
import { systemError } from '../../support/memory-disk.ts'
import { batchOf, dataDirectory, produceOne, TestBroker, testBroker } from '../../support/test-broker.ts'
import type { TestClient } from '../../support/test-client.ts'

const logStartFile = 'log-start-offset-checkpoint'

/** Partition 0 of a topic, trimmed to an offset: error code and low watermark. */
async function trim(client: TestClient, name: string, offset: number, timeoutMs = 1_000): Promise<[ErrorCode, number]> {
  const topics = [{ name, partitions: [{ partitionIndex: 0, offset }] }]
  const answer = await client.call(deleteRecords, 2, { topics, timeoutMs })
  const { errorCode, lowWatermark } = answer.topics[0]!.partitions[0]!
  return [errorCode, lowWatermark]
}

async function earliest(client: TestClient, name: string): Promise<number> {
  const partitions = [{ partitionIndex: 0, currentLeaderEpoch: -1, timestamp: -2 }]
  const { topics } = await client.call(listOffsets, 5, {
    replicaId: -1,
    isolationLevel: 0,
    topics: [{ name, partitions }],
  })
  return topics[0]!.partitions[0]!.offset
}

function fetchFrom(topic: string, fetchOffset: number, maxWaitMs = 0) {
  return {
    replicaId: -1,
    maxWaitMs,
    minBytes: 1,
    maxBytes: 1 << 20,
    isolationLevel: 0,
    sessionId: 0,
    sessionEpoch: -1,
    topics: [{ topic, partitions: [{ partition: 0, fetchOffset, partitionMaxBytes: 1 << 20 }] }],
    forgottenTopicsData: [],
    rackId: '',
  }
}

const fetchCode = async (client: TestClient, topic: string, offset: number): Promise<ErrorCode> =>
  (await client.call(fetch, 11, fetchFrom(topic, offset))).responses[0]!.partitions[0]!.errorCode

const three = batchOf(['a', 'b', 'c'])

for (const version of [0, 1, 2])
  test(`DeleteRecords v${version} answers each partition with its low watermark or what was wrong`, async t => {
    const broker = await testBroker(t)
    await broker.createTopic('t', 2)
    const client = broker.connect()
    await produceOne(client, 't', three)
    const partitions = [
      { partitionIndex: 0, offset: 2 },
      { partitionIndex: 1, offset: 0 },
      { partitionIndex: 7, offset: 0 },
    ]
    const topics = [
      { name: 't', partitions },
      { name: 'nope', partitions: [{ partitionIndex: 0, offset: 0 }] },
    ]
    const answer = await client.call(deleteRecords, version, { topics, timeoutMs: 1_000 })
    const missing = { lowWatermark: -1, errorCode: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION }
    assert.deepEqual(answer.topics, [
      {
        name: 't',
        partitions: [
          { partitionIndex: 0, lowWatermark: 2, errorCode: ErrorCode.NONE },
          { partitionIndex: 1, lowWatermark: 0, errorCode: ErrorCode.NONE },
          { partitionIndex: 7, ...missing },
        ],
      },
      { name: 'nope', partitions: [{ partitionIndex: 0, ...missing }] },
    ])
    assert.equal(await earliest(client, 't'), 2)
    assert.equal(await fetchCode(client, 't', 1), ErrorCode.OFFSET_OUT_OF_RANGE)
    assert.equal(await fetchCode(client, 't', 2), ErrorCode.NONE)
  })

test('-1 is the high watermark; above it, and below -1, is OFFSET_OUT_OF_RANGE; the start never goes back', async t => {
  const broker = await testBroker(t)
  await broker.createTopic('t')
  const client = broker.connect()
  await produceOne(client, 't', three)
  assert.deepEqual(await trim(client, 't', 4), [ErrorCode.OFFSET_OUT_OF_RANGE, -1])
  assert.deepEqual(await trim(client, 't', -2), [ErrorCode.OFFSET_OUT_OF_RANGE, -1])
  assert.deepEqual(await trim(client, 't', 2), [ErrorCode.NONE, 2])
  assert.deepEqual(await trim(client, 't', 1), [ErrorCode.NONE, 2])
  // What is not committed is above the high watermark.
  broker.world.storage.holdFlushes = true
  await produceOne(client, 't', three, 1)
  assert.deepEqual(await trim(client, 't', 4), [ErrorCode.OFFSET_OUT_OF_RANGE, -1])
  assert.deepEqual(await trim(client, 't', -1), [ErrorCode.NONE, 3])
  broker.world.storage.holdFlushes = false
  assert.equal((await produceOne(client, 't', three)).baseOffset, 6)
  assert.deepEqual(await trim(client, 't', -1), [ErrorCode.NONE, 9])
  assert.equal((await produceOne(client, 't', three)).baseOffset, 9)
})

test('records go only where the topic deletes records, and never from internal topics', async t => {
  const broker = await testBroker(t)
  await broker.createTopic('compacted', 1, { 'cleanup.policy': 'compact' })
  await broker.createTopic('both', 1, { 'cleanup.policy': 'compact,delete' })
  await broker.createTopic('__consumer_offsets')
  const client = broker.connect()
  assert.deepEqual(await trim(client, 'compacted', 0), [ErrorCode.POLICY_VIOLATION, -1])
  assert.deepEqual(await trim(client, 'both', 0), [ErrorCode.NONE, 0])
  assert.deepEqual(await trim(client, '__consumer_offsets', 0), [ErrorCode.INVALID_TOPIC_EXCEPTION, -1])
})

test('a partition that is named twice is answered once, for the last offset', async t => {
  const broker = await testBroker(t)
  await broker.createTopic('t')
  const client = broker.connect()
  await produceOne(client, 't', three)
  const at = (offset: number) => ({ partitionIndex: 0, offset })
  const topics = [
    { name: 't', partitions: [at(3), at(1)] },
    { name: 't', partitions: [at(2)] },
  ]
  const answer = await client.call(deleteRecords, 2, { topics, timeoutMs: 1_000 })
  assert.deepEqual(answer.topics, [
    { name: 't', partitions: [{ partitionIndex: 0, lowWatermark: 2, errorCode: ErrorCode.NONE }] },
  ])
})

test('the start that was answered is there after kill -9, and what was not answered may be', async t => {
  const first = await TestBroker.start()
  await first.createTopic('t')
  const client = first.connect()
  await produceOne(client, 't', three)
  await trim(client, 't', 2)
  const { machine } = first.world
  assert.match(new TextDecoder().decode(machine.files.get(`${dataDirectory}/${logStartFile}`)), /^t 0 2$/m)
  machine.killProcess()
  const second = await TestBroker.start({}, machine, 2)
  t.after(() => second.stop())
  const opening = second.world.storage.openings.find(({ directory }) => directory.endsWith('/t-0'))
  assert.equal(opening!.logStartOffset, 2)
  assert.equal(await earliest(second.connect(), 't'), 2)
})

test('a start that cannot be made durable takes no record away', async t => {
  const broker = await testBroker(t)
  await broker.createTopic('t')
  const client = broker.connect()
  await produceOne(client, 't', three)
  broker.world.disk.fault = (operation, path) =>
    operation === 'replace' && path.endsWith(logStartFile) ? systemError('ENOSPC', path) : undefined
  assert.deepEqual(await trim(client, 't', 2), [ErrorCode.KAFKA_STORAGE_ERROR, -1])
  broker.world.disk.fault = () => undefined
  assert.equal(await earliest(client, 't'), 0)
  assert.equal(await fetchCode(client, 't', 0), ErrorCode.NONE)
})

/** Keeps the next write of the log start on its way to the disk until `finish`. */
function holdLogStart(disk: Disk): { restore(): void; finish(): void } {
  const replace = disk.replace.bind(disk)
  let finish = () => {}
  disk.replace = async (path, content) => {
    if (path.endsWith(logStartFile)) await new Promise<void>(resolve => (finish = resolve))
    return replace(path, content)
  }
  return {
    restore: () => {
      disk.replace = replace
    },
    finish: () => finish(),
  }
}

test('what takes longer than the client waits is REQUEST_TIMED_OUT, and is done all the same', async t => {
  const broker = await testBroker(t)
  await broker.createTopic('t')
  const client = broker.connect()
  await produceOne(client, 't', three)
  const held = holdLogStart(broker.world.disk)
  const topics = [{ name: 't', partitions: [{ partitionIndex: 0, offset: 2 }] }]
  client.send(deleteRecords, 2, { topics, timeoutMs: 500 })
  await broker.world.time.advance(499)
  assert.equal(client.unread, 0)
  await broker.world.time.advance(1)
  const { body } = await client.receive<typeof deleteRecords>()
  assert.equal(body.topics[0]!.partitions[0]!.errorCode, ErrorCode.REQUEST_TIMED_OUT)
  assert.equal(await earliest(client, 't'), 0)
  held.restore()
  held.finish()
  await broker.world.time.settle()
  assert.equal(await earliest(client, 't'), 2)
  assert.deepEqual(await trim(client, 't', 3, 0), [ErrorCode.REQUEST_TIMED_OUT, -1])
  assert.equal(await earliest(client, 't'), 2)
})

test('a fetch that waits below the new start is told at once', async t => {
  const broker = await testBroker(t)
  await broker.createTopic('t')
  const client = broker.connect()
  await produceOne(client, 't', three)
  const waiting = broker.connect()
  waiting.send(fetch, 11, { ...fetchFrom('t', 1, 60_000), minBytes: 1 << 20 })
  await broker.world.time.settle()
  assert.equal(waiting.unread, 0)
  await trim(client, 't', 3)
  const { body } = await waiting.receive<typeof fetch>()
  assert.equal(body.responses[0]!.partitions[0]!.errorCode, ErrorCode.OFFSET_OUT_OF_RANGE)
})

test('a topic that is deleted while its records are is told so', async t => {
  const broker = await testBroker(t)
  const id = await broker.createTopic('t')
  const [client, other] = [broker.connect(), broker.connect()]
  await produceOne(client, 't', three)
  const held = holdLogStart(broker.world.disk)
  const topics = [{ name: 't', partitions: [{ partitionIndex: 0, offset: 2 }] }]
  client.send(deleteRecords, 2, { topics, timeoutMs: 60_000 })
  await broker.world.time.settle()
  held.restore()
  other.send(deleteTopics, 6, { topics: [{ topicId: id }], timeoutMs: 60_000 })
  await broker.world.time.settle()
  held.finish()
  const { body } = await client.receive<typeof deleteRecords>()
  assert.equal(body.topics[0]!.partitions[0]!.errorCode, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
  assert.equal((await other.receive<typeof deleteTopics>()).body.responses[0]!.errorCode, ErrorCode.NONE)
})
