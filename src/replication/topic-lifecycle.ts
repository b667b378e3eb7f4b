import { atOnce } from '../base/at-once.ts'
import type { Logger } from '../base/logger.ts'
import { err, ok, type Result } from '../base/result.ts'
import { SerialQueue } from '../base/serial-queue.ts'
import { refuseTopicConfigs } from '../config/change.ts'
import type { LiveSettings } from '../config/live-settings.ts'
import type { Durability } from '../log/durability.ts'
import { directoryName, type LogManager } from '../log/log-manager.ts'
import { isShortage } from '../log/space-reserve.ts'
import { type MorePartitions, planMorePartitions } from '../metadata/create-partitions.ts'
import { type NewTopic, partitionsAsked, planTopic } from '../metadata/create-topic.ts'
import type { ClusterImage, TopicImage } from '../metadata/image.ts'
import { type PlacementDefaults, type Refusal, refuse } from '../metadata/placement.ts'
import type { MetadataStore } from '../metadata/store.ts'
import { logSettings, type TopicSettings } from '../metadata/topic-config.ts'
import { errorCode } from '../native/errors.ts'
import { ErrorCode, type Uuid } from '../protocol/index.ts'
import { Partition } from './partition.ts'
import type { PartitionTable } from './partition-table.ts'
import { partitionOptions } from './topic-configs.ts'

const topicKey = (name: string): string => `topics/${name}`
const deletedKey = (id: Uuid): string => `deleted/${id}`
/** Logs opened at once: each open runs on a worker thread. */
const opensAtOnce = 4

/** More topics would take what is kept for deleting some. */
const noRoom = [ErrorCode.KAFKA_STORAGE_ERROR, 'The disk is full: free space or delete topics.'] as const

/** A topic whose metadata are gone but whose files may not be. */
interface DeletedTopic {
  readonly name: string
  readonly partitions: number
}

/**
 * Topics come and go here. Metadata come before files in both directions, so that a crash in between leaves only files
 * that the next start makes or removes. One change at a time.
 */
export class TopicLifecycle {
  private readonly queue = new SerialQueue()
  /** What is found was there before, so files of another topic than the metadata know are no leftovers. */
  private loading = true
  private readonly store: MetadataStore
  private readonly logs: LogManager
  private readonly durability: Durability
  private readonly image: ClusterImage
  private readonly table: PartitionTable
  private readonly placement: PlacementDefaults
  private readonly live: LiveSettings
  private readonly newId: () => Uuid
  private readonly logger: Logger

  constructor(parts: {
    store: MetadataStore
    logs: LogManager
    durability: Durability
    image: ClusterImage
    table: PartitionTable
    placement: PlacementDefaults
    live: LiveSettings
    newId: () => Uuid
    logger: Logger
  }) {
    this.store = parts.store
    this.logs = parts.logs
    this.durability = parts.durability
    this.image = parts.image
    this.table = parts.table
    this.placement = parts.placement
    this.live = parts.live
    this.newId = parts.newId
    this.logger = parts.logger
  }

  /** Finishes deletions that a crash cut short, sets strays aside, opens every log. */
  async load(): Promise<void> {
    for (const [key, { value }] of this.store.list('deleted/')) {
      const { name, partitions } = value as DeletedTopic
      const id = key.slice('deleted/'.length) as Uuid
      await this.removeFiles({ name, id }, partitions).catch((error: unknown) => {
        this.logger.error({ topic: name, error: String(error) }, 'the files of a deleted topic could not be removed')
      })
    }
    const topics = this.store.list('topics/').map(([, { value }]) => value as TopicImage)
    const owners = new Map<string, Uuid>()
    for (const topic of topics)
      topic.partitions.forEach((_, partition) => {
        owners.set(directoryName({ topic: topic.name, partition }), topic.id)
      })
    await this.logs.sweep(name => owners.get(name))
    await atOnce(topics, opensAtOnce, topic => this.open(topic))
    this.loading = false
  }

  /** How many partitions a topic has; 0 when it is not there. */
  partitionCount(name: string): number {
    return this.image.topic(name)?.partitions.length ?? 0
  }

  /** How many partitions the creation of a topic asks for. */
  partitionsAsked(request: NewTopic): number {
    return partitionsAsked(request, this.placement)
  }

  /** What `create` would do, without doing it. */
  plan(request: NewTopic): Result<TopicImage, Refusal> {
    const planned = planTopic(this.image, request, this.placement, this.newId)
    if (!planned.ok) return planned
    const refused = refuseTopicConfigs(planned.value.configs, this.live.current.topicDefaults.values)
    return refused === undefined ? planned : err(refused)
  }

  /** Runs work while no topic comes, grows or goes. */
  exclusively<T>(work: () => Promise<T>): Promise<T> {
    return this.queue.run(work)
  }

  /** Makes a topic; when it returns, its partitions serve. */
  create(request: NewTopic): Promise<Result<TopicImage, Refusal>> {
    return this.queue.run(async () => {
      const planned = this.plan(request)
      if (!planned.ok) return planned
      const topic = planned.value
      if (!(await this.logs.hasRoomFor(topic.partitions.length))) return refuse(...noRoom)
      const outcome = await this.store.commit({
        compare: [{ key: topicKey(topic.name), revision: 0 }],
        put: [{ key: topicKey(topic.name), value: topic }],
        remove: [],
      })
      if (!outcome.committed) return refuse(ErrorCode.TOPIC_ALREADY_EXISTS, `Topic '${topic.name}' already exists.`)
      await this.open(topic)
      return ok(topic)
    })
  }

