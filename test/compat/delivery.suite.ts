/**
 * What README says of delivery guarantees, with the clients that it says it of: members that die at the worst moment, and
 * what the next one is given.
 */
import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import kafkajs, { type Kafka as KafkaClient } from 'kafkajs'
import { BrokerUnderTest } from './lib/broker.ts'
import { here, installJava, installPython } from './lib/install.ts'
import { run } from './lib/process.ts'
import { shortSessions } from './lib/short-sessions.ts'

const { Kafka, logLevel } = kafkajs
/** Of a test with up to two members that die, whose sessions end before the next one is given their partition. */
const timeout = 120_000
const records = ['zero', 'one', 'two', 'three']

let broker: BrokerUnderTest
let kafka: KafkaClient
let python: string
let java: string[]
let scratch: string
let made = 0

before(async () => {
  process.env.KAFKAJS_NO_PARTITIONER_WARNING = '1'
  broker = await BrokerUnderTest.start(shortSessions)
  kafka = new Kafka({ clientId: 'delivery', brokers: [broker.bootstrap], logLevel: logLevel.NOTHING })
  python = await installPython()
  java = await installJava('tools', 128)
  scratch = await mkdtemp(join(tmpdir(), 'millrace-delivery-'))
})

after(async () => {
  await broker?.destroy()
  if (scratch !== undefined) await rm(scratch, { recursive: true, force: true })
})

/** A topic of one partition that holds `records`, and a group that has not been there before. */
async function prepared(topic = `delivery-${++made}`): Promise<{ topic: string; group: string }> {
  const admin = kafka.admin()
  await admin.connect()
  await admin.createTopics({ topics: [{ topic, numPartitions: 1 }], waitForLeaders: true })
  await admin.disconnect()
  const producer = kafka.producer()
  await producer.connect()
  await producer.send({ topic, messages: records.map(value => ({ value })) })
  await producer.disconnect()
  return { topic, group: `group-${made}` }
}

/** Lines of one run of delivery/delivery.py, which ends like a process that is killed. */
async function librdkafka(way: string, { topic, group }: { topic: string; group: string }, ...more: string[]) {
  const args = [here('delivery/delivery.py'), broker.bootstrap, way, group, topic, ...more]
  const { stdout } = await run(python, args, { timeoutMs: timeout })
  return stdout.trimEnd().split('\n')
}

async function javaConsumer(protocol: string, { topic, group }: { topic: string; group: string }, count: number) {
  const args = [...java, here('delivery/Delivery.java'), broker.bootstrap, protocol, group, topic, String(count)]
  const { stdout } = await run('java', args, { timeoutMs: timeout })
  return stdout.trimEnd().split('\n')
}

async function committedIn(group: string, topic: string): Promise<string | undefined> {
  const admin = kafka.admin()
  await admin.connect()
  const [offsets] = await admin.fetchOffsets({ groupId: group, topics: [topic] })
  await admin.disconnect()
  return offsets?.partitions[0]?.offset
}

test('at most once: what was committed before it was processed is not given again', { timeout }, async () => {
  const where = await prepared()
  assert.deepEqual(await librdkafka('commit-first', where), ['took 0'])
  assert.deepEqual(await librdkafka('commit-first', where), ['took 1'])
})

test('at least once: what was processed and not committed is given again', { timeout }, async () => {
  const where = await prepared()
  assert.deepEqual(await librdkafka('process-first', where), ['took 0', 'did 0'])
  assert.deepEqual(await librdkafka('process-and-commit', where), ['took 0', 'did 0'])
  assert.deepEqual(await librdkafka('process-and-commit', where), ['took 1', 'did 1'])
})

test('exactly once: an offset that is stored with its result goes on after it, whatever came between', {
  timeout,
}, async () => {
  const where = await prepared()
  const file = join(scratch, 'results.json')
  for (let runs = 0; runs < records.length + 1; runs++) await librdkafka('own-store', where, file)
  const { results } = JSON.parse(await readFile(file, 'utf8')) as { results: string[] }
  assert.deepEqual(results, records)
})

test('auto-commit of the Java consumer: poll N commits what poll N-1 gave', { timeout }, async () => {
  const where = await prepared()
  const taken = await javaConsumer('classic', where, 3)
  assert.deepEqual(taken, ['took 0 committed 0', 'took 1 committed 1', 'took 2 committed 2'])
  // Killed while it held the record at 2, which is given again.
  assert.deepEqual(await javaConsumer('classic', where, 1), ['took 2 committed 2'])
})

