import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ErrorCode, type RequestInput } from '../../../src/protocol/index.ts'
import { createPartitions } from '../../../src/protocol/schema/create-partitions.ts'
import { metadata } from '../../../src/protocol/schema/metadata.ts'
import { produce } from '../../../src/protocol/schema/produce.ts'
import { systemError } from '../../support/memory-disk.ts'
import { batchOf, dataDirectory, produceRequest, TestBroker, testBroker } from '../../support/test-broker.ts'
import type { TestClient } from '../../support/test-client.ts'

type Topic = RequestInput<typeof createPartitions>['topics'][number]
const grow = (name: string, count: number, brokers?: number[][]): Topic => ({
  name,
  count,
  assignments: brokers === undefined ? null : brokers.map(brokerIds => ({ brokerIds })),
})

async function ask(client: TestClient, topics: Topic[], more: { validateOnly?: boolean; timeoutMs?: number } = {}) {
  const request = { topics, timeoutMs: 1_000, validateOnly: false, ...more }
  const { results } = await client.call(createPartitions, 3, request)
  return results.map(({ name, errorCode, errorMessage }) => [name, errorCode, errorMessage])
}

async function produceTo(client: TestClient, topic: string, index: number): Promise<ErrorCode> {
  const { responses } = await client.call(produce, 12, produceRequest(topic, batchOf(['v']), -1, 1_000, index))
  return responses[0]!.partitionResponses[0]!.errorCode
}

const countOf = async (client: TestClient, name: string): Promise<number> =>
  (await client.call(metadata, 12, { topics: [{ name }], allowAutoTopicCreation: false })).topics[0]!.partitions.length

