import { readInt64 } from '../base/int64.ts'
import type { AbortedTransaction } from './transaction-marker.ts'

/**
 * `<base offset>.txnindex`, Kafka's format, big-endian: the transactions whose abort markers lie in the segment, in the
 * order of these. One entry:
 *
 *     0 version int16 (0) | 2 producer id int64 | 10 first offset int64 | 18 last offset, the marker's, int64
 *    26 last stable offset once the marker was there int64
 */
export const abortedEntryBytes = 34
const version = 0
const firstOffsetAt = 10
const lastOffsetAt = 18
const lastStableAt = 26

export const txnIndexName = (baseOffset: number): string => `${String(baseOffset).padStart(20, '0')}.txnindex`

/** The base offset in an index's name; undefined for other files. */
export function txnIndexOffset(name: string): number | undefined {
  const match = /^(\d{20})\.txnindex$/.exec(name)
  return match === null ? undefined : Number(match[1])
}

export function encodeAborted(transactions: readonly AbortedTransaction[]): Uint8Array {
  const bytes = new Uint8Array(transactions.length * abortedEntryBytes)
  const view = new DataView(bytes.buffer)
  for (const [index, { producerId, firstOffset, lastOffset, lastStableOffset }] of transactions.entries()) {
    const at = index * abortedEntryBytes
    view.setInt16(at, version)
    view.setBigInt64(at + 2, producerId)
    view.setBigInt64(at + firstOffsetAt, BigInt(firstOffset))
    view.setBigInt64(at + lastOffsetAt, BigInt(lastOffset))
    view.setBigInt64(at + lastStableAt, BigInt(lastStableOffset))
  }
  return bytes
}

/** The entries of one index, decoded only as far as they are asked for. */
export class TxnIndex {
  readonly count: number
  private readonly bytes: Uint8Array
  private readonly view: DataView

  constructor(bytes: Uint8Array) {
    this.bytes = bytes
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.count = Math.floor(bytes.length / abortedEntryBytes)
  }

  /**
   * Whether it can be what was written for the segment: whole entries, in order, none from before the segment. A fetch far
   * behind asks it of all that a segment has, which without bigints takes a tenth of the time.
   */
  isSound(baseOffset: number): boolean {
    if (this.bytes.length % abortedEntryBytes !== 0) return false
    let previous = baseOffset - 1
    const { view } = this
    for (let at = 0; at < this.bytes.length; at += abortedEntryBytes) {
      const firstOffset = readInt64(view, at + firstOffsetAt)
      const lastOffset = readInt64(view, at + lastOffsetAt)
      if (view.getInt16(at) !== version || lastOffset <= previous) return false
      if (firstOffset < 0 || firstOffset > lastOffset) return false
      if (readInt64(view, at + lastStableAt) > lastOffset + 1) return false
      previous = lastOffset
    }
    return true
  }

  at(index: number): AbortedTransaction {
    const { view } = this
    const at = index * abortedEntryBytes
    return {
      producerId: view.getBigInt64(at + 2),
      firstOffset: readInt64(view, at + firstOffsetAt),
      lastOffset: this.lastOffset(index),
      lastStableOffset: readInt64(view, at + lastStableAt),
    }
  }

  /** The first entry whose marker lies at or above `offset`, or their count. */
  firstFrom(offset: number): number {
    return firstFrom(offset, this.count, index => this.lastOffset(index))
  }

  /** The bytes of the first `count` entries. */
  prefix(count: number): Uint8Array {
    return this.bytes.subarray(0, count * abortedEntryBytes)
  }

  private lastOffset(index: number): number {
    return readInt64(this.view, index * abortedEntryBytes + lastOffsetAt)
  }
}

/** By halves: the first of `count` ascending offsets that is not below `offset`, or their count. */
export function firstFrom(offset: number, count: number, offsetOf: (index: number) => number): number {
  let low = 0
  for (let high = count; low < high; ) {
    const middle = (low + high) >>> 1
    if (offsetOf(middle) < offset) low = middle + 1
    else high = middle
  }
  return low
}
