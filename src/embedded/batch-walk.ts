import type { MillraceError } from '../base/error.ts'
import { attributesAt, BatchAttributes, batchHeaderBytes, type Codec, recordCountAt } from '../records/batch-header.ts'
import { closedError, type ReadableLog } from './read-log.ts'
import { int64At, lastOffsetAt, type ReadSegment } from './read-segment.ts'
import { unfold } from './read-unfold.ts'
import type { RecordMarks } from './record-marks.ts'
import { noBytes, RecordWalk } from './record-walk.ts'

/** So many records are walked over in less time than a mark is found in. */
const markedFrom = 4

/** The compressed batch that was entered last: whoever reads here and there in it unfolds it once. */
interface UnfoldedBatch {
  readonly segment: ReadSegment
  readonly position: number
  /** What `lost` was before it was unfolded: since it moved, that may have been from zeros. */
  readonly seenLost: number
  readonly memory: Uint8Array
}

/** Goes from batch to batch of a log, over the open one and from segment to segment. */
export abstract class BatchWalk extends RecordWalk {
  protected readonly log: ReadableLog
  protected segment: ReadSegment | undefined
  /** Records below are passed over. */
  protected wanted: number
  protected seenLost: number
  /** In the segment. */
  private batchAt = 0
  private batchEnd = 0
  private inOpenBatch = false
  /** Behind the last batch that was entered. */
  private endOfBatches = 0
  private unfolded: UnfoldedBatch | undefined

  constructor(log: ReadableLog, wanted: number) {
    super()
    this.log = log
    this.wanted = wanted
    this.seenLost = log.lost[0]!
  }

  /** Throws where what was read of the current record may have been lost meanwhile. */
  recheck(): void {
    const { segment, memory: bytes, log } = this
    if (log.lost[0] === this.seenLost) return
    this.seenLost = log.lost[0]!
    if (segment === undefined || segment.retired) return
    const readable = this.readableEnd(segment)
    const unfolded = bytes.buffer !== segment.bytes.buffer
    segment.recheck(unfolded ? this.batchAt : this.recordAt, unfolded ? this.batchEnd : this.nextAt, readable)
  }

  /** Before batches of a segment are entered: what was lost there was perhaps lost under somebody else. */
  private use(segment: ReadSegment): void {
    this.segment = segment
    if (segment.seenLost !== this.log.lost[0]) segment.recheck(0, 0, this.readableEnd(segment))
  }

  private readableEnd(segment: ReadSegment): number {
    return segment.end + (segment.baseOffset === this.log.activeBase ? this.log.openBytes : 0)
  }

  /** The batch is at its end: to the next one that has records, if there is one. */
  protected advance(): boolean {
    const { log } = this
    if (log.closed) throw closedError(log.directory)
    if (this.nextAt !== this.limit) throw this.problem()
    for (let looked = false; ; ) {
      const { segment } = this
      if (segment === undefined || segment.retired) {
        log.refresh()
        looked = true
        if (this.wanted < log.knownStart) throw log.outOfRange(this.wanted)
        if (this.wanted >= log.knownEnd) return false
        this.place()
      } else if (this.inOpenBatch) {
        if (!this.moreOfOpenBatch(segment)) {
          if (looked) return false
          log.refresh()
          looked = true
        }
      } else if (!this.nextBatch(segment)) {
        if (looked) {
          if (log.damage !== undefined && log.baseBehind(segment) === undefined) throw log.damage
          return false
        }
        log.refresh()
        looked = true
      }
      if (this.left > 0) return true
    }
  }

  /** Whether there is more to look at: the batch behind this one, or the next segment, was entered, or this one is gone. */
  private nextBatch(segment: ReadSegment): boolean {
    const { log } = this
    const end = segment.batchEnd(this.batchEnd, true)
    if (end > this.batchEnd) {
      segment.index.note(this.batchEnd, end, lastOffsetAt(segment.view, this.batchEnd))
      this.enter(segment, this.batchEnd, end)
      return true
    }
    if (segment.baseOffset === log.activeBase) {
      if (this.batchEnd < segment.end) throw segment.damage(this.batchEnd)
      if (log.openBytes === 0 || this.batchEnd !== log.sealedEnd) return false
      this.enterOpen(segment)
      return true
    }
    const base = log.baseBehind(segment)
    const next = base === undefined ? undefined : log.segmentOf(base)
    if (next === undefined || next === segment) return false
    // That one has gone since it was listed, and this one with it: on by the offset that is wanted.
    if (next.baseOffset !== base) return true
    // Segments meet, also compacted ones: zeros before the end of the file are bytes that were lost.
    if (next.baseOffset > this.endOfBatches && this.batchEnd < segment.end) throw segment.damage(this.batchEnd)
    this.use(next)
    this.batchEnd = 0
    return true
  }

