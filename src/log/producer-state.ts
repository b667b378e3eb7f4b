import { assert } from '../base/assert.ts'
import type { ProducerId } from '../base/ids.ts'
import { LargeMap } from '../base/large-map.ts'
import { OpenTransactions } from './open-transactions.ts'
import type { TransactionMarker } from './transaction-marker.ts'
import { type VerificationGuard, Verifications, withoutVerification } from './verification.ts'

/** A batch of an idempotent producer, as its header says. */
export interface ProducerBatch {
  producerId: ProducerId
  producerEpoch: number
  /** -1 in a batch that a coordinator wrote for the producer. */
  baseSequence: number
  recordCount: number
  transactional?: boolean
}

export interface AppendedBatch {
  baseSequence: number
  lastSequence: number
  baseOffset: number
  lastOffset: number
  /** Wall clock of its append: what a topic with append time told its producer. */
  timestampMs: number
}

export interface ProducerEntry {
  producerEpoch: number
  /** Of the coordinator that ended its last transaction here, -1 before. */
  coordinatorEpoch: number
  /** Oldest first, at most `retainedBatches`. Empty while its epoch is known from a marker alone. */
  batches: AppendedBatch[]
  /** Wall clock of the last append: state outlives the records, and ends by producer.id.expiration.ms. */
  lastTimestampMs: number
  /** First offset of its open transaction, -1 without one. */
  transactionStart: number
}

export type ProducerVerdict =
  | { readonly kind: 'accept' }
  | { readonly kind: 'duplicate'; readonly original: AppendedBatch }
  | { readonly kind: 'stale-epoch' }
  | { readonly kind: 'out-of-order' }
  /** It would open a transaction of which nobody knows whether it may. */
  | { readonly kind: 'not-verified' }
  /** Its producer has a transaction open, which it is no part of. */
  | { readonly kind: 'outside-transaction' }

export type MarkerVerdict = 'accept' | 'stale-epoch' | 'stale-coordinator'

const accept: ProducerVerdict = { kind: 'accept' }
const staleEpoch: ProducerVerdict = { kind: 'stale-epoch' }
const outOfOrder: ProducerVerdict = { kind: 'out-of-order' }
const notVerified: ProducerVerdict = { kind: 'not-verified' }
const outsideTransaction: ProducerVerdict = { kind: 'outside-transaction' }

/** How many batches of a producer are remembered: as many as it may have in flight (KIP-98, max.in.flight of 5). */
export const retainedBatches = 5
const maxSequence = 0x7fffffff

/** Sequences are 31 bits and wrap to 0; without one at the begin there is none at the end. */
export function lastSequenceOf(baseSequence: number, recordCount: number): number {
  if (baseSequence < 0) return -1
  const last = baseSequence + recordCount - 1
  return last > maxSequence ? last - maxSequence - 1 : last
}

/** The last sequence that a producer wrote under its present epoch, -1 when none is known. */
export const lastSequenceIn = ({ batches }: ProducerEntry): number => batches[batches.length - 1]?.lastSequence ?? -1

/** Somebody who needs the producers as they are now, and gets to look at each before it changes. */
export interface ProducerWatcher {
  /** Undefined: there is no such producer yet. */
  changing(producerId: ProducerId, entry: ProducerEntry | undefined): void
}

/** What one partition knows of the idempotent producers that write to it, and of their transactions. */
export class ProducerStates {
  readonly transactions = new OpenTransactions()
  private readonly entries = new LargeMap<ProducerId, ProducerEntry>()
  private readonly verifications = new Verifications()
  private readonly watchers = new Set<ProducerWatcher>()

  get size(): number {
    return this.entries.size
  }

  /** Judges a client's batch against what its producer wrote before; changes nothing. */
  check(batch: ProducerBatch, guard?: VerificationGuard): ProducerVerdict {
    const entry = this.entries.get(batch.producerId)
    if (entry !== undefined && entry.producerEpoch === batch.producerEpoch) {
      const lastSequence = lastSequenceOf(batch.baseSequence, batch.recordCount)
      for (const seen of entry.batches) {
        if (seen.baseSequence === batch.baseSequence && seen.lastSequence === lastSequence)
          return { kind: 'duplicate', original: seen }
      }
    }
    const verdict = this.checkTransaction(batch, entry, guard)
    return verdict === accept && !this.inOrder(batch, entry) ? outOfOrder : verdict
  }

