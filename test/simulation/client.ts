import assert from 'node:assert/strict'
import { ErrorCode, type Uuid } from '../../src/protocol/index.ts'
import { createPartitions } from '../../src/protocol/schema/create-partitions.ts'
import { createTopics } from '../../src/protocol/schema/create-topics.ts'
import { deleteRecords } from '../../src/protocol/schema/delete-records.ts'
import { deleteTopics } from '../../src/protocol/schema/delete-topics.ts'
import { findCoordinator } from '../../src/protocol/schema/find-coordinator.ts'
import { incrementalAlterConfigs } from '../../src/protocol/schema/incremental-alter-configs.ts'
import { initProducerId } from '../../src/protocol/schema/init-producer-id.ts'
import { offsetCommit } from '../../src/protocol/schema/offset-commit.ts'
import { offsetFetch } from '../../src/protocol/schema/offset-fetch.ts'
import { produce } from '../../src/protocol/schema/produce.ts'
import {
  bytesOf,
  cachesWrites,
  groupOf,
  type LogLife,
  latest,
  type Model,
  newLog,
  noteConfig,
  type SentBatch,
  type TopicLife,
} from './model.ts'
import type { SimProcess } from './sim-process.ts'

const timeoutMs = 30_000
/** Groups are loaded within a second, and sooner where their log is small. */
const loadTries = 50
const loadRetryMs = 20

/**
 * Clients of the broker that write down what they asked for before they ask, and what they were told. Each returns
 * whether it was told success. Several may be under way at once if they are not about the same thing.
 */
export class Client {
  readonly process: SimProcess
  readonly model: Model

  constructor(process: SimProcess, model: Model) {
    this.process = process
    this.model = model
  }

  async createTopic(name: string, partitions: number, configs: Record<string, string> = {}): Promise<boolean> {
    const lives = this.model.topics.get(name) ?? []
    if (lives.at(-1)?.presence === 'maybe') return false
    this.model.topics.set(name, lives)
    const life: TopicLife = {
      name,
      number: lives.length,
      id: undefined,
      presence: 'maybe',
      partitions,
      partitionsAsked: partitions,
      configs: new Map(Object.entries(configs).map(([key, value]) => [key, [value]])),
      expires: false,
      cached: false,
      logs: Array.from({ length: partitions }, newLog),
      commits: { told: 0, asked: 0, busy: false },
    }
    for (const [config, value] of Object.entries(configs)) noteConfig(life, config, value)
    lives.push(life)
    const { topics } = await this.process.call(createTopics, 7, {
      topics: [
        {
          name,
          numPartitions: partitions,
          replicationFactor: 1,
          assignments: [],
          configs: Object.entries(configs).map(([key, value]) => ({ name: key, value })),
        },
      ],
      timeoutMs,
    })
    const [answer] = topics
    if (answer!.errorCode !== ErrorCode.NONE) return false
    life.presence = 'there'
    this.learnId(life, answer!.topicId)
    return true
  }

  /** The id of a topic that was not known before; no two topics have the same. */
  learnId(life: TopicLife, id: Uuid): void {
    assert.ok(!this.model.topicIds.has(id), `the id ${id} of ${life.name} was another topic's`)
    this.model.topicIds.add(id)
    life.id = id
  }

  async deleteTopic(name: string): Promise<boolean> {
    const life = this.there(name)
    if (life === undefined) return false
    life.presence = 'maybe'
    const { responses } = await this.process.call(deleteTopics, 5, { topicNames: [name], timeoutMs })
    if (responses[0]!.errorCode !== ErrorCode.NONE) return false
    life.presence = 'gone'
    return true
  }

  async addPartitions(name: string, count: number): Promise<boolean> {
    const life = this.there(name)
    if (life === undefined) return false
    life.partitionsAsked = count
    while (life.logs.length < count) life.logs.push(newLog())
    const { results } = await this.process.call(createPartitions, 3, {
      topics: [{ name, count, assignments: null }],
      timeoutMs,
      validateOnly: false,
    })
    if (results[0]!.errorCode !== ErrorCode.NONE) return false
    life.partitions = count
    return true
  }

  /** `value` undefined: back to the default. */
  async alterConfig(name: string, config: string, value: string | undefined): Promise<boolean> {
    const life = this.there(name)
    if (life === undefined) return false
    const before = life.configs.get(config) ?? [undefined]
    life.configs.set(config, [...before, value])
    noteConfig(life, config, value)
    const { responses } = await this.process.call(incrementalAlterConfigs, 1, {
      resources: [
        {
          resourceType: 2,
          resourceName: name,
          configs: [{ name: config, configOperation: value === undefined ? 1 : 0, value: value ?? null }],
        },
      ],
      validateOnly: false,
    })
    if (responses[0]!.errorCode !== ErrorCode.NONE) return false
    life.configs.set(config, [value])
    return true
  }

  /** A producer id that nobody had before; undefined when none was given. */
  async initProducer(): Promise<bigint | undefined> {
    const { producerId, errorCode } = await this.process.call(initProducerId, 4, {
      transactionalId: null,
      transactionTimeoutMs: 60_000,
    })
    if (errorCode !== ErrorCode.NONE) return undefined
    assert.ok(!this.model.producerIds.has(producerId), `producer id ${producerId} was given out twice`)
    this.model.producerIds.add(producerId)
    return producerId
  }

