import { ErrorCode, type RequestOf } from '../../protocol/index.ts'
import type { endTxn } from '../../protocol/schema/end-txn.ts'
import { TransactionState } from './transaction.ts'
import {
  epochPerTransaction,
  hasEnded,
  isComplete,
  isPrepared,
  isSame,
  type TransactionMetadata,
} from './transaction-metadata.ts'
import { completed } from './transitions.ts'

/** From this version of EndTxn on a client is given a new epoch with each answer (KIP-890). */
const firstBumpingVersion = 5

export const transactionVersionOf = (apiVersion: number): number =>
  apiVersion >= firstBumpingVersion ? epochPerTransaction : 0

/** 'decide': the transaction ends as asked. 'again': it was so decided before. 'wait': markers of the one before are on their way. */
export type EndDecision = ErrorCode | 'decide' | 'again' | 'wait'

/**
 * Decides as Kafka's endTransaction, with two differences. Kafka answers CONCURRENT_TRANSACTIONS to who asks again while the
 * markers are written; here it is told at once what it would have been told the first time, which is no less true. And an
 * epoch one below the newest is a retry only where the newest came with the end of a transaction; in Kafka who was fenced
 * by InitProducerId may be taken for one.
 */
export function decideEnd(
  metadata: TransactionMetadata,
  request: RequestOf<typeof endTxn>,
  transactionVersion: number,
): EndDecision {
  return transactionVersion >= epochPerTransaction ? decideByEpoch(metadata, request) : decideByState(metadata, request)
}

/** Below version 2 the state alone tells a retry from the next transaction's end. */
function decideByState(metadata: TransactionMetadata, request: RequestOf<typeof endTxn>): EndDecision {
  const { state } = metadata
  if (metadata.producerId !== request.producerId) return ErrorCode.INVALID_PRODUCER_ID_MAPPING
  if (metadata.producerEpoch !== request.producerEpoch) return ErrorCode.PRODUCER_FENCED
  if (state === TransactionState.ongoing) return 'decide'
  if (state === TransactionState.empty) return ErrorCode.INVALID_TXN_STATE
  return wasCommitted(metadata) === request.committed ? 'again' : ErrorCode.INVALID_TXN_STATE
}

/** From version 2 on each transaction has its own epoch, and who asks again has the one before. */
function decideByEpoch(metadata: TransactionMetadata, request: RequestOf<typeof endTxn>): EndDecision {
  if (isRetry(metadata, request))
    return wasCommitted(metadata) === request.committed ? 'again' : ErrorCode.INVALID_TXN_STATE
  const waits = isPrepared(metadata)
  const current = waits ? completed(metadata, metadata.lastUpdateMs) : metadata
  if (current.producerId !== request.producerId) return ErrorCode.INVALID_PRODUCER_ID_MAPPING
  if (!isSame(current, request)) return ErrorCode.PRODUCER_FENCED
  if (waits) return 'wait'
  // An abort of nothing is fine: the client need not know whether any of its partitions was added.
  return metadata.state === TransactionState.ongoing || !request.committed ? 'decide' : ErrorCode.INVALID_TXN_STATE
}

/** Where the epochs ran out with the end of a transaction, what its client had is of the producer id before. */
function isRetry(metadata: TransactionMetadata, { producerId, producerEpoch }: RequestOf<typeof endTxn>): boolean {
  if (!hasEnded(metadata) || metadata.clientTransactionVersion < epochPerTransaction) return false
  const changedId = isComplete(metadata) && metadata.producerEpoch === 0
  const had = changedId ? metadata.previousProducerId : metadata.producerId
  return producerId === had && producerEpoch === metadata.lastProducerEpoch
}

const wasCommitted = ({ state }: TransactionMetadata): boolean =>
  state === TransactionState.prepareCommit || state === TransactionState.completeCommit
