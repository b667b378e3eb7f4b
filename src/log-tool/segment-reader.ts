import { batchHeaderBytes } from '../records/batch-header.ts'
import { extendCrc32c } from '../records/crc32c.ts'
import { type BatchHeader, checkedFrom, emptyHeader, implausible, readHeader } from './batch.ts'
import type { OpenedFile } from './files.ts'

/** CRC-32C of some bytes; the addon's is ten times as fast as one in JavaScript. */
export type Checksum = (bytes: Uint8Array) => number

const windowBytes = 4 << 20
/** Larger batches are checked piece by piece and their records not looked at: none is made by a sound client. */
export const wholeBatchBytesMax = 256 << 20

/** Why bytes are no batch. */
export interface BatchFault {
  /** `header`: no length to go by. `incomplete`: the file ends before the batch. `checksum`: all but the bytes is right. */
  readonly kind: 'header' | 'incomplete' | 'checksum'
  readonly message: string
}

/** A .log file through a window that moves forward; `bytes` and `view` change with each call. */
export class SegmentReader {
  readonly file: OpenedFile
  readonly header: BatchHeader = emptyHeader()
  bytes: Uint8Array = new Uint8Array()
  view = new DataView(this.bytes.buffer)
  private readonly checksum: Checksum
  private readonly onRead: (bytes: number) => void
  private buffer = new Uint8Array()
  private start = 0
  private reached = 0

  /** `onRead` hears how many bytes are seen for the first time. */
  constructor(file: OpenedFile, checksum: Checksum, onRead: (bytes: number) => void = () => {}) {
    this.file = file
    this.checksum = checksum
    this.onRead = onRead
  }

  get sizeBytes(): number {
    return this.file.sizeBytes
  }

  /** Where `[position, position + length)` begins in `bytes`; -1 when the file ends before. */
  load(position: number, length: number): number {
    if (position < this.start || position + length > this.start + this.bytes.length) {
      if (position + length > this.file.sizeBytes) return -1
      const wanted = Math.min(Math.max(length, windowBytes), this.file.sizeBytes - position)
      if (this.buffer.length < wanted) this.buffer = new Uint8Array(wanted)
      const got = this.file.readAt(position, this.buffer.subarray(0, wanted))
      this.bytes = this.buffer.subarray(0, got)
      this.view = new DataView(this.bytes.buffer, this.bytes.byteOffset, got)
      this.start = position
      if (position + got > this.reached) {
        this.onRead(position + got - Math.max(this.reached, position))
        this.reached = position + got
      }
      if (got < length) return -1
    }
    return position - this.start
  }

  /** The header at `position`, without a look at its checksum; false where it cannot be one. */
  peek(position: number, header: BatchHeader): boolean {
    const at = this.load(position, batchHeaderBytes)
    if (at < 0) return false
    readHeader(this.view, at, header)
    return implausible(header) === undefined && position + header.sizeBytes <= this.sizeBytes
  }

  /** Judges the batch at `position`; when it is sound, `header` is its and `load` finds its bytes. */
  judge(position: number): BatchFault | undefined {
    const { header } = this
    const at = this.load(position, batchHeaderBytes)
    if (at < 0) {
      const left = this.sizeBytes - position
      return { kind: 'incomplete', message: `only ${left} bytes are there of a header of ${batchHeaderBytes}` }
    }
    readHeader(this.view, at, header)
    const wrong = implausible(header)
    if (wrong !== undefined) return { kind: 'header', message: wrong }
    if (position + header.sizeBytes > this.sizeBytes) {
      const left = this.sizeBytes - position
      return { kind: 'incomplete', message: `it says that it has ${header.sizeBytes} bytes, and ${left} are there` }
    }
    const computed = this.checksumOf(position, header.sizeBytes)
    if (computed === header.crc) return undefined
    const hex = (crc: number) => `0x${crc.toString(16).padStart(8, '0')}`
    return { kind: 'checksum', message: `its checksum is ${hex(header.crc)}, and its bytes have ${hex(computed)}` }
  }

  /** The checksum that a batch of so many bytes at `position` ought to carry. */
  checksumOf(position: number, sizeBytes: number): number {
    if (sizeBytes <= wholeBatchBytesMax) {
      const at = this.load(position, sizeBytes)
      return at < 0 ? -1 : this.checksum(this.bytes.subarray(at + checkedFrom, at + sizeBytes))
    }
    let crc = 0
    for (let from = position + checkedFrom; from < position + sizeBytes; ) {
      const length = Math.min(windowBytes, position + sizeBytes - from)
      const at = this.load(from, length)
      if (at < 0) return -1
      crc = extendCrc32c(crc, this.bytes.subarray(at, at + length))
      from += length
    }
    return crc
  }

  /** Whether all bytes from `position` to the end are zero: what was allocated ahead. */
  isZeroFrom(position: number): boolean {
    // Mostly a batch is there, which its first bytes tell without another window.
    const first = Math.min(batchHeaderBytes, this.sizeBytes - position)
    const start = this.load(position, first)
    if (first > 0 && this.bytes.subarray(start, start + first).some(byte => byte !== 0)) return false
    for (let from = position; from < this.sizeBytes; ) {
      const length = Math.min(windowBytes, this.sizeBytes - from)
      const at = this.load(from, length)
      if (at < 0) return false
      for (let i = at; i < at + length; i++) if (this.bytes[i] !== 0) return false
      from += length
    }
    return true
  }

  /** The end of the bytes that are not zero, at least `position`. */
  endOfContent(position: number): number {
    for (let end = this.sizeBytes; end > position; ) {
      const from = Math.max(position, end - windowBytes)
      const at = this.load(from, end - from)
      if (at < 0) return end
      for (let i = end - from - 1; i >= 0; i--) if (this.bytes[at + i] !== 0) return from + i + 1
      end = from
    }
    return position
  }

  /**
   * The first place behind `position` where a sound batch begins whose offsets lie in [from, below); -1 when there is none.
   * `header` is its.
   */
  findNext(position: number, from: number, below: number): number {
    const { header } = this
    for (let next = position + 1; next + batchHeaderBytes <= this.sizeBytes; ) {
      const length = Math.min(windowBytes, this.sizeBytes - next)
      const at = this.load(next, length)
      if (at < 0) return -1
      // The magic byte leads: most bytes are no 2.
      const magic = this.bytes.indexOf(2, at + 16)
      const found = magic < 0 || magic >= at + length ? -1 : magic - at - 16
      if (found < 0) {
        next += Math.max(1, length - batchHeaderBytes + 1)
        continue
      }
      next += found
      if (
        this.peek(next, header) &&
        header.baseOffset >= from &&
        header.baseOffset + header.lastOffsetDelta < below &&
        (header.attributes & ~0x7f) === 0 &&
        this.judge(next) === undefined
      )
        return next
      next++
    }
    return -1
  }
}
