import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ErrorCode } from '../../../src/protocol/index.ts'
import { describeProducers } from '../../../src/protocol/schema/describe-producers.ts'
import { batchOf, produceOne, testBroker } from '../../support/test-broker.ts'

test('the producers of a partition are told with their epoch, last sequence and last time, and no transaction', async t => {
  const broker = await testBroker(t)
  await broker.createTopic('t', 2)
  const client = broker.connect()
  const batch = (producerId: bigint, producerEpoch: number, baseSequence: number, values: string[]) =>
    batchOf(values, { producerId, producerEpoch, baseSequence })
  await produceOne(client, 't', batch(2n ** 62n, 0, 0, ['a', 'b']))
  await produceOne(client, 't', batch(2n ** 62n, 3, 0, ['c']))
  await broker.world.time.advance(5_000)
  await produceOne(client, 't', batch(7n, 1, 39, ['d']))
  await produceOne(client, 't', batch(7n, 1, 40, ['e', 'f', 'g']))
  const nowMs = broker.world.clock.wallMs()
  const { topics } = await client.call(describeProducers, 0, {
    topics: [{ name: 't', partitionIndexes: [0, 1] }],
  })
  const shared = { coordinatorEpoch: -1, currentTxnStartOffset: -1 }
  const none = { errorCode: ErrorCode.NONE, errorMessage: null }
  assert.deepEqual(topics, [
    {
      name: 't',
      partitions: [
        {
          partitionIndex: 0,
          ...none,
          activeProducers: [
            { producerId: 2n ** 62n, producerEpoch: 3, lastSequence: 0, lastTimestamp: nowMs - 5_000, ...shared },
            { producerId: 7n, producerEpoch: 1, lastSequence: 42, lastTimestamp: nowMs, ...shared },
          ],
        },
        { partitionIndex: 1, ...none, activeProducers: [] },
      ],
    },
  ])
})
