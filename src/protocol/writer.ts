import { ProtocolError, type ProtocolErrorReason } from './protocol-error.ts'
import type { RecordsInput } from './records-field.ts'
import { writeUuid } from './uuid.ts'

/** At this byte of the output, `length` bytes of the file region `region` go onto the wire. */
export interface Split {
  readonly position: number
  readonly region: number
  readonly length: number
}

const initialBytes = 64 * 1024
/** Kafka's limit for strings, compact ones included. */
const stringBytesMax = 0x7fff
const shortStringMax = 64

/**
 * A growing output that compiled encoders append to. It lives as long as its owner: the replies of one loop turn are
 * encoded one behind the other, then sent, then `reset` makes room. Growing moves the bytes, so `bytes` and `view`
 * must be read afresh after each append. File regions take no room in the output: they are noted in `splits`, in
 * order, and counted in the frame's size.
 */
export class Writer {
  bytes: Uint8Array
  view: DataView
  /** The number of bytes written. */
  position = 0
  splits: Split[] = []
  #regionBytes = 0
  #frameStart = -1
  #frameSplits = 0
  #frameRegionBytes = 0

  constructor(capacity = initialBytes) {
    this.bytes = new Uint8Array(Math.max(capacity, 16))
    this.view = new DataView(this.bytes.buffer)
  }

  /** Forgets what was written; the memory stays. */
  reset(): void {
    this.position = 0
    this.splits = []
    this.#regionBytes = 0
    this.#frameStart = -1
  }

  /** The bytes written so far, as a view that the next append or reset ends. */
  written(): Uint8Array {
    return this.bytes.subarray(0, this.position)
  }

