/** What the golden bytes hold of kafkajs: a short life of a producer, a consumer and an admin client. */
import { CompressionTypes, Kafka, logLevel } from 'kafkajs'

const bootstrap = process.argv[2]
if (bootstrap === undefined) throw new Error('usage: kafkajs.ts HOST:PORT')
const topic = 'golden-kafkajs'
const kafka = new Kafka({ clientId: 'golden', brokers: [bootstrap], logLevel: logLevel.ERROR })

const admin = kafka.admin()
await admin.connect()
await admin.createTopics({ topics: [{ topic, numPartitions: 2 }] })

for (const [compression, acks, idempotent] of [
  [CompressionTypes.None, 0, false],
  [CompressionTypes.None, 1, false],
  [CompressionTypes.GZIP, -1, true],
] as const) {
  const producer = kafka.producer({ idempotent })
  await producer.connect()
  const messages = [
    { key: 'k', value: 'v'.repeat(40), headers: { h: '1' }, partition: 0 },
    { key: null, value: null, partition: 1, timestamp: '1600000000000' },
  ]
  await producer.send({ topic, acks, compression, messages })
  await producer.disconnect()
}

const transactional = kafka.producer({ transactionalId: 'golden-kafkajs', idempotent: true, maxInFlightRequests: 1 })
await transactional.connect()
const transaction = await transactional.transaction()
await transaction.send({ topic, messages: [{ value: 'in a transaction', partition: 0 }] })
await transaction.sendOffsets({ consumerGroupId: 'golden-kafkajs-tx', topics: [] })
await transaction.commit()
await transactional.disconnect()

const consumer = kafka.consumer({ groupId: 'golden-kafkajs' })
await consumer.connect()
await consumer.subscribe({ topic, fromBeginning: true })
await new Promise<void>((resolve, reject) => {
  let left = 4
  const eachMessage = async (): Promise<void> => {
    left -= 1
    if (left === 0) resolve()
  }
  consumer.run({ eachMessage }).catch(reject)
})
await consumer.stop()
await consumer.disconnect()

await admin.fetchTopicOffsets(topic)
await admin.fetchTopicOffsetsByTimestamp(topic, 1_600_000_000_000)
await admin.fetchOffsets({ groupId: 'golden-kafkajs', topics: [topic] })
await admin.describeConfigs({ includeSynonyms: false, resources: [{ type: 2, name: topic }] })
await admin.createPartitions({ topicPartitions: [{ topic, count: 3 }] })
await admin.listGroups()
await admin.describeGroups(['golden-kafkajs'])
await admin.describeCluster()
await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '1' }] })
await admin.deleteGroups(['golden-kafkajs'])
await admin.deleteTopics({ topics: [topic] })
await admin.disconnect()
