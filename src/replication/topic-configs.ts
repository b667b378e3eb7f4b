import { err, ok, type Result } from '../base/result.ts'
import type { Timers } from '../base/world.ts'
import { type ConfigRefusal, type Decide, refuseTopicConfigs } from '../config/change.ts'
import type { Configs } from '../config/definition.ts'
import type { LiveSettings } from '../config/live-settings.ts'
import { sameConfigs } from '../metadata/dynamic-configs.ts'
import type { ClusterImage, TopicImage } from '../metadata/image.ts'
import type { MetadataStore } from '../metadata/store.ts'
import { logSettings, type TopicSettings } from '../metadata/topic-config.ts'
import { ErrorCode } from '../protocol/index.ts'
import type { PartitionOptions } from './partition.ts'
import type { PartitionTable } from './partition-table.ts'

/** Partitions that are given new settings in one turn of the loop: each takes some microseconds. */
const partitionsPerTurn = 256

/** What a partition is told of its topic's configs, besides what its log is told. */
export function partitionOptions(settings: TopicSettings): PartitionOptions {
  return {
    writeCaching: settings.flag('write.caching'),
    minInSyncReplicas: settings.number('min.insync.replicas'),
  }
}

/** The way of a changed config to the partitions that it concerns. */
export class TopicConfigChanges {
  private readonly store: MetadataStore
  private readonly image: ClusterImage
  private readonly table: PartitionTable
  private readonly live: LiveSettings
  private readonly timers: Timers
  private readonly exclusively: <T>(work: () => Promise<T>) => Promise<T>
  private spreading: Promise<void> = Promise.resolve()

  constructor(parts: {
    store: MetadataStore
    image: ClusterImage
    table: PartitionTable
    live: LiveSettings
    timers: Timers
    /** Runs work while no topic comes, grows, goes or is changed. */
    exclusively<T>(work: () => Promise<T>): Promise<T>
  }) {
    this.store = parts.store
    this.image = parts.image
    this.table = parts.table
    this.live = parts.live
    this.timers = parts.timers
    this.exclusively = parts.exclusively
    this.live.onChange((now, before) => {
      if (!sameConfigs(now.topicDefaults.values, before.topicDefaults.values)) this.spread()
    })
  }

  /** What `change` would make of a topic's configs, without doing it. */
  plan(name: string, decide: Decide): Result<Configs, ConfigRefusal> {
    const topic = this.image.topic(name)
    const decided = decide(topic?.configs ?? {})
    if (!decided.ok) return decided
    // Values are judged before it is looked whether the topic is there, as Kafka does.
    const refused = refuseTopicConfigs(decided.value, this.live.current.topicDefaults.values)
    if (refused !== undefined) return err(refused)
    if (topic !== undefined) return decided
    return err({ code: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, message: `The topic '${name}' does not exist.` })
  }

  /** Changes a topic's configs; when it returns, the change is durable and its partitions work by it. */
  async change(name: string, decide: Decide): Promise<Result<Configs, ConfigRefusal>> {
    const planned = this.plan(name, decide)
    if (!planned.ok || sameConfigs(planned.value, this.image.topic(name)!.configs)) return planned
    return await this.exclusively(async () => {
      const key = `topics/${name}`
      for (;;) {
        const again = this.plan(name, decide)
        if (!again.ok) return again
        const topic: TopicImage = { ...this.image.topic(name)!, configs: again.value }
        const { committed } = await this.store.commit({
          compare: [{ key, revision: this.store.get(key)?.revision ?? 0 }],
          put: [{ key, value: topic }],
          remove: [],
        })
        if (!committed) continue
        this.image.put(topic)
        this.configure(topic)
        return ok(again.value)
      }
    })
  }

  /** Resolves once every partition works by the broker's settings as they are now. */
  async spreadOut(): Promise<void> {
    await this.spreading
  }

  /**
   * Tells all partitions what changed for the whole broker. It waits for the topics that are being made: they may have read
   * the settings before the change.
   */
  private spread(): void {
    this.spreading = this.exclusively(async () => {
      let done = 0
      for (const topic of [...this.image.topics()]) {
        done += this.configure(topic)
        if (done < partitionsPerTurn) continue
        done = 0
        await new Promise<void>(resume => this.timers.soon(resume))
      }
    })
  }

  /** Returns how many partitions were told. */
  private configure(topic: TopicImage): number {
    const partitions = this.table.topicById(topic.id)?.partitions ?? []
    const settings = this.live.topic(topic.configs)
    const [options, log] = [partitionOptions(settings), logSettings(settings)]
    for (const partition of partitions) partition.configure(options, log)
    return partitions.length
  }
}
