import { type CoordinatorRecord, isRecordOf } from '../coordinator/runtime/record.ts'
import type { ReplayedFrom } from '../coordinator/runtime/shard.ts'
import { type TransactionContext, transactionStateNames } from '../coordinator/transaction/transaction.ts'
import { TransactionShard } from '../coordinator/transaction/transaction-shard.ts'
import { transactionLogRecord } from '../protocol/records-schema/transaction-log.ts'

/**
 * Names each step of a transaction for tests that end the broker there: `PrepareCommit decided` (nothing is written),
 * `PrepareCommit appended` (it survives the process), `PrepareCommit committed` (its client is told, markers are next),
 * and the same of the other states; the markers' own steps are named by their writer.
 */
export class TransactionMilestones {
  private readonly reached: (milestone: string) => void
  /** By partition of `__transaction_state`: states that wait to be appended. */
  private readonly decided = new Map<number, string[]>()

  constructor(reached: (milestone: string) => void) {
    this.reached = reached
  }

  newShard(partition: number, context: TransactionContext): TransactionShard {
    return new NamedShard(
      {
        ...context,
        writeMarkers: job => {
          this.reached(`${job.committed ? 'PrepareCommit' : 'PrepareAbort'} committed`)
          context.writeMarkers(job)
        },
      },
      state => {
        this.decided.set(partition, [...(this.decided.get(partition) ?? []), state])
        this.reached(`${state} decided`)
      },
    )
  }

  appended(partition: number): void {
    const states = this.decided.get(partition) ?? []
    this.decided.delete(partition)
    for (const state of states) this.reached(`${state} appended`)
  }
}

class NamedShard extends TransactionShard {
  private readonly decided: (state: string) => void

  constructor(context: TransactionContext, decided: (state: string) => void) {
    super(context)
    this.decided = decided
  }

  override replay(record: CoordinatorRecord, from: ReplayedFrom): void {
    super.replay(record, from)
    if (from.offset >= 0 || !isRecordOf(record, transactionLogRecord) || record.value === null) return
    this.decided(transactionStateNames[record.value.transactionStatus] ?? 'Unknown')
  }
}
