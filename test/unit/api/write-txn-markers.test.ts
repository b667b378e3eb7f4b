import assert from 'node:assert/strict'
import { test } from 'node:test'
import { errorName } from '../../../src/protocol/index.ts'
import { writeTxnMarkers } from '../../../src/protocol/schema/write-txn-markers.ts'
import { testBroker } from '../../support/test-broker.ts'
import { TransactionalClient } from '../../support/transactional-client.ts'

test('bad input: a marker of a coordinator that nobody has been keeps none from ending its transactions', async t => {
  const broker = await testBroker(t)
  await broker.createTopic('t', 2)
  const producer = await new TransactionalClient(broker, 'tx').begin()
  assert.equal(errorName(await producer.write('t', 0, 'a')), 'NONE')
  const { producerId, producerEpoch } = producer
  const abort = async (coordinatorEpoch: number) => {
    const { markers } = await broker.connect().call(writeTxnMarkers, 1, {
      markers: [
        {
          producerId,
          producerEpoch,
          coordinatorEpoch,
          transactionResult: false,
          topics: [{ name: 't', partitionIndexes: [0, 1] }],
        },
      ],
    })
    return markers[0]!.topics[0]!.partitions.map(({ errorCode }) => errorName(errorCode))
  }
  for (const epoch of [1, 1_000, 0x7fff_ffff]) assert.deepEqual(await abort(epoch), Array(2).fill('INVALID_REQUEST'))
  assert.equal((await broker.broker.transactionStats()).partitionsWithOpenTransactions, 1)
  assert.deepEqual(await abort(0), ['NONE', 'NONE'])
  assert.equal(errorName(await producer.write('t', 1, 'b')), 'NONE')
  assert.equal(errorName(await producer.end(false)), 'NONE')
  await broker.world.time.advance(1_000)
  const { markers, partitionsWithOpenTransactions } = await broker.broker.transactionStats()
  assert.deepEqual([markers.jobs, markers.refused, partitionsWithOpenTransactions], [0, 0, 0])
  assert.equal(errorName(await new TransactionalClient(broker, 'tx').init()), 'NONE')
})
