import type { CoordinatorLocator } from '../api/find-coordinator.ts'
import type { TransactionVerifier } from '../api/produce-transaction.ts'
import type { ProducerId } from '../base/ids.ts'
import type { TopicPartition } from '../coordinator/transaction/transaction.ts'
import type { TransactionCoordinator } from '../coordinator/transaction/transaction-coordinator.ts'
import { transactionStateTopic } from '../metadata/image.ts'
import { ErrorCode } from '../protocol/index.ts'
import type { TransactionService } from './transaction-handlers.ts'
import type { RunningTransactions, TransactionRuntimeParts } from './transaction-runtime.ts'
import { type TransactionStats, transactionStats } from './transaction-stats.ts'

/**
 * The coordinator of transactions, which a broker without transactions never loads: it comes with the first request that
 * is about one, or with the start of a broker that has some.
 */
export class LazyTransactionService implements TransactionService, TransactionVerifier, CoordinatorLocator {
  private readonly parts: TransactionRuntimeParts
  private starting: Promise<RunningTransactions> | undefined
  private running: RunningTransactions | undefined
  private stopped = false

  constructor(parts: TransactionRuntimeParts) {
    this.parts = parts
  }

  readonly coordinator = async (): Promise<TransactionCoordinator> => (await this.start()).coordinator

  get verifies(): boolean {
    return this.parts.live.current.transactions.verifyPartitions
  }

  get addsOnWrite(): boolean {
    return this.parts.features.level('transaction.version') >= addingVersion
  }

  async verify(
    transactionalId: string,
    producerId: ProducerId,
    producerEpoch: number,
    partitions: readonly TopicPartition[],
    add: boolean,
  ): Promise<readonly ErrorCode[]> {
    const { coordinator } = this.running ?? (await this.start())
    return await coordinator.verify(transactionalId, producerId, producerEpoch, partitions, add)
  }

  async locate(transactionalId: string): Promise<ErrorCode> {
    const { topic, runtime } = await this.start()
    if (!(await topic.ensure())) return ErrorCode.COORDINATOR_NOT_AVAILABLE
    const index = runtime.partitionFor(transactionalId)
    const partition = this.parts.table.topic(topic.name)?.partitions[index]
    if (partition === undefined || partition.refusal(-1) !== ErrorCode.NONE) return ErrorCode.COORDINATOR_NOT_AVAILABLE
    // Its producer is about to ask.
    runtime.load(index)
    return ErrorCode.NONE
  }

  /** After a start: transactions of an earlier life are ended, or go on, whoever has asked for them. */
  resume(): void {
    const partitions = this.parts.table.topic(transactionStateTopic)?.partitions ?? []
    if (!partitions.some(({ log }) => log !== undefined && log.logEnd > log.logStart)) return
    this.start()
      .then(({ runtime }) => runtime.loadAll())
      .catch((error: unknown) => {
        this.parts.logger.error({ error: String(error) }, 'transactions are not loaded before somebody asks for them')
      })
  }

  stats(): Promise<TransactionStats> {
    const { table, live, world } = this.parts
    const pause = (): Promise<void> => new Promise(resume => world.timers.soon(resume))
    return transactionStats(this.running, table, live, world.clock, pause)
  }

  /** Loads the code, which otherwise comes with the first request. */
  async load(): Promise<void> {
    await this.start()
  }

  stop(): void {
    this.stopped = true
    this.running?.runtime.stop()
    this.running?.markers.stop()
  }

  private start(): Promise<RunningTransactions> {
    this.starting ??= this.begin()
    return this.starting
  }

  private async begin(): Promise<RunningTransactions> {
    const { startTransactions } = await import('./transaction-runtime.ts')
    const running = startTransactions(this.parts)
    this.running = running
    if (this.stopped) this.stop()
    return running
  }
}

/** From this transaction.version on a write adds its partition (KIP-890). */
const addingVersion = 2
