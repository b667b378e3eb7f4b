import { assert } from '../base/assert.ts'
import type { ProducerId } from '../base/ids.ts'

/** A batch of an idempotent producer, as its header says. */
export interface ProducerBatch {
  producerId: ProducerId
  producerEpoch: number
  baseSequence: number
  recordCount: number
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
  coordinatorEpoch: number
  /** Oldest first, at most `retainedBatches`. Never empty. */
  batches: AppendedBatch[]
  /** Wall clock of the last append: state outlives the records, and ends by producer.id.expiration.ms. */
  lastTimestampMs: number
}

export type ProducerVerdict =
  | { readonly kind: 'accept' }
  | { readonly kind: 'duplicate'; readonly original: AppendedBatch }
  | { readonly kind: 'stale-epoch' }
  | { readonly kind: 'out-of-order' }

const accept: ProducerVerdict = { kind: 'accept' }
const staleEpoch: ProducerVerdict = { kind: 'stale-epoch' }
const outOfOrder: ProducerVerdict = { kind: 'out-of-order' }

/** How many batches of a producer are remembered: as many as it may have in flight (KIP-98, max.in.flight of 5). */
export const retainedBatches = 5
const maxSequence = 0x7fffffff

/** Sequences are 31 bits and wrap to 0. */
export function lastSequenceOf(baseSequence: number, recordCount: number): number {
  const last = baseSequence + recordCount - 1
  return last > maxSequence ? last - maxSequence - 1 : last
}

/** What one partition knows of the idempotent producers that write to it. */
export class ProducerStates {
  private readonly entries = new Map<ProducerId, ProducerEntry>()

  get size(): number {
    return this.entries.size
  }

  /** Judges a client's batch against what its producer wrote before; changes nothing. */
  check(batch: ProducerBatch): ProducerVerdict {
    const entry = this.entries.get(batch.producerId)
    // An unknown producer may begin anywhere: its records may have been deleted and its state with them (KIP-360).
    if (entry === undefined) return accept
    if (batch.producerEpoch < entry.producerEpoch) return staleEpoch
    if (batch.producerEpoch > entry.producerEpoch) return batch.baseSequence === 0 ? accept : outOfOrder
    const lastSequence = lastSequenceOf(batch.baseSequence, batch.recordCount)
    for (const seen of entry.batches) {
      if (seen.baseSequence === batch.baseSequence && seen.lastSequence === lastSequence)
        return { kind: 'duplicate', original: seen }
    }
    const previous = entry.batches[entry.batches.length - 1]!.lastSequence
    const expected = previous === maxSequence ? 0 : previous + 1
    return batch.baseSequence === expected ? accept : outOfOrder
  }

  /** Records an appended batch; the same code at append and at replay. */
  apply(batch: ProducerBatch, baseOffset: number, nowMs: number): void {
    const appended: AppendedBatch = {
      baseSequence: batch.baseSequence,
      lastSequence: lastSequenceOf(batch.baseSequence, batch.recordCount),
      baseOffset,
      lastOffset: baseOffset + batch.recordCount - 1,
      timestampMs: nowMs,
    }
    const entry = this.entries.get(batch.producerId)
    if (entry === undefined || entry.producerEpoch !== batch.producerEpoch) {
      this.entries.set(batch.producerId, {
        producerEpoch: batch.producerEpoch,
        coordinatorEpoch: entry?.coordinatorEpoch ?? -1,
        batches: [appended],
        lastTimestampMs: nowMs,
      })
      return
    }
    entry.batches.push(appended)
    if (entry.batches.length > retainedBatches) entry.batches.shift()
    entry.lastTimestampMs = Math.max(entry.lastTimestampMs, nowMs)
  }

  restore(producerId: ProducerId, entry: ProducerEntry): void {
    assert(entry.batches.length > 0, 'a producer is known by a batch', { producerId })
    this.entries.set(producerId, entry)
  }

  expire(nowMs: number, expirationMs: number): void {
    for (const [producerId, entry] of this.entries) {
      if (nowMs - entry.lastTimestampMs >= expirationMs) this.entries.delete(producerId)
    }
  }

  [Symbol.iterator](): IterableIterator<[ProducerId, ProducerEntry]> {
    return this.entries.entries()
  }
}
