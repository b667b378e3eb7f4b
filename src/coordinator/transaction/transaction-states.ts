import type { CoordinatorRecord } from '../runtime/record.ts'
import type { Turn } from '../runtime/shard.ts'
import { type TransactionContext, TransactionState } from './transaction.ts'
import {
  epochPerTransaction,
  readTransactionRecord,
  type TransactionMetadata,
  transactionRecord,
  transactionTombstone,
} from './transaction-metadata.ts'

/** What is known of each transactional id of a shard. It changes by replayed records, and only by them. */
export class TransactionStates {
  private readonly context: TransactionContext
  private readonly states = new Map<string, TransactionMetadata>()

  constructor(context: TransactionContext) {
    this.context = context
  }

  get size(): number {
    return this.states.size
  }

  get(transactionalId: string): TransactionMetadata | undefined {
    return this.states.get(transactionalId)
  }

  /** May be gone through in slices, while there are changes. */
  all(): IterableIterator<TransactionMetadata> {
    return this.states.values()
  }

  write(metadata: TransactionMetadata, turn: Turn): void {
    turn.append(this.recordOf(metadata))
    // The record does not say which epoch the client had before.
    this.states.set(metadata.transactionalId, metadata)
  }

  /** Whether the turn's batch takes an open transaction, and that it is decided will fit one, too: it must end some day. */
  fits(metadata: TransactionMetadata, turn: Turn): boolean {
    const largest: TransactionMetadata = {
      ...metadata,
      state: TransactionState.prepareAbort,
      nextProducerId: metadata.producerId,
      clientTransactionVersion: epochPerTransaction,
    }
    return turn.fits(this.recordOf(largest))
  }

  /** False if the turn's batch is full. */
  forget(transactionalId: string, turn: Turn): boolean {
    const tombstone = transactionTombstone(transactionalId)
    if (!turn.fits(tombstone)) return false
    turn.append(tombstone)
    return true
  }

  replay(record: CoordinatorRecord): void {
    const read = readTransactionRecord(record)
    if (read === undefined) return
    if (read.metadata === undefined) this.states.delete(read.transactionalId)
    else this.states.set(read.transactionalId, read.metadata)
  }

  private recordOf(metadata: TransactionMetadata): CoordinatorRecord {
    return transactionRecord(metadata, this.context.settings.transactionVersion)
  }
}
