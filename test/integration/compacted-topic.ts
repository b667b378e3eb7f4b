import assert from 'node:assert/strict'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { type Broker, startBroker } from '../../src/app/broker.ts'
import { readBrokerConfig } from '../../src/app/config.ts'
import { realWorld } from '../../src/app/real-world.ts'
import type { Logger } from '../../src/base/logger.ts'
import { ErrorCode } from '../../src/protocol/index.ts'
import { createTopics } from '../../src/protocol/schema/create-topics.ts'
import { fetch } from '../../src/protocol/schema/fetch.ts'
import { incrementalAlterConfigs } from '../../src/protocol/schema/incremental-alter-configs.ts'
import { listOffsets } from '../../src/protocol/schema/list-offsets.ts'
import { produce } from '../../src/protocol/schema/produce.ts'
import { batchHeaderBytes, Codec, recordCountAt } from '../../src/records/batch-header.ts'
import { decompress } from '../../src/records/compression.ts'
import { type BatchInput, batchCodec, batchEnd, buildBatch, readRecords } from '../../src/records/record-batch.ts'
import { compressed } from '../support/compressed-batch.ts'
import { RawClient } from './raw-client.ts'

const waitLimitMs = 30_000
export const segmentBytes = 1 << 20

interface Line {
  readonly fields: Record<string, unknown>
  readonly message: string
}

/** What a broker said, and a way to wait for what it will say. */
export class WatchedLog implements Logger {
  readonly lines: Line[] = []
  readonly problems: Line[] = []
  private readonly waiting = new Set<() => void>()

  info(fields: Record<string, unknown>, message: string): void {
    this.lines.push({ fields, message })
    for (const look of [...this.waiting]) look()
  }
  warn(fields: Record<string, unknown>, message: string): void {
    this.problems.push({ fields, message })
    this.info(fields, message)
  }
  error(fields: Record<string, unknown>, message: string): void {
    this.warn(fields, message)
  }

  /** The first line from line `from` on that `matches` says yes to. */
  until(matches: (line: Line) => boolean, from = 0): Promise<Line> {
    return new Promise((resolve, reject) => {
      const look = () => {
        const found = this.lines.slice(from).find(matches)
        if (found === undefined) return
        end()
        resolve(found)
      }
      const end = () => {
        clearTimeout(timer)
        this.waiting.delete(look)
      }
      const timer = setTimeout(() => {
        end()
        reject(new Error(`the awaited line did not come: ${JSON.stringify(this.lines.slice(-5))}`))
      }, waitLimitMs)
      this.waiting.add(look)
      look()
    })
  }
}

export interface WrittenRecord {
  readonly offset: number
  readonly key: string
  readonly value: string | null
  readonly timestampMs: number
}

/** A real broker in this process with one compacted topic `t`, and a model of what was written to it. */
export class CompactedTopic {
  readonly directory: string
  readonly log = new WatchedLog()
  readonly written: WrittenRecord[] = []
  /** Added to both clocks: so much time has passed. */
  clockAheadMs = 0
  private broker: Broker | undefined
  private connection: RawClient | undefined
  private readonly configs: Record<string, string>

  private constructor(directory: string, configs: Record<string, string>) {
    this.directory = directory
    this.configs = configs
  }

  static async make(
    t: TestContext,
    topic: Record<string, string> = {},
    configs: Record<string, string> = {},
  ): Promise<CompactedTopic> {
    const made = new CompactedTopic(await mkdtemp(join(tmpdir(), 'millrace-compaction-')), configs)
    t.after(async () => {
      await made.stop()
      await rm(made.directory, { recursive: true, force: true })
    })
    await made.start()
    await made.create(topic)
    return made
  }

  /** The topic of a broker that runs in a process of its own. */
  static async attached(directory: string, address: { host: string; port: number }): Promise<CompactedTopic> {
    const attached = new CompactedTopic(directory, {})
    await attached.connect(address)
    return attached
  }

  async connect(address: { host: string; port: number }): Promise<void> {
    this.connection?.destroy()
    this.connection = await RawClient.open(address)
  }

  async start(): Promise<void> {
    const world = realWorld()
    const { clock } = world
    const ahead = {
      wallMs: () => clock.wallMs() + this.clockAheadMs,
      monotonicMs: () => clock.monotonicMs() + this.clockAheadMs,
    }
    const given = {
      'log.dirs': this.directory,
      listeners: 'PLAINTEXT://127.0.0.1:0',
      'log.cleaner.backoff.ms': '5',
      ...this.configs,
    }
    const { config } = readBrokerConfig(new Map(Object.entries(given)))
    this.broker = await startBroker(config, { ...world, clock: ahead }, this.log)
    await this.connect(this.broker.endpoints[0]!)
  }

