/** What the wall clock's jumps do to a broker: nothing to its timeouts, and nothing that cannot be taken back. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ErrorCode } from '../../../src/protocol/index.ts'
import { fetch } from '../../../src/protocol/schema/fetch.ts'
import { initProducerId } from '../../../src/protocol/schema/init-producer-id.ts'
import { listOffsets } from '../../../src/protocol/schema/list-offsets.ts'
import { batchOf, produceOne, type TestBroker, testBroker } from '../../support/test-broker.ts'

const minuteMs = 60_000
const hourMs = 60 * minuteMs
const yearMs = 365 * 24 * hourMs
const jumps = [hourMs, -hourMs, yearMs, -yearMs]

const offsetOf = async (broker: TestBroker, topic: string, timestamp: number): Promise<number> => {
  const client = broker.connect()
  const partitions = [{ partitionIndex: 0, timestamp, currentLeaderEpoch: -1 }]
  const asked = { replicaId: -1, isolationLevel: 0, topics: [{ name: topic, partitions }] }
  const { topics } = await broker.during(client.call(listOffsets, 7, asked))
  client.hangUp()
  return Number(topics[0]!.partitions[0]!.offset)
}
const stamped = (broker: TestBroker, value: string, more: object = {}) =>
  batchOf([value], { timestampMs: broker.world.clock.wallMs(), ...more })

for (const jumpMs of jumps)
  test(`a clock that is off by ${jumpMs / hourMs} hours for 50 minutes costs no record and no producer`, async t => {
    const configs = { 'log.retention.check.interval.ms': '60000' }
    const broker = await testBroker(t, configs)
    const { time } = broker.world
    await broker.createTopic('t', 1, { 'retention.ms': String(2 * hourMs), 'segment.ms': String(10 * minuteMs) })
    const client = broker.connect()
    const given = await broker.during(
      client.call(initProducerId, 4, { transactionalId: null, transactionTimeoutMs: 1_000 }),
    )
    const producer = { producerId: given.producerId, producerEpoch: given.producerEpoch, baseSequence: 0 }
    const batch = stamped(broker, 'a', producer)
    assert.equal((await broker.during(produceOne(client, 't', batch))).errorCode, ErrorCode.NONE)
    await time.advance(30 * minuteMs)

    time.jumpWall(jumpMs)
    assert.equal((await broker.during(produceOne(client, 't', stamped(broker, 'meanwhile')))).errorCode, ErrorCode.NONE)
    await time.advance(50 * minuteMs)
    assert.equal(await offsetOf(broker, 't', -2), 0)
    time.jumpWall(-jumpMs)
    await time.advance(5 * minuteMs)
    assert.equal(await offsetOf(broker, 't', -2), 0)
    // Still known: the same batch once more is the same batch.
    assert.equal(Number((await broker.during(produceOne(client, 't', batch))).baseOffset), 0)
    assert.equal(await offsetOf(broker, 't', -1), 2)
    // A record from the past goes in its time, an hour after the clock came back; one that was stamped in the future stays.
    await time.advance(2 * hourMs)
    assert.equal((await offsetOf(broker, 't', -2)) > 0, jumpMs < 0)
  })

test('a clock that stays ahead is believed after an hour', async t => {
  const broker = await testBroker(t, { 'log.retention.check.interval.ms': '60000' })
  const { time } = broker.world
  await broker.createTopic('t', 1, { 'retention.ms': String(24 * hourMs) })
  const client = broker.connect()
  await broker.during(produceOne(client, 't', stamped(broker, 'a')))
  time.jumpWall(yearMs)
  await time.advance(55 * minuteMs)
  assert.equal(await offsetOf(broker, 't', -2), 0)
  assert.ok(broker.logger.has('the clock has jumped ahead'))
  await time.advance(10 * minuteMs)
  assert.equal(await offsetOf(broker, 't', -2), 1)
})

for (const jumpMs of jumps)
  test(`a fetch waits for as long as it asked to, though the clock jumps by ${jumpMs / hourMs} hours`, async t => {
    const broker = await testBroker(t)
    await broker.createTopic('t')
    const client = broker.connect()
    client.send(fetch, 12, {
      maxWaitMs: 5_000,
      minBytes: 1,
      maxBytes: 1 << 20,
      topics: [{ topic: 't', partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1 << 20 }] }],
      forgottenTopicsData: [],
    })
    const { time } = broker.world
    await time.advance(2_000)
    time.jumpWall(jumpMs)
    await time.advance(2_900)
    assert.equal(client.unread, 0)
    await time.advance(100)
    assert.equal(client.unread, 1)
    await client.receive()
  })

test('append time follows the clock back and forth, and lookups by time still find the first that is as late', async t => {
  const broker = await testBroker(t)
  await broker.createTopic('t', 1, { 'message.timestamp.type': 'LogAppendTime' })
  const client = broker.connect()
  const { time } = broker.world
  const times: number[] = []
  for (const jumpMs of [0, ...jumps]) {
    time.jumpWall(jumpMs)
    await time.advance(1_000)
    const { logAppendTimeMs } = await broker.during(produceOne(client, 't', batchOf(['a'])))
    assert.equal(Number(logAppendTimeMs), time.wallMs())
    times.push(time.wallMs())
  }
  for (const asked of times)
    assert.equal(
      await offsetOf(broker, 't', asked),
      times.findIndex(stamp => stamp >= asked),
    )
})
