import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ProducerStates } from '../../../src/log/producer-state.ts'
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

test('the producers of a partition that has very many are told in several turns, and looked at in no one of them alone', async t => {
  const broker = await testBroker(t)
  await broker.createTopic('t')
  const client = broker.connect()
  const count = 3_500
  for (let first = 0; first < count; first += 500)
    await Promise.all(
      Array.from({ length: 500 }, (_, i) =>
        produceOne(client, 't', batchOf(['a'], { producerId: BigInt(first + i), producerEpoch: 0, baseSequence: 0 })),
      ),
    )
  let looked = 0
  const lookedAtPause: number[] = []
  const each = ProducerStates.prototype[Symbol.iterator]
  t.mock.method(ProducerStates.prototype, Symbol.iterator, function* (this: ProducerStates) {
    for (const entry of { [Symbol.iterator]: () => each.call(this) }) {
      looked++
      yield entry
    }
  })
  const { world } = broker
  const soon = world.timers.soon.bind(world.timers)
  world.timers.soon = run => {
    lookedAtPause.push(looked)
    soon(run)
  }
  const { topics } = await broker.during(
    client.call(describeProducers, 0, { topics: [{ name: 't', partitionIndexes: [0] }] }),
  )
  assert.equal(topics[0]!.partitions[0]!.activeProducers.length, count)
  assert.ok(lookedAtPause.length >= 3 && lookedAtPause.every(at => at <= count), String(lookedAtPause))
  for (const [index, at] of lookedAtPause.entries())
    assert.ok(at - (lookedAtPause[index - 1] ?? 0) <= 2_000, String(lookedAtPause))
})