  async stop(): Promise<void> {
    this.connection?.destroy()
    const broker = this.broker
    this.broker = undefined
    await broker?.stop()
  }

  get client(): RawClient {
    return this.connection!
  }

  get stats() {
    return this.broker!.cleanerStats()
  }

  async create(topic: Record<string, string> = {}): Promise<void> {
    const configs = { 'cleanup.policy': 'compact', 'segment.bytes': String(segmentBytes), ...topic }
    const { topics } = await this.client.request(createTopics, 7, {
      topics: [
        {
          name: 't',
          numPartitions: 1,
          replicationFactor: 1,
          assignments: [],
          configs: Object.entries(configs).map(([name, value]) => ({ name, value })),
        },
      ],
      timeoutMs: 10_000,
    })
    assert.equal(topics[0]!.errorCode, ErrorCode.NONE, topics[0]!.errorMessage ?? '')
  }

  async alter(configs: Record<string, string>): Promise<void> {
    const list = Object.entries(configs).map(([name, value]) => ({ name, configOperation: 0, value }))
    const { responses } = await this.client.request(incrementalAlterConfigs, 1, {
      resources: [{ resourceType: 2, resourceName: 't', configs: list }],
      validateOnly: false,
    })
    assert.equal(responses[0]!.errorCode, ErrorCode.NONE, responses[0]!.errorMessage ?? '')
  }

  /** Produces one batch; returns the error and its base offset. */
  async send(input: BatchInput, codec: Codec = Codec.none): Promise<{ errorCode: number; baseOffset: number }> {
    const plain = buildBatch(input)
    const records = codec === Codec.none ? plain : compressed(plain, codec)
    const { responses } = await this.client.request(produce, 9, {
      transactionalId: null,
      acks: -1,
      timeoutMs: 10_000,
      topicData: [{ name: 't', partitionData: [{ index: 0, records }] }],
    })
    const { errorCode, baseOffset } = responses[0]!.partitionResponses[0]!
    return { errorCode, baseOffset: Number(baseOffset) }
  }

  /** Produces one batch of keys and values, and notes what stands where. */
  async write(
    entries: readonly (readonly [key: string, value: string | null])[],
    more: Partial<BatchInput> & { codec?: Codec } = {},
  ): Promise<number> {
    const { codec, ...input } = more
    const records = entries.map(([key, value]) => ({
      key: Buffer.from(key),
      value: value === null ? null : Buffer.from(value),
    }))
    const timestampMs = input.timestampMs ?? Date.now() + this.clockAheadMs
    const { errorCode, baseOffset } = await this.send({ timestampMs, records, ...input }, codec)
    assert.equal(errorCode, ErrorCode.NONE)
    const end = (this.written.at(-1)?.offset ?? -1) + 1
    assert.ok(baseOffset >= end, 'nothing is written over')
    entries.forEach(([key, value], index) => {
      this.written.push({ offset: baseOffset + index, key, value, timestampMs })
    })
    return baseOffset
  }

  /** Batches of one key each until the segment that is written now is sealed. */
  async seal(key = 'filler', timestampMs?: number): Promise<void> {
    const value = 'x'.repeat(300_000)
    const time = timestampMs === undefined ? {} : { timestampMs }
    const base = await this.lastSegment()
    for (let i = 0; (await this.lastSegment()) === base; i++) await this.write([[key, `${i}${value}`]], time)
  }

  /** The file that is written: others may be compacted at the same time. */
  private async lastSegment(): Promise<string | undefined> {
    return (await readdir(join(this.directory, 't-0')))
      .filter(name => /^\d{20}\.log$/.test(name))
      .sort()
      .at(-1)
  }

  /** Resolves with the line of the first pass that ended from line `from` of the log on. */
  async compacted(from = 0): Promise<{ from: number; to: number }> {
    const { fields } = await this.log.until(({ message }) => message === 'compacted', from)
    return { from: Number(fields.from), to: Number(fields.to) }
  }

  /** Resolves when everything sealed below `offset` was compacted. */
  async compactedTo(offset: number): Promise<number> {
    const { fields } = await this.log.until(
      ({ message, fields }) => message === 'compacted' && Number(fields.to) >= offset,
    )
    return Number(fields.to)
  }

