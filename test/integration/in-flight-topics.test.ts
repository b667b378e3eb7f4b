/**
 * The same at the level of topics: clients ask for much by topic id and do not read, while records are deleted, retention
 * removes segments, segments are rolled, compacted, and the topic is deleted and made again under its name with other bytes. What
 * they read afterwards is of the topic that they asked for, as it was, or an error, or the connection ends.
 */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { startBroker } from '../../src/app/broker.ts'
import { readBrokerConfig } from '../../src/app/config.ts'
import { realWorld } from '../../src/app/real-world.ts'
import { decodeResponseHeader, ErrorCode, Reader, responseCodec, type Uuid } from '../../src/protocol/index.ts'
import { createTopics } from '../../src/protocol/schema/create-topics.ts'
import { deleteRecords } from '../../src/protocol/schema/delete-records.ts'
import { deleteTopics } from '../../src/protocol/schema/delete-topics.ts'
import { fetch } from '../../src/protocol/schema/fetch.ts'
import { incrementalAlterConfigs } from '../../src/protocol/schema/incremental-alter-configs.ts'
import { listOffsets } from '../../src/protocol/schema/list-offsets.ts'
import { produce } from '../../src/protocol/schema/produce.ts'
import { buildBatch, readRecords } from '../../src/records/record-batch.ts'
import { SeededRandom } from '../support/seeded-random.ts'
import { LazyReader, pattern, untilClosed } from './lazy-reader.ts'
import { encodeRequest, RawClient } from './raw-client.ts'

const rounds = Number(process.env.MILLRACE_IN_FLIGHT_ROUNDS ?? 2)
const seed = Number(process.env.MILLRACE_IN_FLIGHT_SEED ?? 1)
const name = 'reused'
const partitions = 2
const fetchVersion = 13
const timeoutMs = 10_000

/** One life of the topic: `life` is in every value. */
interface Topic {
  readonly id: Uuid
  readonly life: number
}

class Control {
  private lives = 0

  constructor(
    readonly client: RawClient,
    private readonly random: SeededRandom,
  ) {}

  async create(): Promise<Topic> {
    const configs = [{ name: 'segment.bytes', value: String(2 << 20) }]
    const topics = [{ name, numPartitions: partitions, replicationFactor: 1, assignments: [], configs }]
    const answer = await this.client.request(createTopics, 7, { topics, timeoutMs })
    assert.equal(answer.topics[0]!.errorCode, ErrorCode.NONE)
    return { id: answer.topics[0]!.topicId, life: this.lives++ }
  }

  async fill({ life }: Topic, bytes: number): Promise<void> {
    for (let index = 0; index < partitions; index++)
      for (let filled = 0, next = await this.offsetOf(index, -1); filled < bytes; next++) {
        const value = pattern(life * partitions + index, next, 1 + this.random.below(400_000))
        const records = buildBatch({
          timestampMs: Date.now(),
          records: [{ key: Buffer.from(String(next % 5)), value }],
        })
        const { responses } = await this.client.request(produce, 9, {
          transactionalId: null,
          acks: -1,
          timeoutMs,
          topicData: [{ name, partitionData: [{ index, records }] }],
        })
        const { errorCode, baseOffset } = responses[0]!.partitionResponses[0]!
        assert.deepEqual([errorCode, baseOffset], [ErrorCode.NONE, next])
        filled += records.length
      }
  }

  async offsetOf(partitionIndex: number, timestamp: -1 | -2): Promise<number> {
    const asked = [{ partitionIndex, timestamp }]
    const { topics } = await this.client.request(listOffsets, 1, {
      replicaId: -1,
      topics: [{ name, partitions: asked }],
    })
    return topics[0]!.partitions[0]!.offset
  }

  async delete(): Promise<void> {
    const { responses } = await this.client.request(deleteTopics, 6, { topics: [{ name }], timeoutMs })
    assert.equal(responses[0]!.errorCode, ErrorCode.NONE)
  }

  async deleteRecords(): Promise<void> {
    for (let partitionIndex = 0; partitionIndex < partitions; partitionIndex++) {
      const [start, end] = [await this.offsetOf(partitionIndex, -2), await this.offsetOf(partitionIndex, -1)]
      const asked = [{ partitionIndex, offset: start + this.random.below(end - start + 1) }]
      const { topics } = await this.client.request(deleteRecords, 2, {
        topics: [{ name, partitions: asked }],
        timeoutMs,
      })
      assert.equal(topics[0]!.partitions[0]!.errorCode, ErrorCode.NONE)
    }
  }

  retain(bytes: number): Promise<void> {
    return this.set({ 'retention.bytes': String(bytes) })
  }

  async set(values: Record<string, string>): Promise<void> {
    const configs = Object.entries(values).map(([key, value]) => ({ name: key, configOperation: 0, value }))
    const answer = await this.client.request(incrementalAlterConfigs, 1, {
      resources: [{ resourceType: 2, resourceName: name, configs }],
      validateOnly: false,
    })
    assert.equal(answer.responses[0]!.errorCode, ErrorCode.NONE)
  }
}

/** The answers in `bytes` that came whole. */
function* answersIn(bytes: Buffer) {
  for (let at = 0; at + 4 <= bytes.length; ) {
    const end = at + 4 + bytes.readInt32BE(at)
    if (end > bytes.length) return
    const frame = bytes.subarray(at + 4, end)
    const reader = new Reader(frame)
    const correlationId = decodeResponseHeader(reader, 1)
    const { responses } = responseCodec(fetch, fetchVersion).decode(reader)
    yield { correlationId, frame, responses }
    at = end
  }
}

