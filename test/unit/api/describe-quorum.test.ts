import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ErrorCode } from '../../../src/protocol/index.ts'
import { describeQuorum } from '../../../src/protocol/schema/describe-quorum.ts'
import { unregisterBroker } from '../../../src/protocol/schema/unregister-broker.ts'
import { testBroker } from '../../support/test-broker.ts'
import type { TestClient } from '../../support/test-client.ts'

const ask = (client: TestClient, version: number) =>
  client.call(describeQuorum, version, {
    topics: [{ topicName: '__cluster_metadata', partitions: [{ partitionIndex: 0 }] }],
  })

for (const version of [0, 1, 2])
  test(`DescribeQuorum v${version} tells of one voter, which leads and has everything`, async t => {
    const broker = await testBroker(t, { 'node.id': '4' })
    const client = broker.connect()
    const { errorCode, topics, nodes } = await ask(client, version)
    assert.equal(errorCode, ErrorCode.NONE)
    const { leaderId, leaderEpoch, highWatermark, currentVoters, observers } = topics[0]!.partitions[0]!
    assert.deepEqual([leaderId, leaderEpoch, observers], [4, 0, []])
    assert.equal(currentVoters.length, 1)
    const [voter] = currentVoters
    assert.deepEqual([voter!.replicaId, voter!.logEndOffset], [4, highWatermark])
    const nowMs = version >= 1 ? broker.world.clock.wallMs() : -1
    assert.deepEqual([voter!.lastFetchTimestamp, voter!.lastCaughtUpTimestamp], [nowMs, nowMs])
    assert.deepEqual(nodes, version >= 2 ? [{ nodeId: 4, listeners: [] }] : [])
  })

test('the high watermark of the metadata rises with each change of them', async t => {
  const broker = await testBroker(t)
  const client = broker.connect()
  const highWatermark = async () => (await ask(client, 2)).topics[0]!.partitions[0]!.highWatermark
  const before = await highWatermark()
  await broker.createTopic('t')
  assert.ok((await highWatermark()) > before)
})

test('the only broker cannot be unregistered', async t => {
  const client = (await testBroker(t)).connect()
  const { errorCode } = await client.call(unregisterBroker, 0, { brokerId: 1 })
  assert.equal(errorCode, ErrorCode.INVALID_REQUEST)
})
