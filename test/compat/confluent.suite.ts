/** Python's confluent-kafka (librdkafka) as producer, as consumer by assignment and as admin client. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { BrokerUnderTest } from './lib/broker.ts'
import { Confluent, isDelivered } from './lib/confluent.ts'
import { directoryOfPartitions, untilTopicGone } from './lib/logdir.ts'
import { assertSame, sampleRecords } from './lib/records.ts'

const timeout = 60_000
/** Recent, so that retention by age has no say, and whole seconds, so that a lost millisecond part would show. */
const baseTimestamp = Math.floor(Date.now() / 1000) * 1000 - 3_600_000 + 7

let broker: BrokerUnderTest
let confluent: Confluent

before(async () => {
  broker = await BrokerUnderTest.start()
  confluent = await Confluent.start(broker.bootstrap)
})

after(async () => {
  await confluent?.end()
  await broker?.destroy()
})

const codecs = ['none', 'gzip', 'snappy', 'lz4', 'zstd']
const ways = [
  { acks: '0', idempotent: false, codecs: ['none', 'lz4'] },
  { acks: '1', idempotent: false, codecs },
  { acks: 'all', idempotent: false, codecs },
  { acks: 'all', idempotent: true, codecs },
].flatMap(({ codecs, ...way }) => codecs.map(codec => ({ ...way, codec })))

for (const { acks, idempotent, codec } of ways) {
  const name = `${idempotent ? 'idempotent' : 'plain'}-acks-${acks}-${codec}`
  test(`records of every shape come back: ${name}`, { timeout }, async () => {
    const sent = sampleRecords(300, baseTimestamp)
    const producer = await confluent.producer({
      acks,
      'enable.idempotence': idempotent,
      'compression.type': codec,
      'linger.ms': 20,
    })
    const deliveries = await producer.send(name, sent)
    assert.ok(deliveries.every(isDelivered), JSON.stringify(deliveries.find(delivery => !isDelivered(delivery))))
    if (acks !== '0') {
      const offsets = deliveries.filter(isDelivered).map(delivery => delivery.offset)
      assert.deepEqual(offsets, Array.from(sent.keys()))
    }
    const consumer = await confluent.consumer(name, { 0: 0 }, { 'check.crcs': true })
    assertSame(await consumer.read(sent.length), sent)
    assert.deepEqual(await consumer.watermarks(0), [0, sent.length])
    // Not before: one that closes beside an answer that it has not read resets its connection, and what nobody
    // acknowledges may be lost with it, by Kafka as well.
    await Promise.all([producer.close(), consumer.close()])
  })
}

test('a consumer starts and seeks at any offset, also inside a batch', { timeout }, async () => {
  const topic = 'seek-anywhere'
  const sent = sampleRecords(200, baseTimestamp)
  const producer = await confluent.producer({ 'linger.ms': 200, 'compression.type': 'lz4' })
  await producer.send(topic, sent)
  await producer.close()
  for (const from of [0, 1, 37, 198, 199]) {
    assertSame(await confluent.readAll(topic, 0, from), sent.slice(from), from)
  }
  const consumer = await confluent.consumer(topic, { 0: 150 })
  assertSame(await consumer.read(10), sent.slice(150, 160), 150)
  for (const to of [5, 120]) {
    await consumer.seek(0, to)
    assertSame(await consumer.read(30), sent.slice(to, to + 30), to)
  }
  await consumer.close()
})

