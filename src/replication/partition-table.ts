import { assert } from '../base/assert.ts'
import { isInternalTopic } from '../metadata/image.ts'
import type { Uuid } from '../protocol/index.ts'
import type { Partition } from './partition.ts'

export interface TopicPartitions {
  readonly name: string
  readonly id: Uuid
  readonly partitions: readonly Partition[]
  /** A coordinator's own. */
  readonly internal: boolean
}

/** The partitions this broker leads, by topic name and by topic id. */
export class PartitionTable {
  private readonly byName = new Map<string, TopicPartitions>()
  private readonly byId = new Map<Uuid, TopicPartitions>()

  add(name: string, id: Uuid, partitions: readonly Partition[]): void {
    const topic = { name, id, partitions, internal: isInternalTopic(name) }
    this.byName.set(name, topic)
    this.byId.set(id, topic)
  }

  /** Adds partitions behind those that a topic has. */
  extend(id: Uuid, partitions: readonly Partition[]): void {
    const topic = this.byId.get(id)
    assert(topic !== undefined, 'only a topic that is there gets partitions', { id })
    this.add(topic.name, id, [...topic.partitions, ...partitions])
  }

  /** Takes a topic out and returns its partitions. */
  remove(id: Uuid): readonly Partition[] {
    const topic = this.byId.get(id)
    if (topic === undefined) return []
    this.byId.delete(id)
    if (this.byName.get(topic.name) === topic) this.byName.delete(topic.name)
    return topic.partitions
  }

  topic(name: string): TopicPartitions | undefined {
    return this.byName.get(name)
  }

  topicById(id: Uuid): TopicPartitions | undefined {
    return this.byId.get(id)
  }

  all(): IterableIterator<TopicPartitions> {
    return this.byName.values()
  }
}