  /** Enters a batch of the segment, which was checked. */
  private enter(segment: ReadSegment, position: number, end: number): void {
    const { view } = segment
    const attributes = attributesAt(view, position)
    this.batchAt = position
    this.batchEnd = end
    this.inOpenBatch = false
    this.baseOffset = int64At(view, position)
    this.endOfBatches = lastOffsetAt(view, position) + 1
    this.appendTime = (attributes & BatchAttributes.logAppendTime) !== 0
    this.baseTimestamp = int64At(view, position + 27)
    this.timestamp = int64At(view, position + 35)
    this.left = (attributes & BatchAttributes.control) === 0 ? recordCountAt(view, position) : 0
    const codec = (attributes & BatchAttributes.codecMask) as Codec
    if (codec === 0 || this.left === 0) {
      this.memory = segment.bytes
      this.nextAt = position + batchHeaderBytes
      this.limit = end
    } else {
      this.memory = this.unfold(codec, segment, position, end)
      this.nextAt = 0
      this.limit = this.memory.length
    }
    if (this.left === 0) this.nextAt = this.limit
    this.skip()
  }

  private unfold(codec: Codec, segment: ReadSegment, position: number, end: number): Uint8Array {
    const seenLost = this.log.lost[0]!
    const known = this.unfolded
    if (known?.segment === segment && known.position === position && known.seenLost === seenLost) return known.memory
    const memory = unfold(codec, segment.bytes.subarray(position + batchHeaderBytes, end))
    this.unfolded = { segment, position, seenLost, memory }
    return memory
  }

  private enterOpen(segment: ReadSegment): void {
    const { log } = this
    this.inOpenBatch = true
    this.batchAt = log.sealedEnd
    this.batchEnd = log.sealedEnd
    this.baseOffset = log.openBase
    this.appendTime = false
    this.baseTimestamp = log.openTimestampMs
    this.memory = segment.bytes
    this.nextAt = log.sealedEnd + batchHeaderBytes
    this.limit = log.sealedEnd + log.openBytes
    this.left = log.openRecords
    this.skip()
  }

  /** The records of the open batch that were known are read: to those that came since. False where none did. */
  private moreOfOpenBatch(segment: ReadSegment): boolean {
    const { log } = this
    if (log.openBytes > 0 && log.openBase === this.baseOffset && log.activeBase === segment.baseOffset) {
      const limit = log.sealedEnd + log.openBytes
      if (limit === this.limit) return false
      this.left = log.openBase + log.openRecords - Math.max(this.wanted, this.baseOffset)
      this.limit = limit
      return true
    }
    // It was sealed: its header is in the segment now, and more records may have come before that.
    this.inOpenBatch = false
    this.batchEnd = this.batchAt
    this.left = 0
    this.nextAt = 0
    this.limit = 0
    return true
  }

  /** Stands before the first record at or above `wanted`, which is within the log. */
  protected place(): void {
    const { log, wanted } = this
    const segment = log.segmentOf(wanted)
    this.leave()
    this.memory = noBytes
    if (segment === undefined) return
    if (segment.baseOffset > wanted) {
      // What held it has gone since the start was looked at.
      log.refresh()
      throw log.outOfRange(wanted)
    }
    this.use(segment)
    this.endOfBatches = wanted
    if (segment.baseOffset === log.activeBase && log.openBytes > 0 && wanted >= log.openBase) this.enterOpen(segment)
    else {
      const position = segment.find(wanted)
      this.batchEnd = position
      const end = segment.batchEnd(position, false)
      if (end === position) return
      this.enter(segment, position, end)
    }
  }

  /** What was mapped for this cursor is so no more: it goes on by its offset. */
  protected leave(): void {
    this.segment = undefined
    this.left = 0
    this.nextAt = 0
    this.limit = 0
    this.inOpenBatch = false
  }

  /** Passes over records below `wanted`, of a batch whose offsets have no gaps, by marks and by their lengths. */
  private skip(): void {
    const record = Math.min(this.wanted - this.baseOffset, this.left)
    if (record <= 0) return
    if (!this.inOpenBatch && this.endOfBatches - this.baseOffset !== this.left) return
    const marks = record < markedFrom ? undefined : this.marks()
    const { batchAt } = this
    let passed = marks === undefined ? 0 : this.jump(marks, record)
    let at = this.nextAt
    while (passed < record) {
      at = this.behind(at)
      passed++
      marks?.note(batchAt, at, passed)
    }
    this.nextAt = at
    this.left -= record
  }

  /** Those of the segment, where its batches are read as they lie there. */
  private marks(): RecordMarks | undefined {
    const { segment } = this
    if (segment === undefined || this.inOpenBatch || this.memory !== segment.bytes) return undefined
    return segment.marksToUse()
  }

  /** To the last marked record that is not behind `record`; returns which it is. */
  private jump(marks: RecordMarks, record: number): number {
    const { batchAt, batchEnd, nextAt, left } = this
    marks.find(batchAt, batchEnd, nextAt + ((this.limit - nextAt) * record) / left, record)
    const marked = marks.record
    if (marked === 0) return 0
    this.nextAt = marks.position
    const confirmed = this.take() && this.offset === this.baseOffset + marked
    this.left = left
    this.nextAt = confirmed ? this.recordAt : nextAt
    if (confirmed) return marked
    marks.forget()
    return 0
  }

  /** What is wrong with bytes that are no record. */
  protected problem(): MillraceError {
    const { log, segment } = this
    if (log.closed) return closedError(log.directory)
    if (segment === undefined || segment.retired) return log.outOfRange(this.offset)
    return segment.damage(this.batchAt)
  }
}
