// kafkajs as a driver: Producer and Admin. Its consumer reads as a member of a group only.
import { bootstrap, require, serve, toBytes, versionOf } from './wire.mjs'

const { CompressionCodecs, CompressionTypes, ConfigResourceTypes, Kafka, logLevel } = require('kafkajs')
const { Zstd } = require('@hpcc-js/wasm-zstd')
const lz4 = require('lz4-napi')
const snappy = require('snappy')

process.env.KAFKAJS_NO_PARTITIONER_WARNING = '1'
const kafka = new Kafka({ clientId: 'driver', brokers: [bootstrap], logLevel: logLevel.NOTHING, retry: { retries: 3 } })
const zstd = await Zstd.load()
const codecs = {
  none: CompressionTypes.None,
  gzip: CompressionTypes.GZIP,
  snappy: CompressionTypes.Snappy,
  lz4: CompressionTypes.LZ4,
  zstd: CompressionTypes.ZSTD,
}
const producing = compress => () => ({
  compress: ({ buffer }) => compress(buffer),
  decompress: () => Promise.reject(new Error('only produces here')),
})
// kafkajs brings gzip and leaves the others to its user.
CompressionCodecs[CompressionTypes.Snappy] = producing(bytes => snappy.compress(bytes))
CompressionCodecs[CompressionTypes.LZ4] = producing(bytes => lz4.compressFrame(bytes))
CompressionCodecs[CompressionTypes.ZSTD] = producing(async bytes => Buffer.from(zstd.compress(bytes)))

/** A name's values go as one list where there are several: 2.0 and later write them one after the other. */
const grouped = headers => {
  const byName = {}
  for (const [name, value] of headers) byName[name] = [...(byName[name] ?? []), toBytes(value)]
  const entries = Object.entries(byName).map(([name, values]) => [name, values.length === 1 ? values[0] : values])
  return Object.fromEntries(entries)
}

const produce = async ({ topic, partition, codec, acks, idempotent, records }) => {
  const producer = kafka.producer({ idempotent, ...(idempotent ? { maxInFlightRequests: 1 } : {}) })
  await producer.connect()
  const messages = records.map(({ key, value, headers, timestamp }) => ({
    partition,
    key: toBytes(key),
    value: toBytes(value),
    headers: grouped(headers),
    ...(timestamp === null ? {} : { timestamp: String(timestamp) }),
  }))
  const sent = await producer.send({ topic, acks, compression: codecs[codec], messages })
  await producer.disconnect()
  // Of a batch kafkajs tells the first offset.
  const first = acks === 0 ? undefined : Number(sent[0].baseOffset)
  return { offsets: records.map((_, i) => (first === undefined ? null : first + i)) }
}

const call = run => async args => {
  const admin = kafka.admin()
  await admin.connect()
  try {
    return await run(admin, args)
  } finally {
    await admin.disconnect()
  }
}

const createTopic = async (admin, { topic, partitions, assignments, configs = {} }) => {
  const configEntries = Object.entries(configs).map(([name, value]) => ({ name, value }))
  const spread = assignments?.map((replicas, partition) => ({ partition, replicas }))
  const shape =
    spread === undefined
      ? { numPartitions: partitions, replicationFactor: 1 }
      : { numPartitions: -1, replicationFactor: -1, replicaAssignment: spread }
  const created = await admin.createTopics({ topics: [{ topic, ...shape, configEntries }] })
  // kafkajs answers a topic that exists with false and swallows the error.
  if (!created) throw Object.assign(new Error('not created'), { code: 36 })
}

const describeTopic = async (admin, { topic }) => {
  const { topics } = await admin.fetchTopicMetadata({ topics: [topic] })
  const partitions = topics[0].partitions.map(({ partitionId, leader, replicas, isr }) => ({
    partition: partitionId,
    leader,
    replicas,
    isr,
  }))
  return { partitions: partitions.sort((a, b) => a.partition - b.partition) }
}

const describeCluster = async admin => {
  const { brokers, controller, clusterId } = await admin.describeCluster()
  return { nodes: brokers.map(({ nodeId, host, port }) => ({ id: nodeId, host, port })), controller, clusterId }
}

const resourceOf = ({ topic, broker }) =>
  topic === undefined
    ? { type: ConfigResourceTypes.BROKER, name: broker }
    : { type: ConfigResourceTypes.TOPIC, name: topic }

const describeConfigs = async (admin, args) => {
  const { resources } = await admin.describeConfigs({ resources: [resourceOf(args)], includeSynonyms: false })
  const defaultSource = 5
  const configs = resources[0].configEntries.map(({ configName, configValue, configSource, readOnly }) => [
    configName,
    { value: configValue, isDefault: configSource === defaultSource, readOnly },
  ])
  return { configs: Object.fromEntries(configs) }
}

const alterConfigs = async (admin, { topic, configs }) => {
  const configEntries = Object.entries(configs).map(([name, value]) => ({ name, value }))
  await admin.alterConfigs({ resources: [{ ...resourceOf({ topic }), configEntries }] })
}

const createPartitions = async (admin, { topic, total }) => {
  await admin.createPartitions({ topicPartitions: [{ topic, count: total }] })
}

const deleteRecords = async (admin, { topic, partition, before }) => {
  // It knows the leaders of topics that it was asked about before.
  await admin.fetchTopicOffsets(topic)
  await admin.deleteTopicRecords({ topic, partitions: [{ partition, offset: String(before) }] })
  return {}
}

const listOffsets = async (admin, { topic, partition, spec }) => {
  const byTime = typeof spec === 'number'
  const found = byTime ? await admin.fetchTopicOffsetsByTimestamp(topic, spec) : await admin.fetchTopicOffsets(topic)
  const of = found.find(one => one.partition === partition)
  return { offset: Number(byTime ? of.offset : spec === 'earliest' ? of.low : of.high) }
}

/** The shapes in which kafkajs wraps the error that the broker gave. */
const innerOf = ({ errors, partitions, originalError, cause }) =>
  errors?.[0] ?? partitions?.[0]?.error ?? originalError ?? cause

const codeOf = error => {
  for (let cause = error; cause !== undefined && cause !== null; cause = innerOf(cause)) {
    if (typeof cause.code === 'number') return cause.code
  }
  return 0
}

const admin = {
  createTopic,
  'createTopic.assignments': createTopic,
  listTopics: async client => ({ topics: await client.listTopics() }),
  describeTopic,
  describeCluster,
  describeConfigs,
  alterConfigs,
  createPartitions,
  deleteRecords,
  listOffsets,
  'listOffsets.earliest': listOffsets,
  'listOffsets.latest': listOffsets,
  deleteTopic: (client, { topic }) => client.deleteTopics({ topics: [topic] }),
}
const calls = Object.fromEntries(Object.entries(admin).map(([name, run]) => [name, call(run)]))
await serve(versionOf('kafkajs'), { produce, ...calls }, codeOf)
