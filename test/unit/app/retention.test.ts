import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ErrorCode } from '../../../src/protocol/index.ts'
import { listOffsets } from '../../../src/protocol/schema/list-offsets.ts'
import { batchOf, produceOne, testBroker } from '../../support/test-broker.ts'

const earliest = -2

async function earliestOf(client: Awaited<ReturnType<typeof clientOf>>, topic: string): Promise<number> {
  const { topics } = await client.call(listOffsets, 7, {
    replicaId: -1,
    isolationLevel: 0,
    topics: [{ name: topic, partitions: [{ partitionIndex: 0, timestamp: earliest, currentLeaderEpoch: -1 }] }],
  })
  return Number(topics[0]!.partitions[0]!.offset)
}
const clientOf = async (broker: Awaited<ReturnType<typeof testBroker>>) => broker.connect()

test('a served topic loses what is older than its retention.ms, and one that is compacted nothing', async t => {
  const broker = await testBroker(t, { 'log.retention.check.interval.ms': '60000' })
  await broker.createTopic('short', 1, { 'retention.ms': '600000' })
  await broker.createTopic('kept', 1, { 'retention.ms': '600000', 'cleanup.policy': 'compact' })
  const client = await clientOf(broker)
  const keyed = { records: [{ key: Buffer.from('k'), value: Buffer.from('v') }] }
  for (const topic of ['short', 'kept'])
    assert.equal((await broker.during(produceOne(client, topic, batchOf(['a'], keyed)))).errorCode, ErrorCode.NONE)
  await broker.world.time.advance(590_000)
  assert.equal(await broker.during(earliestOf(client, 'short')), 0)
  await broker.world.time.advance(120_000)
  assert.equal(await broker.during(earliestOf(client, 'short')), 1)
  assert.equal(await broker.during(earliestOf(client, 'kept')), 0)
  const { errorCode, baseOffset } = await broker.during(produceOne(client, 'short', batchOf(['b'])))
  assert.deepEqual([errorCode, Number(baseOffset)], [ErrorCode.NONE, 1])
})

test('descriptors that connections may need are not kept by idle files', async t => {
  const broker = await testBroker(t, { 'max.connections': '500' })
  assert.ok(broker.world.storage.reservedFiles > 500)
})
