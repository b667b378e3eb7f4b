import type { CommittedOffset } from './committed-offset.ts'

/** What a producer wrote for one partition in a transaction that has not ended. */
export interface PendingOffset {
  readonly groupId: string
  readonly topic: string
  readonly partition: number
  readonly producerId: bigint
  /** Its place among all pending offsets in the order of the log. */
  readonly order: number
  readonly committed: CommittedOffset
  /** A later record of the log has said what is committed here, whatever becomes of the transaction. */
  superseded: boolean
}

/** Offsets of open transactions, by who wrote them and by what they are of. */
export class PendingOffsets {
  private readonly byProducer = new Map<bigint, Set<PendingOffset>>()
  private readonly byGroup = new Map<string, Map<string, Map<number, PendingOffset[]>>>()
  private orders = 0
  private count = 0

  get size(): number {
    return this.count
  }

  /** Takes the place of what the same producer wrote for the same partition. */
  add(producerId: bigint, groupId: string, topic: string, partition: number, committed: CommittedOffset): void {
    const offset: PendingOffset = {
      groupId,
      topic,
      partition,
      producerId,
      order: this.orders++,
      committed,
      superseded: false,
    }
    const topics = entry(this.byGroup, groupId, () => new Map<string, Map<number, PendingOffset[]>>())
    const partitions = entry(topics, topic, () => new Map<number, PendingOffset[]>())
    const offsets = entry(partitions, partition, () => [])
    const earlier = offsets.findIndex(other => other.producerId === producerId)
    if (earlier >= 0) this.forget(offsets.splice(earlier, 1)[0]!)
    offsets.push(offset)
    entry(this.byProducer, producerId, () => new Set<PendingOffset>()).add(offset)
    this.count++
  }

  hasGroup(groupId: string): boolean {
    return this.byGroup.has(groupId)
  }

  has(groupId: string, topic: string, partition: number): boolean {
    return this.byGroup.get(groupId)?.get(topic)?.has(partition) === true
  }

  /** What was written before `order` for a partition no longer counts. */
  supersede(groupId: string, topic: string, partition: number, order = Number.POSITIVE_INFINITY): void {
    for (const offset of this.of(groupId, topic, partition)) if (offset.order < order) offset.superseded = true
  }

  /** Forgets what is pending for a partition. */
  drop(groupId: string, topic: string, partition: number): void {
    for (const offset of [...this.of(groupId, topic, partition)]) this.remove(offset)
  }

  /** Forgets all that a producer wrote and returns it, in the order of the log. */
  end(producerId: bigint): PendingOffset[] {
    const ended = [...(this.byProducer.get(producerId) ?? [])]
    for (const offset of ended) this.remove(offset)
    return ended
  }

  groupIds(): Iterable<string> {
    return this.byGroup.keys()
  }

  topics(groupId: string): Iterable<string> {
    return this.byGroup.get(groupId)?.keys() ?? []
  }

  partitions(groupId: string, topic: string): Iterable<number> {
    return this.byGroup.get(groupId)?.get(topic)?.keys() ?? []
  }

  /** Of all producers. */
  of(groupId: string, topic: string, partition: number): readonly PendingOffset[] {
    return this.byGroup.get(groupId)?.get(topic)?.get(partition) ?? []
  }

  private remove(offset: PendingOffset): void {
    const { groupId, topic, partition } = offset
    this.forget(offset)
    const topics = this.byGroup.get(groupId)
    const partitions = topics?.get(topic)
    const offsets = partitions?.get(partition)
    if (topics === undefined || partitions === undefined || offsets === undefined) return
    offsets.splice(offsets.indexOf(offset), 1)
    if (offsets.length === 0) partitions.delete(partition)
    if (partitions.size === 0) topics.delete(topic)
    if (topics.size === 0) this.byGroup.delete(groupId)
  }

  private forget(offset: PendingOffset): void {
    this.count--
    const offsets = this.byProducer.get(offset.producerId)
    offsets?.delete(offset)
    if (offsets?.size === 0) this.byProducer.delete(offset.producerId)
  }
}

function entry<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  let value = map.get(key)
  if (value === undefined) {
    value = make()
    map.set(key, value)
  }
  return value
}
