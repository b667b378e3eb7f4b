import { ProtocolError, type ProtocolErrorReason } from './protocol-error.ts'
import { type Uuid, uuidFromBytes } from './uuid.ts'

// Topic names, client ids and topic ids come again with every request, so short ones are looked up by their bytes in
// a direct-mapped table: a hit costs no allocation and gives the same string object, whose hash is already computed.
const cachedStringBytesMax = 48
const stringSlots = 1024
const stringCache: string[] = new Array(stringSlots).fill('')
const uuidSlots = 256
const uuidCache: Uuid[] = new Array(uuidSlots).fill('' as Uuid)
const uuidCacheWords = new Int32Array(uuidSlots * 4)

/** How many array elements one message may hold: bounds the memory that a small frame can make a decoder allocate. */
const defaultMaxElements = 1_000_000

/** As Kafka: no message has more tagged fields in one place. */
const maxTags = 10_000

/** A struct's tagged fields beyond this number count against all that a message may have, which is `maxTags` too. */
const ordinaryTags = 16

/** TextDecoder and not Buffer, because only it tells malformed UTF-8 from a replacement character that was sent. */
const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * A window onto received bytes that compiled decoders read from. One reader is reused for all frames of an arena:
 * `reset` with the memory it already looks at only moves the window. Decoders throw ProtocolError and leave
 * `position` where they stopped being sure; on success it stands behind the last byte they used.
 */
export class Reader {
  view: DataView
  bytes: Buffer
  position: number
  /** The first byte that does not belong to the message. */
  end: number
  /** Array elements allowed per message, over all its arrays. */
  maxElements = defaultMaxElements
  /** Bytes allowed per message in strings and byte strings, those that the table of short ones holds not counted. */
  maxTextBytes = Number.POSITIVE_INFINITY
  /** After a message was decoded: how many array elements it has. */
  elements = 0
  /** For sliced decoders: a slice has so many elements, or text of about `maxTextBytes`, which then limits nothing else. */
  sliceElements = 0
  textLeft = Number.POSITIVE_INFINITY
  #tagsLeft = maxTags
  #source: ArrayBufferLike | Uint8Array | undefined

  constructor(source: ArrayBufferLike | Uint8Array = new ArrayBuffer(0), position = 0, end = source.byteLength) {
    this.view = emptyView
    this.bytes = emptyBytes
    this.position = 0
    this.end = 0
    this.reset(source, position, end)
  }

  /** Reads `source` from `position` to `end`. Positions are relative to `source`, also where it is a Uint8Array. */
  reset(source: ArrayBufferLike | Uint8Array, position = 0, end: number = source.byteLength): this {
    if (source !== this.#source) {
      const isView = source instanceof Uint8Array
      const buffer = isView ? source.buffer : source
      const byteOffset = isView ? source.byteOffset : 0
      this.view = new DataView(buffer, byteOffset, source.byteLength)
      this.bytes = Buffer.from(buffer, byteOffset, source.byteLength)
      this.#source = source
    }
    if (!(position >= 0 && position <= end && end <= this.view.byteLength)) {
      throw new RangeError(`window ${position}..${end} of ${this.view.byteLength} bytes`)
    }
    this.position = position
    this.end = end
    this.textLeft = this.maxTextBytes
    this.#tagsLeft = maxTags
    return this
  }

  get remaining(): number {
    return this.end - this.position
  }

  /** Refuses bytes left over after a message: its sender and we disagree about its layout. */
  expectEnd(): void {
    if (this.position !== this.end) this.fail('trailing-bytes', this.position, '')
  }

  // What follows is called by compiled decoders, which keep position and end in local variables and pass them.

  fail(reason: ProtocolErrorReason, position: number, field: string): never {
    throw new ProtocolError(reason, position, field)
  }

  /** An unsigned varint of at most five bytes and 32 bits. Leaves `position` behind it. */
  uvarint(position: number, end: number, field: string): number {
    const { bytes } = this
    // Every length of 127 bytes or more comes here, so: integers only, and four bytes before the one that may overflow.
    let value = 0
    let at = position
    for (let shift = 0; shift < 28; shift += 7) {
      if (at >= end) this.fail('truncated', position, field)
      const byte = bytes[at++]!
      value |= (byte & 0x7f) << shift
      if (byte < 0x80) {
        this.position = at
        return value
      }
    }
    if (at >= end) this.fail('truncated', position, field)
    const last = bytes[at]!
    if (last > 0x0f) this.fail('invalid-varint', position, field)
    this.position = at + 1
    return value + last * 0x1000_0000
  }

