import type { ProducerId } from '../../base/ids.ts'
import { transactionLogRecord } from '../../protocol/records-schema/transaction-log.ts'
import { type CoordinatorRecord, coordinatorRecord, isRecordOf } from '../runtime/record.ts'
import type { TopicPartitions } from './topic-partitions.ts'
import { TransactionState } from './transaction.ts'

export const noProducerId = -1n
export const noEpoch = -1
/** No producer is given this one, so that whoever has the one below it can still be fenced. */
export const lastEpoch = 0x7fff
/** A transaction of a client that commits in two phases never times out. */
export const noTimeoutMs = 0x7fff_ffff
/** From here on a client's epoch goes up with each transaction (KIP-890), and its EndTxn is from version 5 on. */
export const epochPerTransaction = 2

/** What is known of a transactional id: a value, that of one record of the log. */
export interface TransactionMetadata {
  readonly transactionalId: string
  readonly producerId: ProducerId
  /** The producer id before the last transition; that of a client whose id has just been changed. */
  readonly previousProducerId: ProducerId
  /** What the client has been told already, and goes by once the markers of `producerId` are in; else none. */
  readonly nextProducerId: ProducerId
  readonly producerEpoch: number
  /**
   * What the client had before, if it may ask again for what followed. Not logged, as in Kafka: after a load it is known
   * only where it follows from the rest.
   */
  readonly lastProducerEpoch: number
  readonly timeoutMs: number
  readonly state: TransactionState
  readonly topics: readonly TopicPartitions[]
  /** Wall time of the transaction's first partition; -1 when there has been none since the producer began. */
  readonly startMs: number
  readonly lastUpdateMs: number
  /** Of the client that last added partitions or ended a transaction: 0 or 2. */
  readonly clientTransactionVersion: number
}

export interface ProducerIdAndEpoch {
  readonly producerId: ProducerId
  readonly producerEpoch: number
}

export const isEpochExhausted = ({ producerEpoch }: { readonly producerEpoch: number }): boolean =>
  producerEpoch >= lastEpoch - 1

/** Decided, and its markers on their way. */
export const isPrepared = ({ state }: TransactionMetadata): boolean =>
  state === TransactionState.prepareCommit || state === TransactionState.prepareAbort

export const isComplete = ({ state }: TransactionMetadata): boolean =>
  state === TransactionState.completeCommit || state === TransactionState.completeAbort

export const hasEnded = (metadata: TransactionMetadata): boolean => isPrepared(metadata) || isComplete(metadata)

/** No transaction is open or being ended. */
export const isIdle = (metadata: TransactionMetadata): boolean =>
  metadata.state === TransactionState.empty || isComplete(metadata)

export const isSame = (a: ProducerIdAndEpoch, b: ProducerIdAndEpoch): boolean =>
  a.producerId === b.producerId && a.producerEpoch === b.producerEpoch

/**
 * As Kafka writes it. Version 0 is for clusters that may go back to brokers that know no other. It does not say what tells a
 * client's retry from its next request, so that what ended a transaction of version 2 is never written in it.
 */
export function transactionRecord(metadata: TransactionMetadata, transactionVersion: number): CoordinatorRecord {
  const endedByEpoch = hasEnded(metadata) && metadata.clientTransactionVersion > 0
  const version = transactionVersion > 0 || endedByEpoch ? 1 : 0
  return coordinatorRecord(
    transactionLogRecord,
    { transactionalId: metadata.transactionalId },
    {
      producerId: metadata.producerId,
      previousProducerId: version > 0 ? metadata.previousProducerId : noProducerId,
      nextProducerId: version > 0 ? metadata.nextProducerId : noProducerId,
      producerEpoch: metadata.producerEpoch,
      nextProducerEpoch: noEpoch,
      transactionTimeoutMs: metadata.timeoutMs,
      transactionStatus: metadata.state,
      transactionPartitions:
        metadata.state === TransactionState.empty
          ? null
          : // Nobody changes what a record says, and a copy of very many would take a turn's time.
            (metadata.topics as { topic: string; partitionIds: number[] }[]),
      transactionLastUpdateTimestampMs: metadata.lastUpdateMs,
      transactionStartTimestampMs: metadata.startMs,
      clientTransactionVersion: version > 0 ? metadata.clientTransactionVersion : 0,
    },
    version,
  )
}

export const transactionTombstone = (transactionalId: string): CoordinatorRecord =>
  coordinatorRecord(transactionLogRecord, { transactionalId }, null)

/** What a record says; no metadata for a tombstone. Undefined: it is another kind of record. */
export function readTransactionRecord(
  record: CoordinatorRecord,
): { readonly transactionalId: string; readonly metadata: TransactionMetadata | undefined } | undefined {
  if (!isRecordOf(record, transactionLogRecord)) return undefined
  const { transactionalId } = record.key
  const { value } = record
  if (value === null) return { transactionalId, metadata: undefined }
  const metadata: TransactionMetadata = {
    transactionalId,
    producerId: value.producerId,
    previousProducerId: value.previousProducerId,
    nextProducerId: value.nextProducerId,
    producerEpoch: value.producerEpoch,
    lastProducerEpoch: noEpoch,
    timeoutMs: value.transactionTimeoutMs,
    state: value.transactionStatus as TransactionState,
    topics: value.transactionPartitions ?? [],
    startMs: value.transactionStartTimestampMs,
    lastUpdateMs: value.transactionLastUpdateTimestampMs,
    clientTransactionVersion: value.clientTransactionVersion,
  }
  return { transactionalId, metadata: { ...metadata, lastProducerEpoch: impliedLastEpoch(metadata) } }
}

/** Ending a transaction of version 2 moves the epoch by one, or from the last that a client has to 0 of another id. */
function impliedLastEpoch(metadata: TransactionMetadata): number {
  if (!hasEnded(metadata) || metadata.clientTransactionVersion < epochPerTransaction) return noEpoch
  return metadata.producerEpoch === 0 ? lastEpoch - 1 : metadata.producerEpoch - 1
}
