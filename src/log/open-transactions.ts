import { assert } from '../base/assert.ts'
import type { ProducerId } from '../base/ids.ts'

/** A transaction whose marker is written, but perhaps not committed yet. */
interface Ended {
  readonly firstOffset: number
  /** Of the marker. */
  readonly lastOffset: number
}

/** The transactions that hold back a partition's last stable offset: open ones, and ended ones that may yet be lost. */
export class OpenTransactions {
  /** First offsets, in their order: transactions open in the order of the log. */
  private readonly open = new Map<ProducerId, number>()
  /**
   * In the order of their markers, of which each is committed before the next: whoever began later than one that ends
   * after it holds nothing back and is left out, so first offsets ascend, too.
   */
  private ended: Ended[] = []

  get size(): number {
    return this.open.size
  }

  /** Whose transactions are open, in the order in which these began. */
  producers(): IterableIterator<ProducerId> {
    return this.open.keys()
  }

  /** First offset of the producer's open transaction. */
  firstOffsetOf(producerId: ProducerId): number | undefined {
    return this.open.get(producerId)
  }

  begin(producerId: ProducerId, firstOffset: number): void {
    assert(!this.open.has(producerId), 'a producer has one transaction open', { producerId, firstOffset })
    this.open.set(producerId, firstOffset)
  }

  /** Returns what the last stable offset is once the marker at `lastOffset` is committed. */
  end(producerId: ProducerId, lastOffset: number): number {
    const firstOffset = this.open.get(producerId)
    assert(firstOffset !== undefined, 'only a transaction that is open ends', { producerId, lastOffset })
    this.open.delete(producerId)
    const { ended } = this
    while (ended.length > 0 && ended[ended.length - 1]!.firstOffset >= firstOffset) ended.pop()
    ended.push({ firstOffset, lastOffset })
    return this.firstOpen() ?? lastOffset + 1
  }

  /** The first offset that is not stable yet where everything below `highWatermark` is committed. */
  firstUnstable(highWatermark: number): number | undefined {
    if (this.open.size === 0 && this.ended.length === 0) return undefined
    this.committed(highWatermark)
    const firstOpen = this.firstOpen()
    const firstEnded = this.ended[0]?.firstOffset
    if (firstOpen === undefined || firstEnded === undefined) return firstOpen ?? firstEnded
    return Math.min(firstOpen, firstEnded)
  }

  /** Markers below `highWatermark` are not lost any more. */
  committed(highWatermark: number): void {
    const { ended } = this
    let done = 0
    while (done < ended.length && ended[done]!.lastOffset < highWatermark) done++
    if (done > 0) ended.splice(0, done)
  }

  private firstOpen(): number | undefined {
    for (const firstOffset of this.open.values()) return firstOffset
    return undefined
  }
}
