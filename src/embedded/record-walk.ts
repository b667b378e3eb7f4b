import type { MillraceError } from '../base/error.ts'
import type { RecordHeader } from '../records/record-batch.ts'
import { readVarint, readVarlong } from '../records/varint.ts'

export const noBytes = new Uint8Array()
const utf8 = new TextDecoder('utf-8', { ignoreBOM: true })

/**
 * The class that Buffers are of where `Buffer` itself is a function of many forms, and else `Buffer`: what its `slice`
 * makes, too. `Buffer.from` looks at its arguments for three times as long as it takes to make the Buffer.
 */
const LentBuffer = (Buffer as unknown as { readonly [Symbol.species]: unknown })[Symbol.species] as new (
  memory: ArrayBuffer,
  position: number,
  length: number,
) => Buffer

/** Takes the records of one batch apart, one behind the other, where they lie. What they tell is within `limit`. */
export abstract class RecordWalk {
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
  /** The mapped segment, or the unfolded records of a compressed batch. */
  protected memory: Uint8Array = noBytes
  /** What `memory` is in, and where it begins there: to ask it is slow. */
  private buffer = noBytes.buffer as ArrayBuffer
  private memoryAt = 0
  /** The next record in `memory`, and those of the batch that follow it, itself included. */
  protected nextAt = 0
  protected left = 0
  protected limit = 0
  protected recordAt = 0
  protected headersAt = 0
  protected baseOffset = 0
  protected baseTimestamp = 0
  /** Every record of the batch has this timestamp. */
  protected appendTime = false

  protected useMemory(memory: Uint8Array): void {
    if (memory === this.memory) return
    this.memory = memory
    this.buffer = memory.buffer as ArrayBuffer
    this.memoryAt = memory.byteOffset
  }

  /** What is wrong with bytes that are no record. */
  protected abstract problem(): MillraceError

  /**
   * Takes the record at `nextAt` apart; false where there is none, and then nothing has changed. Every record of a scan
   * comes through here and `takeFields`. Both are short enough to be compiled into the loop over the records, and read
   * numbers of one or two bytes: what is longer, or wrong, is left to `takeLong`.
   */
  protected take(): boolean {
    const { memory: bytes, nextAt } = this
    let at = nextAt
    let second = 0
    let length = bytes[at]!
    at++
    if (length > 127) {
      second = bytes[at]!
      if (second > 127) return this.takeLong()
      length += (second - 1) << 7
      at++
    }
    const end = at + (length >>> 1)
    at++ // attributes, of which there are none
    let timestamp = bytes[at]!
    at++
    if (timestamp > 127) {
      second = bytes[at]!
      if (second > 127) return this.takeLong()
      timestamp += (second - 1) << 7
      at++
    }
    let offset = bytes[at]!
    at++
    if (offset > 127) {
      second = bytes[at]!
      if (second > 127) return this.takeLong()
      offset += (second - 1) << 7
      at++
    }
    if (((length | offset) & 1) !== 0 || end > this.limit || !this.takeFields(at, end)) return this.takeLong()
    this.recordAt = nextAt
    this.nextAt = end
    this.left--
    this.offset = this.baseOffset + (offset >>> 1)
    if (!this.appendTime) this.timestamp = this.baseTimestamp + ((timestamp >>> 1) ^ -(timestamp & 1))
    return true
  }

  /** Key, value and begin of the headers of the record that has them from `begin` on and ends at `end`. */
  private takeFields(begin: number, end: number): boolean {
    const { memory: bytes } = this
    let at = begin
    let second = 0
    let keyLength = bytes[at]!
    at++
    if (keyLength > 127) {
      second = bytes[at]!
      if (second > 127) return false
      keyLength += (second - 1) << 7
      at++
    }
    const keyAt = at
    if ((keyLength & 1) === 0) at += keyLength >>= 1
    else keyLength = -1
    let valueLength = bytes[at]!
    at++
    if (valueLength > 127) {
      second = bytes[at]!
      if (second > 127) return false
      valueLength += (second - 1) << 7
      at++
    }
    const valueAt = at
    if ((valueLength & 1) === 0) at += valueLength >>= 1
    else valueLength = -1
    // Without headers a zero is all that follows.
    if (at >= end || (bytes[at] === 0 && at + 1 !== end)) return false
    this.keyPosition = keyAt
    this.keyLength = keyLength
    this.valuePosition = valueAt
    this.valueLength = valueLength
    this.headersAt = at
    return true
  }

  /** The same, with numbers of any length. */
  private takeLong(): boolean {
    const { memory: bytes, nextAt: recordAt } = this
    const cursor = { at: recordAt }
    try {
      const length = readVarint(bytes, cursor)
      const end = cursor.at + length
      if (!(length >= 0 && end <= this.limit)) return false
      cursor.at++
      const timestamp = readVarlong(bytes, cursor)
      const offset = readVarint(bytes, cursor)
      const keyLength = readVarint(bytes, cursor)
      const keyAt = cursor.at
      if (keyLength > 0) cursor.at += keyLength
      const valueLength = readVarint(bytes, cursor)
      const valueAt = cursor.at
      if (valueLength > 0) cursor.at += valueLength
      if (cursor.at >= end || (bytes[cursor.at] === 0 && cursor.at + 1 !== end)) return false
      this.recordAt = recordAt
      this.nextAt = end
      this.left--
      if (!this.appendTime) this.timestamp = this.baseTimestamp + timestamp
      this.offset = this.baseOffset + offset
      this.keyPosition = keyAt
      this.keyLength = keyLength
      this.valuePosition = valueAt
      this.valueLength = valueLength
      this.headersAt = cursor.at
      return true
    } catch {
      return false
    }
  }

  /** Where the record behind the one at `position` begins. */
  protected behind(position: number): number {
    const { memory: bytes } = this
    let at = position
    let length = bytes[at++]!
    if (length > 127) {
      const second = bytes[at++]!
      if (second > 127) return this.behindLong(position)
      length += (second - 1) << 7
    }
    at += length >>> 1
    if (!(at <= this.limit)) throw this.problem()
    return at
  }

  private behindLong(position: number): number {
    const cursor = { at: position }
    try {
      const length = readVarint(this.memory, cursor)
      if (length > 0 && cursor.at + length <= this.limit) return cursor.at + length
    } catch {}
    throw this.problem()
  }

  protected takeHeaders(): RecordHeader[] {
    const { memory: bytes } = this
    const headers: RecordHeader[] = []
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

  protected view(position: number, length: number): Buffer {
    return new LentBuffer(this.buffer, this.memoryAt + position, length)
  }

  private field(cursor: { at: number }): { at: number; length: number } | undefined {
    const length = readVarint(this.memory, cursor)
    if (length < 0) return undefined
    const { at } = cursor
    cursor.at += length
    if (cursor.at > this.nextAt) throw this.problem()
    return { at, length }
  }
}
