import { LargeMap } from '../../base/large-map.ts'
import type { PartitionList, TopicPartition } from './transaction.ts'

/** Partitions of one topic that are part of a transaction. */
export interface TopicPartitions {
  readonly topic: string
  readonly partitionIds: readonly number[]
}

/** The partitions of `topics` one by one. */
export class AllPartitions implements PartitionList {
  readonly length: number
  private readonly topics: readonly TopicPartitions[]

  constructor(topics: readonly TopicPartitions[]) {
    this.topics = topics
    this.length = topics.reduce((sum, { partitionIds }) => sum + partitionIds.length, 0)
  }

  *[Symbol.iterator](): Generator<TopicPartition> {
    for (const { topic, partitionIds } of this.topics) for (const partition of partitionIds) yield { topic, partition }
  }
}

/** Up to here it costs less to look through the partitions for each one than to index them. */
const few = 8
/** Beyond so many topics, not even then. */
const manyTopics = 256

export const areFew = (topics: readonly TopicPartitions[], asked: readonly TopicPartition[]): boolean =>
  asked.length <= few && topics.length <= manyTopics

/** Whether one of a few partitions is among `topics`. */
export const isIn = (topics: readonly TopicPartitions[], { topic, partition }: TopicPartition): boolean =>
  topics.some(each => each.topic === topic && each.partitionIds.includes(partition))

/** `topics` with a few more partitions; the same array when it has them all. */
export const withFew = (
  topics: readonly TopicPartitions[],
  added: readonly TopicPartition[],
): readonly TopicPartitions[] => added.reduce(withPartition, topics)

function withPartition(
  topics: readonly TopicPartitions[],
  { topic, partition }: TopicPartition,
): readonly TopicPartitions[] {
  const before = topics.find(each => each.topic === topic)
  if (before === undefined) return [...topics, { topic, partitionIds: [partition] }]
  if (before.partitionIds.includes(partition)) return topics
  const after = { topic, partitionIds: [...before.partitionIds, partition] }
  return topics.map(each => (each === before ? after : each))
}

/** What is done between two yields, and about what one look costs, in microseconds, before the code is compiled. */
const looksPerStep = 256
const lookCost = 0.25
const stepCost = looksPerStep * lookCost

/** Work in steps that yield what they cost; see runInSlices. */
type Sliced<Result> = Generator<number, Result, unknown>

/** The same for any number of them. */
export function* withPartitions(
  topics: readonly TopicPartitions[],
  added: readonly TopicPartition[],
): Sliced<readonly TopicPartitions[]> {
  const missing = yield* missingFrom(topics, added)
  const joined: TopicPartitions[] = []
  let changed = false
  let looks = 0
  for (const each of topics) {
    const more = missing.get(each.topic)
    missing.delete(each.topic)
    looks++
    if (more === undefined || more.size === 0) joined.push(each)
    else {
      joined.push({ topic: each.topic, partitionIds: [...each.partitionIds, ...more] })
      looks += each.partitionIds.length + more.size
      changed = true
    }
    if (looks < looksPerStep) continue
    yield looks * lookCost
    looks = 0
  }
  for (const [topic, partitions] of missing) {
    joined.push({ topic, partitionIds: [...partitions] })
    changed = true
    looks += 1 + partitions.size
    if (looks < looksPerStep) continue
    yield looks * lookCost
    looks = 0
  }
  return changed ? joined : topics
}

/** Of each partition that is asked about whether it is among `topics`. */
export function* whichAreIn(topics: readonly TopicPartitions[], asked: readonly TopicPartition[]): Sliced<boolean[]> {
  const missing = yield* missingFrom(topics, asked)
  const found: boolean[] = []
  for (const { topic, partition } of asked) {
    found.push(missing.get(topic)?.has(partition) !== true)
    if (found.length % looksPerStep === 0) yield stepCost
  }
  return found
}

/** Of the partitions that are asked about those that are not among `topics`, by topic and in their order. */
function* missingFrom(
  topics: readonly TopicPartitions[],
  asked: readonly TopicPartition[],
): Sliced<LargeMap<string, Set<number>>> {
  const missing = new LargeMap<string, Set<number>>()
  let looks = 0
  for (const { topic, partition } of asked) {
    const partitions = missing.get(topic)
    if (partitions === undefined) missing.set(topic, new Set([partition]))
    else partitions.add(partition)
    if (++looks % looksPerStep === 0) yield stepCost
  }
  for (const { topic, partitionIds } of topics) {
    const partitions = missing.get(topic)
    if (++looks % looksPerStep === 0) yield stepCost
    if (partitions === undefined) continue
    for (const partition of partitionIds) {
      partitions.delete(partition)
      if (++looks % looksPerStep === 0) yield stepCost
    }
  }
  return missing
}
