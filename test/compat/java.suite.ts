/**
 * Kafka's own Java clients, which speak the newest versions: topic ids in Produce and Fetch, fetch sessions over many
 * partitions, idempotence by default. One run of `java/JavaClient.java` prints what it saw; the tests look at that.
 */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { BrokerUnderTest } from './lib/broker.ts'
import { Confluent, type ReadRecord } from './lib/confluent.ts'
import { installJava } from './lib/install.ts'
import { run } from './lib/process.ts'

const timeout = 90_000
const heapMb = 256
const records = 200
const codecs = ['none', 'gzip', 'snappy', 'lz4', 'zstd']
const program = fileURLToPath(new URL('java/JavaClient.java', import.meta.url))

let broker: BrokerUnderTest
let lines: string[] = []

before(async () => {
  broker = await BrokerUnderTest.start()
  const java = await installJava('tools', heapMb)
  const { stdout } = await run('java', [...java, program, broker.bootstrap], { timeoutMs: timeout })
  lines = stdout.split('\n')
})

after(async () => {
  await broker?.destroy()
})

/** What follows `prefix` in each line that starts with it. */
const facts = (prefix: string): string[] =>
  lines.filter(line => line.startsWith(`${prefix} `)).map(line => line.slice(prefix.length + 1))

const text = (bytes: Buffer | null): string => (bytes === null ? 'null' : `b${bytes.toString('base64')}`)

const factOf = ({ offset, timestamp, key, value, headers }: ReadRecord): string => {
  const pairs = headers.map(([name, bytes]) => `${name}=${text(bytes)}`)
  return [offset, timestamp, text(key), text(value), ...pairs].join(' ')
}

for (const codec of codecs) {
  const topic = `java-${codec}`
  test(`what the Java producer sent with ${codec} is read by both consumers`, { timeout }, async () => {
    const sent = facts(`sent ${topic}`)
    assert.equal(sent.length, records)
    assert.deepEqual(facts(`read ${topic}`), sent)
    const confluent = await Confluent.start(broker.bootstrap)
    const read = await confluent.readAll(topic, 0, 0, { 'check.crcs': true })
    await confluent.end()
    assert.deepEqual(read.map(factOf), sent)
  })

  test(`the Java consumer finds its way in a topic of ${codec}`, { timeout }, () => {
    assert.deepEqual(facts(`beginning ${topic}`), ['0'])
    assert.deepEqual(facts(`end ${topic}`), [String(records)])
    const at = facts(`sent ${topic}`)[42]?.split(' ')
    assert.deepEqual(facts(`time ${topic}`), [`42 ${at?.[1]}`])
    assert.deepEqual(facts(`sought ${topic}`), ['123'])
  })
}

test('a topic that was deleted and made again is another topic', { timeout }, () => {
  assert.deepEqual(facts('before'), ['0', '1'])
  assert.deepEqual(facts('deleted'), ['UnknownTopicOrPartitionException'])
  assert.deepEqual(facts('after'), ['0'])
})
