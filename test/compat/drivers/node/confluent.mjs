// @confluentinc/kafka-javascript (librdkafka) as a driver, by the callbacks of its older API: that one can assign.
import { promisify } from 'node:util'
import { bootstrap, Parts, recordOf, require, serve, toBytes, versionOf } from './wire.mjs'

const { AdminClient, HighLevelProducer, KafkaConsumer, librdkafkaVersion } = require('@confluentinc/kafka-javascript')
const common = { 'bootstrap.servers': bootstrap, log_level: 2 }
const callLimitMs = 30_000
const maxMessageBytes = 1_048_576

const connected = client =>
  new Promise((resolve, reject) => client.connect({}, error => (error ? reject(error) : resolve(client))))
const disconnected = client => new Promise(resolve => client.disconnect(resolve))

const produce = async ({ topic, partition, codec, acks, idempotent, records }) => {
  const producer = new HighLevelProducer(
    {
      ...common,
      'compression.type': codec,
      'enable.idempotence': idempotent,
      'linger.ms': 20,
      'message.max.bytes': maxMessageBytes,
    },
    { acks },
  )
  await connected(producer)
  const send = ({ key, value, headers, timestamp }) =>
    new Promise((resolve, reject) => {
      const pairs = headers.map(([name, bytes]) => ({ [name]: toBytes(bytes) }))
      const report = (error, offset) => (error ? reject(error) : resolve(offset))
      producer.produce(topic, partition, toBytes(value), toBytes(key), timestamp, pairs, report)
    })
  const offsets = await Promise.all(records.map(send))
  await disconnected(producer)
  return { offsets: offsets.map(offset => (acks === 0 ? null : offset)) }
}

const fetch = async ({ parts, timeoutMs }) => {
  const consumer = new KafkaConsumer(
    { ...common, 'group.id': 'unused', 'enable.auto.commit': false, 'check.crcs': true },
    {},
  )
  await connected(consumer)
  consumer.setDefaultConsumeTimeout(200)
  consumer.assign(parts.map(({ topic, partition, offset }) => ({ topic, partition, offset })))
  const consume = promisify(consumer.consume.bind(consumer))
  const read = new Parts(parts)
  const endMs = Date.now() + timeoutMs
  while (read.missing > 0 && Date.now() < endMs) {
    for (const { topic, partition, offset, timestamp, key, value, headers = [] } of await consume(1_000)) {
      const pairs = headers.flatMap(header => Object.entries(header))
      read.add(topic, partition, recordOf(offset, timestamp, key, value, pairs))
    }
  }
  await disconnected(consumer)
  return read.answer()
}

const admin = AdminClient.create(common)
const ask = (name, ...args) => promisify(admin[name].bind(admin))(...args)

const createTopic = async ({ topic, partitions, configs = {} }) => {
  const wanted = { topic, num_partitions: partitions, replication_factor: 1, config: configs }
  await ask('createTopic', wanted, callLimitMs)
}

const describeTopic = async ({ topic }) => {
  const [found] = await ask('describeTopics', [topic], { timeout: callLimitMs })
  if (found.error) throw found.error
  const partitions = found.partitions.map(({ partition, leader, replicas, isr }) => ({
    partition,
    leader: leader.id,
    replicas: replicas.map(node => node.id),
    isr: isr.map(node => node.id),
  }))
  return { partitions }
}

const deleteRecords = async ({ topic, partition, before }) => {
  const [found] = await ask('deleteRecords', [{ topic, partition, offset: before }], { timeout: callLimitMs })
  if (found.error) throw found.error
  return { lowWatermark: found.lowWatermark }
}

const timestamps = { latest: -1, earliest: -2, maxTimestamp: -3 }

const listOffsets = async ({ topic, partition, spec }) => {
  const wanted = [{ topic, partition, offset: { timestamp: timestamps[spec] ?? spec } }]
  const [found] = await ask('listOffsets', wanted, { timeout: callLimitMs })
  if (found.error) throw found.error
  return { offset: Number(found.offset), timestamp: Number(found.timestamp) }
}

const ops = {
  produce,
  fetch,
  createTopic,
  listTopics: async () => ({ topics: await ask('listTopics', { timeout: callLimitMs }) }),
  describeTopic,
  createPartitions: ({ topic, total }) => ask('createPartitions', topic, total, callLimitMs),
  deleteRecords,
  listOffsets,
  'listOffsets.earliest': listOffsets,
  'listOffsets.latest': listOffsets,
  'listOffsets.maxTimestamp': listOffsets,
  deleteTopic: ({ topic }) => ask('deleteTopic', topic, callLimitMs),
}

// Errors that librdkafka found itself have negative codes, which are none of Kafka's.
const codeOf = error => Math.max(error.code ?? 0, 0)
await serve(`${versionOf('@confluentinc/kafka-javascript')}, librdkafka ${librdkafkaVersion}`, ops, codeOf)
