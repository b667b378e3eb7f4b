import type { MillraceError } from '../base/error.ts'
import { attributesAt, BatchAttributes, batchHeaderBytes, type Codec, recordCountAt } from '../records/batch-header.ts'
import type { RecordHeader } from '../records/record-batch.ts'
import { readVarint, readVarlong } from '../records/varint.ts'
import { closedError, type ReadableLog } from './read-log.ts'
import { int64At, lastOffsetAt, type ReadSegment } from './read-segment.ts'
import { unfold } from './read-unfold.ts'

const noBytes = new Uint8Array()
const utf8 = new TextDecoder('utf-8', { ignoreBOM: true })

/**
 * Walks over the records of a log, in order, without copying them and without waiting for those to come. Reading a
 * record costs about as much as looking at its header; `key` and `value` make views of the mapped file when they are
 * asked for.
 *
 * A view is good until the log is closed or its segment is no longer the log's (retention, compaction); then its length
 * is 0. Views are for reading: what is written to one changes what this thread reads there, and never the file.
 *
 * Batches are checked against their checksums when they are first read. Where a page of the file was lost since, the next
 * call of `next` throws `MILLRACE_CORRUPT`: what views showed until then may have been zeros.
 */
export class LogCursor {
  /** Of the record that the last `next` came to; -1 before the first. */
  offset = -1
  /** Milliseconds since the Unix epoch. */
  timestamp = -1
  /** -1: there is no key (or value). */
  keyLength = -1
  valueLength = -1
  /** Where key and value begin in `bytes`. */
  keyPosition = 0
  valuePosition = 0
  /** Whether what is lent may outlive the next call: not where all of it is copied at once. */
  lends = true
  private readonly log: ReadableLog
  /** The mapped segment, or the unfolded records of a compressed batch. */
  private memory: Uint8Array = noBytes
  private segment: ReadSegment | undefined
  /** The next record in `bytes`, and those of the batch that follow it, itself included. */
  private nextAt = 0
  private left = 0
  private limit = 0
  private recordAt = 0
  private headersAt = 0
  private baseOffset = 0
  private baseTimestamp = 0
  /** Every record of the batch has this timestamp. */
  private appendTime = false
  /** In the segment. */
  private batchAt = 0
  private batchEnd = 0
  private inOpenBatch = false
  /** Records below are passed over. */
  private wanted: number
  private seenLost: number

  constructor(log: ReadableLog, from: number) {
    this.log = log
    this.wanted = from
    this.seenLost = log.lost[0]!
    this.seek(from)
  }

  /** Goes on with the first record at or above `offset`. Throws where that is outside the log. */
  seek(offset: number): void {
    const { log } = this
    if (log.closed) throw closedError(log.directory)
    if (!(offset >= 0 && offset < log.knownEnd)) log.refresh()
    if (!(offset >= log.knownStart && offset <= log.knownEnd)) throw log.outOfRange(offset)
    this.wanted = offset
    this.offset = -1
    this.keyLength = -1
    this.valueLength = -1
    this.place()
  }

  /** Goes to the next record; false where there is none yet. */
  next(): boolean {
    const { segment } = this
    // Before anything else is said: the record that it came to last may have been lost under whoever read it.
    if (this.log.lost[0] !== this.seenLost) this.recheck()
    if (segment !== undefined && (segment.retired || segment.bytes.length === 0)) this.leave()
    for (;;) {
      if (this.left === 0 && !this.advance()) return false
      this.decode()
      if (this.log.lost[0] !== this.seenLost) {
        // Perhaps it was taken from zeros.
        this.recheck()
        this.nextAt = this.recordAt
        this.left++
      } else if (this.offset >= this.wanted) break
    }
    this.wanted = this.offset + 1
    return true
  }

  /** A view; null where there is none. */
  get key(): Buffer | null {
    if (this.keyLength < 0) return null
    this.keep()
    return this.view(this.keyPosition, this.keyLength)
  }