  /** The same for a batch that a coordinator writes for a producer: it has no sequence, and none is its duplicate. */
  checkOwn(batch: ProducerBatch): ProducerVerdict {
    return this.checkTransaction(batch, this.entries.get(batch.producerId), withoutVerification)
  }

  private checkTransaction(
    batch: ProducerBatch,
    entry: ProducerEntry | undefined,
    guard: VerificationGuard | undefined,
  ): ProducerVerdict {
    if (entry !== undefined && batch.producerEpoch < entry.producerEpoch) return staleEpoch
    if (!batch.transactional) return isOpen(entry) ? outsideTransaction : accept
    const ongoing = isOpen(entry) && entry?.producerEpoch === batch.producerEpoch
    return ongoing || this.verifications.admits(batch.producerId, guard) ? accept : notVerified
  }

  private inOrder(batch: ProducerBatch, entry: ProducerEntry | undefined): boolean {
    const { baseSequence } = batch
    const known = entry !== undefined && entry.batches.length > 0
    if (batch.transactional && !this.verifications.inOrder(batch.producerId, baseSequence, known)) return false
    // An unknown producer may begin anywhere: its records may have been deleted and its state with them (KIP-360).
    if (entry === undefined) return true
    if (batch.producerEpoch !== entry.producerEpoch) return baseSequence === 0
    const previous = lastSequenceIn(entry)
    return baseSequence === (previous === maxSequence ? 0 : previous + 1)
  }

  /**
   * Judges a marker; changes nothing. Where each transaction has an epoch of its own (version 2), a marker's is above that
   * of the batches that it ends, and one of the same epoch is a repetition only if no transaction is open.
   */
  checkMarker({ producerId, producerEpoch, coordinatorEpoch, transactionVersion }: TransactionMarker): MarkerVerdict {
    const entry = this.entries.get(producerId)
    if (entry === undefined) return 'accept'
    if (producerEpoch < entry.producerEpoch) return 'stale-epoch'
    if (transactionVersion >= 2 && producerEpoch === entry.producerEpoch && isOpen(entry)) return 'stale-epoch'
    return coordinatorEpoch < entry.coordinatorEpoch ? 'stale-coordinator' : 'accept'
  }

  /** Whether `guard` opens a transaction of the producer now. */
  admits(producerId: ProducerId, guard: VerificationGuard): boolean {
    return this.verifications.admits(producerId, guard)
  }

  /**
   * Before the coordinator is asked whether the producer's transaction has this partition: what its answer is for.
   * Undefined when it need not be asked: the transaction is open here, or the batch will be refused for its epoch.
   */
  beginVerification(
    producerId: ProducerId,
    producerEpoch: number,
    baseSequence: number,
    supportsEpochBump: boolean,
  ): VerificationGuard | undefined {
    const entry = this.entries.get(producerId)
    if (entry !== undefined && producerEpoch < entry.producerEpoch) return undefined
    if (isOpen(entry) && producerEpoch === entry?.producerEpoch) return undefined
    return this.verifications.begin(producerId, producerEpoch, baseSequence, supportsEpochBump)
  }

  /** The epoch that a producer is known by, -1 if it is not. */
  epochOf(producerId: ProducerId): number {
    return this.entries.get(producerId)?.producerEpoch ?? -1
  }

  /** Of the coordinator that last ended a transaction of the producer here, -1 if none did. */
  coordinatorEpochOf(producerId: ProducerId): number {
    return this.entries.get(producerId)?.coordinatorEpoch ?? -1
  }

  /** First offset of the transaction that the producer has open under this epoch, -1 if none. */
  openTransactionOf(producerId: ProducerId, producerEpoch: number): number {
    const entry = this.entries.get(producerId)
    return entry !== undefined && entry.producerEpoch === producerEpoch ? entry.transactionStart : -1
  }

  /** Producers with an open transaction, in the order in which these began. */
  *withTransaction(): Generator<ProducerEntry> {
    for (const producerId of this.transactions.producers()) {
      const entry = this.entries.get(producerId)
      if (entry !== undefined) yield entry
    }
  }

  /** Whether `apply` would only add this batch to what is known of its producer, which `takeBack` undoes. */
  onlyAdds({ producerId, producerEpoch, transactional }: ProducerBatch): boolean {
    const entry = this.entries.get(producerId)
    return entry !== undefined && entry.producerEpoch === producerEpoch && (!transactional || isOpen(entry))
  }

