import type { Turn } from '../runtime/shard.ts'
import type { Endings } from './endings.ts'
import { TransactionState } from './transaction.ts'
import { noTimeoutMs, type TransactionMetadata } from './transaction-metadata.ts'
import type { TransactionStates } from './transaction-states.ts'

/** How soon to look again for a producer id, where none was at hand. */
const retryMs = 100

/**
 * Aborts transactions that are open for longer than their client said. Each has a timer of its own, so that it is aborted
 * when it is due; Kafka looks every transaction.abort.timed.out.transaction.cleanup.interval.ms, and until then readers wait.
 */
export class Timeouts {
  private readonly states: TransactionStates
  private readonly endings: Endings
  private readonly onAborted: (metadata: TransactionMetadata) => void

  /** `onAborted` is told what was aborted. */
  constructor(states: TransactionStates, endings: Endings, onAborted: (metadata: TransactionMetadata) => void) {
    this.states = states
    this.endings = endings
    this.onAborted = onAborted
  }

  /**
   * From when a transaction is open. Its timer takes the place of that of the transaction before, which nobody cancels: one
   * that fires while no transaction is open does nothing.
   */
  watch({ transactionalId, timeoutMs, startMs }: TransactionMetadata, turn: Turn): void {
    if (timeoutMs === noTimeoutMs) return
    // A transaction that was found in the log may have begun by another clock.
    const leftMs = Math.min(Math.max(startMs + timeoutMs - turn.wallMs, 0), timeoutMs)
    this.arm(transactionalId, leftMs, turn)
  }

  private arm(transactionalId: string, delayMs: number, turn: Turn): void {
    turn.after(`timeout ${transactionalId}`, delayMs, due => this.expired(transactionalId, due))
  }

  private expired(transactionalId: string, turn: Turn): void {
    const metadata = this.states.get(transactionalId)
    if (metadata?.state !== TransactionState.ongoing || metadata.timeoutMs === noTimeoutMs) return
    if (this.endings.fence(metadata, turn)) this.onAborted(metadata)
    else this.arm(transactionalId, retryMs, turn)
  }
}
