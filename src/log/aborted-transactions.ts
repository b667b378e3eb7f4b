import type { AbortedTransaction } from './transaction-marker.ts'

const none: readonly AbortedTransaction[] = []

/** The aborted transactions of one partition, in the order of their markers. */
export class AbortedTransactions {
  private readonly recent: AbortedTransaction[] = []

  add(transaction: AbortedTransaction): void {
    this.recent.push(transaction)
  }

  /** Those that have records or their marker in [from, to), by first offset. */
  between(from: number, to: number): readonly AbortedTransaction[] | Promise<readonly AbortedTransaction[]> {
    if (this.recent.length === 0) return none
    return byFirstOffset(overlapping(this.recent, from, to))
  }
}

/** Markers are in order, so the first that counts is found by halves; behind the first that was stable at `to` none does. */
function overlapping(transactions: readonly AbortedTransaction[], from: number, to: number): AbortedTransaction[] {
  let low = 0
  for (let high = transactions.length; low < high; ) {
    const middle = (low + high) >>> 1
    if (transactions[middle]!.lastOffset < from) low = middle + 1
    else high = middle
  }
  const found: AbortedTransaction[] = []
  for (let at = low; at < transactions.length; at++) {
    const transaction = transactions[at]!
    if (transaction.firstOffset < to) found.push(transaction)
    if (transaction.lastStableOffset >= to) break
  }
  return found
}

const byFirstOffset = (transactions: AbortedTransaction[]): AbortedTransaction[] =>
  transactions.sort((one, other) => one.firstOffset - other.firstOffset)
