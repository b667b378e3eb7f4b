import { attributesAt, BatchAttributes, producerIdAt } from '../../records/batch-header.ts'

/** A transaction that was aborted, as Fetch tells of it: the first of its offsets in the partition. */
export interface AbortedTransaction {
  readonly producerId?: bigint | undefined
  readonly firstOffset?: number | undefined
}

/**
 * Which batches a reader does not see: control batches, and those of the aborted transactions that a fetch names. Asked
 * about the batches of that fetch in order.
 */
export class AbortedRecords {
  private readonly coming: { readonly producerId: bigint; readonly firstOffset: number }[]
  private readonly aborting = new Set<bigint>()

  constructor(aborted: readonly AbortedTransaction[]) {
    this.coming = aborted
      .map(({ producerId = 0n, firstOffset = 0 }) => ({ producerId, firstOffset }))
      .sort((a, b) => a.firstOffset - b.firstOffset)
  }

  hides(bytes: Uint8Array, at: number): boolean {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    const attributes = attributesAt(view, at)
    if ((attributes & BatchAttributes.control) !== 0) {
      // Whatever the marker says, it ends the transaction of its producer.
      if (this.aborting.size > 0) this.aborting.delete(producerIdAt(view, at))
      return true
    }
    if ((attributes & BatchAttributes.transactional) === 0) return false
    const lastOffset = Number(view.getBigInt64(at)) + view.getInt32(at + 23)
    while (this.coming.length > 0 && this.coming[0]!.firstOffset <= lastOffset)
      this.aborting.add(this.coming.shift()!.producerId)
    return this.aborting.has(producerIdAt(view, at))
  }
}
