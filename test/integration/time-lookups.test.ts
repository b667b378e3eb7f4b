/**
 * Lookups by time over real files and the wire, against a list of what was written: records out of order, of equal
 * times, compressed or stamped by the broker, over many segments, while the log start moves into segments and batches,
 * and after the broker was started again.
 */
import assert from 'node:assert/strict'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { type Broker, startBroker } from '../../src/app/broker.ts'
import { readBrokerConfig } from '../../src/app/config.ts'
import { realWorld } from '../../src/app/real-world.ts'
import { ErrorCode } from '../../src/protocol/index.ts'
import { createTopics } from '../../src/protocol/schema/create-topics.ts'
import { deleteRecords } from '../../src/protocol/schema/delete-records.ts'
import { listOffsets } from '../../src/protocol/schema/list-offsets.ts'
import { produce } from '../../src/protocol/schema/produce.ts'
import { Codec } from '../../src/records/batch-header.ts'
import { buildBatch } from '../../src/records/record-batch.ts'
import { codecs, compressed } from '../support/compressed-batch.ts'
import { SeededRandom } from '../support/seeded-random.ts'
import { RawClient } from './raw-client.ts'

const seed = Number(process.env.MILLRACE_LOOKUP_SEED ?? 1)
const rounds = Number(process.env.MILLRACE_LOOKUP_ROUNDS ?? 3)
const startMs = 1_700_000_000_000
const stepMs = 1_000
const steps = 30
const timeoutMs = 10_000
const [latest, earliest, ofLargestTime] = [-1, -2, -3]

interface Written {
  readonly offset: number
  readonly timestamp: number
}

/** A partition as it should be. */
class Model {
  records: Written[] = []
  start = 0
  end = 0

  constructor(
    readonly topic: string,
    readonly appendTime: boolean,
  ) {}

  find(timestamp: number): { offset: number; timestamp: number } {
    const nothing = { offset: -1, timestamp: -1 }
    if (timestamp === latest) return { ...nothing, offset: this.end }
    if (timestamp === earliest) return { ...nothing, offset: this.start }
    const kept = this.records.filter(({ offset }) => offset >= this.start)
    const wanted = timestamp === ofLargestTime ? Math.max(...kept.map(each => each.timestamp)) : timestamp
    return kept.find(each => each.timestamp >= wanted) ?? nothing
  }
}

const topicConfigs: Record<string, Record<string, string>> = {
  // An index of few entries ends its segment.
  'full-indexes': { 'segment.index.bytes': '60', 'index.interval.bytes': '300' },
  'every-batch': { 'segment.index.bytes': '200', 'index.interval.bytes': '0' },
  'by-time': { 'segment.ms': String(2 * stepMs), 'index.interval.bytes': '1000' },
  'append-time': {
    'message.timestamp.type': 'LogAppendTime',
    'segment.index.bytes': '60',
    'index.interval.bytes': '0',
  },
}

