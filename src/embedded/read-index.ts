/**
 * Which batch of a segment lies where, for most batches: the entries of a `.index` file, and behind them what was seen
 * on the way. An entry names the last offset of a batch and where it begins. Entries of a file are claims that
 * whoever follows one has to check.
 */
export class SegmentIndex {
  /** Every batch below is considered: a walk that begins at `start` of the last entry and gets here adds to the index. */
  seenTo = 0
  private readonly baseOffset: number
  /** Relative to the base offset. */
  private offsets: Uint32Array
  private positions: Uint32Array
  private count: number

  /** `file` is what a `.index` file holds: last offset relative to the base offset, position; both big-endian int32. */
  constructor(baseOffset: number, file: Uint8Array | undefined, segmentBytes: number) {
    const view = new DataView(file?.buffer ?? new ArrayBuffer(0), file?.byteOffset ?? 0, file?.byteLength ?? 0)
    const entries = view.byteLength >>> 3
    this.baseOffset = baseOffset
    this.offsets = new Uint32Array(entries + 16)
    this.positions = new Uint32Array(entries + 16)
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

  /** The last entry whose batch ends below `offset`: its number, or -1. */
  floor(offset: number): number {
    const { offsets, count } = this
    const wanted = offset - this.baseOffset
    if (count === 0 || wanted <= offsets[0]!) return -1
    const first = offsets[0]!
    const span = offsets[count - 1]! - first
    if (wanted > first + span) return count - 1
    // Batches are mostly of a size: from where it ought to be, in steps that double, and then by halves.
    let low = Math.floor(((wanted - first) * (count - 1)) / span)
    let high = low
    if (offsets[low]! < wanted) {
      for (let step = 1; ; step *= 2) {
        high = Math.min(low + step, count - 1)
        if (offsets[high]! >= wanted) break
        low = high
      }
    } else {
      for (let step = 1; ; step *= 2) {
        low = Math.max(high - step, 0)
        if (offsets[low]! < wanted) break
        high = low
      }
    }
    while (high - low > 1) {
      const middle = (low + high) >>> 1
      if (offsets[middle]! < wanted) low = middle
      else high = middle
    }
    return low
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
    const offset = lastOffset - this.baseOffset
    if (position - last >= intervalBytes && offset <= offsetMax) this.push(offset, position)
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
const offsetMax = 2 ** 32 - 1

function grown(numbers: Uint32Array): Uint32Array {
  const larger = new Uint32Array(numbers.length * 2)
  larger.set(numbers)
  return larger
}
