import { MillraceError } from '../base/error.ts'
import { type ListedSegment, MappedSegment, readWholeFile } from '../native/reads.ts'
import { batchHeaderBytes, batchSizeAt, currentMagic, magicAt } from '../records/batch-header.ts'
import { SegmentIndex } from './read-index.ts'
import type { MarksBudget, MarksHolder, RecordMarks } from './record-marks.ts'

/** Of a file of the segment: `log`, `index`, `timeindex`. */
export const segmentFileName = (baseOffset: number, kind: string): string =>
  `${String(baseOffset).padStart(20, '0')}.${kind}`

/** A big-endian int64, exact up to 2^53. */
export const int64At = (view: DataView, at: number): number => view.getInt32(at) * 2 ** 32 + view.getUint32(at + 4)

export const lastOffsetAt = (view: DataView, at: number): number => int64At(view, at) + view.getInt32(at + 23)

/** How far the checksums of batches are looked at in one crossing, by whoever reads on. It fits into a core's cache. */
const scanWindowBytes = 64 << 10

const cacheLineBytes = 64
/** Beyond that the processor reads ahead by itself. */
const fetchBytesMax = 4096

/** What the segments of a log share. */
export interface SegmentHome {
  readonly directory: string
  /** Moves when mapped pages were lost: see `lostPages`. */
  readonly lost: Int32Array
  readonly marksBudget: MarksBudget
}

/**
 * A mapped segment of a log, whose batches are checked once, when they are first read. Everything it tells may be wrong
 * once `lostPages` has moved.
 */
export class ReadSegment implements MarksHolder {
  readonly baseOffset: number
  readonly listed: ListedSegment
  readonly bytes: Uint8Array
  readonly view: DataView
  readonly mapped: MappedSegment
  /** Where the batches end that can be read; where nobody writes to the segment, zeros may lie before it. */
  end: number
  /** The app has a view of it: it stays mapped until the log is closed, or the segment is no longer the log's. */
  lent = false
  /** There is nothing to read here any more: it was closed, or is mapped anew elsewhere. */
  retired = false
  marks: RecordMarks | undefined
  /** What `lost` was when all that had been lost here was there again. */
  seenLost: number
  private readonly home: SegmentHome
  /** Only so that no compiler leaves out the reads of `fetch`. */
  protected fetched = 0
  private loadedIndex: SegmentIndex | undefined
  /** A bit for every 32 bytes: a batch that begins there was checked. Batches are longer than that. */
  private readonly checked: Uint8Array

  /** Undefined where the directory has to be listed anew. */
  static open(home: SegmentHome, listed: ListedSegment, reserveBytes: number): ReadSegment | undefined {
    const seenLost = home.lost[0]!
    const mapped = MappedSegment.open(home.directory, listed, reserveBytes)
    return mapped === undefined ? undefined : new ReadSegment(home, listed, mapped, seenLost)
  }

  private constructor(home: SegmentHome, listed: ListedSegment, mapped: MappedSegment, seenLost: number) {
    this.home = home
    this.seenLost = seenLost
    this.listed = listed
    this.baseOffset = listed.baseOffset
    this.mapped = mapped
    this.bytes = new Uint8Array(mapped.buffer)
    this.view = new DataView(mapped.buffer)
    this.end = Math.min(mapped.fileBytes(), mapped.buffer.byteLength)
    this.checked = new Uint8Array((mapped.buffer.byteLength >>> 8) + 1)
  }

  get index(): SegmentIndex {
    this.loadedIndex ??= new SegmentIndex(
      this.baseOffset,
      readWholeFile(this.home.directory, segmentFileName(this.baseOffset, 'index')),
      this.end,
    )
    return this.loadedIndex
  }

  /** Where the batch at `position`, which is checked, ends; `position` where no batch follows there. */
  batchEnd(position: number, readsOn: boolean): number {
    if (position >= this.end) return position
    if (!this.wasChecked(position)) {
      const reached = this.mapped.verify(position, this.end, readsOn ? scanWindowBytes : 1)
      if (reached === position) return position
      for (let at = position; at < reached; at = this.plausibleEnd(at)) this.markChecked(at)
    }
    return this.plausibleEnd(position)
  }