  async produce(
    name: string,
    partition: number,
    { records = 2, valueBytes = 100, acks = -1, producerId = undefined as bigint | undefined } = {},
  ): Promise<boolean> {
    const life = this.there(name)
    if (life === undefined) return false
    const log = life.logs[partition]
    if (log === undefined) return false
    if (log.unsure) return false
    const sequence = producerId === undefined ? -1 : (log.sequences.get(producerId) ?? 0)
    if (producerId !== undefined) log.sequences.set(producerId, sequence + records)
    const batch: SentBatch = {
      topic: name,
      life: life.number,
      partition,
      number: log.batches.length,
      records,
      valueBytes,
      timestampMs: this.process.world.clock.wallMs(),
      producerId,
      sequence,
      offset: undefined,
      promise: 'none',
    }
    log.batches.push(batch)
    if (await this.send(life, log, batch, acks)) return true
    // A producer that can tell duplicates asks again.
    return producerId !== undefined && (await this.send(life, log, batch, acks))
  }

  /** Sends a batch, for the first time or again. */
  async send(life: TopicLife, log: LogLife, batch: SentBatch, acks: number): Promise<boolean> {
    log.unsure = true
    const { errorCode, baseOffset } = await this.produceBytes(batch, acks)
    if (errorCode !== ErrorCode.NONE) return false
    const where = `batch ${batch.number} of ${batch.topic}-${batch.partition}`
    if (batch.offset !== undefined) assert.equal(baseOffset, batch.offset, `${where} was answered with another offset`)
    batch.offset = baseOffset
    log.unsure = false
    this.promise(log, batch, acks === -1 && !cachesWrites(life) ? 'durable' : 'written')
    return true
  }

  /** The bare answer to one batch. */
  async produceBytes(batch: SentBatch, acks: number): Promise<{ errorCode: ErrorCode; baseOffset: number }> {
    const { responses } = await this.process.call(produce, 12, {
      transactionalId: null,
      acks,
      timeoutMs,
      topicData: [{ name: batch.topic, partitionData: [{ index: batch.partition, records: bytesOf(batch) }] }],
    })
    const { errorCode, baseOffset } = responses[0]!.partitionResponses[0]!
    return { errorCode, baseOffset }
  }

  /** What is promised of a batch is promised of all before it. */
  promise(log: LogLife, batch: SentBatch, promise: 'written' | 'durable'): void {
    for (const each of log.batches) {
      if (each.number > batch.number || each.offset === undefined || each.promise === 'durable') continue
      each.promise = promise
    }
  }

  async deleteRecords(name: string, partition: number, offset: number): Promise<boolean> {
    const log = this.there(name)?.logs[partition]
    if (log === undefined) return false
    log.startAsked = Math.max(log.startAsked, offset)
    const { topics } = await this.process.call(deleteRecords, 2, {
      topics: [{ name, partitions: [{ partitionIndex: partition, offset }] }],
      timeoutMs,
    })
    const { errorCode, lowWatermark } = topics[0]!.partitions[0]!
    if (errorCode !== ErrorCode.NONE) return false
    assert.ok(lowWatermark >= offset, `DeleteRecords to ${offset} answered ${lowWatermark}`)
    log.startPromised = Math.max(log.startPromised, lowWatermark)
    return true
  }

  /** Commits the next offset of the topic's own group. */
  async commit(name: string): Promise<boolean> {
    const life = this.there(name)
    if (life === undefined || life.commits.busy) return false
    const { commits } = life
    commits.busy = true
    try {
      const groupId = groupOf(life)
      const { coordinators } = await this.process.call(findCoordinator, 4, { keyType: 0, coordinatorKeys: [groupId] })
      if (coordinators[0]!.errorCode !== ErrorCode.NONE) return false
      const committedOffset = ++commits.asked
      const { topics } = await this.process.call(offsetCommit, 8, {
        groupId,
        generationIdOrMemberEpoch: -1,
        memberId: '',
        topics: [{ name, partitions: [{ partitionIndex: 0, committedOffset, committedMetadata: '' }] }],
      })
      if (topics[0]!.partitions[0]!.errorCode !== ErrorCode.NONE) return false
      commits.told = committedOffset
      return true
    } finally {
      commits.busy = false
    }
  }

  /** What the topic's own group has committed, 0 when nothing; undefined when that cannot be known now. */
  async committed(life: TopicLife): Promise<number | undefined> {
    for (let tries = 0; tries < loadTries; tries++) {
      const { groups } = await this.process.call(offsetFetch, 8, {
        groups: [{ groupId: groupOf(life), topics: null }],
        requireStable: true,
      })
      const { errorCode, topics } = groups[0]!
      if (errorCode === ErrorCode.NONE) return topics[0]?.partitions[0]?.committedOffset ?? 0
      await new Promise<void>(resume => this.process.world.timers.after(loadRetryMs, resume))
    }
    return undefined
  }

  /** The latest offset that was told of a partition. */
  endOf(name: string, partition: number): number {
    const batches = this.there(name)?.logs[partition]?.batches ?? []
    const told = batches.filter(batch => batch.offset !== undefined)
    return told.reduce((end, batch) => Math.max(end, batch.offset! + batch.records), 0)
  }

  /** The topic of this name, if clients know that it is there. */
  private there(name: string): TopicLife | undefined {
    const life = latest(this.model, name)
    return life?.presence === 'there' ? life : undefined
  }

  /** How late a log may begin. */
  static startMost(life: TopicLife, log: LogLife): number {
    return life.expires ? Number.POSITIVE_INFINITY : log.startAsked
  }
}
