import type { Uuid } from '../../../src/protocol/index.ts'

export interface Key {
  readonly groupId: string
  readonly topic: string
  readonly partition: number
}

/** A commit, as the reference remembers it. */
export interface Written extends Key {
  readonly kind: 'written'
  readonly offset: number
  readonly leaderEpoch: number
  readonly metadata: string
  readonly topicId: Uuid | undefined
  readonly wallMs: number
  readonly expiresAtMs: number | undefined
  readonly transaction: Transaction | undefined
}

export interface Transaction {
  readonly producerId: bigint
  state: 'open' | 'committed' | 'aborted'
}

type Event = Written | (Key & { readonly kind: 'taken back' })

/**
 * Committed offsets as they are defined, not as they are kept: all that was ever written for a partition stands in a list, and
 * what counts is the last write that came after it was last taken back and is part of no open or aborted transaction.
 */
export class OffsetsReference {
  private readonly events = new Map<string, { readonly key: Key; readonly all: Event[] }>()
  private readonly open = new Map<bigint, Transaction>()

  write(written: Omit<Written, 'kind' | 'transaction'>, producerId: bigint | undefined): void {
    let transaction: Transaction | undefined
    if (producerId !== undefined) {
      transaction = this.open.get(producerId) ?? { producerId, state: 'open' }
      this.open.set(producerId, transaction)
    }
    this.eventsOf(written).push({ kind: 'written', ...written, transaction })
  }

  takeBack({ groupId, topic, partition }: Key): void {
    this.eventsOf({ groupId, topic, partition }).push({ kind: 'taken back', groupId, topic, partition })
  }

  end(producerId: bigint, committed: boolean): void {
    const transaction = this.open.get(producerId)
    if (transaction !== undefined) transaction.state = committed ? 'committed' : 'aborted'
    this.open.delete(producerId)
  }

  committed(key: Key): Written | undefined {
    return this.since(key).findLast(({ transaction }) => transaction === undefined || transaction.state === 'committed')
  }

  /** What open transactions wrote, the last of each. */
  pending(key: Key): Written[] {
    const open = this.since(key).filter(({ transaction }) => transaction?.state === 'open')
    return [...new Map(open.map(written => [written.transaction, written])).values()]
  }

  /** Of which anything counts or may yet count. */
  keys(): Key[] {
    const keys = Array.from(this.events.values(), ({ key }) => key)
    return keys.filter(key => this.committed(key) !== undefined || this.pending(key).length > 0)
  }

  /** Writes of one partition since it was last taken back. */
  private since(key: Key): Written[] {
    const events = this.eventsOf(key)
    const from = events.findLastIndex(({ kind }) => kind === 'taken back')
    return events.slice(from + 1).filter(event => event.kind === 'written')
  }

  private eventsOf({ groupId, topic, partition }: Key): Event[] {
    const id = `${groupId} ${topic} ${partition}`
    const known = this.events.get(id)
    if (known !== undefined) return known.all
    const all: Event[] = []
    this.events.set(id, { key: { groupId, topic, partition }, all })
    return all
  }
}
