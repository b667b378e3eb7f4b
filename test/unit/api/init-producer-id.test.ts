import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ErrorCode } from '../../../src/protocol/index.ts'
import { initProducerId } from '../../../src/protocol/schema/init-producer-id.ts'
import { TestBroker, testBroker } from '../../support/test-broker.ts'

const idempotent = { transactionalId: null, transactionTimeoutMs: 60_000 }

for (let version = 0; version <= 5; version++)
  test(`InitProducerId v${version} gives a new id with epoch 0 each time`, async t => {
    const broker = await testBroker(t)
    const client = broker.connect()
    const first = await client.call(initProducerId, version, idempotent)
    const second = await client.call(initProducerId, version, idempotent)
    assert.deepEqual([first.errorCode, first.producerEpoch], [ErrorCode.NONE, 0])
    assert.notEqual(first.producerId, second.producerId)
  })

test('no id is given twice, whatever becomes of the broker in between', async () => {
  const given = new Set<bigint>()
  const take = async (broker: TestBroker, count: number) => {
    const client = broker.connect()
    for (let i = 0; i < count; i++) {
      const { producerId } = await client.call(initProducerId, 4, idempotent)
      assert.equal(given.has(producerId), false, `${producerId} was given before`)
      given.add(producerId)
    }
  }
  let broker = await TestBroker.start()
  const { machine } = broker.world
  await take(broker, 1_001)
  machine.killProcess()
  broker = await TestBroker.start({}, machine, 2)
  await take(broker, 10)
  await broker.stop()
  broker = await TestBroker.start({}, machine, 3)
  await take(broker, 10)
  machine.losePower()
  broker = await TestBroker.start({}, machine, 4)
  await take(broker, 10)
  await broker.stop()
})

test('with half of a producer, it is an INVALID_REQUEST', async t => {
  const broker = await testBroker(t)
  const client = broker.connect()
  for (const request of [
    { ...idempotent, transactionalId: '' },
    { ...idempotent, producerId: 5n },
    { ...idempotent, producerEpoch: 5 },
  ]) {
    const answer = await client.call(initProducerId, 4, request)
    assert.deepEqual([answer.errorCode, answer.producerId], [ErrorCode.INVALID_REQUEST, -1n])
  }
})