test('auto-commit of the Java consumer in a KIP-848 group: poll N may commit what it gives itself, too', {
  timeout,
}, async () => {
  const where = await prepared()
  const taken = await javaConsumer('consumer', where, 3)
  // Up to kafka-clients 4.3 its background thread may read the position after poll has moved it.
  assert.match(taken.join(), /^took 0 committed [01],took 1 committed [12],took 2 committed [23]$/)
  const committed = Number(await committedIn(where.group, where.topic))
  const [next] = await javaConsumer('consumer', where, 1)
  assert.ok(Number(next?.split(' ')[1]) >= committed, `${next}, after ${committed} was committed`)
})

test('auto-commit of librdkafka counts what it hands out as done', { timeout }, async () => {
  const where = await prepared()
  const [took, committed] = await librdkafka('auto', where)
  assert.deepEqual([took, committed], ['took 0', 'committed 1'])
  assert.equal((await librdkafka('auto', where))[0], 'took 1')
})

test('auto-commit of librdkafka commits only what was stored, where the application stores', { timeout }, async () => {
  const where = await prepared()
  assert.deepEqual(await librdkafka('auto-after-processing', where), [
    'took 0',
    'nothing to commit _NO_OFFSET',
    'committed 1',
  ])
})

test('auto-commit of kafkajs commits a record when its handler is done, and gives again one that failed', {
  timeout,
}, async () => {
  const { topic, group } = await prepared()
  const consumer = kafka.consumer({ groupId: group, sessionTimeout: 6_000, retry: { initialRetryTime: 50 } })
  await consumer.connect()
  await consumer.subscribe({ topics: [topic], fromBeginning: true })
  const given: string[] = []
  let committedBefore: string | undefined
  await new Promise<void>((resolve, reject) => {
    const eachMessage = async ({ message }: { message: { value: Buffer | null } }): Promise<void> => {
      const value = String(message.value)
      given.push(value)
      if (value === 'two' && given.filter(other => other === 'two').length === 1) throw new Error('not this time')
      if (value === 'three') committedBefore = await committedIn(group, topic)
      if (value === 'three') resolve()
    }
    consumer.run({ autoCommitThreshold: 1, eachMessage }).catch(reject)
  })
  await consumer.disconnect()
  assert.deepEqual(given, ['zero', 'one', 'two', 'two', 'three'])
  assert.equal(committedBefore, '3')
  assert.equal(await committedIn(group, topic), '4')
})

test('manual commits of kafkajs: the next member goes on from the last of them', { timeout }, async () => {
  const { topic, group } = await prepared()
  const take = async (count: number, commitAfter: number): Promise<string[]> => {
    const consumer = kafka.consumer({ groupId: group, sessionTimeout: 6_000 })
    await consumer.connect()
    await consumer.subscribe({ topics: [topic], fromBeginning: true })
    const given: string[] = []
    await new Promise<void>((resolve, reject) => {
      const eachMessage = async ({ message }: { message: { value: Buffer | null; offset: string } }): Promise<void> => {
        if (given.length === count) return
        given.push(String(message.value))
        if (given.length === commitAfter)
          await consumer.commitOffsets([{ topic, partition: 0, offset: String(Number(message.offset) + 1) }])
        if (given.length === count) resolve()
      }
      consumer.run({ autoCommit: false, eachMessage }).catch(reject)
    })
    await consumer.disconnect()
    return given
  }
  assert.deepEqual(await take(3, 2), ['zero', 'one', 'two'])
  assert.equal(await committedIn(group, topic), '2')
  assert.deepEqual(await take(2, 2), ['two', 'three'])
})

test('a topic that is made again is read from its beginning', { timeout }, async () => {
  const where = await prepared()
  await librdkafka('process-and-commit', where)
  const admin = kafka.admin()
  await admin.connect()
  await admin.deleteTopics({ topics: [where.topic] })
  await admin.disconnect()
  await prepared(where.topic)
  assert.equal(await committedIn(where.group, where.topic), '-1')
  assert.deepEqual(await librdkafka('process-first', where), ['took 0', 'did 0'])
})

test('what was committed survives a kill of the broker', { timeout }, async t => {
  if (!broker.restartable) return t.skip('the broker was started elsewhere')
  const where = await prepared()
  await librdkafka('process-and-commit', where)
  await librdkafka('commit-first', where)
  await broker.kill9()
  await broker.startAgain()
  assert.deepEqual(await librdkafka('process-first', where), ['took 2', 'did 2'])
})
