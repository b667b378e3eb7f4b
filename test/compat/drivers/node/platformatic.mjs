// @platformatic/kafka as a driver: Producer, Admin, and of its Consumer what reads without a group: fetch.
import { bootstrap, Parts, recordOf, require, serve, toBytes, versionOf } from './wire.mjs'

const { Admin, Consumer, Producer } = require('@platformatic/kafka')
const connection = { clientId: 'driver', bootstrapBrokers: [bootstrap], retries: 3 }

const produce = async ({ topic, partition, codec, acks, idempotent, records }) => {
  const producer = new Producer({ ...connection, idempotent, compression: codec, autocreateTopics: true })
  try {
    const messages = records.map(({ key, value, headers, timestamp }) => ({
      topic,
      partition,
      key: toBytes(key) ?? undefined,
      value: toBytes(value) ?? undefined,
      // By identity: a name may come twice.
      headers: new Map(headers.map(([name, bytes]) => [Buffer.from(name), toBytes(bytes)])),
      ...(timestamp === null ? {} : { timestamp: BigInt(timestamp) }),
    }))
    const { offsets } = await producer.send({ messages, acks })
    // Of a batch it tells the first offset.
    const first = acks === 0 ? undefined : Number(offsets[0].offset)
    return { offsets: records.map((_, i) => (first === undefined ? null : first + i)) }
  } finally {
    await producer.close()
  }
}

/** Asks again for what is missing, from where the last answer ended, until it is there or the time is over. */
const fetch = async ({ parts, timeoutMs }) => {
  const consumer = new Consumer({ ...connection, groupId: 'unused' })
  const read = new Parts(parts)
  const next = new Map(parts.map(part => [part, part.offset]))
  const endMs = Date.now() + timeoutMs
  try {
    const metadata = await consumer.metadata({ topics: [...new Set(parts.map(part => part.topic))] })
    const names = new Map([...metadata.topics].map(([name, { id }]) => [id, name]))
    const open = () => parts.filter(part => read.of(part.topic, part.partition).length < part.count)
    const partitionOf = part => ({
      partition: part.partition,
      fetchOffset: BigInt(next.get(part)),
      partitionMaxBytes: 4_000_000,
      currentLeaderEpoch: -1,
      lastFetchedEpoch: -1,
    })
    while (read.missing > 0 && Date.now() < endMs) {
      const wanted = open()
      const topics = [...new Set(wanted.map(part => part.topic))].map(topic => ({
        topicId: metadata.topics.get(topic).id,
        partitions: wanted.filter(part => part.topic === topic).map(partitionOf),
      }))
      const [node] = metadata.brokers.keys()
      const { responses } = await consumer.fetch({ node, topics, maxWaitTime: 500 })
      for (const { topicId, partitions } of responses) {
        for (const { partitionIndex, records } of partitions) {
          const part = wanted.find(one => one.topic === names.get(topicId) && one.partition === partitionIndex)
          for (const batch of records ?? []) {
            for (const { offsetDelta, timestampDelta, key, value, headers } of batch.records) {
              const offset = Number(batch.firstOffset) + offsetDelta
              if (offset < next.get(part)) continue
              const timestamp = batch.firstTimestamp + timestampDelta
              read.add(part.topic, part.partition, recordOf(offset, timestamp, key, value, [...headers]))
              next.set(part, offset + 1)
            }
          }
        }
      }
    }
    return read.answer()
  } finally {
    await consumer.close()
  }
}

const call = run => async args => {
  const admin = new Admin(connection)
  try {
    return await run(admin, args)
  } finally {
    await admin.close()
  }
}

const createTopic = async (admin, { topic, partitions, assignments, configs = {} }) => {
  const shape =
    assignments === undefined
      ? { partitions, replicas: 1 }
      : {
          partitions: -1,
          replicas: -1,
          assignments: assignments.map((brokers, partition) => ({ partition, brokers })),
        }
  const entries = Object.entries(configs).map(([name, value]) => ({ name, value }))
  await admin.createTopics({ topics: [topic], configs: entries, ...shape })
}

