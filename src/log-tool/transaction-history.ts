import { OpenTransactions } from '../log/open-transactions.ts'
import type { AbortedTransaction } from '../log/transaction-marker.ts'
import { Attribute, type BatchHeader, isControl } from './batch.ts'

/** Which transactions are open, over the batches of one log in their order. */
export class TransactionHistory {
  private readonly open = new OpenTransactions()

  /** Notes a sound batch. */
  note(header: BatchHeader): void {
    const { producerId, baseOffset } = header
    if (isControl(header) || (header.attributes & Attribute.transactional) === 0) return
    if (this.open.firstOffsetOf(producerId) === undefined) this.open.begin(producerId, baseOffset)
  }

  /** Notes a marker. Returns what it aborted, as the index of its segment is to name it: nothing where no data is left. */
  end(producerId: bigint, lastOffset: number, aborts: boolean): AbortedTransaction | undefined {
    const firstOffset = this.open.firstOffsetOf(producerId)
    if (firstOffset === undefined) return undefined
    const lastStableOffset = this.open.end(producerId, lastOffset)
    this.open.committed(lastOffset + 1)
    return aborts ? { producerId, firstOffset, lastOffset, lastStableOffset } : undefined
  }
}
