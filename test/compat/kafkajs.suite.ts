/**
 * kafkajs as producer and admin client. What it sent is read back by confluent-kafka, so that a mistake that a client
 * makes both ways, or a broker both ways, does not cancel out.
 */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import kafkajs, { type IHeaders, type Kafka as KafkaClient, type Message } from 'kafkajs'
import { BrokerUnderTest } from './lib/broker.ts'
import { Confluent } from './lib/confluent.ts'
import { installCodecs } from './lib/install.ts'
import { directoryOfPartitions, untilTopicGone } from './lib/logdir.ts'
import { assertSame, sampleRecords } from './lib/records.ts'

const { CompressionCodecs, CompressionTypes, Kafka, logLevel } = kafkajs
const timeout = 60_000
const baseTimestamp = Math.floor(Date.now() / 1000) * 1000 - 3_600_000 + 7

let broker: BrokerUnderTest
let confluent: Confluent
let kafka: KafkaClient

/** kafkajs hands a codec the records of a batch as its own encoder, whose bytes are in `buffer`. */
type Compress = (records: { buffer: Buffer }) => Promise<Buffer>

const installCompression = async (): Promise<void> => {
  const require = await installCodecs()
  const { Zstd } = require('@hpcc-js/wasm-zstd')
  const { compressFrame } = require('lz4-napi')
  const { compress: compressSnappy } = require('snappy')
  const zstd = await Zstd.load()
  const produceOnly = (compress: Compress) => () => ({
    compress,
    decompress: () => Promise.reject(new Error('kafkajs only produces here')),
  })
  CompressionCodecs[CompressionTypes.Snappy] = produceOnly(({ buffer }) => compressSnappy(buffer))
  CompressionCodecs[CompressionTypes.LZ4] = produceOnly(({ buffer }) => compressFrame(buffer))
  CompressionCodecs[CompressionTypes.ZSTD] = produceOnly(async ({ buffer }) => Buffer.from(zstd.compress(buffer)))
}

before(async () => {
  process.env.KAFKAJS_NO_PARTITIONER_WARNING = '1'
  await installCompression()
  broker = await BrokerUnderTest.start()
  confluent = await Confluent.start(broker.bootstrap)
  kafka = new Kafka({ clientId: 'compat', brokers: [broker.bootstrap], logLevel: logLevel.NOTHING })
})

after(async () => {
  await confluent?.end()
  await broker?.destroy()
})

/** kafkajs writes no null header and groups a name's values, so it is given what it can say. */
const sendable = sampleRecords(120, baseTimestamp).map(record => ({
  ...record,
  headers: record.headers.filter((header): header is [string, Buffer] => header[1] !== null),
}))

const toMessage = ({ key, value, headers, timestamp }: (typeof sendable)[number]): Message => {
  const grouped: Record<string, Buffer[]> = {}
  for (const [name, bytes] of headers) grouped[name] = [...(grouped[name] ?? []), bytes]
  return { key, value, headers: grouped as IHeaders, timestamp: String(timestamp), partition: 0 }
}

const ways = [
  { codec: 'none', type: CompressionTypes.None },
  { codec: 'gzip', type: CompressionTypes.GZIP },
  { codec: 'snappy', type: CompressionTypes.Snappy },
  { codec: 'lz4', type: CompressionTypes.LZ4 },
  { codec: 'zstd', type: CompressionTypes.ZSTD },
].flatMap(way => [
  { ...way, acks: 1, idempotent: false },
  { ...way, acks: -1, idempotent: true },
])

for (const { codec, type, acks, idempotent } of ways) {
  const topic = `kafkajs-${codec}-${idempotent ? 'idempotent' : `acks${acks}`}`
  test(`what kafkajs sent is read by confluent-kafka: ${topic}`, { timeout }, async () => {
    const producer = kafka.producer({ idempotent, allowAutoTopicCreation: true })
    await producer.connect()
    const half = sendable.length / 2
    for (const part of [sendable.slice(0, half), sendable.slice(half)]) {
      await producer.send({ topic, acks, compression: type, messages: part.map(toMessage) })
    }
    await producer.disconnect()
    // With acks=1 consumers may see the records a moment later than the producer its acknowledgement.
    const consumer = await confluent.consumer(topic, { 0: 0 }, { 'check.crcs': true })
    assertSame(await consumer.read(sendable.length), sendable)
    await consumer.close()
  })
}

test('kafkajs sends with acks=0', { timeout }, async () => {
  const topic = 'kafkajs-acks0'
  const producer = kafka.producer()
  await producer.connect()
  await producer.send({ topic, acks: 0, messages: sendable.map(toMessage) })
  const consumer = await confluent.consumer(topic, { 0: 0 })
  assertSame(await consumer.read(sendable.length), sendable)
  await consumer.close()
  await producer.disconnect()
})

test('kafkajs creates, describes and deletes topics', { timeout }, async () => {
  const topic = 'kafkajs-made'
  const admin = kafka.admin()
  await admin.connect()
  assert.equal(await admin.createTopics({ topics: [{ topic, numPartitions: 3 }] }), true)
  assert.equal(await admin.createTopics({ topics: [{ topic, numPartitions: 3 }] }), false)
  const { topics } = await admin.fetchTopicMetadata({ topics: [topic] })
  assert.deepEqual(topics[0]?.partitions.map(partition => partition.partitionId).sort(), [0, 1, 2])
  const producer = kafka.producer()
  await producer.connect()
  await producer.send({ topic, messages: sendable.map(record => ({ ...toMessage(record), partition: 2 })) })
  await producer.disconnect()
  const offsets = (await admin.fetchTopicOffsets(topic)).sort((a, b) => a.partition - b.partition)
  const count = String(sendable.length)
  assert.deepEqual(
    offsets.map(({ partition, low, high }) => [partition, low, high]),
    [
      [0, '0', '0'],
      [1, '0', '0'],
      [2, '0', count],
    ],
  )
  const byTime = await admin.fetchTopicOffsetsByTimestamp(topic, baseTimestamp + 10_000)
  assert.equal(byTime.find(({ partition }) => partition === 2)?.offset, '10')
  const { dataDir } = broker
  const parent = dataDir === undefined ? undefined : await directoryOfPartitions(dataDir, topic, 3)
  await admin.deleteTopics({ topics: [topic] })
  assert.ok(!(await admin.listTopics()).includes(topic))
  if (parent !== undefined) await untilTopicGone(parent, topic)
  await admin.disconnect()
})