for (let version = 0; version <= 3; version++)
  test(`CreatePartitions v${version} adds partitions that can be written when it is answered`, async t => {
    const broker = await testBroker(t)
    await broker.createTopic('t')
    const client = broker.connect()
    const request = { topics: [grow('t', 3)], timeoutMs: 1_000, validateOnly: false }
    const { results } = await client.call(createPartitions, version, request)
    assert.deepEqual(results, [{ name: 't', errorCode: ErrorCode.NONE, errorMessage: null }])
    for (const index of [0, 1, 2]) assert.equal(await produceTo(client, 't', index), ErrorCode.NONE, `${index}`)
    assert.equal(await produceTo(client, 't', 3), ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
    assert.equal(await countOf(client, 't'), 3)
  })

test("a topic that cannot grow so is told Kafka's reason, and stays", async t => {
  const broker = await testBroker(t)
  await broker.createTopic('t', 3)
  const client = broker.connect()
  const { INVALID_PARTITIONS, INVALID_REPLICA_ASSIGNMENT } = ErrorCode
  const manual = 'The manual partition assignment includes'
  const cases: [Topic, ErrorCode, string | null][] = [
    [grow('nope', 3), ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, null],
    [grow('t', 3), INVALID_PARTITIONS, 'Topic already has 3 partition(s).'],
    [grow('t', 2), INVALID_PARTITIONS, 'The topic t currently has 3 partition(s); 2 would not be an increase.'],
    [grow('t', -1), INVALID_PARTITIONS, 'The topic t currently has 3 partition(s); -1 would not be an increase.'],
    [
      grow('t', 5, [[1]]),
      INVALID_REPLICA_ASSIGNMENT,
      'Attempted to add 2 additional partition(s), but only 1 assignment(s) were specified.',
    ],
    [
      grow('t', 4, []),
      INVALID_REPLICA_ASSIGNMENT,
      'Attempted to add 1 additional partition(s), but only 0 assignment(s) were specified.',
    ],
    [grow('t', 4, [[9]]), INVALID_REPLICA_ASSIGNMENT, `${manual} broker 9, but no such broker is registered.`],
    [grow('t', 4, [[1, 1]]), INVALID_REPLICA_ASSIGNMENT, `${manual} the broker 1 more than once.`],
    [grow('t', 4, [[]]), INVALID_REPLICA_ASSIGNMENT, `${manual} an empty replica list.`],
    [grow('t', 10_004), ErrorCode.POLICY_VIOLATION, 'Excessively large number of additional partitions per request.'],
    [grow('t', 10_003), ErrorCode.POLICY_VIOLATION, 'A topic of this broker has at most 10000 partitions.'],
  ]
  for (const [topic, code, message] of cases)
    assert.deepEqual(await ask(client, [topic]), [[topic.name, code, message]])
  assert.equal(await countOf(client, 't'), 3)
})

test('each topic of a request grows or not alone, and one named twice is refused once', async t => {
  const broker = await testBroker(t)
  for (const name of ['a', 'b', 'c']) await broker.createTopic(name)
  const client = broker.connect()
  const answers = await ask(client, [grow('a', 2), grow('b', 2), grow('nope', 2), grow('b', 3), grow('c', 2, [[1]])])
  assert.deepEqual(answers, [
    ['a', ErrorCode.NONE, null],
    ['b', ErrorCode.INVALID_REQUEST, 'Duplicate topic name.'],
    ['nope', ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, null],
    ['c', ErrorCode.NONE, null],
  ])
  assert.deepEqual([await countOf(client, 'a'), await countOf(client, 'b'), await countOf(client, 'c')], [2, 1, 2])
})

test('the limit is that of a request, over all its topics', async t => {
  const broker = await testBroker(t)
  for (const name of ['a', 'b']) await broker.createTopic(name)
  const answers = await ask(broker.connect(), [grow('a', 5_002), grow('b', 5_001)], { validateOnly: true })
  assert.deepEqual(
    answers.map(([, code]) => code),
    [ErrorCode.POLICY_VIOLATION, ErrorCode.POLICY_VIOLATION],
  )
  const fitting = await ask(broker.connect(), [grow('a', 5_001), grow('b', 5_001)], { validateOnly: true })
  assert.deepEqual(
    fitting.map(([, code]) => code),
    [ErrorCode.NONE, ErrorCode.NONE],
  )
})

test('validateOnly answers as if, and a request without time is REQUEST_TIMED_OUT; both change nothing', async t => {
  const broker = await testBroker(t)
  await broker.createTopic('t')
  const client = broker.connect()
  assert.deepEqual(await ask(client, [grow('t', 2)], { validateOnly: true }), [['t', ErrorCode.NONE, null]])
  assert.deepEqual(await ask(client, [grow('t', 2)], { timeoutMs: 0 }), [['t', ErrorCode.REQUEST_TIMED_OUT, null]])
  assert.equal(await countOf(client, 't'), 1)
  assert.equal(broker.world.machine.exists(`${dataDirectory}/t-1`), false)
})

test('what is written to a new partition is there after kill -9', async t => {
  const first = await TestBroker.start()
  await first.createTopic('t')
  await ask(first.connect(), [grow('t', 2)])
  assert.equal(await produceTo(first.connect(), 't', 1), ErrorCode.NONE)
  first.world.machine.killProcess()
  const second = await TestBroker.start({}, first.world.machine, 2)
  t.after(() => second.stop())
  assert.equal(await countOf(second.connect(), 't'), 2)
  assert.equal(second.logOf('t', 1).logEndOffset(), 1)
})

test('a start completes what a crash between the metadata and the files left', async t => {
  const first = await TestBroker.start()
  await first.createTopic('t')
  // From the first new directory on the process is dead: nothing it does reaches the disk.
  let dead = false
  first.world.disk.fault = (operation, path) => {
    dead ||= operation === 'makeDirectory' && path.endsWith('/t-1')
    return dead ? systemError('EIO', path) : undefined
  }
  await ask(first.connect(), [grow('t', 3)])
  assert.equal(first.world.machine.exists(`${dataDirectory}/t-1`), false)
  first.world.machine.killProcess()
  const second = await TestBroker.start({}, first.world.machine, 2)
  t.after(() => second.stop())
  const client = second.connect()
  assert.equal(await countOf(client, 't'), 3)
  for (const index of [0, 1, 2]) assert.equal(await produceTo(client, 't', index), ErrorCode.NONE, `${index}`)
})

test('metadata that cannot be written leave the topic as it was', async t => {
  const broker = await testBroker(t)
  await broker.createTopic('t')
  const client = broker.connect()
  const metadataLog = broker.world.storage.log(`${dataDirectory}/__cluster_metadata-0`)
  metadataLog.refuseAppends = 2
  assert.equal((await ask(client, [grow('t', 2)]))[0]![1], ErrorCode.KAFKA_STORAGE_ERROR)
  metadataLog.refuseAppends = 0
  assert.equal(await countOf(client, 't'), 1)
  assert.deepEqual(await ask(client, [grow('t', 2)]), [['t', ErrorCode.NONE, null]])
})

test('requests that grow one topic at once are served in turn: one grows it, the other is told', async t => {
  const broker = await testBroker(t)
  await broker.createTopic('t')
  const [a, b] = [broker.connect(), broker.connect()]
  const request = { topics: [grow('t', 2)], timeoutMs: 1_000, validateOnly: false }
  a.send(createPartitions, 3, request)
  b.send(createPartitions, 3, request)
  const codes = []
  for (const client of [a, b]) codes.push((await client.receive<typeof createPartitions>()).body.results[0]!.errorCode)
  assert.deepEqual(codes, [ErrorCode.NONE, ErrorCode.INVALID_PARTITIONS])
})
