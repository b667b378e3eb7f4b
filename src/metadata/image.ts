import type { Uuid } from '../protocol/index.ts'
import type { TopicConfigs } from './topic-config.ts'

/** Who leads and who follows one partition. */
export interface PartitionImage {
  readonly leader: number
  readonly leaderEpoch: number
  readonly isr: readonly number[]
  readonly replicas: readonly number[]
}

export interface TopicImage {
  readonly name: string
  readonly id: Uuid
  /** By partition index. */
  readonly partitions: readonly PartitionImage[]
  readonly configs: TopicConfigs
}

/** Not a topic: the broker's own log lies in the directory that it would have. */
export const clusterMetadataTopic = '__cluster_metadata'

const internalTopics = new Set(['__consumer_offsets', '__transaction_state', '__share_group_state'])
export const isInternalTopic = (name: string): boolean => internalTopics.has(name)

/** What this node knows of the cluster: the topics that can be served. */
export class ClusterImage {
  private readonly byName = new Map<string, TopicImage>()
  private readonly byId = new Map<Uuid, TopicImage>()

  topic(name: string): TopicImage | undefined {
    return this.byName.get(name)
  }

  topicById(id: Uuid): TopicImage | undefined {
    return this.byId.get(id)
  }

  topics(): IterableIterator<TopicImage> {
    return this.byName.values()
  }

  put(topic: TopicImage): void {
    this.byName.set(topic.name, topic)
    this.byId.set(topic.id, topic)
  }

  remove(topic: TopicImage): void {
    if (this.byName.get(topic.name) === topic) this.byName.delete(topic.name)
    this.byId.delete(topic.id)
  }
}