  get value(): Buffer | null {
    if (this.valueLength < 0) return null
    this.keep()
    return this.view(this.valuePosition, this.valueLength)
  }

  /** What the positions are in: a view like `value`, of more than the record. */
  get bytes(): Uint8Array {
    this.keep()
    return this.memory
  }

  get hasHeaders(): boolean {
    this.keep()
    return this.memory[this.headersAt] !== 0
  }

  /** The values are views. */
  get headers(): RecordHeader[] {
    this.keep()
    const { memory: bytes } = this
    const headers: RecordHeader[] = []
    if (this.offset < 0) return headers
    const cursor = { at: this.headersAt }
    for (let left = readVarint(bytes, cursor); left > 0; left--) {
      const key = this.field(cursor)
      if (key === undefined) throw this.problem()
      const value = this.field(cursor)
      headers.push({
        key: utf8.decode(bytes.subarray(key.at, key.at + key.length)),
        value: value === undefined ? null : this.view(value.at, value.length),
      })
    }
    return headers
  }

  /** Throws where what was read of the current record may have been lost meanwhile. */
  recheck(): void {
    const { segment, memory: bytes, log } = this
    if (log.lost[0] === this.seenLost) return
    this.seenLost = log.lost[0]!
    if (segment === undefined || segment.retired) return
    const readable = segment.end + (segment.baseOffset === log.activeBase ? log.openBytes : 0)
    const unfolded = bytes.buffer !== segment.bytes.buffer
    segment.mapped.check(unfolded ? this.batchAt : this.recordAt, unfolded ? this.batchEnd : this.nextAt, readable)
  }

  private view(position: number, length: number): Buffer {
    const { memory } = this
    return Buffer.from(memory.buffer as ArrayBuffer, memory.byteOffset + position, length)
  }

  /** Before memory is lent: from here on it stays. It may have gone since `next`, while others read elsewhere. */
  private keep(): void {
    const { offset } = this
    if (offset < 0) return
    if (this.memory.length === 0) {
      this.seek(offset)
      if (!this.next() || this.offset !== offset) throw this.log.outOfRange(offset)
    }
    if (this.segment !== undefined && this.lends) this.segment.lent = true
  }

  /** Takes the record at `nextAt` apart. */
  private decode(): void {
    const { memory: bytes } = this
    let at = this.nextAt
    this.recordAt = at
    let byte = bytes[at++]!
    let length: number
    if (byte < 0x80) length = (byte >>> 1) ^ -(byte & 1)
    else {
      const second = bytes[at++]!
      if (second < 0x80) length = (((byte & 0x7f) | (second << 7)) >>> 1) ^ -(byte & 1)
      else {
        length = this.varint(at - 2)
        at = this.at
      }
    }
    const end = at + length
    if (!(length >= 6 && end <= this.limit)) throw this.problem()
    at++ // attributes, of which there are none
    byte = bytes[at++]!
    if (byte < 0x80) {
      if (!this.appendTime) this.timestamp = this.baseTimestamp + ((byte >>> 1) ^ -(byte & 1))
    } else {
      const delta = this.varlong(at - 1)
      at = this.at
      if (!this.appendTime) this.timestamp = this.baseTimestamp + delta
    }
    byte = bytes[at++]!
    if (byte < 0x80) this.offset = this.baseOffset + ((byte >>> 1) ^ -(byte & 1))
    else {
      this.offset = this.baseOffset + this.varint(at - 1)
      at = this.at
    }
    byte = bytes[at++]!
    if (byte < 0x80) length = (byte >>> 1) ^ -(byte & 1)
    else {
      length = this.varint(at - 1)
      at = this.at
    }
    this.keyPosition = at
    this.keyLength = length
    if (length > 0) at += length
    byte = bytes[at++]!
    if (byte < 0x80) length = (byte >>> 1) ^ -(byte & 1)
    else {
      const second = bytes[at++]!
      if (second < 0x80) length = (((byte & 0x7f) | (second << 7)) >>> 1) ^ -(byte & 1)
      else {
        length = this.varint(at - 2)
        at = this.at
      }
    }
    this.valuePosition = at
    this.valueLength = length
    if (length > 0) at += length
    this.headersAt = at
    // Without headers a zero is all that follows.
    if (at >= end || (bytes[at] === 0 && at + 1 !== end)) throw this.problem()
    this.nextAt = end
    this.left--
  }

