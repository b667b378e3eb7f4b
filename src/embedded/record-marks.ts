/** A mark for so many bytes: the walk from it to a record is at most that long, and one record more. */
const blockShift = 9
const blockMask = (1 << blockShift) - 1
const deltaMax = 2 ** (32 - blockShift) - 1

/** What the marks of one log take at most, and after how many reads without any another segment gets those of one. */
const budgetBytes = 32 << 20
const patience = 4096

/**
 * Where in the batches of a segment some of the records begin, so that a record in the middle is found without a walk
 * over those before it. A slot stands for one block of a batch, counted from the batch's begin, and has the first record
 * that was seen to begin there; the block that a batch begins in has none. Slots of two batches are never the same.
 *
 * Marks are claims: what they were taken from may have been lost pages, or written over by the app.
 */
export class RecordMarks {
  /** Of the mark that `find` came to: its record in the batch, and where that begins. Record 0: there is none. */
  record = 0
  position = 0
  readonly bytes: number
  private readonly slots: Uint32Array

  constructor(segmentBytes: number) {
    this.slots = new Uint32Array((segmentBytes >>> blockShift) + 1)
    this.bytes = this.slots.byteLength
  }

  /** The last mark of the batch at or before a record that is expected at about `near`. */
  find(batchAt: number, batchEnd: number, near: number, record: number): void {
    const { slots } = this
    const first = batchAt >>> blockShift
    const last = Math.min(first + ((batchEnd - batchAt - 1) >>> blockShift), slots.length - 1)
    let slot = Math.min(first + (Math.max(near - batchAt, 0) >>> blockShift), last)
    this.record = 0
    for (; slot > first; slot--) {
      const mark = slots[slot]!
      if (mark === 0 || mark >>> blockShift > record) continue
      this.set(batchAt, slot, mark)
      break
    }
    // Those before it may be smaller than the others.
    for (slot++; slot <= last; slot++) {
      const mark = slots[slot]!
      if (mark >>> blockShift <= this.record || mark >>> blockShift > record) return
      this.set(batchAt, slot, mark)
    }
  }

  /** A record of the batch was seen to begin at `position`. */
  note(batchAt: number, position: number, record: number): void {
    const at = position - batchAt
    const slot = (batchAt >>> blockShift) + (at >>> blockShift)
    if (at > blockMask && record <= deltaMax && this.slots[slot] === 0)
      this.slots[slot] = (record << blockShift) | (at & blockMask)
  }

  forget(): void {
    this.slots.fill(0)
  }

  private set(batchAt: number, slot: number, mark: number): void {
    this.record = mark >>> blockShift
    this.position = batchAt + ((slot - (batchAt >>> blockShift)) << blockShift) + (mark & blockMask)
  }
}

export interface MarksHolder {
  marks: RecordMarks | undefined
}

/** Gives the segments of one log their marks, within bounds. */
export class MarksBudget {
  private readonly holders = new Set<MarksHolder>()
  private left = budgetBytes
  private refused = 0

  /** Undefined where the segments that were read before have taken all. */
  marksFor(holder: MarksHolder, segmentBytes: number): RecordMarks | undefined {
    if (holder.marks !== undefined) return holder.marks
    if (segmentBytes >>> (blockShift - 2) > this.left) {
      if (++this.refused < patience) return undefined
      this.refused = 0
      for (const oldest of this.holders) {
        this.giveBack(oldest)
        break
      }
      return undefined
    }
    holder.marks = new RecordMarks(segmentBytes)
    this.left -= holder.marks.bytes
    this.holders.add(holder)
    return holder.marks
  }

  giveBack(holder: MarksHolder): void {
    if (!this.holders.delete(holder)) return
    this.left += holder.marks!.bytes
    holder.marks = undefined
  }
}
