import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ErrorCode } from '../../../src/protocol/index.ts'
import { produce } from '../../../src/protocol/schema/produce.ts'
import { batchOf, produceOne, produceRequest, testBroker } from '../../support/test-broker.ts'

const utf8 = new TextEncoder()
const partitionsOf = (indexes: readonly number[], records: Uint8Array | null = batchOf(['a'])) =>
  indexes.map(index => ({ index, records }))
const requestOf = (partitionData: ReturnType<typeof partitionsOf>, acks = -1, name = 't') => ({
  transactionalId: null,
  acks,
  timeoutMs: 1_000,
  topicData: [{ name, partitionData }],
})

test('every record at fault is named from v8 on; before, the code alone is told', async t => {
  const broker = await testBroker(t)
  await broker.createTopic('t', 1, { 'cleanup.policy': 'compact', 'message.timestamp.after.max.ms': '1000' })
  const client = broker.connect()
  const now = broker.world.clock.wallMs()
  const record = (key: string | null, timestampMs: number) => ({
    key: key === null ? null : utf8.encode(key),
    value: null,
    timestampMs,
  })
  const keyless = batchOf([], { records: [record('k', now), record(null, now), record('k', now), record(null, now)] })
  const mixed = batchOf([], { records: [record(null, now), record('k', now + 1_001), record('k', now)] })
  for (const version of [7, 8, 12]) {
    const answer = await produceOne(client, 't', keyless, 1, version)
    assert.equal(answer.errorCode, ErrorCode.INVALID_RECORD)
    assert.deepEqual(
      (answer.recordErrors ?? []).map(({ batchIndex }) => batchIndex),
      version < 8 ? [] : [1, 3],
    )
    if (version < 8) continue
    assert.match(answer.errorMessage!, /Record 1: .*key/)
    assert.equal(answer.logStartOffset, 0)
  }
  // As in Kafka, one timestamp out of bounds decides the code.
  const answer = await produceOne(client, 't', mixed, 1)
  assert.equal(answer.errorCode, ErrorCode.INVALID_TIMESTAMP)
  assert.deepEqual(
    answer.recordErrors.map(({ batchIndex }) => batchIndex),
    [0, 1],
  )
  assert.match(answer.recordErrors[1]!.batchIndexErrorMessage!, new RegExp(`${now + 1_001}`))
  assert.equal(broker.logOf('t').logEndOffset(), 0)
})

test('of a batch full of records at fault the first 500 are named', async t => {
  const broker = await testBroker(t)
  await broker.createTopic('t', 1, { 'cleanup.policy': 'compact' })
  const answer = await produceOne(broker.connect(), 't', batchOf(Array(2_000).fill('a')))
  assert.equal(answer.recordErrors.length, 500)
  assert.equal(answer.recordErrors[499]!.batchIndex, 499)
})

test('a broken record fails its batch as a whole: it is named in the message only', async t => {
  const broker = await testBroker(t)
  await broker.createTopic('t')
  const batch = batchOf(['a', 'b'], { attributes: 0x08 })
  const answer = await produceOne(broker.connect(), 't', batch)
  assert.equal(answer.errorCode, ErrorCode.INVALID_TIMESTAMP, 'append time is the broker’s to give')
  assert.deepEqual(answer.recordErrors, [])
})

test('a batch larger than a segment is RECORD_LIST_TOO_LARGE', async t => {
  const broker = await testBroker(t)
  const sizes = { 'segment.bytes': `${1 << 20}`, 'max.message.bytes': `${4 << 20}` }
  await broker.createTopic('t', 1, sizes)
  const batch = batchOf(['x'.repeat(1 << 20)])
  assert.equal((await produceOne(broker.connect(), 't', batch)).errorCode, ErrorCode.RECORD_LIST_TOO_LARGE)
})

test('with acks that do not exist, what does not exist either is still told so', async t => {
  const broker = await testBroker(t)
  await broker.createTopic('t')
  const client = broker.connect()
  const partitionData = [...partitionsOf([0, 1]), ...partitionsOf([0], null)]
  const { responses } = await client.call(produce, 9, requestOf(partitionData, 5))
  assert.deepEqual(
    responses[0]!.partitionResponses.map(({ errorCode }) => errorCode),
    [ErrorCode.INVALID_REQUIRED_ACKS, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, ErrorCode.INVALID_RECORD],
  )
})