test('offsets for times are those of the first record that is not older', { timeout }, async () => {
  const topic = 'times'
  const at = (delta: number): number => baseTimestamp + delta
  const record = (timestamp: number) => ({ key: null, value: Buffer.from('v'), timestamp })
  const batched = await confluent.producer({ 'linger.ms': 200, 'compression.type': 'gzip' })
  await batched.send(topic, [1_000, 5_000, 2_000, 3_000, 9_000].map(at).map(record))
  await batched.send(topic, [7_000, 12_000].map(at).map(record))
  await batched.close()
  const consumer = await confluent.consumer(topic, { 0: 0 })
  const asked = [0, 1_000, 1_001, 5_000, 5_001, 9_001, 12_000, 12_001].map(at)
  // -1: librdkafka's word for the end, where no record is as young.
  assert.deepEqual(await consumer.offsetsForTimes(0, asked), [0, 0, 1, 1, 4, 6, 6, -1])
  await consumer.close()
})

test('a topic of LogAppendTime carries the broker’s time', { timeout }, async () => {
  const topic = 'append-time'
  await confluent.createTopics({ topic, partitions: 1, config: { 'message.timestamp.type': 'LogAppendTime' } })
  const earliest = Date.now()
  const producer = await confluent.producer({ 'linger.ms': 20, 'compression.type': 'zstd' })
  await producer.send(topic, sampleRecords(10, baseTimestamp))
  await producer.close()
  const read = await confluent.readAll(topic)
  assert.equal(read.length, 10)
  for (const { timestamp, timestampType } of read) {
    assert.equal(timestampType, 2)
    assert.ok(timestamp >= earliest && timestamp <= Date.now())
  }
})

test('keys decide the partition and keep their order in it', { timeout }, async () => {
  const topic = 'keyed'
  assert.deepEqual(await confluent.createTopics({ topic, partitions: 4 }), { [topic]: null })
  const keyOf = (i: number): string => `key-${i % 11}`
  const producer = await confluent.producer({ 'enable.idempotence': true, 'batch.num.messages': 7 })
  const sent = Array.from({ length: 1_000 }, (_, i) => ({ key: Buffer.from(keyOf(i)), value: Buffer.from(`${i}`) }))
  await producer.send(topic, sent)
  await producer.close()
  const perKey = new Map<string, { partition: number; values: number[] }>()
  for (const partition of [0, 1, 2, 3]) {
    for (const { key, value } of await confluent.readAll(topic, partition)) {
      const seen = perKey.get(String(key)) ?? { partition, values: [] }
      perKey.set(String(key), seen)
      assert.equal(partition, seen.partition)
      seen.values.push(Number(value))
    }
  }
  assert.equal(perKey.size, 11)
  for (const [key, { values }] of perKey) {
    assert.deepEqual(
      values,
      Array.from(sent.keys()).filter(i => keyOf(i) === key),
    )
  }
})

test('topics are created as asked, and refused with Kafka’s errors', { timeout }, async () => {
  assert.deepEqual(await confluent.createTopics({ topic: 'made', partitions: 3 }), { made: null })
  assert.deepEqual((await confluent.listTopics()).made, [0, 1, 2])
  assert.deepEqual(
    await confluent.createTopics(
      { topic: 'made', partitions: 1 },
      { topic: 'bad name', partitions: 1 },
      { topic: 'bad-config', partitions: 1, config: { 'segment.bytes': 'many' } },
    ),
    { made: 'TOPIC_ALREADY_EXISTS', 'bad name': 'TOPIC_EXCEPTION', 'bad-config': 'INVALID_CONFIG' },
  )
  const names = Object.keys(await confluent.listTopics())
  assert.ok(!names.includes('bad name') && !names.includes('bad-config'))
})

