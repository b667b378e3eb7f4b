/**
 * Which batch of a segment lies where, for most batches: the entries of a `.index` file, and behind them what was seen
 * on the way. An entry names the last offset of a batch and where it begins. Entries of a file are claims that
 * whoever follows one has to check.
 */
export class SegmentIndex {
  /** Every batch below is considered: a walk that begins at `start` of the last entry and gets here adds to the index. */
  seenTo = 0
  private readonly baseOffset: number
  private offsets: Float64Array
  private positions: Float64Array
  private count: number

  /** `file` is what a `.index` file holds: last offset relative to the base offset, position; both big-endian int32. */
  constructor(baseOffset: number, file: Uint8Array | undefined, segmentBytes: number) {
    const view = new DataView(file?.buffer ?? new ArrayBuffer(0), file?.byteOffset ?? 0, file?.byteLength ?? 0)
    const entries = view.byteLength >>> 3
    this.baseOffset = baseOffset
    this.offsets = new Float64Array(entries + 16)
    this.positions = new Float64Array(entries + 16)
    this.count = 0
    for (let entry = 0; entry < entries; entry++) {
      const offset = view.getInt32(entry * 8)
      const position = view.getInt32(entry * 8 + 4)
      const last = this.count - 1
      // Files that are being written end in zeros.
      const grows =
        last < 0 ? offset >= 0 && position > 0 : offset > this.offset(last) && position > this.position(last)
      if (!grows || position >= segmentBytes) break
      this.push(offset, position)
    }
    this.seenTo = this.count === 0 ? 0 : this.position(this.count - 1)
  }

  /** The last entry whose batch ends at or below `offset`: its number, or -1. */
  floor(offset: number): number {
    const { offsets } = this
    const wanted = offset - this.baseOffset
    let low = 0
    let high = this.count
    while (low < high) {
      const middle = (low + high) >>> 1
      if (offsets[middle]! <= wanted) low = middle + 1
      else high = middle
    }
    return low - 1
  }

  positionOf(entry: number): number {
    return entry < 0 ? 0 : this.position(entry)
  }

  /** About where `offset` is in the batch of an entry, which it is in unless others begin between the two entries. */
  guess(entry: number, offset: number): number {
    const { offsets, positions } = this
    const before = entry === 0 ? -1 : offsets[entry - 1]!
    const position = positions[entry]!
    const bytes = entry + 1 < this.count ? positions[entry + 1]! - position : intervalBytes
    return position + (bytes * (offset - this.baseOffset - before)) / (offsets[entry]! - before)
  }

  /** Absolute. */
  lastOffsetOf(entry: number): number {
    return this.baseOffset + this.offset(entry)
  }

  get last(): number {
    return this.count - 1
  }

  /** A batch was seen from `position` to `end`. */
  note(position: number, end: number, lastOffset: number): void {
    if (position !== this.seenTo) return
    this.seenTo = end
    const last = this.count === 0 ? 0 : this.position(this.count - 1)
    if (position - last >= intervalBytes) this.push(lastOffset - this.baseOffset, position)
  }

  /** An entry was wrong: none is believed any more. */
  forget(): void {
    this.count = 0
    this.seenTo = 0
  }

  private offset(entry: number): number {
    return this.offsets[entry]!
  }

  private position(entry: number): number {
    return this.positions[entry]!
  }

  private push(offset: number, position: number): void {
    if (this.count === this.offsets.length) {
      this.offsets = grown(this.offsets)
      this.positions = grown(this.positions)
    }
    this.offsets[this.count] = offset
    this.positions[this.count] = position
    this.count++
  }
}

/** Less than most batches: their entries then lead to them without a look at those before. */
const intervalBytes = 1024

function grown(numbers: Float64Array): Float64Array {
  const larger = new Float64Array(numbers.length * 2)
  larger.set(numbers)
  return larger
}
