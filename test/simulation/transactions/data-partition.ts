import assert from 'node:assert/strict'
import type { MarkerJob } from '../../../src/coordinator/transaction/transaction.ts'
import type { Producer } from '../../support/transactions-shard.ts'

export type Fate = 'open' | 'committed' | 'aborted'

interface Entry extends Producer {
  /** The transaction that wrote it, as its client counts them. */
  readonly transaction: string
  fate: Fate
}

/** What a write was allowed at: it may go in as long as no marker of its producer came between. */
export interface Permit {
  readonly markers: number
}

/**
 * A partition as the coordinator relies on it: it takes nothing of an older epoch of a producer than it knows, nothing that was
 * permitted before a marker, and each marker ends what its producer has open there.
 */
export class DataPartition {
  private readonly name: string
  private readonly entries: Entry[] = []
  private readonly producers = new Map<bigint, { epoch: number; markers: number }>()

  constructor(name: string) {
    this.name = name
  }

  permit(producerId: bigint): Permit {
    return { markers: this.producers.get(producerId)?.markers ?? 0 }
  }

  /** Whether it took the write. */
  write({ id, epoch }: Producer, transaction: string, permit: Permit): boolean {
    const known = this.producers.get(id) ?? { epoch: -1, markers: 0 }
    if (epoch < known.epoch || permit.markers !== known.markers) return false
    this.entries.push({ id, epoch, transaction, fate: 'open' })
    this.producers.set(id, { ...known, epoch })
    return true
  }

  mark({ producerId, producerEpoch, committed, transactionVersion }: MarkerJob): void {
    const known = this.producers.get(producerId) ?? { epoch: -1, markers: 0 }
    // Kafka's partitions refuse such a marker; that there is one is the coordinator's mistake.
    assert.ok(producerEpoch >= known.epoch, `${this.name} has a newer epoch of ${producerId} than its marker`)
    for (const entry of this.entries) {
      if (entry.id !== producerId || entry.fate !== 'open') continue
      if (transactionVersion === 2)
        assert.ok(entry.epoch < producerEpoch, `a marker of version 2 is above what it ends in ${this.name}`)
      entry.fate = committed ? 'committed' : 'aborted'
    }
    this.producers.set(producerId, { epoch: producerEpoch, markers: known.markers + 1 })
  }

  hasOpen(producerId?: bigint): boolean {
    return this.entries.some(({ id, fate }) => fate === 'open' && (producerId === undefined || id === producerId))
  }

  /** What became of each write, with its transaction. */
  *fates(): Iterable<readonly [transaction: string, fate: Fate]> {
    for (const { transaction, fate } of this.entries) yield [transaction, fate]
  }
}
