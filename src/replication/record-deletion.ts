import type { LogManager } from '../log/log-manager.ts'
import { type ClusterImage, isInternalTopic, type TopicImage } from '../metadata/image.ts'
import type { TopicSettings } from '../metadata/topic-config.ts'
import { ErrorCode } from '../protocol/index.ts'
import type { PartitionTable } from './partition-table.ts'

/** What became of one partition; -1 when it was refused. */
export interface Trimmed {
  readonly code: ErrorCode
  /** The log start of the last replica to follow: of this one, which is alone. */
  readonly lowWatermark: number
}

/** The offset that stands for the high watermark. */
const highWatermark = -1
const refused = (code: ErrorCode): Trimmed => ({ code, lowWatermark: -1 })

/** Gives up records at a client's wish. */
export class RecordDeletion {
  private readonly table: PartitionTable
  private readonly image: ClusterImage
  private readonly logs: LogManager
  private readonly settingsOf: (topic: TopicImage) => TopicSettings

  constructor(
    table: PartitionTable,
    image: ClusterImage,
    logs: LogManager,
    settingsOf: (topic: TopicImage) => TopicSettings,
  ) {
    this.table = table
    this.image = image
    this.logs = logs
    this.settingsOf = settingsOf
  }

  /** Moves the log start to `offset`, unless it is there or past it already. Rejects when that cannot be made durable. */
  async deleteBefore(topicName: string, index: number, offset: number): Promise<Trimmed> {
    const topic = this.image.topic(topicName)
    const partition = topic === undefined ? undefined : this.table.topicById(topic.id)?.partitions[index]
    if (topic === undefined || partition === undefined) return refused(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
    if (isInternalTopic(topicName)) return refused(ErrorCode.INVALID_TOPIC_EXCEPTION)
    const code = partition.refusal(-1)
    if (code !== ErrorCode.NONE) return refused(code)
    const policy = this.settingsOf(topic).list('cleanup.policy')
    if (policy.includes('compact') && !policy.includes('delete')) return refused(ErrorCode.POLICY_VIOLATION)
    const target = offset === highWatermark ? partition.highWatermark : offset
    if (target < 0 || target > partition.highWatermark) return refused(ErrorCode.OFFSET_OUT_OF_RANGE)
    try {
      await this.logs.advanceStart({ topic: topicName, topicId: topic.id, partition: index }, target)
    } catch (error) {
      // The topic may have been deleted, or its disk have failed, meanwhile.
      const since = partition.refusal(-1)
      if (since !== ErrorCode.NONE) return refused(since)
      throw error
    }
    partition.logStartMoved()
    return { code: ErrorCode.NONE, lowWatermark: partition.logStart }
  }
}
