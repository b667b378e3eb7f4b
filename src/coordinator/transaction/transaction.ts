import type { ProducerId } from '../../base/ids.ts'
import type { Logger } from '../../base/logger.ts'

/** As Kafka numbers them in `__transaction_state`. */
export const TransactionState = {
  empty: 0,
  ongoing: 1,
  prepareCommit: 2,
  prepareAbort: 3,
  completeCommit: 4,
  completeAbort: 5,
  dead: 6,
  prepareEpochFence: 7,
} as const
export type TransactionState = (typeof TransactionState)[keyof typeof TransactionState]

/** As Kafka's tools name them, by number. */
export const transactionStateNames = [
  'Empty',
  'Ongoing',
  'PrepareCommit',
  'PrepareAbort',
  'CompleteCommit',
  'CompleteAbort',
  'Dead',
  'PrepareEpochFence',
] as const

export interface TopicPartition {
  readonly topic: string
  readonly partition: number
}

/** The partitions of a transaction one by one; where they are many, each is made as it is come to. */
export type PartitionList = Iterable<TopicPartition> & { readonly length: number }

/** A decided transaction whose markers are to be written: once each, again after a crash, until all are in. */
export interface MarkerJob {
  readonly transactionalId: string
  /** What the partitions know the producer by; the marker ends what was written under it. */
  readonly producerId: ProducerId
  readonly producerEpoch: number
  readonly coordinatorEpoch: number
  readonly committed: boolean
  /** 0 to 2: that of the client that ended it (KIP-890). */
  readonly transactionVersion: number
  readonly partitions: PartitionList
}

/** Kafka's broker configs that transactions go by; read when they are used, as they may change while the broker runs. */
export interface TransactionSettings {
  readonly maxTimeoutMs: number // transaction.max.timeout.ms
  readonly idExpirationMs: number // transactional.id.expiration.ms
  readonly removeExpiredIntervalMs: number // transaction.remove.expired.transaction.cleanup.interval.ms
  readonly verifyPartitions: boolean // transaction.partition.verification.enable
  readonly twoPhaseCommit: boolean // transaction.two.phase.commit.enable
  /** The finalized level of transaction.version; what a client does differently follows it, live (KIP-890). */
  readonly transactionVersion: number
}

/** What the shards of the coordinator of transactions are given. */
export interface TransactionContext {
  readonly settings: TransactionSettings
  /** Leader epoch of the shard's partition. */
  readonly coordinatorEpoch: number
  readonly logger: Logger
  /**
   * A producer id that nobody had before, at once; undefined when none is at hand: the client is told to ask again, and
   * meanwhile there is to be one. Taken for new transactional ids, and where epochs run out.
   */
  takeProducerId(): ProducerId | undefined
  /**
   * Called when the decision is committed. Who gets the job writes the markers and then, in a turn of this shard, tells
   * `markersWritten` of this very job. A job takes the place of an unfinished one of the same transactional id, which a
   * shard that was thrown away left: of that one not one marker more may be written, since the next transaction of a
   * client of version 0 or 1 has the same producer epoch.
   */
  writeMarkers(job: MarkerJob): void
}
