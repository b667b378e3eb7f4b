import type { ClusterImage } from '../metadata/image.ts'
import { ErrorCode } from '../protocol/index.ts'
import { alterReplicaLogDirs } from '../protocol/schema/alter-replica-log-dirs.ts'
import type { PartitionTable } from '../replication/partition-table.ts'
import { type ApiHandler, serve } from './serve.ts'
import { TurnShare } from './turn-share.ts'

/**
 * AlterReplicaLogDirs v1-2: there is one log directory. A replica that is to be where it is is there; any other directory
 * is LOG_DIR_NOT_FOUND. A partition named twice goes by its last directory, as in Kafka.
 */
export function serveAlterReplicaLogDirs(image: ClusterImage, table: PartitionTable, directory: string): ApiHandler {
  const alter = (path: string, topicName: string, index: number): ErrorCode => {
    if (path !== directory) return ErrorCode.LOG_DIR_NOT_FOUND
    const topic = image.topic(topicName)
    if (topic?.partitions[index] === undefined) return ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    const log = table.topicById(topic.id)?.partitions[index]?.log
    return log === undefined ? ErrorCode.KAFKA_STORAGE_ERROR : ErrorCode.NONE
  }
  return serve(alterReplicaLogDirs, { min: 1, max: 2, wide: true }, async ({ dirs }, context) => {
    const share = new TurnShare(context)
    const codes = new Map<string, Map<number, ErrorCode>>()
    for (const { path, topics } of dirs)
      for (const { name, partitions } of topics) {
        const ofTopic = codes.get(name) ?? new Map<number, ErrorCode>()
        codes.set(name, ofTopic)
        for (const index of partitions) {
          ofTopic.set(index, alter(path, name, index))
          const due = share.spend()
          if (due !== undefined) await due
        }
        const due = share.spend()
        if (due !== undefined) await due
      }
    const results = []
    for (const [topicName, ofTopic] of codes) {
      const partitions: { partitionIndex: number; errorCode: ErrorCode }[] = []
      results.push({ topicName, partitions })
      for (const [partitionIndex, errorCode] of ofTopic) {
        partitions.push({ partitionIndex, errorCode })
        const due = share.spend()
        if (due !== undefined) await due
      }
    }
    return { throttleTimeMs: 0, results }
  })
}
