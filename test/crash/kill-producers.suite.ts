/**
 * Kill -9 while four idempotent producers write with acks=all. Says nothing about the disk, since the page cache
 * survives the process; it is about recovery, producer state and the order of what was in flight.
 */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { BrokerUnderTest } from '../compat/lib/broker.ts'
import { Confluent, isDelivered } from '../compat/lib/confluent.ts'
import { CrashProducer } from './crash-producer.ts'

const topic = 'crash'
const partitions = 3
const names = ['a', 'b', 'c', 'd']
const timeout = 150_000

let broker: BrokerUnderTest
let confluent: Confluent
const producers: CrashProducer[] = []

before(async () => {
  broker = await BrokerUnderTest.start()
  confluent = await Confluent.start(broker.bootstrap)
})

after(async () => {
  for (const producer of producers) producer.kill()
  await confluent?.end()
  await broker?.destroy()
})

interface Found {
  readonly name: string
  readonly sequence: number
}

/** Every partition's records, whose offsets must be 0, 1, 2, … without a gap. */
const readTopic = async (): Promise<Found[][]> => {
  const all: Found[][] = []
  for (let partition = 0; partition < partitions; partition++) {
    const records = await confluent.readAll(topic, partition, 0, { 'check.crcs': true })
    for (const [i, record] of records.entries()) assert.equal(record.offset, i, `partition ${partition}`)
    all.push(
      records.map(({ value }) => {
        const [name = '', sequence] = String(value).split(' ')
        return { name, sequence: Number(sequence) }
      }),
    )
  }
  return all
}

const own = { skip: process.env.MILLRACE_COMPAT_BOOTSTRAP !== undefined, timeout }

test('each acknowledged record survives kill -9 once, in its place and in order', own, async () => {
  // The least that Kafka takes: logs roll while they are killed.
  const config = { 'segment.bytes': '1048576' }
  assert.deepEqual(await confluent.createTopics({ topic, partitions, config }), { [topic]: null })
  for (const name of names) producers.push(await CrashProducer.start(broker.bootstrap, topic, name, partitions))
  // A JVM takes seconds to come back; ours does not, and can be killed more often.
  const rounds = broker.kind === 'kafka' ? 3 : 10
  for (let round = 0; round < rounds; round++) {
    // Another number of records each time, so that the kill hits other moments; all four are writing when it comes.
    const more = 300 + ((round * 7_919) % 900)
    await Promise.all(producers.map(producer => producer.acknowledgedAtLeast(producer.acknowledged.length + more)))
    await broker.kill9()
    const counts = producers.map(producer => producer.acknowledged.length)
    const restarted = performance.now()
    await broker.startAgain()
    console.log(
      `round ${round + 1}: killed at ${counts.join(' + ')} acknowledged records, ` +
        `back in ${(performance.now() - restarted).toFixed(0)} ms, ${JSON.stringify((await broker.logsOpened()) ?? {})}`,
    )
  }
  const sent = await Promise.all(producers.map(producer => producer.finish()))
  const found = await readTopic()
  for (const [i, producer] of producers.entries()) {
    assert.deepEqual(producer.lost, [], `producer ${producer.name} gave up on records`)
    assert.equal(producer.acknowledged.length, sent[i])
    for (const { sequence, partition, offset } of producer.acknowledged) {
      assert.deepEqual(
        found[partition]?.[offset],
        { name: producer.name, sequence },
        `partition ${partition} at ${offset}`,
      )
    }
    for (const [partition, records] of found.entries()) {
      const sequences = records.filter(({ name }) => name === producer.name).map(({ sequence }) => sequence)
      // Each once and in order: from the partition's own first sequence on, every one is that before plus `partitions`.
      for (const [n, sequence] of sequences.entries()) {
        const expected = partition + n * partitions
        assert.equal(sequence, expected, `record ${n} of producer ${producer.name} in partition ${partition}`)
      }
      const count = Math.ceil(((sent[i] ?? 0) - partition) / partitions)
      assert.equal(sequences.length, count, `records of producer ${producer.name} in partition ${partition}`)
    }
  }
})

test('a clean stop and start scans nothing, and offsets continue', own, async t => {
  // Kafka serves before it leads its partitions again, and does not say what it scanned.
  if (broker.kind !== 'millrace') return t.skip('the broker is not Millrace')
  await broker.stop()
  await broker.startAgain()
  const opened = await broker.logsOpened()
  assert.ok(opened !== undefined)
  const { logs, recovered, scannedBytes } = opened
  assert.ok(logs >= partitions)
  assert.deepEqual({ recovered, scannedBytes }, { recovered: 0, scannedBytes: 0 })
  const found = await readTopic()
  const producer = await confluent.producer({ 'enable.idempotence': true })
  for (const [partition, records] of found.entries()) {
    const [delivery] = await producer.send(topic, [{ partition, key: null, value: Buffer.from('e 0') }])
    assert.ok(delivery !== undefined && isDelivered(delivery), JSON.stringify(delivery))
    assert.equal(delivery.offset, records.length)
  }
  await producer.close()
})

test('a start after a kill looks at the logs again', own, async t => {
  if (broker.kind !== 'millrace') return t.skip('the broker is not Millrace')
  await broker.kill9()
  await broker.startAgain()
  const opened = await broker.logsOpened()
  assert.ok((opened?.recovered ?? 0) > 0, `after a kill: ${JSON.stringify(opened)}`)
})
