import { ErrorCode, type RequestOf } from '../../protocol/index.ts'
import type { initProducerId } from '../../protocol/schema/init-producer-id.ts'
import { type TransactionSettings, TransactionState } from './transaction.ts'
import {
  isEpochExhausted,
  isPrepared,
  isSame,
  noEpoch,
  noProducerId,
  noTimeoutMs,
  type ProducerIdAndEpoch,
  type TransactionMetadata,
} from './transaction-metadata.ts'
import { completed } from './transitions.ts'

/** What is done about a producer that begins, or begins again. */
export type InitDecision =
  | { readonly kind: 'refuse'; readonly code: ErrorCode }
  /** It is given this epoch, of the producer id that there is or of a new one. */
  | {
      readonly kind: 'begin'
      readonly newId: boolean
      readonly producerEpoch: number
      readonly lastProducerEpoch: number
    }
  /** This transaction is open, and is aborted first. */
  | { readonly kind: 'fence'; readonly open: TransactionMetadata }
  /** A transaction's markers are on their way. */
  | { readonly kind: 'wait' }

const fencedOff: InitDecision = { kind: 'refuse', code: ErrorCode.PRODUCER_FENCED }

/** What is wrong with a request, whatever the state: NONE if nothing is. */
export function refuseInit(
  { transactionalId, transactionTimeoutMs, enable2Pc, keepPreparedTxn }: RequestOf<typeof initProducerId>,
  settings: TransactionSettings,
): ErrorCode {
  if (transactionalId === '') return ErrorCode.INVALID_REQUEST
  if (enable2Pc && !settings.twoPhaseCommit) return ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED
  // Kafka does not do it yet either.
  if (keepPreparedTxn) return ErrorCode.UNSUPPORTED_VERSION
  const inRange = transactionTimeoutMs > 0 && transactionTimeoutMs <= settings.maxTimeoutMs
  return enable2Pc || inRange ? ErrorCode.NONE : ErrorCode.INVALID_TRANSACTION_TIMEOUT
}

export const timeoutOf = ({ enable2Pc, transactionTimeoutMs }: RequestOf<typeof initProducerId>): number =>
  enable2Pc ? noTimeoutMs : transactionTimeoutMs

/** What the client says it has (KIP-360); undefined when it begins anew. */
export const expectedOf = ({
  producerId,
  producerEpoch,
}: RequestOf<typeof initProducerId>): ProducerIdAndEpoch | undefined =>
  producerId === noProducerId ? undefined : { producerId, producerEpoch }

/**
 * Decides as Kafka's prepareInitProducerIdTransit, but that who has a stale epoch is fenced whatever the state: Kafka looks at
 * the epoch only between transactions, so that there a zombie aborts its successor's transaction.
 */
export function decideInit(
  metadata: TransactionMetadata | undefined,
  expected: ProducerIdAndEpoch | undefined,
): InitDecision {
  // An id that was forgotten, or never known, is anybody's: it is given a producer id that nobody else has.
  if (metadata === undefined) return { kind: 'begin', newId: true, producerEpoch: 0, lastProducerEpoch: noEpoch }
  if (isPrepared(metadata)) {
    const next = decideInit(completed(metadata, metadata.lastUpdateMs), expected)
    return next.kind === 'refuse' ? next : { kind: 'wait' }
  }
  const { producerEpoch, lastProducerEpoch } = metadata
  const goesOn = expected !== undefined && isSame(metadata, expected)
  if (metadata.state === TransactionState.ongoing)
    return goesOn || expected === undefined ? { kind: 'fence', open: metadata } : fencedOff
  if (expected !== undefined && !goesOn) {
    return isRetry(metadata, expected) ? { kind: 'begin', newId: false, producerEpoch, lastProducerEpoch } : fencedOff
  }
  const next = { kind: 'begin', lastProducerEpoch: goesOn ? producerEpoch : noEpoch } as const
  if (isEpochExhausted(metadata)) return { ...next, newId: true, producerEpoch: 0 }
  return { ...next, newId: false, producerEpoch: producerEpoch + 1 }
}

/**
 * The client asks again because the answer got lost: nobody else began since, as that would have left no last epoch. Where
 * the epochs had run out, what it has is of the producer id before.
 */
function isRetry(metadata: TransactionMetadata, { producerId, producerEpoch }: ProducerIdAndEpoch): boolean {
  const { lastProducerEpoch } = metadata
  if (lastProducerEpoch === noEpoch || producerEpoch !== lastProducerEpoch) return false
  const changedId = metadata.producerEpoch === 0 && isEpochExhausted({ producerEpoch: lastProducerEpoch })
  return producerId === (changedId ? metadata.previousProducerId : metadata.producerId)
}
