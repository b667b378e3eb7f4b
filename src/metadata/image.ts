import type { Uuid } from '../protocol/index.ts'
import { SortedNames } from './sorted-names.ts'
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

/** Where groups keep their members and their committed offsets. */
export const consumerOffsetsTopic = '__consumer_offsets'

/** Where the coordinator of transactions keeps the state of each transactional id. */
export const transactionStateTopic = '__transaction_state'

const internalTopics = new Set([consumerOffsetsTopic, transactionStateTopic, '__share_group_state'])
export const isInternalTopic = (name: string): boolean => internalTopics.has(name)

/** '.' and '_' are one character in metric names. */
const foldName = (name: string): string => name.replaceAll('.', '_')

/** Told of a topic that came (`before` undefined), goes (`now` undefined) or is another than it was. */
export type TopicListener = (now: TopicImage | undefined, before: TopicImage | undefined) => void

/** What this node knows of the cluster: the topics that can be served. */
export class ClusterImage {
  private readonly byName = new Map<string, TopicImage>()
  private readonly byId = new Map<Uuid, TopicImage>()
  private readonly sorted = new SortedNames()
  /** Names that have a '.' or '_', by what they fold to. */
  private readonly folded = new Map<string, Set<string>>()
  private readonly listeners = new Set<TopicListener>()

  /** Calls `listener` with each change once it is here, until the returned function is called. */
  onChange(listener: TopicListener): () => void {
    this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }

  topic(name: string): TopicImage | undefined {
    return this.byName.get(name)
  }

  topicById(id: Uuid): TopicImage | undefined {
    return this.byId.get(id)
  }

  topics(): IterableIterator<TopicImage> {
    return this.byName.values()
  }

  /** Names in the order of their UTF-16 code units, from the first that is not less than `from`, at most `count`. */
  namesFrom(from: string, count: number): string[] {
    return this.sorted.from(from, count)
  }

  /** Another topic that differs from `name` in '.' and '_' alone. */
  collision(name: string): string | undefined {
    for (const rival of this.folded.get(foldName(name)) ?? []) if (rival !== name) return rival
    return undefined
  }

  /** Adds a topic, or takes the place of what was known of it. */
  put(topic: TopicImage): void {
    const { name, id } = topic
    const before = this.byName.get(name)
    if (before === undefined) this.addName(name)
    else if (before.id !== id) this.byId.delete(before.id)
    this.byName.set(name, topic)
    this.byId.set(id, topic)
    this.tell(topic, before)
  }

  remove({ name, id }: TopicImage): void {
    this.byId.delete(id)
    const before = this.byName.get(name)
    if (before?.id !== id) return
    this.byName.delete(name)
    this.removeName(name)
    this.tell(undefined, before)
  }

  private tell(now: TopicImage | undefined, before: TopicImage | undefined): void {
    for (const listener of this.listeners) listener(now, before)
  }

  private addName(name: string): void {
    this.sorted.add(name)
    if (!/[._]/.test(name)) return
    const fold = foldName(name)
    const alike = this.folded.get(fold)
    if (alike === undefined) this.folded.set(fold, new Set([name]))
    else alike.add(name)
  }

  private removeName(name: string): void {
    this.sorted.remove(name)
    const fold = foldName(name)
    const alike = this.folded.get(fold)
    if (alike?.delete(name) && alike.size === 0) this.folded.delete(fold)
  }
}
