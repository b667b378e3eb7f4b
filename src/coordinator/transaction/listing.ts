import type { ProducerId } from '../../base/ids.ts'
import { ErrorCode, type ResponseInput } from '../../protocol/index.ts'
import type { describeTransactions } from '../../protocol/schema/describe-transactions.ts'
import type { listTransactions } from '../../protocol/schema/list-transactions.ts'
import type { Steps } from '../runtime/slices.ts'
import { transactionStateNames } from './transaction.ts'
import type { TransactionMetadata } from './transaction-metadata.ts'
import type { TransactionStates } from './transaction-states.ts'

export type DescribedTransaction = ResponseInput<typeof describeTransactions>['transactionStates'][number]
export type ListedTransaction = ResponseInput<typeof listTransactions>['transactionStates'][number]

/** Empty sets, a negative duration and no pattern let all pass. */
export interface TransactionFilters {
  /** Names, as `transactionStateNames` has them; what is none of these is left out by who asks. */
  readonly states: ReadonlySet<string>
  readonly producerIds: ReadonlySet<ProducerId>
  /** Begun longer ago than this. */
  readonly durationMs: number
  readonly matches?: ((transactionalId: string) => boolean) | undefined
}

/** Costs, about in microseconds. */
const lookCost = 0.2
const matchCost = 2

/** Goes through all ids, and adds those that pass to `listed`, by id: one that is forgotten meanwhile may come again. */
export function* listStates(
  states: TransactionStates,
  filters: TransactionFilters,
  listed: Map<string, ListedTransaction>,
): Steps {
  let turn = yield 0
  for (const metadata of states.all()) {
    const { transactionalId, producerId } = metadata
    if (passes(metadata, filters, turn.wallMs))
      listed.set(transactionalId, { transactionalId, producerId, transactionState: stateName(metadata) })
    turn = yield filters.matches === undefined ? lookCost : matchCost
  }
}

function passes(metadata: TransactionMetadata, filters: TransactionFilters, wallMs: number): boolean {
  const { states, producerIds, durationMs, matches } = filters
  if (producerIds.size > 0 && !producerIds.has(metadata.producerId)) return false
  if (states.size > 0 && !states.has(stateName(metadata))) return false
  if (durationMs >= 0 && wallMs - metadata.startMs <= durationMs) return false
  return matches === undefined || matches(metadata.transactionalId)
}

export function describeState(
  transactionalId: string,
  metadata: TransactionMetadata | undefined,
): DescribedTransaction {
  if (metadata === undefined) {
    return {
      errorCode: transactionalId === '' ? ErrorCode.INVALID_REQUEST : ErrorCode.TRANSACTIONAL_ID_NOT_FOUND,
      transactionalId,
      transactionState: '',
      transactionTimeoutMs: 0,
      transactionStartTimeMs: 0,
      producerId: 0n,
      producerEpoch: 0,
      topics: [],
    }
  }
  return {
    errorCode: ErrorCode.NONE,
    transactionalId,
    transactionState: stateName(metadata),
    transactionTimeoutMs: metadata.timeoutMs,
    transactionStartTimeMs: metadata.startMs,
    producerId: metadata.producerId,
    producerEpoch: metadata.producerEpoch,
    topics: metadata.topics.map(({ topic, partitionIds }) => ({ topic, partitions: [...partitionIds] })),
  }
}

const stateName = ({ state }: TransactionMetadata): string => transactionStateNames[state]