  /** What `addPartitions` would do, without doing it. */
  planPartitions(name: string, more: MorePartitions): Result<TopicImage, Refusal> {
    const topic = this.image.topic(name)
    if (topic === undefined) return err({ code: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, message: null })
    return planMorePartitions(topic, more, this.placement)
  }

  /** Gives a topic more partitions; when it returns, they serve. */
  addPartitions(name: string, more: MorePartitions): Promise<Result<TopicImage, Refusal>> {
    return this.queue.run(async () => {
      const planned = this.planPartitions(name, more)
      if (!planned.ok) return planned
      const topic = planned.value
      const present = this.image.topic(name)!.partitions.length
      if (!(await this.logs.hasRoomFor(topic.partitions.length - present))) return refuse(...noRoom)
      const key = topicKey(name)
      const { revision } = this.store.get(key)!
      const outcome = await this.store.commit({
        compare: [{ key, revision }],
        put: [{ key, value: topic }],
        remove: [],
      })
      if (!outcome.committed) return refuse(ErrorCode.UNKNOWN_SERVER_ERROR, `Topic '${name}' changed meanwhile.`)
      this.table.extend(topic.id, await this.openPartitions(topic, present))
      this.image.put(topic)
      return ok(topic)
    })
  }

  /** Deletes a topic and its files; when it returns, neither is there. Answers NONE or why not. */
  delete(target: { name: string } | { id: Uuid }): Promise<{ code: ErrorCode; topic: TopicImage | undefined }> {
    return this.queue.run(async () => {
      const byName = 'name' in target
      const topic = byName ? this.image.topic(target.name) : this.image.topicById(target.id)
      if (topic === undefined)
        return { code: byName ? ErrorCode.UNKNOWN_TOPIC_OR_PARTITION : ErrorCode.UNKNOWN_TOPIC_ID, topic }
      const partitions = topic.partitions.length
      await this.store.commit({
        compare: [],
        put: [{ key: deletedKey(topic.id), value: { name: topic.name, partitions } satisfies DeletedTopic }],
        remove: [topicKey(topic.name)],
      })
      this.image.remove(topic)
      for (const partition of this.table.remove(topic.id)) {
        const log = partition.log
        if (log !== undefined) this.durability.unwatch(log.stored)
        partition.offline(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
      }
      await this.removeFiles(topic, partitions)
      return { code: ErrorCode.NONE, topic }
    })
  }

  private async removeFiles(topic: { name: string; id: Uuid }, partitions: number): Promise<void> {
    const keys = Array.from({ length: partitions }, (_, partition) => ({
      topic: topic.name,
      topicId: topic.id,
      partition,
    }))
    await this.logs.deleteLogs(keys)
    await this.store.commit({ compare: [], put: [], remove: [deletedKey(topic.id)] })
  }

  private async open(topic: TopicImage): Promise<void> {
    this.table.add(topic.name, topic.id, await this.openPartitions(topic, 0))
    this.image.put(topic)
  }

  /** Opens a topic's logs from partition `from` on; one whose log cannot be opened stays offline, the others serve. */
  private async openPartitions(topic: TopicImage, from: number): Promise<Partition[]> {
    const settings = this.live.topic(topic.configs)
    const options = partitionOptions(settings)
    const partitions = topic.partitions
      .slice(from)
      .map((image, index) => new Partition(topic.name, from + index, image, options))
    await atOnce(partitions, opensAtOnce, partition => this.openPartition(topic, partition, settings))
    return partitions
  }

  private async openPartition(topic: TopicImage, partition: Partition, settings: TopicSettings): Promise<void> {
    const key = { topic: topic.name, topicId: topic.id, partition: partition.index }
    try {
      const mayGo = (owner: string) => !this.loading || this.store.get(deletedKey(owner as Uuid)) !== undefined
      const log = await this.logs.openLog(key, logSettings(settings), mayGo)
      this.durability.watch(log.stored, {
        onDurable: durableOffset => partition.onDurable(durableOffset),
        onLost: status => {
          this.logger.error({ log: directoryName(key), status }, 'appends could not be written: they are refused')
          partition.onLost(status)
        },
        onWritten: () => partition.onWritten(),
        onFailed: (status, systemError) => {
          if (partition.log === undefined) return // It is told once.
          this.logger.error({ log: directoryName(key), status, systemError }, 'a log failed: its partition is offline')
          partition.offline(ErrorCode.KAFKA_STORAGE_ERROR)
          void this.logs.noteFailure()
        },
      })
      partition.online(log)
    } catch (error) {
      const fields = { log: directoryName(key), error: String(error) }
      const next = isDamage(error) ? { next: `stop the broker, then run: ${repairCommand(this.logs.pathOf(key))}` } : {}
      this.logger.error({ ...fields, ...next }, 'a log cannot be opened: its partition is offline')
      partition.offline(ErrorCode.KAFKA_STORAGE_ERROR)
      if (isShortage(error)) this.logs.whenRoom(() => this.openAgain(topic, partition))
    }
  }

  /** Its files are as they were: all that was missing was room. */
  private openAgain(topic: TopicImage, partition: Partition): void {
    void this.queue.run(async () => {
      const present = this.image.topicById(topic.id)
      const served = this.table.topicById(topic.id)?.partitions[partition.index] === partition
      if (present === undefined || !served || partition.log !== undefined) return
      await this.openPartition(present, partition, this.live.topic(present.configs))
      if (partition.log !== undefined)
        this.logger.info({ log: directoryName({ topic: topic.name, partition: partition.index }) }, 'a log was opened')
    })
  }
}

const isDamage = (error: unknown): boolean => (error as { code?: unknown } | null)?.code === errorCode('corrupt')

/** As a shell takes it. */
const repairCommand = (path: string): string => `millrace log repair '${path.replaceAll("'", "'\\''")}'`
