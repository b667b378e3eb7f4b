import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ErrorCode, type ResponseOf } from '../../../src/protocol/index.ts'
import { deleteRecords } from '../../../src/protocol/schema/delete-records.ts'
import { offsetForLeaderEpoch } from '../../../src/protocol/schema/offset-for-leader-epoch.ts'
import { batchOf, dataDirectory, produceOne, TestBroker, testBroker } from '../../support/test-broker.ts'
import type { TestClient } from '../../support/test-client.ts'

type Answer = ResponseOf<typeof offsetForLeaderEpoch>['topics'][number]['partitions'][number]

async function ask(
  client: TestClient,
  leaderEpoch: number,
  { topic = 't', partition = 0, currentLeaderEpoch = -1, version = 4 } = {},
): Promise<Answer> {
  const topics = [{ topic, partitions: [{ partition, currentLeaderEpoch, leaderEpoch }] }]
  const answer = await client.call(offsetForLeaderEpoch, version, { topics })
  return answer.topics[0]!.partitions[0]!
}

const told = (leaderEpoch: number, endOffset: number): Answer => ({
  errorCode: ErrorCode.NONE,
  partition: 0,
  leaderEpoch,
  endOffset,
})
const refused = (errorCode: ErrorCode, partition = 0): Answer => ({
  errorCode,
  partition,
  leaderEpoch: -1,
  endOffset: -1,
})

for (const version of [2, 3, 4])
  test(`OffsetForLeaderEpoch v${version} tells where the present epoch ends`, async t => {
    const broker = await testBroker(t)
    await broker.createTopic('t')
    const client = broker.connect()
    assert.deepEqual(await ask(client, 0, { version }), told(0, 0))
    await produceOne(client, 't', batchOf(['a', 'b']))
    assert.deepEqual(await ask(client, 0, { version, currentLeaderEpoch: 0 }), told(0, 2))
  })

test('epochs that nobody asked for, or that have not come, are not told', async t => {
  const broker = await testBroker(t)
  await broker.createTopic('t')
  assert.deepEqual(await ask(broker.connect(), -1), told(-1, -1))
  assert.deepEqual(await ask(broker.connect(), 5), told(-1, -1))
})

test('a client that believes in another leader epoch is fenced, or is ahead', async t => {
  const broker = await testBroker(t)
  await broker.createTopic('t')
  const client = broker.connect()
  assert.deepEqual(await ask(client, 0, { currentLeaderEpoch: 1 }), refused(ErrorCode.UNKNOWN_LEADER_EPOCH))
  assert.deepEqual(await ask(client, 0, { currentLeaderEpoch: -7 }), refused(ErrorCode.FENCED_LEADER_EPOCH))
})

test('partitions that are not there, or whose log failed, are told one by one', async t => {
  const broker = await testBroker(t)
  await broker.createTopic('t')
  await broker.createTopic('bad')
  broker.world.storage.fail(`${dataDirectory}/bad-0`)
  const client = broker.connect()
  const unknown = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
  assert.deepEqual(await ask(client, 0, { topic: 'nope' }), refused(unknown))
  assert.deepEqual(await ask(client, 0, { partition: 4 }), refused(unknown, 4))
  assert.deepEqual(await ask(client, 0, { topic: 'bad' }), refused(ErrorCode.KAFKA_STORAGE_ERROR))
})

test('the end of an epoch stays what it is when records are deleted, and after kill -9', async t => {
  const first = await TestBroker.start()
  await first.createTopic('t')
  const client = first.connect()
  await produceOne(client, 't', batchOf(['a', 'b', 'c', 'd']))
  const partitions = [{ partitionIndex: 0, offset: -1 }]
  await client.call(deleteRecords, 2, { topics: [{ name: 't', partitions }], timeoutMs: 1_000 })
  assert.deepEqual(await ask(client, 0), told(0, 4))
  first.world.machine.killProcess()
  const second = await TestBroker.start({}, first.world.machine, 2)
  t.after(() => second.stop())
  assert.deepEqual(await ask(second.connect(), 0), told(0, 4))
})