test('a client that does not read gets the topic it asked for, as it was, whatever becomes of it', {
  timeout: 120_000,
}, async t => {
  const directory = await mkdtemp(join(tmpdir(), 'millrace-in-flight-'))
  const world = realWorld()
  const said: string[] = []
  const settings = {
    'log.dirs': directory,
    listeners: 'PLAINTEXT://127.0.0.1:0',
    'log.retention.check.interval.ms': '20',
    'log.cleaner.backoff.ms': '20',
  }
  const { config } = readBrokerConfig(new Map(Object.entries(settings)))
  const broker = await startBroker(config, world, {
    info: (_, message) => void said.push(message),
    warn() {},
    error() {},
  })
  const address = broker.endpoints[0]!
  const random = new SeededRandom(seed)
  const control = new Control(await RawClient.open(address), random)
  t.after(async () => {
    control.client.destroy()
    await broker.stop()
    await rm(directory, { recursive: true, force: true })
  })

  let topic = await control.create()
  const deeds: Record<string, () => Promise<void>> = {
    'delete records': () => control.deleteRecords(),
    'retain nothing': async () => {
      await control.retain(0)
      while ((await control.offsetOf(0, -2)) < (await control.offsetOf(0, -1))) await new Promise(setImmediate)
      await control.retain(-1)
    },
    'append and roll': () => control.fill(topic, 3 << 20),
    compact: async () => {
      await control.fill(topic, 3 << 20)
      const from = said.length
      await control.set({ 'cleanup.policy': 'compact', 'min.cleanable.dirty.ratio': '0' })
      while (!said.includes('compacted', from)) await new Promise(setImmediate)
      await control.set({ 'cleanup.policy': 'delete' })
    },
    'make again': async () => {
      await control.delete()
      topic = await control.create()
      await control.fill(topic, 4 << 20)
    },
  }
  const names = Object.keys(deeds)
  const seen = { records: 0, refused: 0, cut: 0 }
  for (let round = 0; round < rounds; round++) {
    await control.fill(topic, 4 << 20)
    const asked = topic
    const readers = await Promise.all([1, 2].map(() => LazyReader.open(t, address.port)))
    const requests = 5
    for (const reader of readers)
      for (let correlationId = 0; correlationId < requests; correlationId++) {
        const offsets = await Promise.all(
          [0, 1].map(async index => {
            const [start, end] = [await control.offsetOf(index, -2), await control.offsetOf(index, -1)]
            return start + random.below(end - start)
          }),
        )
        const parts = offsets.map((fetchOffset, partition) => ({ partition, fetchOffset, partitionMaxBytes: 4 << 20 }))
        const request = {
          maxWaitMs: 0,
          minBytes: 0,
          maxBytes: 8 << 20,
          topics: [{ topicId: asked.id, partitions: parts }],
          forgottenTopicsData: [],
        }
        reader.send(encodeRequest(fetch, fetchVersion, correlationId, request))
      }
    const done: string[] = []
    for (let n = 1 + random.below(3); n > 0; n--) {
      const deed = names[random.below(names.length)]!
      done.push(deed)
      await deeds[deed]!()
      if (random.below(2) === 0) for (const reader of readers) await reader.read(reader.bytes.length + 500_000)
    }
    const what = `seed ${seed}, round ${round}: ${done.join(', ')}`
    for (const reader of readers) {
      for (let end = 0, answer = 0; answer < requests && !reader.ended; answer++) {
        await reader.read(end + 4)
        if (reader.bytes.length >= end + 4) end += 4 + reader.bytes.readInt32BE(end)
        await reader.read(end)
      }
      if (reader.ended) seen.cut++
      for (const [index, { correlationId, frame, responses }] of [...answersIn(reader.bytes)].entries()) {
        assert.equal(correlationId, index, what)
        for (const { partitionIndex, errorCode, records } of responses.flatMap(each => each.partitions)) {
          if (errorCode !== ErrorCode.NONE) {
            const expected = [ErrorCode.OFFSET_OUT_OF_RANGE, ErrorCode.UNKNOWN_TOPIC_ID] as number[]
            assert.ok(expected.includes(errorCode), `${what}: ${errorCode}`)
            seen.refused++
            continue
          }
          const bytes = frame.subarray(records!.position, records!.position + records!.length)
          for (let at = 0; at + 12 <= bytes.length; ) {
            const size = 12 + bytes.readInt32BE(at + 8)
            if (at + size > bytes.length) break // The last batch may be cut short.
            // Of a batch whose records are all gone, compaction may keep the header.
            for (const { offset, value } of readRecords(bytes.subarray(at, at + size), 0)) {
              const expected = pattern(asked.life * partitions + partitionIndex, offset, value!.length)
              assert.ok(Buffer.from(value!).equals(expected), `${what}: ${offset} of partition ${partitionIndex}`)
              seen.records++
            }
            at += size
          }
        }
      }
      reader.end()
    }
    // The connections are gone, and with them what was held for them.
    while (world.network.stats().connections > 1) await new Promise(setImmediate)
    const { frameBytesHeld, repliesQueuedBytes } = world.network.stats()
    assert.deepEqual({ frameBytesHeld, repliesQueuedBytes }, { frameBytesHeld: 0, repliesQueuedBytes: 0 }, what)
  }
  t.diagnostic(`${seen.records} records, ${seen.refused} errors, ${seen.cut} connections that ended`)
  assert.ok(seen.records > 0)
  // With the topic goes all that was held of it.
  await control.delete()
  await untilClosed(join(directory, `${name}-`))
})
