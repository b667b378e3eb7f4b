import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LatestConnections } from '../../../src/api/latest-connections.ts'
import { ErrorCode } from '../../../src/protocol/index.ts'
import { addPartitionsToTxn } from '../../../src/protocol/schema/add-partitions-to-txn.ts'
import { endTxn } from '../../../src/protocol/schema/end-txn.ts'
import { testBroker } from '../../support/test-broker.ts'
import type { TestClient } from '../../support/test-client.ts'
import { TransactionalClient, v1 } from '../../support/transactional-client.ts'

test('what comes over an earlier connection than its producer has used since is late', () => {
  const connections = new LatestConnections()
  const late = (order: number, producerEpoch = 0, producerId = 1n) =>
    connections.isLate('tx', producerId, producerEpoch, { connectionOrder: order })
  assert.equal(late(3), false)
  assert.equal(late(3), false)
  assert.equal(late(5), false)
  assert.equal(late(3), true)
  assert.equal(late(5), false)
})

test('another incarnation of a transactional id may have an older connection; who was fenced changes nothing', () => {
  const connections = new LatestConnections()
  const late = (order: number, producerEpoch: number, producerId = 1n) =>
    connections.isLate('tx', producerId, producerEpoch, { connectionOrder: order })
  assert.equal(late(9, 0), false)
  assert.equal(late(4, 1), false)
  assert.equal(late(10, 0), false, 'the coordinator tells it')
  assert.equal(late(4, 1), false)
  assert.equal(late(2, 1), true)
  assert.equal(late(1, 0, 2n), false)
})

test('of very many or very long transactional ids those that were not used for longest are forgotten', () => {
  const short = new LatestConnections()
  const late = (connections: LatestConnections, id: string, connectionOrder: number) =>
    connections.isLate(id, 1n, 0, { connectionOrder })
  for (let i = 0; i < 100_005; i++) late(short, `${i}`, 2)
  assert.equal(short.size, 100_000)
  assert.equal(late(short, '100004', 1), true)
  assert.equal(late(short, '0', 1), false)
  const long = new LatestConnections()
  for (let i = 0; i < 1_000; i++) {
    late(long, 'used', 2)
    late(long, `${i}`.padEnd(32_767), 2)
  }
  assert.ok(long.size > 200 && long.size <= 257, String(long.size))
  assert.equal(late(long, 'used', 1), true)
  assert.equal(late(long, '999'.padEnd(32_767), 1), true)
  assert.equal(late(long, '0'.padEnd(32_767), 1), false)
})

test('an EndTxn that is late does not end the next transaction of the same epoch (row 17)', async t => {
  const broker = await testBroker(t)
  await broker.createTopic('t')
  const producer = await new TransactionalClient(broker, 'tx', v1).begin()
  const { client: first, producerId, producerEpoch } = producer
  const second = broker.connect()
  const add = async (client: TestClient) => {
    const answer = await client.call(addPartitionsToTxn, 3, {
      v3AndBelowTransactionalId: 'tx',
      v3AndBelowProducerId: producerId,
      v3AndBelowProducerEpoch: producerEpoch,
      v3AndBelowTopics: [{ name: 't', partitions: [0] }],
    })
    assert.equal(answer.resultsByTopicV3AndBelow[0]!.resultsByPartition[0]!.partitionErrorCode, ErrorCode.NONE)
  }
  const end = { transactionalId: 'tx', producerId, producerEpoch, committed: true }
  await add(first)
  // Its commit is held up on the first connection, and repeated over the second.
  assert.equal((await second.call(endTxn, 4, end)).errorCode, ErrorCode.NONE)
  await add(second)
  first.send(endTxn, 4, end)
  await assert.rejects(first.receive(), /closed the connection/)
  const abort = await second.call(endTxn, 4, { ...end, committed: false })
  assert.equal(abort.errorCode, ErrorCode.NONE, 'the next transaction is still open')
})
