import kafkajs from 'kafkajs'

/** Creates topics, and returns once they have their leaders. */
export const createTopics = async (bootstrap: string, names: readonly string[], partitions: number): Promise<void> => {
  const { Kafka, logLevel } = kafkajs
  const admin = new Kafka({ clientId: 'suite', brokers: [bootstrap], logLevel: logLevel.NOTHING }).admin()
  await admin.connect()
  try {
    const topics = names.map(topic => ({ topic, numPartitions: partitions, replicationFactor: 1 }))
    await admin.createTopics({ topics, waitForLeaders: true })
  } finally {
    await admin.disconnect()
  }
}