test(`lookups by time find what a list of all records finds, from seed ${seed}`, { timeout: 120_000 }, async t => {
  const random = new SeededRandom(seed)
  const directory = await mkdtemp(join(tmpdir(), 'millrace-lookups-'))
  let broker: Broker
  let client: RawClient
  const start = async (): Promise<void> => {
    const settings = { 'log.dirs': directory, listeners: 'PLAINTEXT://127.0.0.1:0' }
    const { config } = readBrokerConfig(new Map(Object.entries(settings)))
    broker = await startBroker(config, realWorld(), { info() {}, warn() {}, error() {} })
    client = await RawClient.open(broker.endpoints[0]!)
  }
  const stop = async (): Promise<void> => {
    client.destroy()
    await broker.stop()
  }
  await start()
  t.after(async () => {
    await stop()
    await rm(directory, { recursive: true, force: true })
  })

  const models = Object.keys(topicConfigs).map(topic => new Model(topic, topic === 'append-time'))
  const created = await client!.request(createTopics, 7, {
    topics: Object.entries(topicConfigs).map(([name, configs]) => ({
      name,
      numPartitions: 1,
      replicationFactor: 1,
      assignments: [],
      configs: Object.entries(configs).map(([key, value]) => ({ name: key, value })),
    })),
    timeoutMs,
  })
  assert.ok(created.topics.every(({ errorCode }) => errorCode === ErrorCode.NONE))

  /** Time goes on, and records come from around it. */
  let appended = 0
  const anyTime = (): number => startMs + ((appended >> 2) + random.below(steps)) * stepMs
  const append = async (): Promise<void> => {
    appended++
    const batches = models.map(() => {
      const times = Array.from({ length: 1 + random.below(6) }, anyTime)
      const records = times.map(timestampMs => ({ key: null, value: random.bytes(random.below(200)), timestampMs }))
      const plain = buildBatch({ timestampMs: times[0]!, records })
      const codec = random.below(2) === 0 ? Codec.none : codecs[random.below(codecs.length)]!
      return { times, bytes: codec === Codec.none ? plain : compressed(plain, codec) }
    })
    const { responses } = await client.request(produce, 9, {
      transactionalId: null,
      acks: -1,
      timeoutMs,
      topicData: models.map(({ topic }, at) => ({
        name: topic,
        partitionData: [{ index: 0, records: batches[at]!.bytes }],
      })),
    })
    for (const [at, model] of models.entries()) {
      const { errorCode, baseOffset, logAppendTimeMs } = responses[at]!.partitionResponses[0]!
      assert.deepEqual([errorCode, baseOffset], [ErrorCode.NONE, model.end])
      assert.equal(logAppendTimeMs > 0, model.appendTime)
      for (const time of batches[at]!.times)
        model.records.push({ offset: model.end++, timestamp: model.appendTime ? logAppendTimeMs : time })
    }
  }
  const trim = async (): Promise<void> => {
    for (const model of models) model.start += random.below(Math.min(40, model.end - model.start))
    const topics = models.map(({ topic, start: offset }) => ({
      name: topic,
      partitions: [{ partitionIndex: 0, offset }],
    }))
    const answer = await client.request(deleteRecords, 2, { topics, timeoutMs })
    for (const [at, { partitions }] of answer.topics.entries())
      assert.deepEqual([partitions[0]!.errorCode, partitions[0]!.lowWatermark], [ErrorCode.NONE, models[at]!.start])
  }
  const lookEverywhere = async (said: string): Promise<void> => {
    const times = Array.from({ length: 30 }, anyTime)
    const asked = [latest, earliest, ofLargestTime, 0, startMs, ...times.flatMap(time => [time - 1, time])]
    const stamped = models.find(({ appendTime }) => appendTime)!.records
    for (let n = 0; n < 10; n++) asked.push(stamped[random.below(stamped.length)]!.timestamp + random.below(2))
    asked.push(stamped.at(-1)!.timestamp + 1, Number.MAX_SAFE_INTEGER)
    for (const timestamp of asked) {
      const topics = models.map(({ topic }) => ({ name: topic, partitions: [{ partitionIndex: 0, timestamp }] }))
      const answer = await client.request(listOffsets, 7, { replicaId: -1, isolationLevel: 0, topics })
      for (const [at, { partitions }] of answer.topics.entries()) {
        const { errorCode, offset, timestamp: found } = partitions[0]!
        const model = models[at]!
        const expected = { errorCode: ErrorCode.NONE, ...model.find(timestamp) }
        assert.deepEqual({ errorCode, offset, timestamp: found }, expected, `${said}: ${timestamp} in ${model.topic}`)
      }
    }
  }

  for (let round = 0; round < rounds; round++) {
    for (let n = 0; n < 30; n++) await append()
    await lookEverywhere(`round ${round}, written`)
    await trim()
    await lookEverywhere(`round ${round}, trimmed`)
    if (round % 2 === 0) {
      await stop()
      await start()
      await lookEverywhere(`round ${round}, started again`)
    }
  }
  for (const { topic } of models) {
    const segments = (await readdir(join(directory, `${topic}-0`))).filter(name => name.endsWith('.log'))
    assert.ok(segments.length > 2, `${topic} has ${segments.length} segments`)
  }
})
