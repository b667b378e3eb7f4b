import type { Logger } from '../base/logger.ts'
import type { DiskRoom } from '../base/world.ts'
import { ErrorCode, type RequestOf, type ResponseInput } from '../protocol/index.ts'
import { describeLogDirs } from '../protocol/schema/describe-log-dirs.ts'
import type { Partition } from '../replication/partition.ts'
import type { PartitionTable, TopicPartitions } from '../replication/partition-table.ts'
import { type ApiHandler, serve } from './serve.ts'
import { TurnShare } from './turn-share.ts'

/** The directory that logs are in. */
export interface LogDirView {
  /** Absolute. */
  readonly path: string
  /** What its file system has left for logs, and in all. */
  room(): Promise<DiskRoom>
}

/**
 * DescribeLogDirs v1-5: the one directory, the bytes of each partition that is asked for (topics null: of all) in its
 * segments, and the file system's space. No replica is being moved to it, none is behind, and it is never cordoned. A
 * partition whose log failed is left out, as are those that do not exist.
 */
export function serveDescribeLogDirs(table: PartitionTable, directory: LogDirView, logger: Logger): ApiHandler {
  return serve(describeLogDirs, { min: 1, max: 5, wide: true }, async ({ topics: asked }, context) => {
    const answer = (result: Result) => ({ throttleTimeMs: 0, errorCode: ErrorCode.NONE, results: [result] })
    let room: DiskRoom
    try {
      room = await directory.room()
    } catch (error) {
      logger.error({ directory: directory.path, error: String(error) }, 'the space left could not be asked for')
      return answer({ errorCode: ErrorCode.KAFKA_STORAGE_ERROR, logDir: directory.path, topics: [] })
    }
    const share = new TurnShare(context)
    const topics: TopicResult[] = []
    // A list of its own: topics may come and go between two turns.
    for (const { topic, indexes } of asked === null ? everyTopic(table) : await chosen(table, asked, share)) {
      const partitions: PartitionResult[] = []
      for (const index of indexes ?? topic.partitions.keys()) {
        const size = sizeOf(topic.partitions[index])
        if (size !== undefined)
          partitions.push({ partitionIndex: index, partitionSize: size, offsetLag: 0, isFutureKey: false })
        const due = share.spend()
        if (due !== undefined) await due
      }
      if (partitions.length > 0) topics.push({ name: topic.name, partitions })
      const due = share.spend()
      if (due !== undefined) await due
    }
    return answer({
      errorCode: ErrorCode.NONE,
      logDir: directory.path,
      topics,
      totalBytes: Math.min(room.totalBytes, Number.MAX_SAFE_INTEGER),
      usableBytes: Math.min(room.bytes, Number.MAX_SAFE_INTEGER),
    })
  })
}

type Result = ResponseInput<typeof describeLogDirs>['results'][number]
type TopicResult = Result['topics'][number]
type PartitionResult = TopicResult['partitions'][number]
type Asked = NonNullable<RequestOf<typeof describeLogDirs>['topics']>

interface Chosen {
  readonly topic: TopicPartitions
  /** Undefined: all. */
  readonly indexes: ReadonlySet<number> | undefined
}

const everyTopic = (table: PartitionTable): Chosen[] => [...table.all()].map(topic => ({ topic, indexes: undefined }))

/** Each partition once, however often it is named. */
async function chosen(table: PartitionTable, asked: Asked, share: TurnShare): Promise<Chosen[]> {
  const byTopic = new Map<TopicPartitions, Set<number>>()
  for (const { topic: name, partitions } of asked) {
    const topic = table.topic(name)
    const due = share.spend()
    if (due !== undefined) await due
    if (topic === undefined) continue
    const indexes = byTopic.get(topic) ?? new Set<number>()
    byTopic.set(topic, indexes)
    for (const index of partitions) {
      if (topic.partitions[index] !== undefined) indexes.add(index)
      const due = share.spend()
      if (due !== undefined) await due
    }
  }
  return [...byTopic].map(([topic, indexes]) => ({ topic, indexes }))
}

const sizeOf = (partition: Partition | undefined): number | undefined => partition?.log?.stored.sizeBytes()
