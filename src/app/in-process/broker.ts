import { MillraceError } from '../../base/error.ts'
import { LevelledLogger } from '../../base/log-level.ts'
import type { Logger } from '../../base/logger.ts'
import type { AppendInput } from '../../embedded/record-packer.ts'
import { zeroUuid } from '../../protocol/index.ts'
import { createTopics } from '../../protocol/schema/create-topics.ts'
import { deleteTopics } from '../../protocol/schema/delete-topics.ts'
import { metadata } from '../../protocol/schema/metadata.ts'
import type { RecordInput } from '../../records/record-batch.ts'
import type { TopicPartitions } from '../../replication/partition-table.ts'
import { LocalChannel } from '../../server/local-channel.ts'
import { type Broker as StartedBroker, startBroker } from '../broker.ts'
import { BrokerLogger } from '../broker-logger.ts'
import { type Endpoint, formatEndpoint, parseEndpoint, readBrokerConfig } from '../config.ts'
import { realWorld } from '../real-world.ts'
import { throwUnlessNone } from './kafka-error.ts'
import { partitionOfKey } from './partitioner.ts'
import { type Acks, LocalProducer } from './producer.ts'
import { readPartition } from './reader.ts'
import { type BrokerRecord, recordOf } from './records.ts'

export interface BrokerOptions {
  /** Holds all topics; made if it is not there. One broker at a time uses it. */
  readonly dataDir: string
  /** `HOST:PORT` to serve Kafka clients on; port 0 lets the system choose. Without it no socket is opened. */
  readonly listen?: string | readonly string[]
  /** Kafka's broker configs, by name: `{ 'num.partitions': 4 }`. */
  readonly config?: Readonly<Record<string, string | number | boolean>>
  /** Gets the broker's log lines. Without it warnings and errors are written to standard error, as JSON. */
  readonly logger?: Logger
}

export interface AppendOptions {
  /** Without it: by the hash of the key as in Kafka's Java client; records without a key go to each partition in turn. */
  readonly partition?: number
  /**
   * What the returned promise tells. `durable` (the default): the records are on the disk, and readers see them.
   * `written`: they survive a crash of the process, not of the machine.
   */
  readonly acks?: Acks
}

export interface ReadOptions {
  /** 0 by default. */
  readonly partition?: number
  /** An offset; by default `earliest`. `latest` begins behind what is there. */
  readonly from?: number | 'earliest' | 'latest'
  /** An offset, exclusive; by default the end as it is when the reading begins. */
  readonly to?: number
  /** Goes on with what is appended later, until `to`, an abort or the broker's stop. */
  readonly live?: boolean
  /** Ends the reading: the iteration rejects with its reason. */
  readonly signal?: AbortSignal
  /** `read_committed` shows transactions once they are committed, and no aborted ones. */
  readonly isolation?: 'read_uncommitted' | 'read_committed'
}

export interface NewTopic {
  readonly partitions?: number
  /** Kafka's topic configs, by name. */
  readonly configs?: Readonly<Record<string, string | number | boolean>>
}

const createTopicsVersion = 7
const deleteTopicsVersion = 6
const metadataVersion = 12
const timeoutMs = 30_000

/**
 * A whole Kafka broker in this process. The app appends and reads without a socket; what it does there and what Kafka
 * clients do over `listen` is the same to the topics. Close it with `await using`, or with `stop()` in a `finally`.
 */
export class InProcessBroker implements AsyncDisposable {
  /** Where it listens, as `HOST:PORT`, with the ports that were given out for port 0. */
  readonly listen: readonly string[]
  readonly dataDir: string
  private readonly broker: StartedBroker
  private readonly channel: LocalChannel
  private readonly producer: LocalProducer
  private readonly creating = new Map<string, Promise<TopicPartitions>>()
  private stopped: Promise<void> | undefined
  private nextPartition = 0