  /** Behind a varint that the fast ways of `decode` do not read. */
  private at = 0

  private varint(at: number): number {
    const cursor = { at }
    try {
      return readVarint(this.memory, cursor)
    } catch {
      throw this.problem()
    } finally {
      this.at = cursor.at
    }
  }

  private varlong(at: number): number {
    const cursor = { at }
    try {
      return readVarlong(this.memory, cursor)
    } catch {
      throw this.problem()
    } finally {
      this.at = cursor.at
    }
  }

  private field(cursor: { at: number }): { at: number; length: number } | undefined {
    const length = readVarint(this.memory, cursor)
    if (length < 0) return undefined
    const { at } = cursor
    cursor.at += length
    if (cursor.at > this.nextAt) throw this.problem()
    return { at, length }
  }

  /** The batch is at its end: to the next one that has records, if there is one. */
  private advance(): boolean {
    const { log } = this
    if (log.closed) throw closedError(log.directory)
    if (this.nextAt !== this.limit) throw this.problem()
    for (let looked = false; ; ) {
      const { segment } = this
      if (segment === undefined || segment.retired) {
        if (!looked) log.refresh()
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

  /** Whether the batch behind this one, here or in the next segment, was entered. */
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
    // Segments meet, also compacted ones: zeros before the end of the file are bytes that were lost.
    if (next.baseOffset > this.endOfBatches && this.batchEnd < segment.end) throw segment.damage(this.batchEnd)
    this.segment = next
    this.batchEnd = 0
    return true
  }

  /** Behind the last batch that was entered. */
  private endOfBatches = 0

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
      this.memory = unfold(codec, segment.bytes.subarray(position + batchHeaderBytes, end))
      this.nextAt = 0
      this.limit = this.memory.length
    }
    if (this.left === 0) this.nextAt = this.limit
    this.skip()
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
  private place(): void {
    const { log, wanted } = this
    const segment = log.segmentOf(wanted)
    this.leave()
    this.segment = segment
    this.memory = noBytes
    if (segment === undefined) return
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
  private leave(): void {
    this.segment = undefined
    this.left = 0
    this.nextAt = 0
    this.limit = 0
    this.inOpenBatch = false
  }

  /** Passes over records below `wanted`, of a batch whose offsets have no gaps, by their lengths alone. */
  private skip(): void {
    const { memory: bytes } = this
    let skipped = this.wanted - this.baseOffset
    if (skipped <= 0) return
    if (!this.inOpenBatch && this.endOfBatches - this.baseOffset !== this.left) return
    skipped = Math.min(skipped, this.left)
    let at = this.nextAt
    this.left -= skipped
    for (; skipped > 0; skipped--) {
      const first = bytes[at++]!
      let length: number
      if (first < 0x80) length = first >>> 1
      else {
        const second = bytes[at++]!
        if (second < 0x80) length = ((first & 0x7f) | (second << 7)) >>> 1
        else {
          length = this.varint(at - 2)
          at = this.at
        }
      }
      at += length
      if (!(at <= this.limit)) throw this.problem()
    }
    this.nextAt = at
  }

  /** What is wrong with bytes that are no record. */
  private problem(): MillraceError {
    const { log, segment } = this
    if (log.closed) return closedError(log.directory)
    if (segment === undefined || segment.retired) return log.outOfRange(this.offset)
    return segment.damage(this.batchAt)
  }
}
