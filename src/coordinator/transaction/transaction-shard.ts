import type { ProducerId } from '../../base/ids.ts'
import type { ErrorCode, RequestOf, ResponseInput } from '../../protocol/index.ts'
import type { describeTransactions } from '../../protocol/schema/describe-transactions.ts'
import type { endTxn } from '../../protocol/schema/end-txn.ts'
import type { initProducerId } from '../../protocol/schema/init-producer-id.ts'
import type { listTransactions } from '../../protocol/schema/list-transactions.ts'
import type { CoordinatorRecord } from '../runtime/record.ts'
import type { Asker, ReplayedFrom, Shard, Turn } from '../runtime/shard.ts'
import type { MarkerJob, TopicPartition, TransactionContext } from './transaction.ts'

export type InitProducerIdAnswer = ResponseInput<typeof initProducerId>
export type EndTxnAnswer = ResponseInput<typeof endTxn>
export type DescribedTransaction = ResponseInput<typeof describeTransactions>['transactionStates'][number]
export type ListedTransaction = ResponseInput<typeof listTransactions>['transactionStates'][number]

/** Partitions that a client, or the produce road for it, adds to its transaction or asks about. */
export interface PartitionsAsked {
  readonly transactionalId: string
  readonly producerId: ProducerId
  readonly producerEpoch: number
  /** Whether they are to be in the transaction already: nothing is added. */
  readonly verifyOnly: boolean
  /** 2 for AddPartitionsToTxn from version 5 on and for the produce road of Produce from version 12 on, else 0. */
  readonly transactionVersion: number
  readonly partitions: readonly TopicPartition[]
}

/** Empty sets, a negative duration and no pattern let all pass. */
export interface TransactionFilters {
  /** Names, as `transactionStateNames` has them; what is none of these is left out by who asks. */
  readonly states: ReadonlySet<string>
  readonly producerIds: ReadonlySet<ProducerId>
  /** Begun longer ago than this. */
  readonly durationMs: number
  readonly matches?: ((transactionalId: string) => boolean) | undefined
}

/**
 * All transactional ids of one partition of `__transaction_state`. Codes are those of the newest versions: handlers turn
 * PRODUCER_FENCED into what older versions know.
 */
export class TransactionShard implements Shard {
  constructor(_context: TransactionContext) {}

  /** `request` has a transactional id. */
  initProducerId(_request: RequestOf<typeof initProducerId>, _asker: Asker<InitProducerIdAnswer>, _turn: Turn): void {
    throw new Error('not there yet')
  }

  /** A code for each partition, in the order in which they were given. */
  addPartitions(_asked: PartitionsAsked, _asker: Asker<readonly ErrorCode[]>, _turn: Turn): void {
    throw new Error('not there yet')
  }

  endTxn(_request: RequestOf<typeof endTxn>, _apiVersion: number, _asker: Asker<EndTxnAnswer>, _turn: Turn): void {
    throw new Error('not there yet')
  }

  describe(_transactionalId: string, _asker: Asker<DescribedTransaction>, _turn: Turn): void {
    throw new Error('not there yet')
  }

  list(_filters: TransactionFilters, _asker: Asker<readonly ListedTransaction[]>, _turn: Turn): void {
    throw new Error('not there yet')
  }

  /** All markers of the job are committed, but those of partitions that are no more. */
  markersWritten(_job: MarkerJob, _turn: Turn): void {
    throw new Error('not there yet')
  }

  replay(_record: CoordinatorRecord, _from: ReplayedFrom): void {}

  replayTransactionEnd(_producerId: bigint, _producerEpoch: number, _committed: boolean): void {}

  loaded(_turn: Turn): void {}
}
