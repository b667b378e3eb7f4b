// Transactions of kafkajs: the ops that drivers/README.md lists under their name. It reads as a member of a group only.
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { bootstrap, require, serve, versionOf } from './wire.mjs'

const { Kafka, logLevel } = require('kafkajs')

process.env.KAFKAJS_NO_PARTITIONER_WARNING = '1'
const kafka = new Kafka({ clientId: 'transactions', brokers: [bootstrap], logLevel: logLevel.NOTHING })

const producers = new Map()
const transactions = new Map()

const producerOf = async (transactionalId, transactionTimeout) => {
  const producer = kafka.producer({ transactionalId, transactionTimeout, idempotent: true, maxInFlightRequests: 1 })
  await producer.connect()
  return producer
}

/** It asks for its id with the first transaction, which is begun and given up here: whoever had the id is fenced. */
const open = async ({ producer: name, transactionalId, timeoutMs }) => {
  const producer = await producerOf(transactionalId, timeoutMs)
  producers.set(name, producer)
  const first = await producer.transaction()
  await first.abort()
}

const begin = async ({ producer }) => void transactions.set(producer, await producers.get(producer).transaction())

const send = async ({ producer, topic, partition, values }) =>
  void (await transactions.get(producer).send({ topic, messages: values.map(value => ({ partition, value })) }))

const offsetsOf = (topic, partition, offset) => [{ topic, partitions: [{ partition, offset: String(offset) }] }]

/** Kafka asks for patience while the markers of the transaction before are on their way; kafkajs leaves that to its user. */
const sendOffset = async ({ producer, group, topic, partition, offset }) => {
  const offsets = { consumerGroupId: group, topics: offsetsOf(topic, partition, offset) }
  for (;;) {
    try {
      return await transactions.get(producer).sendOffsets(offsets)
    } catch (error) {
      if (error.type !== 'CONCURRENT_TRANSACTIONS') throw error
      await sleep(20)
    }
  }
}

/** Until `count` records have come, and `quietMs` longer. */
const read = async ({ topic, partitions, isolation, count, quietMs, timeoutMs }) => {
  const groupId = randomUUID()
  const consumer = kafka.consumer({ groupId, readUncommitted: isolation === 'read_uncommitted', maxWaitTimeInMs: 100 })
  await consumer.connect()
  await consumer.subscribe({ topics: [topic], fromBeginning: true })
  const parts = Array.from({ length: partitions }, () => [])
  let seen = 0
  const all = new Promise(resolve => {
    const take = async ({ partition, message }) => {
      parts[partition].push([Number(message.offset), String(message.value)])
      if (++seen >= count) resolve()
    }
    consumer.run({ autoCommit: false, eachMessage: take })
    if (count === 0) consumer.on(consumer.events.GROUP_JOIN, resolve)
  })
  await Promise.race([all, sleep(timeoutMs)])
  await sleep(quietMs)
  await consumer.disconnect()
  return { parts }
}

/**
 * Consumes, produces what it made of it to the same partition and commits both, until it is killed. It passes no
 * generation on with the offsets, so that who has its id is all that keeps two of them apart.
 */
const loop = async ({ transactionalId, timeoutMs, group, sessionTimeoutMs, batch, in: source, out }) => {
  const consumer = kafka.consumer({
    groupId: group,
    sessionTimeout: sessionTimeoutMs,
    heartbeatInterval: 300,
    maxWaitTimeInMs: 100,
    retry: { retries: 100, initialRetryTime: 100, maxRetryTime: 1_000 },
  })
  await consumer.connect()
  await consumer.subscribe({ topics: [source], fromBeginning: true })
  let producer = await producerOf(transactionalId, timeoutMs)
  let turns = 0
  const process = async (partition, messages) => {
    const transaction = await producer.transaction()
    try {
      const values = messages.map(({ value }) => ({ partition, value: `did ${value}` }))
      await transaction.send({ topic: out, messages: values })
      const next = Number(messages.at(-1).offset) + 1
      await transaction.sendOffsets({ consumerGroupId: group, topics: offsetsOf(source, partition, next) })
      if (++turns % 5 === 0) throw new Error('every fifth is given up')
      await transaction.commit()
    } catch (error) {
      // What cannot even be aborted needs a new producer.
      await transaction.abort().catch(async () => {
        await producer.disconnect()
        producer = await producerOf(transactionalId, timeoutMs)
      })
      throw error
    }
  }
  const eachBatch = async ({ batch: { partition, messages }, resolveOffset, heartbeat, isStale }) => {
    for (let at = 0; at < messages.length && !isStale(); at += batch) {
      const some = messages.slice(at, at + batch)
      await process(partition, some)
      resolveOffset(some.at(-1).offset)
      await heartbeat()
    }
  }
  await consumer.run({ autoCommit: false, eachBatchAutoResolve: false, eachBatch })
  return new Promise(() => undefined)
}

await serve(
  versionOf('kafkajs'),
  {
    open,
    begin,
    send,
    sendOffset,
    commit: ({ producer }) => transactions.get(producer).commit(),
    abort: ({ producer }) => transactions.get(producer).abort(),
    close: async ({ producer }) => {
      await producers.get(producer)?.disconnect()
      producers.delete(producer)
    },
    read,
    loop,
  },
  error => error.code ?? error.cause?.code ?? 0,
)
