import type { ProducerId } from '../../base/ids.ts'
import { ErrorCode, type RequestOf } from '../../protocol/index.ts'
import type { endTxn } from '../../protocol/schema/end-txn.ts'
import type { initProducerId } from '../../protocol/schema/init-producer-id.ts'
import { CoordinatorError } from '../runtime/coordinator-error.ts'
import type { CoordinatorRuntime } from '../runtime/coordinator-runtime.ts'
import type { Asker, Turn } from '../runtime/shard.ts'
import type { TopicPartition } from './transaction.ts'
import type {
  DescribedTransaction,
  EndTxnAnswer,
  InitProducerIdAnswer,
  ListedTransaction,
  PartitionsAsked,
  TransactionFilters,
  TransactionShard,
} from './transaction-shard.ts'

/** What the coordinator needs of the runtime that holds its shards. */
export type TransactionShards = Pick<CoordinatorRuntime<TransactionShard>, 'partitions' | 'partitionFor' | 'ask'>

export interface ListedTransactions {
  readonly errorCode: ErrorCode
  readonly transactions: readonly ListedTransaction[]
}

type ShardWork<T> = (shard: TransactionShard, turn: Turn, asker: Asker<T>) => void

const shardsListedAtOnce = 4
/** From this version of EndTxn on a client gets a new epoch with each transaction (KIP-890). */
const bumpingVersion = 2

/**
 * The transactions that this broker coordinates: finds the shard of each transactional id, and answers for those that
 * cannot. Every method answers; errors are codes in its answers, those of the newest versions.
 */
export class TransactionCoordinator {
  private readonly shards: TransactionShards
  /** Resolves when a shard that needs a producer id finds one; rejects when there is none to be had. */
  private readonly producerIdAtHand: () => Promise<void>

  constructor(shards: TransactionShards, producerIdAtHand: () => Promise<void>) {
    this.shards = shards
    this.producerIdAtHand = producerIdAtHand
  }

  /** `request` has a transactional id. */
  async initProducerId(request: RequestOf<typeof initProducerId>): Promise<InitProducerIdAnswer> {
    const failure = (errorCode: ErrorCode): InitProducerIdAnswer => ({
      throttleTimeMs: 0,
      errorCode,
      producerId: -1n,
      producerEpoch: -1,
    })
    const { transactionalId } = request
    if (transactionalId === null || transactionalId === '') return failure(ErrorCode.INVALID_REQUEST)
    try {
      await this.producerIdAtHand()
    } catch {
      return failure(ErrorCode.COORDINATOR_NOT_AVAILABLE)
    }
    return await this.ask(transactionalId, (shard, turn, asker) => shard.initProducerId(request, asker, turn), failure)
  }

  /** A code for each partition, in their order. */
  async addPartitions(asked: PartitionsAsked): Promise<readonly ErrorCode[]> {
    const failure = (code: ErrorCode): readonly ErrorCode[] => asked.partitions.map(() => code)
    if (asked.transactionalId === '') return failure(ErrorCode.INVALID_REQUEST)
    return await this.ask(
      asked.transactionalId,
      (shard, turn, asker) => shard.addPartitions(asked, asker, turn),
      failure,
    )
  }

  /**
   * For who writes for a transaction: whether it has these partitions, or, with `add`, puts them into it first. A code for
   * each of them.
   */
  verify(
    transactionalId: string,
    producerId: ProducerId,
    producerEpoch: number,
    partitions: readonly TopicPartition[],
    add: boolean,
  ): Promise<readonly ErrorCode[]> {
    const transactionVersion = add ? bumpingVersion : 0
    return this.addPartitions({
      transactionalId,
      producerId,
      producerEpoch,
      verifyOnly: !add,
      transactionVersion,
      partitions,
    })
  }

  async endTxn(request: RequestOf<typeof endTxn>, apiVersion: number): Promise<EndTxnAnswer> {
    const failure = (errorCode: ErrorCode): EndTxnAnswer => ({ throttleTimeMs: 0, errorCode })
    if (request.transactionalId === '') return failure(ErrorCode.INVALID_REQUEST)
    return await this.ask(
      request.transactionalId,
      (shard, turn, asker) => shard.endTxn(request, apiVersion, asker, turn),
      failure,
    )
  }

  async describe(transactionalId: string): Promise<DescribedTransaction> {
    const failure = (errorCode: ErrorCode): DescribedTransaction => ({
      errorCode,
      transactionalId,
      transactionState: '',
      transactionTimeoutMs: 0,
      transactionStartTimeMs: 0,
      producerId: 0n,
      producerEpoch: 0,
      topics: [],
    })
    if (transactionalId === '') return failure(ErrorCode.INVALID_REQUEST)
    // Nobody has ever begun one: that is an answer, and looking for a coordinator again would bring no other.
    if (this.shards.partitions === 0) return failure(ErrorCode.TRANSACTIONAL_ID_NOT_FOUND)
    return await this.ask(
      transactionalId,
      (shard, turn, asker) => shard.describe(transactionalId, asker, turn),
      failure,
    )
  }

  /** Those of all shards; a shard that another broker has counts for nothing, one that is loading for a failure. */
  async list(filters: TransactionFilters): Promise<ListedTransactions> {
    const transactions: ListedTransaction[] = []
    try {
      for (let from = 0; from < this.shards.partitions; from += shardsListedAtOnce) {
        const asked: Promise<readonly ListedTransaction[]>[] = []
        for (let at = from; at < Math.min(from + shardsListedAtOnce, this.shards.partitions); at++)
          asked.push(this.listShard(at, filters))
        for (const listed of await Promise.all(asked)) for (const each of listed) transactions.push(each)
      }
      return { errorCode: ErrorCode.NONE, transactions }
    } catch (error) {
      return { errorCode: codeOf(error), transactions: [] }
    }
  }

  private async listShard(partition: number, filters: TransactionFilters): Promise<readonly ListedTransaction[]> {
    try {
      return await this.shards.ask<readonly ListedTransaction[]>(partition, (shard, turn, asker) =>
        shard.list(filters, asker, turn),
      )
    } catch (error) {
      if (codeOf(error) === ErrorCode.NOT_COORDINATOR) return []
      throw error
    }
  }

  private async ask<T>(transactionalId: string, work: ShardWork<T>, failed: (code: ErrorCode) => T): Promise<T> {
    try {
      return await this.shards.ask(this.shards.partitionFor(transactionalId), work)
    } catch (error) {
      return failed(codeOf(error))
    }
  }
}

function codeOf(error: unknown): ErrorCode {
  if (error instanceof CoordinatorError) return error.code
  throw error
}
