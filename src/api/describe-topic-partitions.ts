import { refuseTopicName } from '../metadata/create-topic.ts'
import { type ClusterImage, isInternalTopic, type TopicImage } from '../metadata/image.ts'
import { ErrorCode, type RequestOf, type ResponseInput, zeroUuid } from '../protocol/index.ts'
import { describeTopicPartitions } from '../protocol/schema/describe-topic-partitions.ts'
import type { PartitionTable } from '../replication/partition-table.ts'
import { topicOperations } from './authorized-operations.ts'
import { type ApiHandler, serve } from './serve.ts'
import { sortNames } from './sort-names.ts'
import { TurnShare } from './turn-share.ts'

/**
 * DescribeTopicPartitions v0 (KIP-966): topics in the order of their names, a page at a time. A page ends when it holds as
 * many partitions as the client or the broker (`max.request.partition.size.limit`) allows, and says where the next begins.
 * On one node nobody was ever elected from outside the ISR: eligible leader replicas are empty lists.
 */
export function serveDescribeTopicPartitions(
  image: ClusterImage,
  table: PartitionTable,
  partitionsPerPage: number,
): ApiHandler {
  return serve(describeTopicPartitions, { min: 0, max: 0, wide: true }, async (request, context) => {
    const from = request.cursor?.topicName ?? ''
    if (!isCursorValid(request)) return refused(request)
    const firstPartition = request.cursor?.partitionIndex ?? 0
    const limit = Math.max(Math.min(partitionsPerPage, request.responsePartitionLimit), 1)
    const share = new TurnShare(context)
    const page = new Page(image, table, limit)
    const all = request.topics.length === 0
    const more = (after: string) => image.namesFrom(`${after}\0`, limit)
    let names = all ? image.namesFrom(from, limit) : await sortNames(namesOf(request), from, share)
    while (names.length > 0 && page.nextCursor === null) {
      for (const name of names) {
        if (page.isFull) page.nextCursor = { topicName: name, partitionIndex: 0 }
        // One of all topics may have been deleted since its name was read.
        else if (!all || image.topic(name) !== undefined) page.add(name, name === from ? firstPartition : 0)
        if (page.nextCursor !== null) break
        const due = share.spend()
        if (due !== undefined) await due
      }
      names = all ? more(names[names.length - 1]!) : []
    }
    return { throttleTimeMs: 0, topics: page.topics, nextCursor: page.nextCursor }
  })
}

type Request = RequestOf<typeof describeTopicPartitions>
type Response = ResponseInput<typeof describeTopicPartitions>
type TopicResponse = Response['topics'][number]

const namesOf = ({ topics }: Request): string[] => topics.map(({ name }) => name)

/** A cursor must name a topic of the list, where there is one, and a partition that could be. */
function isCursorValid({ topics, cursor }: Request): boolean {
  if (cursor === null) return true
  return cursor.partitionIndex >= 0 && (topics.length === 0 || topics.some(({ name }) => name === cursor.topicName))
}

function refused(request: Request): Response {
  const topics = namesOf(request).map(name => ({ ...empty(ErrorCode.INVALID_REQUEST, name), isInternal: false }))
  return { throttleTimeMs: 0, topics }
}

const empty = (errorCode: ErrorCode, name: string): TopicResponse => ({
  errorCode,
  name,
  topicId: zeroUuid,
  isInternal: isInternalTopic(name),
  partitions: [],
})

/** One answer as it fills up. */
class Page {
  readonly topics: TopicResponse[] = []
  nextCursor: { topicName: string; partitionIndex: number } | null = null
  private left: number
  private readonly image: ClusterImage
  private readonly table: PartitionTable

  constructor(image: ClusterImage, table: PartitionTable, limit: number) {
    this.image = image
    this.table = table
    this.left = limit
  }

  get isFull(): boolean {
    return this.left === 0
  }

  /** Adds a topic's partitions from `first` on, as many as there is room for. */
  add(name: string, first: number): void {
    const topic = this.image.topic(name)
    if (topic === undefined) {
      const known = refuseTopicName(name) === undefined
      const errorCode = known ? ErrorCode.UNKNOWN_TOPIC_OR_PARTITION : ErrorCode.INVALID_TOPIC_EXCEPTION
      this.topics.push({ ...empty(errorCode, name), topicAuthorizedOperations: topicOperations })
      return
    }
    const end = Math.min(topic.partitions.length, first + this.left)
    this.topics.push({
      ...empty(ErrorCode.NONE, name),
      topicId: topic.id,
      partitions: describePartitions(topic, this.table, first, end),
      topicAuthorizedOperations: topicOperations,
    })
    this.left -= Math.max(end - first, 0)
    if (end < topic.partitions.length) this.nextCursor = { topicName: name, partitionIndex: end }
  }
}

function describePartitions(
  topic: TopicImage,
  table: PartitionTable,
  first: number,
  end: number,
): TopicResponse['partitions'] {
  const serving = table.topicById(topic.id)
  return topic.partitions.slice(first, end).map((partition, at) => {
    const partitionIndex = first + at
    const offline = serving?.partitions[partitionIndex]?.log === undefined
    return {
      errorCode: ErrorCode.NONE, // Kafka tells a missing leader by its id alone here.
      partitionIndex,
      leaderId: offline ? -1 : partition.leader,
      leaderEpoch: partition.leaderEpoch,
      replicaNodes: partition.replicas,
      isrNodes: partition.isr,
      eligibleLeaderReplicas: [],
      lastKnownElr: [],
      offlineReplicas: offline ? [partition.leader] : [],
    }
  })
}