  /** Reads how many tagged fields follow; each takes two bytes at least. Leaves `position` behind it. */
  tagCount(position: number, end: number, field: string): number {
    const count = this.uvarint(position, end, field)
    if (count > maxTags || count * 2 > end - this.position) this.fail('too-many-elements', position, field)
    // A frame full of empty tagged fields would keep its decoder busy for a second otherwise.
    if (count > ordinaryTags) this.#tagsLeft -= count
    if (this.#tagsLeft < 0) this.fail('too-many-elements', position, field)
    return count
  }

  /** Skips a whole section of tagged fields, none of which is known here. Returns the position behind it. */
  skipTags(position: number, end: number, field: string): number {
    let count = this.tagCount(position, end, field)
    while (count-- > 0) {
      this.uvarint(this.position, end, field)
      position = this.skipTag(this.position, end, field)
      this.position = position
    }
    return this.position
  }

  /** Skips one tagged field whose number was read. Returns the position behind it. */
  skipTag(position: number, end: number, field: string): number {
    const length = this.uvarint(position, end, field)
    if (length > end - this.position) this.fail('truncated', position, field)
    return this.position + length
  }

  /** The text of `length` bytes that are known to be there. */
  string(position: number, length: number, field: string): string {
    if (length <= cachedStringBytesMax) {
      if (length === 0) return ''
      const bytes = this.bytes
      const end = position + length
      let hash = length
      let union = 0
      for (let i = position; i < end; i++) {
        const byte = bytes[i]!
        union |= byte
        hash = (Math.imul(hash, 31) + byte) | 0
      }
      if (union < 0x80) {
        const slot = (hash ^ (hash >>> 15)) & (stringSlots - 1)
        const cached = stringCache[slot]!
        if (cached.length === length && this.#holds(cached, position)) return cached
        const text = bytes.toString('latin1', position, end)
        stringCache[slot] = text
        return text
      }
    }
    this.#chargeText(position, length, field)
    return this.#utf8(position, length, field)
  }

  uuid(position: number): Uuid {
    const view = this.view
    const a = view.getInt32(position)
    const b = view.getInt32(position + 4)
    const c = view.getInt32(position + 8)
    const d = view.getInt32(position + 12)
    const mixed = Math.imul(a ^ b ^ c ^ d, 0x9e3779b1)
    const slot = mixed >>> 24
    const words = slot * 4
    const known = uuidCacheWords
    if (known[words] === a && known[words + 1] === b && known[words + 2] === c && known[words + 3] === d) {
      const cached = uuidCache[slot]!
      if (cached !== '') return cached
    }
    const text = uuidFromBytes(this.bytes, position)
    known[words] = a
    known[words + 1] = b
    known[words + 2] = c
    known[words + 3] = d
    uuidCache[slot] = text
    return text
  }

  /** A copy of `length` bytes that are known to be there. */
  copy(position: number, length: number, field: string): Uint8Array {
    this.#chargeText(position, length, field)
    const copy = new Uint8Array(length)
    copy.set(this.bytes.subarray(position, position + length))
    return copy
  }

  #chargeText(position: number, length: number, field: string): void {
    this.textLeft -= length
    // A sliced decoder looks at what is left before its next element.
    if (this.textLeft < 0 && this.sliceElements === 0) this.fail('decode-limit', position, field)
  }

  #holds(text: string, position: number): boolean {
    const bytes = this.bytes
    for (let i = 0; i < text.length; i++) {
      if (text.charCodeAt(i) !== bytes[position + i]) return false
    }
    return true
  }

  #utf8(position: number, length: number, field: string): string {
    const text = this.bytes.toString('utf8', position, position + length)
    if (!text.includes('\ufffd')) return text
    try {
      return strictUtf8.decode(this.bytes.subarray(position, position + length))
    } catch {
      return this.fail('invalid-utf8', position, field)
    }
  }
}

const emptyView = new DataView(new ArrayBuffer(0))
const emptyBytes = Buffer.alloc(0)
