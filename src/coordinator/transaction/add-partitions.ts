import { ErrorCode } from '../../protocol/index.ts'
import type { TopicPartition } from './transaction.ts'
import { isPrepared, isSame, type ProducerIdAndEpoch, type TransactionMetadata } from './transaction-metadata.ts'
import { completed } from './transitions.ts'

/** Partitions that a client, or the produce road for it, adds to its transaction or asks about. */
export interface PartitionsAsked extends ProducerIdAndEpoch {
  readonly transactionalId: string
  /** Whether they are to be in the transaction already: nothing is added. */
  readonly verifyOnly: boolean
  /** 2 for AddPartitionsToTxn from version 5 on and for the produce road of Produce from version 12 on, else 0. */
  readonly transactionVersion: number
  readonly partitions: readonly TopicPartition[]
}

/** 'wait': markers of the transaction before are on their way. 'add': what it does not have is to be added. Else the code for them all. */
export function decideAdd(metadata: TransactionMetadata, asked: PartitionsAsked): ErrorCode | 'wait' | 'add' {
  if (isPrepared(metadata)) {
    // What the client goes by already is what there will be.
    const refusal = refuseProducer(completed(metadata, metadata.lastUpdateMs), asked)
    return refusal === ErrorCode.NONE ? 'wait' : refusal
  }
  const refusal = refuseProducer(metadata, asked)
  return refusal === ErrorCode.NONE ? 'add' : refusal
}

/** 'look': a partition may be written if it is in the transaction, which is open. Else the code for them all. */
export function decideVerification(metadata: TransactionMetadata, asked: PartitionsAsked): ErrorCode | 'look' {
  const refusal = refuseProducer(metadata, asked)
  if (refusal !== ErrorCode.NONE) return refusal
  // Waiting would not help: once the markers are in, the partitions are no longer part of a transaction.
  return isPrepared(metadata) ? ErrorCode.CONCURRENT_TRANSACTIONS : 'look'
}

function refuseProducer(metadata: TransactionMetadata, asked: PartitionsAsked): ErrorCode {
  if (isSame(metadata, asked)) return ErrorCode.NONE
  return metadata.producerId === asked.producerId ? ErrorCode.PRODUCER_FENCED : ErrorCode.INVALID_PRODUCER_ID_MAPPING
}
