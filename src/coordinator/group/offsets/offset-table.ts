import { type Uuid, zeroUuid } from '../../../protocol/index.ts'
import type { CommittedOffset } from './committed-offset.ts'
import { OffsetSlots } from './offset-slots.ts'

/** The offsets of one topic in one group. */
class TopicOffsets {
  /** Slot by partition. */
  readonly slots = new Map<number, number>()
  /** The last one seen: decoded records each bring a string of their own, and one is enough. */
  topicId: Uuid = zeroUuid
}

/**
 * The committed offsets of a shard, by group, topic and partition. What iterates over it may be left and resumed later:
 * offsets that came or went meanwhile are met or not.
 */
export class OffsetTable {
  private readonly groups = new Map<string, Map<string, TopicOffsets>>()
  private readonly slots = new OffsetSlots()

  get size(): number {
    return this.slots.size
  }

  hasGroup(groupId: string): boolean {
    return this.groups.has(groupId)
  }

  get(groupId: string, topic: string, partition: number): CommittedOffset | undefined {
    const slot = this.groups.get(groupId)?.get(topic)?.slots.get(partition)
    return slot === undefined ? undefined : this.slots.get(slot)
  }

  has(groupId: string, topic: string, partition: number): boolean {
    return this.groups.get(groupId)?.get(topic)?.slots.has(partition) === true
  }

  put(groupId: string, topic: string, partition: number, committed: CommittedOffset): void {
    let topics = this.groups.get(groupId)
    if (topics === undefined) {
      topics = new Map()
      this.groups.set(groupId, topics)
    }
    let offsets = topics.get(topic)
    if (offsets === undefined) {
      offsets = new TopicOffsets()
      topics.set(topic, offsets)
    }
    if (offsets.topicId !== committed.topicId) offsets.topicId = committed.topicId
    const slot = offsets.slots.get(partition)
    if (slot === undefined) offsets.slots.set(partition, this.slots.add(committed, offsets.topicId))
    else this.slots.set(slot, committed, offsets.topicId)
  }

  remove(groupId: string, topic: string, partition: number): boolean {
    const topics = this.groups.get(groupId)
    const offsets = topics?.get(topic)
    const slot = offsets?.slots.get(partition)
    if (topics === undefined || offsets === undefined || slot === undefined) return false
    this.slots.remove(slot)
    offsets.slots.delete(partition)
    if (offsets.slots.size === 0) topics.delete(topic)
    if (topics.size === 0) this.groups.delete(groupId)
    return true
  }

  groupIds(): Iterable<string> {
    return this.groups.keys()
  }

  topics(groupId: string): Iterable<string> {
    return this.groups.get(groupId)?.keys() ?? []
  }

  partitions(groupId: string, topic: string): Iterable<number> {
    return this.groups.get(groupId)?.get(topic)?.slots.keys() ?? []
  }
}
