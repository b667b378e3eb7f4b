import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { type Broker, startBroker } from '../../src/app/broker.ts'
import { readBrokerConfig } from '../../src/app/config.ts'
import type { Logger } from '../../src/base/logger.ts'
import type { Uuid } from '../../src/protocol/index.ts'
import { createTopics } from '../../src/protocol/schema/create-topics.ts'
import { produce } from '../../src/protocol/schema/produce.ts'
import { type BatchInput, buildBatch } from '../../src/records/record-batch.ts'
import { FakeWorld } from './fake-world.ts'
import type { Machine } from './machine.ts'
import { TestClient } from './test-client.ts'

export interface LogLine {
  readonly level: 'info' | 'warn' | 'error'
  readonly fields: Record<string, unknown>
  readonly message: string
}

export class RecordingLogger implements Logger {
  readonly lines: LogLine[] = []
  info(fields: Record<string, unknown>, message: string): void {
    this.lines.push({ level: 'info', fields, message })
  }
  warn(fields: Record<string, unknown>, message: string): void {
    this.lines.push({ level: 'warn', fields, message })
  }
  error(fields: Record<string, unknown>, message: string): void {
    this.lines.push({ level: 'error', fields, message })
  }
  has(part: string): boolean {
    return this.lines.some(line => `${line.message} ${JSON.stringify(line.fields)}`.includes(part))
  }
}

export const dataDirectory = '/data'
/** Groups wait for nothing but the disk, as time stands still unless a test lets it pass. */
const noLinger = { 'group.coordinator.append.linger.ms': '0' }

/** A broker as `src/app` puts it together, in a world in memory. */
export class TestBroker {
  readonly world: FakeWorld
  readonly logger: RecordingLogger
  readonly broker: Broker

  private constructor(world: FakeWorld, logger: RecordingLogger, broker: Broker) {
    this.world = world
    this.logger = logger
    this.broker = broker
  }

  /** `prepare` sees the world before the broker does. */
  static async start(
    configs: Record<string, string> = {},
    machine?: Machine,
    seed = 1,
    prepare: (world: FakeWorld) => void = () => {},
  ): Promise<TestBroker> {
    const world = new FakeWorld(machine, seed)
    prepare(world)
    const logger = new RecordingLogger()
    const own = { 'log.dirs': dataDirectory, ...noLinger, ...configs }
    const { config } = readBrokerConfig(new Map(Object.entries(own)))
    const starting = startBroker(config, world, logger)
    let done = false
    const settled = starting.finally(() => {
      done = true
    })
    settled.catch(() => {})
    while (!done) await world.time.settle()
    const broker = await starting
    // A reply then waits for virtual time alone, as the loading of a module does not.
    await broker.loadHandlers()
    return new TestBroker(world, logger, broker)
  }

  connect(): TestClient {
    return TestClient.connect(this.world)
  }

  /** Waits for `work` while the world goes on without time passing. */
  async during<T>(work: Promise<T>): Promise<T> {
    let done = false
    const settled = work.finally(() => {
      done = true
    })
    settled.catch(() => {})
    while (!done) await this.world.time.settle()
    return await work
  }

  stop(): Promise<void> {
    return this.during(this.broker.stop())
  }

  /** Nothing of a request is held once it is answered or its connection is gone. */
  assertNothingHeld(): void {
    assert.equal(this.world.network.stats().frames, 0, 'frames held')
    assert.equal(this.world.storage.regionsHeld, 0, 'regions held')
  }

  logOf(topic: string, partition = 0) {
    return this.world.storage.log(`${dataDirectory}/${topic}-${partition}`)
  }

  async createTopic(name: string, partitions = 1, configs: Record<string, string> = {}): Promise<Uuid> {
    const client = this.connect()
    const { topics } = await client.call(createTopics, 7, {
      topics: [
        {
          name,
          numPartitions: partitions,
          replicationFactor: 1,
          assignments: [],
          configs: Object.entries(configs).map(([key, value]) => ({ name: key, value })),
        },
      ],
      timeoutMs: 1_000,
    })
    assert.equal(topics[0]?.errorCode, 0, topics[0]?.errorMessage ?? '')
    client.hangUp()
    return topics[0]!.topicId
  }
}

/** A broker that is checked for leaks and stopped when the test ends. */
export async function testBroker(t: TestContext, configs: Record<string, string> = {}): Promise<TestBroker> {
  const broker = await TestBroker.start(configs)
  t.after(async () => {
    await broker.world.time.settle()
    broker.assertNothingHeld()
    await broker.stop()
  })
  return broker
}

const utf8 = new TextEncoder()

/** A batch of records with these values. */
export function batchOf(values: readonly string[], more: Partial<BatchInput> = {}): Uint8Array {
  const records = values.map(value => ({ key: null, value: utf8.encode(value) }))
  return buildBatch({ timestampMs: 1_700_000_000_000, records, ...more })
}

/** A Produce request for one partition, before topic ids. */
export function produceRequest(topic: string, records: Uint8Array | null, acks = -1, timeoutMs = 1_000, index = 0) {
  return {
    transactionalId: null,
    acks,
    timeoutMs,
    topicData: [{ name: topic, partitionData: [{ index, records }] }],
  }
}

/** Produces one batch and returns the partition's answer. */
export async function produceOne(
  client: TestClient,
  topic: string,
  records: Uint8Array | null,
  acks = -1,
  version = 12,
) {
  const { responses } = await client.call(produce, version, produceRequest(topic, records, acks))
  return responses[0]!.partitionResponses[0]!
}