  /** Leaves room for a frame's size. Frames do not nest. */
  beginFrame(): void {
    if (this.#frameStart !== -1) throw new Error('a frame is already open')
    this.#frameStart = this.position
    this.#frameSplits = this.splits.length
    this.#frameRegionBytes = this.#regionBytes
    this.int32(0, '')
  }

  /** Fills in the size of the frame: what follows it in the output and in file regions. Returns that size plus 4. */
  endFrame(): number {
    const start = this.#frameStart
    if (start === -1) throw new Error('no frame is open')
    const size = this.position - start - 4 + (this.#regionBytes - this.#frameRegionBytes)
    if (size > 0x7fff_ffff) this.fail('invalid-length', '')
    this.view.setInt32(start, size)
    this.#frameStart = -1
    return size + 4
  }

  /** Takes back the open frame, if there is one: encoding it failed, and the frames before it are still good. */
  abandonFrame(): void {
    if (this.#frameStart === -1) return
    this.position = this.#frameStart
    this.splits.length = this.#frameSplits
    this.#regionBytes = this.#frameRegionBytes
    this.#frameStart = -1
  }

  /** Appends bytes that are encoded already. */
  raw(encoded: Uint8Array): void {
    const at = this.take(encoded.length)
    this.bytes.set(encoded, at)
  }

  fail(reason: ProtocolErrorReason, field: string): never {
    throw new ProtocolError(reason, this.position, field)
  }

  // What follows is called by compiled encoders and by the header functions.

  /** Takes `count` bytes behind the output and returns where they start. The view may have changed. */
  take(count: number): number {
    const at = this.position
    const end = at + count
    if (end > this.bytes.byteLength) this.#grow(end)
    this.position = end
    return at
  }

  int8(value: number, field: string): void {
    if ((value << 24) >> 24 !== value) this.fail('value-out-of-range', field)
    const at = this.take(1)
    this.view.setInt8(at, value)
  }

  int16(value: number, field: string): void {
    if ((value << 16) >> 16 !== value) this.fail('value-out-of-range', field)
    const at = this.take(2)
    this.view.setInt16(at, value)
  }

  int32(value: number, field: string): void {
    if ((value | 0) !== value) this.fail('value-out-of-range', field)
    const at = this.take(4)
    this.view.setInt32(at, value)
  }

  /** Writes a UUID into room already taken. */
  uuidAt(value: string, at: number, field: string): void {
    if (!writeUuid(value, this.bytes, at)) this.fail('value-out-of-range', field)
  }

  /** `value` is an integer from 0 to 2^32 - 1. */
  uvarint(value: number): void {
    this.position = this.#putUvarint(this.take(5), value >>> 0)
  }

  /** Null as the length of a string, -1 in two bytes or 0 as a varint. */
  nullString(compact: boolean): void {
    if (compact) this.uvarint(0)
    else this.int16(-1, '')
  }

  string(value: string, compact: boolean, field: string): void {
    const length = value.length
    if (length > shortStringMax) {
      this.#utf8(value, compact, field)
      return
    }
    const start = this.take(length + 2)
    const bytes = this.bytes
    let at = start + (compact ? 1 : 2)
    for (let i = 0; i < length; i++) {
      const code = value.charCodeAt(i)
      if (code > 0x7f) {
        this.position = start
        this.#utf8(value, compact, field)
        return
      }
      bytes[at++] = code
    }
    if (compact) bytes[start] = length + 1
    else this.view.setInt16(start, length)
    this.position = at
  }

  /** The length of bytes or of an array, -1 for null: four bytes, or a varint of one more. */
  length(value: number, compact: boolean): void {
    if (compact) this.uvarint(value + 1)
    else this.int32(value, '')
  }

  byteArray(value: Uint8Array, compact: boolean): void {
    this.length(value.byteLength, compact)
    const at = this.take(value.byteLength)
    this.bytes.set(value, at)
  }

  records(value: RecordsInput, compact: boolean, field: string): void {
    if (value instanceof Uint8Array) {
      this.byteArray(value, compact)
      return
    }
    const { region, length } = value
    if (!(length >= 0 && length <= 0x7fff_ffff)) this.fail('value-out-of-range', field)
    this.length(length, compact)
    if (length === 0) return
    this.splits.push({ position: this.position, region, length })
    this.#regionBytes += length
  }

  /** Opens a tagged field; its size is filled in by `endTag(mark)` with the mark returned here. */
  beginTag(tag: number): number {
    this.uvarint(tag)
    return this.take(1)
  }

  endTag(mark: number): void {
    const size = this.position - mark - 1
    if (size > 0x7f) {
      // The size needs more than the one byte that was left for it: move the field and write the size again.
      const more = size > 0xfff_ffff ? 4 : size > 0x1f_ffff ? 3 : size > 0x3fff ? 2 : 1
      this.take(more)
      this.bytes.copyWithin(mark + 1 + more, mark + 1, mark + 1 + size)
      this.#putUvarint(mark, size)
      return
    }
    this.bytes[mark] = size
  }

  /** Writes a varint into room already taken and returns the position behind it. */
  #putUvarint(position: number, value: number): number {
    const bytes = this.bytes
    let at = position
    let rest = value
    while (rest > 0x7f) {
      bytes[at++] = (rest & 0x7f) | 0x80
      rest >>>= 7
    }
    bytes[at++] = rest
    return at
  }

  #grow(needed: number): void {
    let capacity = this.bytes.byteLength * 2
    while (capacity < needed) capacity *= 2
    const grown = new Uint8Array(capacity)
    grown.set(this.bytes.subarray(0, this.position))
    this.bytes = grown
    this.view = new DataView(grown.buffer)
  }

  #utf8(value: string, compact: boolean, field: string): void {
    const length = Buffer.byteLength(value)
    if (length > stringBytesMax) this.fail('invalid-length', field)
    if (compact) this.uvarint(length + 1)
    else this.int16(length, field)
    const at = this.take(length)
    utf8.encodeInto(value, this.bytes.subarray(at, at + length))
  }
}

const utf8 = new TextEncoder()