  /** The same by the header alone, which may be damaged: for whoever passes over it. */
  plausibleEnd(position: number): number {
    const { view } = this
    if (position + batchHeaderBytes > this.end) throw this.damage(position)
    const end = position + batchSizeAt(view, position)
    if (magicAt(view, position) !== currentMagic || end < position + batchHeaderBytes || end > this.end)
      throw this.damage(position)
    return end
  }

  /** Where the batch with the first last offset at or above `offset` begins, or where the batches end: not checked yet. */
  find(offset: number): number {
    const { index, view } = this
    let entry = index.floor(offset)
    // Most often the next entry is that of the batch, and then no other header has to be looked at.
    if (entry < index.last) {
      const position = index.positionOf(entry + 1)
      this.fetch(entry, offset)
      if (this.confirms(entry + 1) && int64At(view, position) <= offset) return position
    }
    if (entry >= 0 && !this.confirms(entry)) {
      index.forget()
      entry = -1
    }
    for (let position = index.positionOf(entry); ; ) {
      if (position >= this.end || (this.mayBeZeros(position) && this.batchEnd(position, false) === position))
        return position
      const end = this.plausibleEnd(position)
      const last = lastOffsetAt(view, position)
      if (last >= offset) return position
      index.note(position, end, last)
      position = end
    }
  }

  /**
   * Looks where the record most probably is, in the batch behind an entry of the index. In a walk over bytes that are
   * in no cache each step waits for those before it; these reads wait for none of the others, nor does the header of
   * the batch wait for them.
   */
  private fetch(entry: number, offset: number): void {
    const { bytes, index, marks } = this
    const position = index.positionOf(entry + 1)
    const near = index.guess(entry + 1, offset)
    let from = position
    if (marks !== undefined && entry >= 0) {
      marks.find(position, near + 1, near, offset - index.lastOffsetOf(entry) - 1)
      if (marks.record > 0) from = marks.position
    }
    const end = Math.min(near + cacheLineBytes, from + fetchBytesMax, this.end)
    let lines = bytes[position]!
    for (let at = from; at < end; at += cacheLineBytes) lines |= bytes[at]!
    this.fetched = lines
  }

  /** Marks of records, where there is memory for them. */
  marksToUse(): RecordMarks | undefined {
    return this.marks ?? this.home.marksBudget.marksFor(this, this.bytes.length)
  }

  /** After pages were lost: throws where [begin, end) cannot be had, or what was lost last is below `readable`. */
  recheck(begin: number, end: number, readable: number): void {
    this.seenLost = this.home.lost[0]!
    this.marks?.forget()
    this.mapped.check(begin, end, readable)
  }

  close(): void {
    this.retired = true
    this.home.marksBudget.giveBack(this)
    this.mapped.close()
  }

  damage(position: number): MillraceError {
    return new MillraceError(
      'MILLRACE_CORRUPT',
      `The segment ${segmentFileName(this.baseOffset, 'log')} in ${this.home.directory} is damaged at position ${position}: ` +
        'stop what writes to it and run `millrace log verify` on that directory.',
    )
  }

  /** Not even a header may fit before the end, which may be that of the mapping. */
  private mayBeZeros(position: number): boolean {
    return position + batchHeaderBytes > this.end || magicAt(this.view, position) === 0
  }

  private confirms(entry: number): boolean {
    const { index, view } = this
    const position = index.positionOf(entry)
    return (
      position + batchHeaderBytes <= this.end &&
      magicAt(view, position) === currentMagic &&
      lastOffsetAt(view, position) === index.lastOffsetOf(entry)
    )
  }

  private wasChecked(position: number): boolean {
    return (this.checked[position >>> 8]! & (1 << ((position >>> 5) & 7))) !== 0
  }

  private markChecked(position: number): void {
    this.checked[position >>> 8]! |= 1 << ((position >>> 5) & 7)
  }
}