  /**
   * Records an appended batch; the same code at append and at replay. Returns the oldest batch that was known of its
   * producer, where it is no longer.
   */
  apply(batch: ProducerBatch, baseOffset: number, nowMs: number): AppendedBatch | undefined {
    const { producerId, producerEpoch, baseSequence, recordCount } = batch
    const entry = this.entryAt(producerId, producerEpoch, nowMs)
    entry.batches.push({
      baseSequence,
      lastSequence: lastSequenceOf(baseSequence, recordCount),
      baseOffset,
      lastOffset: baseOffset + recordCount - 1,
      timestampMs: nowMs,
    })
    const oldest = entry.batches.length > retainedBatches ? entry.batches.shift() : undefined
    if (batch.transactional) this.transactionGoesOn(producerId, entry, baseOffset)
    return oldest
  }

  /**
   * The newest batch of the producer, which it `onlyAdds`, was not written; `oldest` is what its `apply` returned. That the
   * producer was heard from stays.
   */
  takeBack(producerId: ProducerId, oldest: AppendedBatch | undefined): void {
    const entry = this.entries.get(producerId)
    assert(entry !== undefined && entry.batches.length > 0, 'a batch that is taken back is known', { producerId })
    this.changing(producerId, entry)
    entry.batches.pop()
    if (oldest !== undefined) entry.batches.unshift(oldest)
  }

  private transactionGoesOn(producerId: ProducerId, entry: ProducerEntry, baseOffset: number): void {
    this.verifications.forget(producerId)
    if (isOpen(entry)) return
    entry.transactionStart = baseOffset
    this.transactions.begin(producerId, baseOffset)
  }

  /** Records a marker likewise. Returns the transaction that it ended, if one was open. */
  applyMarker(
    { producerId, producerEpoch, coordinatorEpoch }: Omit<TransactionMarker, 'committed' | 'transactionVersion'>,
    offset: number,
    nowMs: number,
  ): EndedTransaction | undefined {
    this.verifications.forget(producerId)
    const entry = this.entryAt(producerId, producerEpoch, nowMs)
    entry.coordinatorEpoch = coordinatorEpoch
    if (!isOpen(entry)) return undefined
    const firstOffset = entry.transactionStart
    entry.transactionStart = -1
    return { firstOffset, lastStableOffset: this.transactions.end(producerId, offset) }
  }

  /** What is known of a producer, under this epoch from now on. */
  private entryAt(producerId: ProducerId, producerEpoch: number, nowMs: number): ProducerEntry {
    const entry = this.entries.get(producerId)
    if (this.watchers.size > 0) this.changing(producerId, entry)
    if (entry === undefined) {
      const made = { producerEpoch, coordinatorEpoch: -1, batches: [], lastTimestampMs: nowMs, transactionStart: -1 }
      this.entries.set(producerId, made)
      return made
    }
    if (entry.producerEpoch !== producerEpoch) {
      entry.producerEpoch = producerEpoch
      entry.batches = []
    }
    entry.lastTimestampMs = Math.max(entry.lastTimestampMs, nowMs)
    return entry
  }

  /** What a snapshot says of one producer; who reads it begins its open transaction, as these have an order. */
  restore(producerId: ProducerId, entry: ProducerEntry): void {
    this.entries.set(producerId, entry)
  }

  /**
   * Forgets who was silent for so long, but nobody with an open transaction: its end would not be understood. In steps, each
   * of which tells how many it has looked at; between them anything may change.
   */
  *expire(nowMs: number, expirationMs: number): Generator<number> {
    for (const [producerId, entry] of this.entries) {
      if (!isOpen(entry) && nowMs - entry.lastTimestampMs >= expirationMs) {
        this.changing(producerId, entry)
        this.entries.delete(producerId)
      }
      yield 1
    }
    this.verifications.sweep()
    yield 1
  }

  /** Until `unwatch`. */
  watch(watcher: ProducerWatcher): void {
    this.watchers.add(watcher)
  }

  unwatch(watcher: ProducerWatcher): void {
    this.watchers.delete(watcher)
  }

  private changing(producerId: ProducerId, entry: ProducerEntry | undefined): void {
    for (const watcher of this.watchers) watcher.changing(producerId, entry)
  }

  [Symbol.iterator](): IterableIterator<[ProducerId, ProducerEntry]> {
    return this.entries[Symbol.iterator]()
  }
}

export interface EndedTransaction {
  readonly firstOffset: number
  /** Of the partition, once the marker is committed. */
  readonly lastStableOffset: number
}

const isOpen = (entry: ProducerEntry | undefined): boolean => entry !== undefined && entry.transactionStart >= 0
