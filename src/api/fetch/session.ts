import type { FetchTarget } from './target.ts'

/** The epochs of requests outside sessions (KIP-227): both are answered in full and end the session they name. */
export const initialEpoch = 0
export const finalEpoch = -1

export const nextEpoch = (epoch: number): number => (epoch < 0 ? finalEpoch : epoch === 0x7fff_ffff ? 1 : epoch + 1)

/**
 * The partitions that a client fetches, so that its requests name only what changed. They are in an order of service:
 * a partition that gave records goes to its end, so that a busy one never starves those behind it.
 */
export class FetchSession {
  /** 0 until the cache takes it in. */
  id = 0
  /** Of a follower. */
  readonly privileged: boolean
  readonly usesTopicIds: boolean
  readonly createdMs: number
  usedMs: number
  /** Of the next request. */
  epoch = nextEpoch(initialEpoch)
  /** The number of partitions when it was last used: what the cache counts and evicts by. */
  countedSize = 0
  private count = 0
  private readonly topics = new Map<string, Map<number, FetchTarget>>()
  private first: FetchTarget | undefined
  private last: FetchTarget | undefined

  constructor(privileged: boolean, usesTopicIds: boolean, nowMs: number) {
    this.privileged = privileged
    this.usesTopicIds = usesTopicIds
    this.createdMs = nowMs
    this.usedMs = nowMs
  }

  get size(): number {
    return this.count
  }

  find(topic: string, index: number): FetchTarget | undefined {
    return this.topics.get(topic)?.get(index)
  }

  /** Puts a partition that is not there yet at the end. */
  add(target: FetchTarget): void {
    const partitions = this.topics.get(target.topic)
    if (partitions === undefined) this.topics.set(target.topic, new Map([[target.index, target]]))
    else partitions.set(target.index, target)
    this.count++
    this.link(target)
  }

  remove(topic: string, index: number): void {
    const partitions = this.topics.get(topic)
    const target = partitions?.get(index)
    if (partitions === undefined || target === undefined) return
    partitions.delete(index)
    if (partitions.size === 0) this.topics.delete(topic)
    this.count--
    this.unlink(target)
  }

  /** Of a partition that was forgotten meanwhile nothing moves. */
  moveToEnd(target: FetchTarget): void {
    if (target === this.last || this.find(target.topic, target.index) !== target) return
    this.unlink(target)
    this.link(target)
  }

  /** In order of service. */
  targets(): FetchTarget[] {
    const targets: FetchTarget[] = []
    for (let target = this.first; target !== undefined; target = target.behind) targets.push(target)
    return targets
  }

  private link(target: FetchTarget): void {
    target.before = this.last
    target.behind = undefined
    if (this.last === undefined) this.first = target
    else this.last.behind = target
    this.last = target
  }

  private unlink(target: FetchTarget): void {
    if (target.before === undefined) this.first = target.behind
    else target.before.behind = target.behind
    if (target.behind === undefined) this.last = target.before
    else target.behind.before = target.before
    target.before = target.behind = undefined
  }
}