test('a partition and a topic that are named twice get and answer both batches, in order', async t => {
  const broker = await testBroker(t)
  await broker.createTopic('t', 2)
  const topic = { name: 't', partitionData: partitionsOf([0, 1, 0]) }
  const request = { transactionalId: null, acks: -1, timeoutMs: 1_000, topicData: [topic, topic] }
  const { responses } = await broker.connect().call(produce, 9, request)
  assert.deepEqual(
    responses.map(({ partitionResponses }) => partitionResponses.map(({ baseOffset }) => baseOffset)),
    [
      [0, 0, 1],
      [2, 1, 3],
    ],
  )
})

test('a request without topics, and a topic without partitions, are answered as such', async t => {
  const broker = await testBroker(t)
  await broker.createTopic('t')
  const client = broker.connect()
  const empty = { transactionalId: null, acks: -1, timeoutMs: 1_000, topicData: [] }
  assert.deepEqual((await client.call(produce, 9, empty)).responses, [])
  const { responses } = await client.call(produce, 9, requestOf([]))
  assert.deepEqual(responses[0]!.partitionResponses, [])
})

test('a request of many partitions takes turns, holds the order of its connection and lets others in', async t => {
  const broker = await testBroker(t)
  await broker.createTopic('t')
  await broker.createTopic('other')
  const [wide, other] = [broker.connect(), broker.connect()]
  const times = 3_000
  wide.deliver([
    wide.encode(produce, 9, requestOf(partitionsOf(Array(times).fill(0)), 1)),
    wide.encode(produce, 9, produceRequest('t', batchOf(['last']), 1)),
  ])
  let appendedBefore = -1
  const onBytes = other.onBytes.bind(other)
  other.onBytes = bytes => {
    appendedBefore = broker.logOf('t').logEndOffset()
    onBytes(bytes)
  }
  other.send(produce, 9, produceRequest('other', batchOf(['a']), 1))
  await other.receive()
  assert.ok(appendedBefore > 0 && appendedBefore < times, 'the other was answered in between')
  const first = await wide.receive<typeof produce>()
  assert.deepEqual(
    first.body.responses[0]!.partitionResponses.map(({ baseOffset }) => baseOffset),
    Array.from({ length: times }, (_, i) => i),
  )
  const second = await wide.receive<typeof produce>()
  assert.equal(second.body.responses[0]!.partitionResponses[0]!.baseOffset, times)
})

test('a request is carried out to its end though its client hangs up between its turns', async t => {
  const broker = await testBroker(t)
  await broker.createTopic('t')
  const client = broker.connect()
  client.send(produce, 9, requestOf(partitionsOf(Array(1_000).fill(0)), 1))
  const begun = broker.logOf('t').logEndOffset()
  assert.ok(begun < 1_000)
  client.hangUp()
  await broker.world.time.settle()
  assert.equal(broker.logOf('t').logEndOffset(), 1_000)
})

test('an acks=all of many partitions, some already committed, is answered once, with one timer', async t => {
  const broker = await testBroker(t)
  await broker.createTopic('durable', 20)
  await broker.createTopic('cached', 20, { 'write.caching': 'true' })
  broker.world.storage.holdFlushes = true
  const timers = broker.world.time.pending
  const client = broker.connect()
  const indexes = Array.from({ length: 20 }, (_, i) => i)
  const topicData = ['durable', 'cached'].map(name => ({ name, partitionData: partitionsOf(indexes) }))
  client.send(produce, 9, { transactionalId: null, acks: -1, timeoutMs: 1_000, topicData })
  await broker.world.time.settle()
  assert.equal(client.unread, 0)
  assert.equal(broker.world.time.pending, timers + 1)
  broker.world.storage.flush()
  const { body } = await client.receive<typeof produce>()
  for (const { partitionResponses } of body.responses)
    for (const { errorCode, baseOffset } of partitionResponses)
      assert.deepEqual([errorCode, baseOffset], [ErrorCode.NONE, 0])
  assert.equal(broker.world.time.pending, timers)
})
