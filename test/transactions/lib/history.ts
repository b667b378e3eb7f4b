/** Everything that the writers did and the readers saw, for the checker. */

/** What a writer knows of a transaction: `unknown` was asked to be committed, and nobody said whether it was. */
export type Outcome = 'open' | 'committed' | 'aborted' | 'unknown'

export interface Written {
  readonly partition: number
  readonly value: string
}

export interface WrittenTransaction {
  readonly name: string
  /** Of one writer's life: what it wrote is in order. */
  readonly writer: string
  readonly writes: Written[]
  outcome: Outcome
}

export interface Seen {
  readonly offset: number
  readonly value: string
}

export class History {
  readonly transactions: WrittenTransaction[] = []
  /** What broke a promise as it happened. */
  readonly violations: string[] = []
  private readonly values = new Map<string, WrittenTransaction>()

  begin(writer: string): WrittenTransaction {
    const name = `${writer}#${this.transactions.length}`
    const transaction: WrittenTransaction = { name, writer, writes: [], outcome: 'open' }
    this.transactions.push(transaction)
    return transaction
  }

  /** A value that nobody wrote before; noted before it is sent. */
  write(transaction: WrittenTransaction, partition: number): string {
    const value = `${transaction.name}.${transaction.writes.length}`
    transaction.writes.push({ partition, value })
    this.values.set(value, transaction)
    return value
  }

  writerOf(value: string): WrittenTransaction | undefined {
    return this.values.get(value)
  }

  violation(text: string): void {
    this.violations.push(text)
  }
}
