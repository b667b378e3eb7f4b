import type { RecordHeader } from '../records/record-batch.ts'
import { BatchWalk } from './batch-walk.ts'
import { closedError, type ReadableLog } from './read-log.ts'

/**
 * Walks over the records of a log, in order, without copying them and without waiting for those to come. Reading a
 * record costs about as much as looking at its header; `key` and `value` make views of the mapped file when they are
 * asked for. Making one takes longer than all else; what is read of a value where it lies needs none:
 *
 *     while (cursor.next()) if (cursor.valueLength > 0) first += cursor.bytes[cursor.valuePosition]
 *
 * A view is good until the log is closed or its segment is no longer the log's (retention, compaction); then its length
 * is 0. One of a compressed batch is of memory of its own, and stays. Views are for reading: what is written to one
 * changes what this thread reads there, and never the file.
 *
 * Batches are checked against their checksums when they are first read. Where a page of the file was lost since, the next
 * call of `next` throws `MILLRACE_CORRUPT`: what views showed until then may have been zeros.
 */
export class LogCursor extends BatchWalk {
  /** Whether what is lent may outlive the next call: not where all of it is copied at once. */
  lends = true

  constructor(log: ReadableLog, from: number) {
    super(log, from)
    this.seek(from)
  }

  /** Goes on with the first record at or above `offset`. Throws where that is outside the log. */
  seek(offset: number): void {
    const { log } = this
    if (log.closed) throw closedError(log.directory)
    if (!(offset >= 0 && offset < log.knownEnd)) log.refresh()
    if (!(offset >= log.knownStart && offset <= log.knownEnd)) throw log.outOfRange(offset)
    this.wanted = offset
    this.forgetRecord()
    this.place()
    this.forgetRecord()
  }

  /** Goes to the next record; false where there is none yet. */
  next(): boolean {
    const { segment } = this
    // Before anything else is said: the record that it came to last may have been lost under whoever read it.
    if (this.log.lost[0] !== this.seenLost) this.recheck()
    if (segment !== undefined && (segment.retired || segment.bytes.length === 0)) this.leave()
    for (;;) {
      if (this.left === 0 && !this.advance()) return false
      if (!this.take()) throw this.problem()
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

  /** A view of the key; null where there is none. */
  get key(): Buffer | null {
    if (this.keyLength < 0) return null
    this.keep()
    return this.view(this.keyPosition, this.keyLength)
  }

  /** A view of the value; null where there is none. */
  get value(): Buffer | null {
    if (this.valueLength < 0) return null
    this.keep()
    return this.view(this.valuePosition, this.valueLength)
  }

  /**
   * What `keyPosition` and `valuePosition` are positions in: the segment, or the records of a compressed batch. A view like
   * `value`, and no new one for each record. To be asked for after each `next`, before the positions: the records may lie
   * elsewhere by then.
   */
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
    return this.offset < 0 ? [] : this.takeHeaders()
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

  private forgetRecord(): void {
    this.offset = -1
    this.keyLength = -1
    this.valueLength = -1
  }
}
