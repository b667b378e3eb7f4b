import { Attribute, type BatchHeader } from './batch.ts'

/**
 * Walks over the records of one batch. Independent of the code that writes and serves them, so that an error there shows.
 * `section` are the records, unfolded.
 */
export class RecordWalk {
  /** Of the record that `next` went to. */
  offsetDelta = -1
  timestampDelta = 0
  /** Where key, value and headers lie; length -1 for null. `headersAt` is behind their count. */
  keyAt = 0
  keyLength = -1
  valueAt = 0
  valueLength = -1
  headerCount = 0
  headersAt = 0
  recordAt = 0
  private at: number
  private readonly bytes: Uint8Array
  private readonly end: number

  constructor(bytes: Uint8Array, from = 0, end = bytes.length) {
    this.bytes = bytes
    this.at = from
    this.end = end
  }

  get atEnd(): boolean {
    return this.at === this.end
  }

  /** Goes to the next record. Returns what is wrong with it, undefined when nothing is. */
  next(): string | undefined {
    this.recordAt = this.at
    const length = this.varint(this.end)
    if (Number.isNaN(length) || length < 0 || this.at + length > this.end) return 'it reaches outside its batch'
    const end = this.at + length
    this.at++ // attributes, of which there are none
    this.timestampDelta = this.varlong(end)
    this.offsetDelta = this.varint(end)
    this.keyLength = this.varint(end)
    this.keyAt = this.at
    if (!this.skip(this.keyLength, end)) return 'its key reaches outside of it'
    this.valueLength = this.varint(end)
    this.valueAt = this.at
    if (!this.skip(this.valueLength, end)) return 'its value reaches outside of it'
    this.headerCount = this.varint(end)
    this.headersAt = this.at
    if (!(this.headerCount >= 0)) return 'its headers cannot be counted'
    for (let left = this.headerCount; left > 0; left--) {
      const keyLength = this.varint(end)
      if (!(keyLength >= 0) || !this.skip(keyLength, end) || !this.skip(this.varint(end), end))
        return 'a header reaches outside of it'
    }
    if (this.at !== end) return 'it is not as long as it says'
    if (Number.isNaN(this.offsetDelta) || Number.isNaN(this.timestampDelta)) return 'its deltas cannot be read'
    return undefined
  }

  /** Calls `visit` with each header of the present record. */
  headers(visit: (key: Uint8Array, value: Uint8Array | null) => void): void {
    const behind = this.at
    this.at = this.headersAt
    for (let left = this.headerCount; left > 0; left--) {
      const key = this.field()
      visit(key ?? new Uint8Array(), this.field())
    }
    this.at = behind
  }

  private field(): Uint8Array | null {
    const length = this.varint(this.end)
    if (length < 0) return null
    const from = this.at
    this.at += length
    return this.bytes.subarray(from, from + length)
  }

  private skip(length: number, end: number): boolean {
    if (Number.isNaN(length)) return false
    if (length > 0) this.at += length
    return this.at <= end
  }

  /** NaN when there is none. */
  private varint(end: number): number {
    const { bytes } = this
    let raw = 0
    for (let shift = 0; shift < 35; shift += 7) {
      if (this.at >= end) return Number.NaN
      const byte = bytes[this.at++]!
      raw |= (byte & 0x7f) << shift
      if (byte < 0x80) return (raw >>> 1) ^ -(raw & 1)
    }
    return Number.NaN
  }

  /** As a number, rounded beyond 2^53. */
  private varlong(end: number): number {
    const { bytes } = this
    let raw = 0
    let scale = 1
    let odd = false
    for (let i = 0; i < 10; i++) {
      if (this.at >= end) return Number.NaN
      const byte = bytes[this.at++]!
      if (i === 0) odd = (byte & 1) === 1
      raw += (byte & 0x7f) * scale
      scale *= 128
      if (byte < 0x80) return odd ? -(raw + 1) / 2 : raw / 2
    }
    return Number.NaN
  }
}

/** What `checkRecords` found out besides. */
export interface RecordFacts {
  /** The largest timestamp of the records; -1 when there is none. */
  maxTimestamp: number
  /** A record is missing between others, or at the end: compaction took it. */
  holes: boolean
}

/** What is wrong with the records of a batch whose checksum holds; undefined when nothing is. Fills in `facts`. */
export function checkRecords(
  header: BatchHeader,
  bytes: Uint8Array,
  from: number,
  end: number,
  facts: RecordFacts,
): string | undefined {
  const walk = new RecordWalk(bytes, from, end)
  const { recordCount, lastOffsetDelta } = header
  let previous = -1
  let maxTimestamp = -1
  for (let index = 0; index < recordCount; index++) {
    const wrong = walk.next()
    if (wrong !== undefined) return `record ${index} of ${recordCount} is malformed: ${wrong}`
    const { offsetDelta } = walk
    if (offsetDelta <= previous || offsetDelta > lastOffsetDelta)
      return `record ${index} has the offset delta ${offsetDelta} after ${previous}, in a batch that ends with ${lastOffsetDelta}`
    previous = offsetDelta
    const timestamp = header.baseTimestamp + walk.timestampDelta
    if (timestamp > maxTimestamp) maxTimestamp = timestamp
  }
  if (!walk.atEnd) return `bytes lie behind the last of its ${recordCount} records`
  const appended = (header.attributes & Attribute.logAppendTime) !== 0
  facts.maxTimestamp = appended ? header.maxTimestamp : maxTimestamp
  facts.holes = recordCount !== lastOffsetDelta + 1
  return undefined
}