  async earliest(): Promise<number> {
    const { topics } = await this.client.request(listOffsets, 7, {
      replicaId: -1,
      isolationLevel: 0,
      topics: [{ name: 't', partitions: [{ partitionIndex: 0, currentLeaderEpoch: -1, timestamp: -2 }] }],
    })
    return Number(topics[0]!.partitions[0]!.offset)
  }

  /** Resolves when a pass runs. */
  async running(): Promise<void> {
    await until(() => this.stats.runningPasses > 0)
  }

  /** Resolves when no pass runs. */
  async idle(): Promise<void> {
    await until(() => this.stats.runningPasses === 0)
  }

  /** Passes may read and write as much as they can from now on; the one that runs is begun anew. */
  async hurry(): Promise<void> {
    const { responses } = await this.client.request(incrementalAlterConfigs, 1, {
      resources: [
        {
          resourceType: 4,
          resourceName: '',
          configs: [{ name: 'log.cleaner.io.max.bytes.per.second', configOperation: 0, value: '1e12' }],
        },
      ],
      validateOnly: false,
    })
    assert.equal(responses[0]!.errorCode, ErrorCode.NONE, responses[0]!.errorMessage ?? '')
  }

  /** Every record from `offset` on, as a client sees it: those before it in their batch are dropped. */
  async read(offset = 0): Promise<WrittenRecord[]> {
    const found: WrittenRecord[] = []
    for (let next = offset; ; ) {
      const batches = await this.fetch(next)
      if (batches.length === 0) return found
      for (const { records, endOffset } of batches) {
        found.push(...records.filter(record => record.offset >= offset))
        next = endOffset
      }
    }
  }

  async fetch(offset: number): Promise<{ records: WrittenRecord[]; endOffset: number; attributes: number }[]> {
    const { responses } = await this.client.request(fetch, 12, {
      replicaId: -1,
      maxWaitMs: 0,
      minBytes: 0,
      maxBytes: 1 << 20,
      topics: [{ topic: 't', partitions: [{ partition: 0, fetchOffset: offset, partitionMaxBytes: 1 << 20 }] }],
      forgottenTopicsData: [],
    })
    const { errorCode, records } = responses[0]!.partitions[0]!
    assert.equal(errorCode, ErrorCode.NONE, `fetch at ${offset}`)
    const bytes = records === null ? new Uint8Array() : this.client.bytesOf(records)
    return await unfoldBatches(bytes)
  }

  /** Holds what is read against the model, in short words. */
  async assertHolds(expected: readonly WrittenRecord[], message: string, offset = 0): Promise<void> {
    const found = await this.read(offset)
    const short = (records: readonly WrittenRecord[]) =>
      records.map(({ offset, key, value, timestampMs }) => `${offset} ${key}=${value?.slice(0, 24)} at ${timestampMs}`)
    assert.deepEqual(short(found), short(expected), message)
    assert.ok(
      found.every(({ value }, index) => value === expected[index]!.value),
      message,
    )
  }

  /** What has to be there when a pass has cleaned everything below `to`. */
  expected(to: number, tombstonesGone = false): WrittenRecord[] {
    const last = new Map<string, number>()
    for (const { key, offset } of this.written) if (offset < to) last.set(key, offset)
    return this.written.filter(
      ({ offset, key, value }) => offset >= to || (last.get(key) === offset && !(tombstonesGone && value === null)),
    )
  }
}

async function until(condition: () => boolean): Promise<void> {
  const deadline = performance.now() + waitLimitMs
  while (!condition()) {
    assert.ok(performance.now() < deadline, 'the awaited state did not come')
    await new Promise(resolve => setImmediate(resolve))
  }
}

async function unfoldBatches(bytes: Uint8Array) {
  const batches: { records: WrittenRecord[]; endOffset: number; attributes: number }[] = []
  for (let at = 0, end = batchEnd(bytes, 0); end !== undefined; at = end, end = batchEnd(bytes, at)) {
    const batch = bytes.slice(at, end)
    const view = new DataView(batch.buffer)
    const codec = batchCodec(batch, 0)
    const empty = recordCountAt(view, 0) === 0
    const section = empty ? new Uint8Array() : await decompress(codec, batch.subarray(batchHeaderBytes))
    batches.push({
      endOffset: Number(view.getBigInt64(0)) + view.getInt32(23) + 1,
      attributes: view.getInt16(21),
      records: empty
        ? []
        : readRecords(batch, 0, section).map(({ offset, key, value, timestampMs }) => ({
            offset,
            key: Buffer.from(key!).toString(),
            value: value === null ? null : Buffer.from(value).toString(),
            timestampMs,
          })),
    })
  }
  return batches
}