const describeTopic = async (admin, { topic }) => {
  const metadata = await admin.metadata({ topics: [topic] })
  const partitions = metadata.topics.get(topic).partitions.map(({ leader, replicas, isr }, partition) => ({
    partition,
    leader,
    replicas,
    isr,
  }))
  return { partitions }
}

const describeCluster = async admin => {
  const { id, brokers, controllerId } = await admin.metadata({ topics: [] })
  const nodes = [...brokers].map(([id, { host, port }]) => ({ id, host, port }))
  return { nodes, controller: controllerId, clusterId: id }
}

const resourceTypes = { topic: 2, broker: 4 }
const resourceOf = ({ topic, broker }) =>
  topic === undefined
    ? { resourceType: resourceTypes.broker, resourceName: broker }
    : { resourceType: resourceTypes.topic, resourceName: topic }

const describeConfigs = async (admin, args) => {
  const [{ configs }] = await admin.describeConfigs({ resources: [{ ...resourceOf(args), configurationKeys: null }] })
  const defaultSource = 5
  const entries = configs.map(({ name, value, configSource, readOnly }) => [
    name,
    { value, isDefault: configSource === defaultSource, readOnly },
  ])
  return { configs: Object.fromEntries(entries) }
}

const operations = { set: 0, delete: 1, append: 2, subtract: 3 }

const incrementalAlterConfigs = async (admin, { topic, ops }) => {
  const configs = ops.map(({ name, op, value }) => ({ name, configOperation: operations[op], value: value ?? null }))
  await admin.incrementalAlterConfigs({ resources: [{ ...resourceOf({ topic }), configs }] })
}

const alterConfigs = async (admin, { topic, configs }) => {
  const entries = Object.entries(configs).map(([name, value]) => ({ name, value }))
  await admin.alterConfigs({ resources: [{ ...resourceOf({ topic }), configs: entries }] })
}

const createPartitions = async (admin, { topic, total }) => {
  await admin.createPartitions({ topics: [{ name: topic, count: total }] })
}

const deleteRecords = async (admin, { topic, partition, before }) => {
  const deleted = await admin.deleteRecords({
    topics: [{ name: topic, partitions: [{ partition, offset: BigInt(before) }] }],
  })
  return { lowWatermark: Number(deleted[0].partitions[0].lowWatermark) }
}

const timestamps = { latest: -1, earliest: -2, maxTimestamp: -3, earliestLocal: -4, latestTiered: -5 }

const listOffsets = async (admin, { topic, partition, spec }) => {
  const timestamp = BigInt(timestamps[spec] ?? spec)
  const found = await admin.listOffsets({
    topics: [{ name: topic, partitions: [{ partitionIndex: partition, timestamp }] }],
  })
  const { offset, timestamp: at } = found[0].partitions[0]
  return { offset: Number(offset), timestamp: Number(at) }
}

const codeOf = error => {
  const causes = [error]
  for (const cause of causes) {
    if (typeof cause?.apiCode === 'number') return cause.apiCode
    causes.push(...(cause?.errors ?? []), ...(cause?.cause === undefined ? [] : [cause.cause]))
  }
  return 0
}

const admin = {
  createTopic,
  'createTopic.assignments': createTopic,
  listTopics: async client => ({ topics: await client.listTopics({ includeInternals: true }) }),
  describeTopic,
  describeCluster,
  describeConfigs,
  incrementalAlterConfigs,
  alterConfigs,
  createPartitions,
  deleteRecords,
  listOffsets,
  ...Object.fromEntries(Object.keys(timestamps).map(kind => [`listOffsets.${kind}`, listOffsets])),
  deleteTopic: (client, { topic }) => client.deleteTopics({ topics: [topic] }),
}
const calls = Object.fromEntries(Object.entries(admin).map(([name, run]) => [name, call(run)]))
await serve(versionOf('@platformatic/kafka'), { produce, fetch, ...calls }, codeOf)
