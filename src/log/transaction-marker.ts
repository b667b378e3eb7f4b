import type { ProducerId } from '../base/ids.ts'

/** What ends a producer's transaction in one partition: a control batch of one record. */
export interface TransactionMarker {
  readonly producerId: ProducerId
  /** Of the producer as it ended the transaction; the partition takes no older one from here on. */
  readonly producerEpoch: number
  /** Leader epoch of the coordinator's partition: a marker of an earlier coordinator is refused. */
  readonly coordinatorEpoch: number
  readonly committed: boolean
  /** Of the transaction (KIP-890): from 2 on a marker's epoch is above that of every batch before it. */
  readonly transactionVersion: number
}

/** A transaction that was aborted, as `.txnindex` holds it and as a fetch of committed records is told. */
export interface AbortedTransaction {
  readonly producerId: ProducerId
  /** Of its first record in the partition. */
  readonly firstOffset: number
  /** Of its marker. */
  readonly lastOffset: number
  /** Of the partition once the marker was there. */
  readonly lastStableOffset: number
}
