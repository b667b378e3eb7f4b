import type { Logger } from '../../base/logger.ts'
import type { CoordinatorTopicValues } from '../../config/group-values.ts'
import { ErrorCode } from '../../protocol/index.ts'
import type { PartitionTable } from '../../replication/partition-table.ts'
import type { TopicLifecycle } from '../../replication/topic-lifecycle.ts'

/** The topic that holds a coordinator's records. It is made when it is first needed, and again after it was deleted. */
export class CoordinatorTopic {
  readonly name: string
  private readonly topics: TopicLifecycle
  private readonly table: PartitionTable
  private readonly settings: () => CoordinatorTopicValues
  private readonly logger: Logger
  private making: Promise<boolean> | undefined

  constructor(
    name: string,
    parts: {
      topics: TopicLifecycle
      table: PartitionTable
      settings: () => CoordinatorTopicValues
      logger: Logger
    },
  ) {
    this.name = name
    this.topics = parts.topics
    this.table = parts.table
    this.settings = parts.settings
    this.logger = parts.logger
  }

  get exists(): boolean {
    return this.table.topic(this.name) !== undefined
  }

  /** Resolves with whether the topic is there; when it cannot be made, the next one to ask tries again. */
  ensure(): Promise<boolean> {
    if (this.exists) return Promise.resolve(true)
    this.making ??= this.make().finally(() => {
      this.making = undefined
    })
    return this.making
  }

  private async make(): Promise<boolean> {
    const { name } = this
    const { partitions, replicationFactor, segmentBytes, minInSyncReplicas } = this.settings()
    const failed = (reason: string): false => {
      this.logger.error({ topic: name, reason }, "a coordinator's topic could not be made: its clients have to wait")
      return false
    }
    try {
      const created = await this.topics.create({
        name,
        numPartitions: partitions,
        replicationFactor,
        assignments: [],
        configs: [
          { name: 'cleanup.policy', value: 'compact' },
          { name: 'compression.type', value: 'producer' },
          { name: 'segment.bytes', value: String(segmentBytes) },
          // Whatever the broker's default is: see Partition.
          { name: 'write.caching', value: 'false' },
          ...(minInSyncReplicas === undefined
            ? []
            : [{ name: 'min.insync.replicas', value: String(minInSyncReplicas) }]),
        ],
      })
      if (created.ok || created.error.code === ErrorCode.TOPIC_ALREADY_EXISTS) return true
      return failed(created.error.message ?? `code ${created.error.code}`)
    } catch (error) {
      return failed(String(error))
    }
  }
}
