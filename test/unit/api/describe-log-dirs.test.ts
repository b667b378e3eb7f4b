import assert from 'node:assert/strict'
import { resolve } from 'node:path'
import { test } from 'node:test'
import { ErrorCode, type RequestInput } from '../../../src/protocol/index.ts'
import { alterReplicaLogDirs } from '../../../src/protocol/schema/alter-replica-log-dirs.ts'
import { describeLogDirs } from '../../../src/protocol/schema/describe-log-dirs.ts'
import { batchOf, dataDirectory, produceOne, testBroker } from '../../support/test-broker.ts'
import type { TestClient } from '../../support/test-client.ts'

async function describe(client: TestClient, topics: RequestInput<typeof describeLogDirs>['topics'], version = 5) {
  const { results, errorCode } = await client.call(describeLogDirs, version, { topics })
  assert.equal(errorCode, ErrorCode.NONE)
  assert.equal(results.length, 1)
  return results[0]!
}

for (const version of [1, 2, 3, 4, 5])
  test(`DescribeLogDirs v${version} tells the directory, its partitions with their bytes, and from v4 its space`, async t => {
    const broker = await testBroker(t)
    await broker.createTopic('t', 2)
    await broker.createTopic('u')
    const client = broker.connect()
    await produceOne(client, 't', batchOf(['a', 'b']))
    const { errorCode, logDir, topics, totalBytes, usableBytes, isCordoned } = await describe(client, null, version)
    assert.deepEqual([errorCode, logDir, isCordoned], [ErrorCode.NONE, dataDirectory, false])
    const partition = (partitionIndex: number, partitionSize: number) => {
      return { partitionIndex, partitionSize, offsetLag: 0, isFutureKey: false }
    }
    const bytes = broker.logOf('t').sizeBytes()
    assert.ok(bytes > 0)
    assert.deepEqual(topics, [
      { name: 't', partitions: [partition(0, bytes), partition(1, 0)] },
      { name: 'u', partitions: [partition(0, 0)] },
    ])
    if (version < 4) assert.deepEqual([totalBytes, usableBytes], [-1, -1])
    else
      assert.ok(totalBytes === 2 ** 31 && usableBytes > 0 && usableBytes <= 2 ** 30, `${usableBytes} of ${totalBytes}`)
  })

test('only what is asked for is told, once, and what does not exist is left out', async t => {
  const broker = await testBroker(t)
  await broker.createTopic('t', 3)
  await broker.createTopic('u')
  const client = broker.connect()
  const { topics } = await describe(client, [
    { topic: 't', partitions: [2, 2, 9, -1] },
    { topic: 'nope', partitions: [0] },
    { topic: 'u', partitions: [] },
    { topic: 't', partitions: [0, 2] },
  ])
  assert.deepEqual(
    topics.map(({ name, partitions }) => [name, partitions.map(({ partitionIndex }) => partitionIndex)]),
    [['t', [2, 0]]],
  )
  assert.deepEqual((await describe(client, [])).topics, [])
})

test('a directory that was given as a relative path is told by its absolute one', async t => {
  const client = (await testBroker(t, { 'log.dirs': 'some/data' })).connect()
  assert.equal((await describe(client, null)).logDir, resolve('some/data'))
})

test('a disk that cannot be asked is KAFKA_STORAGE_ERROR for its directory', async t => {
  const broker = await testBroker(t)
  const client = broker.connect()
  broker.world.disk.room = async () => {
    throw new Error('no answer')
  }
  const { errorCode, topics } = await describe(client, null)
  assert.deepEqual([errorCode, topics], [ErrorCode.KAFKA_STORAGE_ERROR, []])
})

test('a replica is in the one directory already, and nothing can be moved elsewhere', async t => {
  const broker = await testBroker(t)
  await broker.createTopic('t', 2)
  const client = broker.connect()
  const { results } = await client.call(alterReplicaLogDirs, 2, {
    dirs: [
      {
        path: dataDirectory,
        topics: [
          { name: 't', partitions: [0, 1, 5] },
          { name: 'nope', partitions: [0] },
        ],
      },
      { path: '/elsewhere', topics: [{ name: 't', partitions: [1] }] },
    ],
  })
  const { NONE, LOG_DIR_NOT_FOUND, UNKNOWN_TOPIC_OR_PARTITION } = ErrorCode
  assert.deepEqual(
    results.map(({ topicName, partitions }) => [topicName, partitions.map(({ errorCode }) => errorCode)]),
    [
      ['t', [NONE, LOG_DIR_NOT_FOUND, UNKNOWN_TOPIC_OR_PARTITION]],
      ['nope', [UNKNOWN_TOPIC_OR_PARTITION]],
    ],
  )
})
