import type { Asker, Turn } from '../runtime/shard.ts'
import { AllPartitions } from './topic-partitions.ts'
import { type MarkerJob, type TransactionContext, TransactionState } from './transaction.ts'
import {
  epochPerTransaction,
  isEpochExhausted,
  isPrepared,
  noProducerId,
  type TransactionMetadata,
} from './transaction-metadata.ts'
import type { TransactionStates } from './transaction-states.ts'
import { completed, type Decision, fenced, prepared } from './transitions.ts'

/**
 * The way of a transaction from its decision to its end: the decision is written, once that is committed its markers are
 * asked for, and once they are all in that is written, too. What a load finds decided goes the rest of this way.
 */
export class Endings {
  private readonly context: TransactionContext
  private readonly states: TransactionStates
  private readonly onCompleted: (transactionalId: string, turn: Turn) => void
  /** Of decided transactions, by transactional id. */
  private readonly jobs = new Map<string, MarkerJob>()
  private readonly sender: Asker<MarkerJob>

  constructor(
    context: TransactionContext,
    states: TransactionStates,
    onCompleted: (transactionalId: string, turn: Turn) => void,
  ) {
    this.context = context
    this.states = states
    this.onCompleted = onCompleted
    this.sender = { answered: job => context.writeMarkers(job) }
  }

  /** Ends a transaction as its client wants. Undefined: there is no producer id for the client to go on with. */
  decide(
    metadata: TransactionMetadata,
    committed: boolean,
    transactionVersion: number,
    turn: Turn,
  ): TransactionMetadata | undefined {
    const nextProducerId = this.nextProducerId(metadata, transactionVersion)
    if (nextProducerId === undefined) return undefined
    const decision: Decision = { committed, transactionVersion, nextProducerId, nowMs: turn.wallMs }
    const decided = prepared(metadata, decision)
    this.begin(decided, turn)
    return decided
  }

  /** Aborts the open transaction of a producer that is to be fenced. False: there is no producer id, as above. */
  fence(metadata: TransactionMetadata, turn: Turn): boolean {
    const { transactionVersion } = this.context.settings
    const nextProducerId = this.nextProducerId(metadata, transactionVersion)
    if (nextProducerId === undefined) return false
    this.begin(fenced(metadata, { transactionVersion, nextProducerId, nowMs: turn.wallMs }), turn)
    return true
  }

  /** Sends a decided transaction on its way, if it is not. */
  resume(metadata: TransactionMetadata, turn: Turn): void {
    if (this.jobs.has(metadata.transactionalId)) return
    const job: MarkerJob = {
      transactionalId: metadata.transactionalId,
      producerId: metadata.producerId,
      producerEpoch: metadata.producerEpoch,
      coordinatorEpoch: this.context.coordinatorEpoch,
      committed: metadata.state === TransactionState.prepareCommit,
      transactionVersion: metadata.clientTransactionVersion,
      partitions: new AllPartitions(metadata.topics),
    }
    if (job.partitions.length === 0) {
      this.complete(metadata, turn)
      return
    }
    this.jobs.set(metadata.transactionalId, job)
    turn.answer(this.sender, job)
  }

  /** A job that a shard before this one sent out says nothing here: it may be of a transaction before. */
  markersWritten(job: MarkerJob, turn: Turn): void {
    const { transactionalId } = job
    if (this.jobs.get(transactionalId) !== job) return
    this.jobs.delete(transactionalId)
    const metadata = this.states.get(transactionalId)
    if (metadata !== undefined && isPrepared(metadata)) this.complete(metadata, turn)
  }

  private begin(metadata: TransactionMetadata, turn: Turn): void {
    this.states.write(metadata, turn)
    this.resume(metadata, turn)
  }

  private complete(metadata: TransactionMetadata, turn: Turn): void {
    this.states.write(completed(metadata, turn.wallMs), turn)
    this.onCompleted(metadata.transactionalId, turn)
  }

  /** None where the client has epochs left. */
  private nextProducerId(metadata: TransactionMetadata, transactionVersion: number): bigint | undefined {
    const runsOut = transactionVersion >= epochPerTransaction && isEpochExhausted(metadata)
    return runsOut ? this.context.takeProducerId() : noProducerId
  }
}