  /** Fulfilled when it serves. Rejects with a `MillraceError` that says what to do when it cannot. */
  static async start(options: BrokerOptions): Promise<InProcessBroker> {
    const logger = options.logger ?? quietLogger()
    const { config, ignored } = readBrokerConfig(configsOf(options))
    if (ignored.length > 0) logger.warn({ names: ignored }, 'these configs have no effect on this broker')
    const listeners = options.listen === undefined ? [] : config.listeners
    // What keeps the whole machine awake is for the app to ask for.
    const world = realWorld({ awakeMs: Math.max(config.processorsAwakeMs, 0) })
    return new InProcessBroker(await startBroker({ ...config, listeners }, world, logger))
  }

  private constructor(broker: StartedBroker) {
    this.broker = broker
    this.listen = broker.endpoints.map(formatEndpoint)
    this.dataDir = broker.dataDirectory
    const { world, handler, unexpected } = broker.inside
    const { storage, timers, clock } = world
    this.channel = new LocalChannel({ storage, timers, handler, unexpected })
    this.producer = new LocalProducer(this.channel, clock, timers)
  }

  /**
   * Appends a record; fulfilled with its offset once it is acknowledged. Appends of one turn of the event loop go into one
   * batch, and wait for the disk together. A topic that is not there is made, unless `auto.create.topics.enable` is off.
   */
  append(topic: string, record: AppendInput, options: AppendOptions = {}): Promise<number> {
    return this.appendBatch(topic, [record], options)
  }

  /**
   * Appends records to one partition, one behind the other; fulfilled with the offset of the first. They are one batch,
   * which readers see whole or not at all, as far as `max.message.bytes` and 1 MB allow.
   */
  appendBatch(topic: string, records: readonly AppendInput[], options: AppendOptions = {}): Promise<number> {
    if (records.length === 0) return Promise.reject(new MillraceError('INVALID_ARGUMENT', 'There are no records.'))
    if (this.stopped !== undefined) return Promise.reject(stoppedError())
    const inputs = records.map(recordOf)
    // In order also with those that came before it and wait for the topic.
    const known = this.creating.has(topic) ? undefined : this.broker.inside.table.topic(topic)
    return known === undefined
      ? this.topic(topic, true).then(made => this.appendTo(made, inputs, options))
      : this.appendTo(known, inputs, options)
  }

  /** Records of one partition in the order of their offsets. */
  async *read(topic: string, options: ReadOptions = {}): AsyncGenerator<BrokerRecord, void, void> {
    const { partition = 0, from = 'earliest', live = false, isolation, signal } = options
    const readCommitted = isolation === 'read_committed'
    this.assertOpen()
    const { id } = await this.topic(topic, false)
    const { start, end, lastStable } = this.offsets(topic, partition)
    const first = from === 'earliest' ? start : from === 'latest' ? end : from
    const to = live ? options.to : Math.min(options.to ?? Number.POSITIVE_INFINITY, readCommitted ? lastStable : end)
    try {
      yield* readPartition(this.channel, { topicId: id, partition, from: first, to, readCommitted, signal })
    } catch (error) {
      // Live reading has no other end than this one.
      if (live && error instanceof MillraceError && error.code === 'BROKER_STOPPED') return
      throw error
    }
  }

  /** What can be read of a partition: from `start` to below `end`; below `lastStable` no transaction is open. */
  offsets(topic: string, partition = 0): { readonly start: number; readonly end: number; readonly lastStable: number } {
    const found = this.broker.inside.table.topic(topic)?.partitions[partition]
    if (found === undefined) throw unknownTopic(topic, partition)
    throwUnlessNone(found.refusal(-1))
    return { start: found.logStart, end: found.highWatermark, lastStable: found.lastStable }
  }

  /** Topics and how many partitions they have, without those of the broker's own. */
  topics(): ReadonlyMap<string, number> {
    const topics = [...this.broker.inside.table.all()].filter(({ internal }) => !internal)
    return new Map(topics.map(({ name, partitions }) => [name, partitions.length]))
  }

