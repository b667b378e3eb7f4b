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
  /** Where key and value begin in `bytes`, and in nothing else; they say nothing where the length is -1. */
  keyPosition = 0
  valuePosition = 0
  /** The mapped segment, or the unfolded records of a compressed batch. */
  protected memory: Uint8Array = noBytes
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
  /** The memory of the last view, what that is in, and where it begins there: to ask it is slow. */
  private viewed: Uint8Array = noBytes
  private buffer = noBytes.buffer as ArrayBuffer
  private viewedAt = 0
  /** Behind a varint that the fast ways of `take` do not read. */
  private at = 0

  /** What is wrong with bytes that are no record. */
  protected abstract problem(): MillraceError

  /** Takes the record at `nextAt` apart; false where there is none. */
  protected take(): boolean {
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
    if (!(length >= 6 && end <= this.limit)) return false
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
      const second = bytes[at++]!
      if (second < 0x80) {
        length = (byte & 0x7f) | (second << 7)
        this.offset = this.baseOffset + ((length >>> 1) ^ -(length & 1))
      } else {
        this.offset = this.baseOffset + this.varint(at - 2)
        at = this.at
      }
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
    if (at >= end || (bytes[at] === 0 && at + 1 !== end)) return false
    this.nextAt = end
    this.left--
    return true
  }

  /** Where the record behind the one at `position` begins. */
  protected behind(position: number): number {
    const { memory: bytes } = this
    let at = position
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
    return at
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
    const { memory } = this
    if (memory !== this.viewed) {
      this.viewed = memory
      this.buffer = memory.buffer as ArrayBuffer
      this.viewedAt = memory.byteOffset
    }
    return new LentBuffer(this.buffer, this.viewedAt + position, length)
  }

  private field(cursor: { at: number }): { at: number; length: number } | undefined {
    const length = readVarint(this.memory, cursor)
    if (length < 0) return undefined
    const { at } = cursor
    cursor.at += length
    if (cursor.at > this.nextAt) throw this.problem()
    return { at, length }
  }

  private varint(at: number): number {
    const cursor = { at }
    try {
      return readVarint(this.memory, cursor)
    } catch {
      cursor.at = this.limit + 1 // so that no record ends within the batch
      return 0
    } finally {
      this.at = cursor.at
    }
  }

  private varlong(at: number): number {
    const cursor = { at }
    try {
      return readVarlong(this.memory, cursor)
    } catch {
      cursor.at = this.limit + 1
      return 0
    } finally {
      this.at = cursor.at
    }
  }
}
