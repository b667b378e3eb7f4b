import { ErrorCode, type RequestOf, type ResponseInput, type Uuid } from '../../protocol/index.ts'
import type { fetch } from '../../protocol/schema/fetch.ts'
import type { Partition } from '../../replication/partition.ts'
import type { PartitionTable } from '../../replication/partition-table.ts'

export type FetchRequest = RequestOf<typeof fetch>
export type FetchResponse = ResponseInput<typeof fetch>
export type TopicResponse = FetchResponse['responses'][number]
export type PartitionResponse = TopicResponse['partitions'][number]
type AskedPartition = FetchRequest['topics'][number]['partitions'][number]

/** From this version on topics are named by id. */
export const firstTopicIdVersion = 13

/** One partition that a request, or the session it goes on with, asks for. */
export class FetchTarget {
  /** The topic as requests name it: by name, or by id. */
  readonly topic: string
  readonly index: number
  fetchOffset = 0
  maxBytes = 0
  currentLeaderEpoch = -1
  lastFetchedEpoch = -1

  /** What `resolve` found last. */
  partition: Partition | undefined
  /** Why there is no partition. */
  unknown: ErrorCode = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
  /** The name that the topic id had when it was first known. */
  private name: string | undefined

  /** In a session: what its client was told last; -1 makes the next response tell it. */
  toldHighWatermark = -1
  toldLogStart = -1
  /** In a session: its order (FetchSession). */
  before: FetchTarget | undefined
  behind: FetchTarget | undefined

  constructor(topic: string, asked: AskedPartition) {
    this.topic = topic
    this.index = asked.partition
    this.ask(asked)
  }

  ask(asked: AskedPartition): void {
    this.fetchOffset = asked.fetchOffset
    this.maxBytes = asked.partitionMaxBytes
    this.currentLeaderEpoch = asked.currentLeaderEpoch
    this.lastFetchedEpoch = asked.lastFetchedEpoch
  }

  /**
   * Finds the partition as it is now. A session keeps to the name that its topic id had: once another topic has that
   * name, the id is inconsistent with it, which tells the client more than that the id is unknown (KIP-516).
   */
  resolve(table: PartitionTable, byId: boolean): void {
    const known = !byId
      ? table.topic(this.topic)
      : this.name === undefined
        ? table.topicById(this.topic as Uuid)
        : table.topic(this.name)
    this.partition = known?.partitions[this.index]
    this.unknown =
      byId && this.name === undefined && known === undefined
        ? ErrorCode.UNKNOWN_TOPIC_ID
        : ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    if (!byId || known === undefined) return
    this.name ??= known.name
    if (this.partition === undefined || known.id === this.topic) return
    this.partition = undefined
    this.unknown = ErrorCode.INCONSISTENT_TOPIC_ID
  }

  /** Nothing can be read of it, and nothing of it is worth waiting for: the others decide when the fetch is answered. */
  get missing(): boolean {
    return this.partition === undefined && this.unknown !== ErrorCode.INCONSISTENT_TOPIC_ID
  }
}
