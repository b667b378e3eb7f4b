import { type IndexContent, type OffsetEntry, offsetEntryAt, type TimeEntry, timeEntryAt } from './index-entries.ts'

/** Batches without an entry that an index may have between two: a right one has index.interval.bytes, of its time. */
const tolerableGapBytes = 1 << 20

/** Hears what is wrong with an index; `position` is within the index file. */
type Wrong = (position: number | undefined, message: string) => void

/** Holds an offset index against the batches of its segment, which come in their order. */
export class OffsetIndexCheck {
  private readonly content: IndexContent
  private readonly baseOffset: number
  private readonly wrong: Wrong
  private readonly entry: OffsetEntry = { offset: -1, position: -1 }
  private next = 0
  private indexedPosition = 0
  /** It was told, or is none to tell. */
  private incomplete: boolean

  /** `complete`: the segment was rolled or closed, so no entry is due that the file lacks. */
  constructor(content: IndexContent, baseOffset: number, complete: boolean, wrong: Wrong) {
    this.content = content
    this.baseOffset = baseOffset
    this.incomplete = !complete
    this.wrong = wrong
    this.load()
  }

  batch(position: number, lastOffset: number): void {
    while (this.entry.position < position) this.skip('where no batch begins')
    if (this.entry.position === position) {
      if (this.entry.offset === lastOffset) this.indexedPosition = position
      else this.tell(`says that the batch at ${position} ends with offset ${this.entry.offset}; it is ${lastOffset}`)
      this.advance()
    }
    if (position - this.indexedPosition > tolerableGapBytes && !this.incomplete) {
      this.incomplete = true
      this.wrong(undefined, `it has no entry for ${position - this.indexedPosition} bytes of batches up to ${position}`)
    }
  }

  /** Nothing can be said of the damaged bytes [from, to). */
  jump(from: number, to: number): void {
    while (this.entry.position < from) this.skip('where no batch begins')
    while (this.entry.position < to) this.advance()
    this.indexedPosition = to
  }

  /** Behind the last batch, which ends at `endPosition`. */
  finish(endPosition: number): void {
    while (this.next < this.content.count) this.skip(`and the batches end at ${endPosition}`)
  }

  private skip(why: string): void {
    this.tell(`points to ${this.entry.position}, ${why}`)
    this.advance()
  }

  private tell(message: string): void {
    this.wrong(this.next * 8, `entry ${this.next} ${message}`)
  }

  private advance(): void {
    this.next++
    this.load()
  }

  private load(): void {
    if (this.next < this.content.count) offsetEntryAt(this.content, this.next, this.baseOffset, this.entry)
    else this.entry.position = Number.POSITIVE_INFINITY
  }
}

/** Holds a time index against the batches of its segment, which come in their order. */
export class TimeIndexCheck {
  private readonly content: IndexContent
  private readonly baseOffset: number
  private readonly wrong: Wrong
  private readonly entry: TimeEntry = { timestamp: -1, offset: -1 }
  private next = 0
  private indexedTimestamp = -1
  private maxTimestamp = -1

  constructor(content: IndexContent, baseOffset: number, wrong: Wrong) {
    this.content = content
    this.baseOffset = baseOffset
    this.wrong = wrong
    this.load()
  }

  batch(baseOffset: number, lastOffset: number, maxTimestamp: number): void {
    while (this.entry.offset < baseOffset) this.skip('which no batch here holds')
    while (this.entry.offset <= lastOffset) {
      const { timestamp } = this.entry
      if (timestamp !== maxTimestamp) this.tell(`says ${timestamp}, and the batch's largest is ${maxTimestamp}`)
      else if (timestamp < this.maxTimestamp) this.tell(`says ${timestamp}, but ${this.maxTimestamp} came before`)
      else if (timestamp <= this.indexedTimestamp) this.tell(`does not grow beyond ${this.indexedTimestamp}`)
      else this.indexedTimestamp = timestamp
      this.advance()
    }
    this.maxTimestamp = Math.max(this.maxTimestamp, maxTimestamp)
  }

  /** Nothing can be said of the offsets [from, to), which lie in damaged bytes. */
  jump(from: number, to: number): void {
    while (this.entry.offset < from) this.skip('which no batch here holds')
    while (this.entry.offset < to && this.next < this.content.count) {
      this.maxTimestamp = Math.max(this.maxTimestamp, this.entry.timestamp)
      this.indexedTimestamp = Math.max(this.indexedTimestamp, this.entry.timestamp)
      this.advance()
    }
  }

  /** Behind the last batch. `complete`: the segment was rolled or closed, so its largest timestamp is in the index. */
  finish(complete: boolean): void {
    while (this.next < this.content.count) this.skip('which lies behind the last batch')
    if (complete && this.maxTimestamp > this.indexedTimestamp)
      this.wrong(
        undefined,
        `it ends with timestamp ${this.indexedTimestamp}, and the segment's largest is ${this.maxTimestamp}`,
      )
  }

  private skip(why: string): void {
    this.tell(`is about offset ${this.entry.offset}, ${why}`)
    this.advance()
  }

  private tell(message: string): void {
    this.wrong(this.next * 12, `entry ${this.next} ${message}`)
  }

  private advance(): void {
    this.next++
    this.load()
  }

  private load(): void {
    if (this.next < this.content.count) timeEntryAt(this.content, this.next, this.baseOffset, this.entry)
    else this.entry.offset = Number.POSITIVE_INFINITY
  }
}