  async createTopic(name: string, topic: NewTopic = {}): Promise<void> {
    this.assertOpen()
    const configs = Object.entries(topic.configs ?? {}).map(([key, value]) => ({ name: key, value: String(value) }))
    const asked = { name, numPartitions: topic.partitions ?? -1, replicationFactor: -1, assignments: [], configs }
    const request = { topics: [asked], timeoutMs, validateOnly: false }
    const answer = await this.channel.call(createTopics, createTopicsVersion, request, ({ topics }) => topics[0]!)
    throwUnlessNone(answer.errorCode, answer.errorMessage)
  }

  async deleteTopic(name: string): Promise<void> {
    this.assertOpen()
    const request = { topics: [{ name, topicId: zeroUuid }], topicNames: [], timeoutMs }
    const answer = await this.channel.call(deleteTopics, deleteTopicsVersion, request, ({ responses }) => responses[0]!)
    throwUnlessNone(answer.errorCode, answer.errorMessage)
  }

  /** Waits for what was appended, ends live readings, closes sockets and logs. Nothing of it is left in the process. */
  stop(): Promise<void> {
    this.stopped ??= this.end()
    return this.stopped
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }

  private async end(): Promise<void> {
    await Promise.allSettled(this.creating.values())
    await this.producer.finished()
    this.channel.close()
    await this.broker.stop()
  }

  private appendTo(topic: TopicPartitions, records: readonly RecordInput[], options: AppendOptions): Promise<number> {
    const { acks = 'durable', partition = this.choose(records[0]!, topic.partitions.length) } = options
    const found = topic.partitions[partition]
    if (found === undefined) return Promise.reject(unknownTopic(topic.name, partition))
    // Its log tells what a batch may hold; while it has none, the broker says why.
    const maxBatchBytes = found.log?.settings.maxMessageBytes ?? Number.POSITIVE_INFINITY
    return this.producer.append({ topicId: topic.id, partition, acks, maxBatchBytes }, records)
  }

  private choose({ key }: RecordInput, partitions: number): number {
    return key === null ? this.nextPartition++ % partitions : partitionOfKey(key, partitions)
  }

  /** The topic, made if it may be; one request, however many wait for it. */
  private topic(name: string, mayCreate: boolean): Promise<TopicPartitions> {
    const known = this.broker.inside.table.topic(name)
    const creating = this.creating.get(name)
    if (creating !== undefined) return creating
    if (known !== undefined) return Promise.resolve(known)
    if (!mayCreate) return Promise.reject(unknownTopic(name, 0))
    const made = this.create(name).finally(() => this.creating.delete(name))
    this.creating.set(name, made)
    return made
  }

  private async create(name: string): Promise<TopicPartitions> {
    const request = {
      topics: [{ name, topicId: zeroUuid }],
      allowAutoTopicCreation: true,
      includeClusterAuthorizedOperations: false,
      includeTopicAuthorizedOperations: false,
    }
    const { errorCode } = await this.channel.call(metadata, metadataVersion, request, ({ topics }) => topics[0]!)
    throwUnlessNone(errorCode)
    const made = this.broker.inside.table.topic(name)
    if (made === undefined) throw unknownTopic(name, 0)
    return made
  }

  private assertOpen(): void {
    if (this.stopped !== undefined) throw stoppedError()
  }
}

function configsOf({ dataDir, listen, config = {} }: BrokerOptions): Map<string, string> {
  const given = new Map(Object.entries(config).map(([name, value]) => [name, String(value)]))
  given.set('log.dirs', dataDir)
  if (listen === undefined) return given
  const endpoints: Endpoint[] = [listen].flat().map(each => parseEndpoint('listen', each))
  return given.set('listeners', endpoints.map(each => `PLAINTEXT://${formatEndpoint(each)}`).join(','))
}

/** An app that gave no logger still hears of damage. */
function quietLogger(): Logger {
  const target = new BrokerLogger()
  const logger = new LevelledLogger(target)
  logger.level = 'WARN'
  void target.open()
  return logger
}

const stoppedError = (): MillraceError => new MillraceError('BROKER_STOPPED', 'The broker is stopped.')

const unknownTopic = (topic: string, partition: number): MillraceError =>
  new MillraceError('UNKNOWN_TOPIC_OR_PARTITION', `There is no partition ${partition} of a topic ${topic} here.`)