test('a deleted topic is gone with its files, and starts anew under its name', { timeout }, async t => {
  const topic = 'deleted'
  await confluent.createTopics({ topic, partitions: 2 })
  const send = async (value: string): Promise<void> => {
    const producer = await confluent.producer()
    const deliveries = await producer.send(topic, [{ key: null, value: Buffer.from(value), partition: 0 }])
    await producer.close()
    assert.deepEqual(deliveries, [{ partition: 0, offset: 0 }])
  }
  await send('before')
  const { dataDir } = broker
  const parent = dataDir === undefined ? undefined : await directoryOfPartitions(dataDir, topic, 2)
  if (parent === undefined) t.diagnostic('the broker was started elsewhere: its files are not looked at')
  assert.deepEqual(await confluent.deleteTopics(topic, 'never-was'), {
    [topic]: null,
    'never-was': 'UNKNOWN_TOPIC_OR_PART',
  })
  assert.ok(!(topic in (await confluent.listTopics())))
  if (parent !== undefined) await untilTopicGone(parent, topic)
  await confluent.createTopics({ topic, partitions: 1 })
  await send('after')
  assert.deepEqual(
    (await confluent.readAll(topic)).map(record => String(record.value)),
    ['after'],
  )
})

test('a message above the broker’s limit is refused and the producer goes on', { timeout }, async () => {
  const topic = 'large'
  const producer = await confluent.producer({ 'message.max.bytes': 20_000_000, 'linger.ms': 0 })
  const send = async (bytes: number) => (await producer.send(topic, [{ key: null, value: Buffer.alloc(bytes, 1) }]))[0]
  assert.deepEqual(await send(1_000_000), { partition: 0, offset: 0 })
  assert.deepEqual(await send(2_000_000), { error: 'MSG_SIZE_TOO_LARGE' })
  assert.deepEqual(await send(10), { partition: 0, offset: 1 })
  await producer.close()
})

test('a topic that does not exist and may not be created is an error', { timeout }, async () => {
  const strict = { 'allow.auto.create.topics': false, 'topic.metadata.propagation.max.ms': 100 }
  const producer = await confluent.producer(strict)
  assert.deepEqual(await producer.send('nowhere', sampleRecords(1, baseTimestamp)), [
    { error: 'UNKNOWN_TOPIC_OR_PART' },
  ])
  await producer.close()
  const consumer = await confluent.consumer('nowhere', { 0: 0 }, strict)
  await assert.rejects(consumer.watermarks(0), /_UNKNOWN_PARTITION/)
  await consumer.close()
  assert.ok(!('nowhere' in (await confluent.listTopics())))
})

test('an offset out of range is an error to a consumer that asked for one', { timeout }, async () => {
  const topic = 'short'
  const producer = await confluent.producer()
  await producer.send(topic, sampleRecords(3, baseTimestamp))
  await producer.close()
  const consumer = await confluent.consumer(topic, { 0: 1_000_000 }, { 'auto.offset.reset': 'error' })
  await assert.rejects(consumer.read(1), /_AUTO_OFFSET_RESET|OFFSET_OUT_OF_RANGE/)
  await consumer.close()
})

test('a clean restart in mid-produce costs an idempotent producer nothing', { timeout: 2 * timeout }, async t => {
  if (!broker.restartable) return t.skip('the broker was started elsewhere')
  const topic = 'restarted'
  const count = 60_000
  const sent = Array.from({ length: count }, (_, i) => ({ key: null, value: Buffer.from(`${i}`) }))
  const other = await Confluent.start(broker.bootstrap)
  t.after(() => other.kill())
  await confluent.createTopics({ topic, partitions: 1 })
  const producer = await other.producer({ 'enable.idempotence': true, 'batch.num.messages': 50 })
  const sending = producer.send(topic, sent, 90_000)
  sending.catch(() => undefined) // If the broker does not come back, that is what the test fails with.
  // In mid-produce: the first records are there, and the rest follows in small batches.
  const consumer = await confluent.consumer(topic, { 0: 0 })
  await consumer.read(500)
  await broker.stop()
  await broker.startAgain()
  const deliveries = await sending
  await producer.close()
  await other.end()
  await consumer.close()
  assert.ok(deliveries.every(isDelivered), JSON.stringify(deliveries.find(delivery => !isDelivered(delivery))))
  const read = await confluent.readAll(topic)
  assert.deepEqual(
    read.map(record => Number(record.value)),
    Array.from(sent.keys()),
  )
})
