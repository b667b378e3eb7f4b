import { MillraceError } from '../base/error.ts'
import { varintBytes, writeVarint } from '../records/varint.ts'

/** Text is written as UTF-8; null is Kafka's tombstone. */
export type RecordBytes = Uint8Array | string | null

/** A record with more than a value. */
export interface RecordInput {
  readonly key?: RecordBytes
  readonly value: RecordBytes
  /** In order; a name may come more than once where pairs are given. */
  readonly headers?: Readonly<Record<string, RecordBytes>> | readonly (readonly [string, RecordBytes])[]
  /** Milliseconds since the Unix epoch; now, when absent. */
  readonly timestamp?: number
}

export type AppendInput = Uint8Array | string | RecordInput

const firstBytes = 64 << 10
/** What is kept beyond one record; a larger one gets memory of its own. */
const keptBytes = 1 << 20
/** Of UTF-8 for one UTF-16 unit. */
const bytesPerUnit = 3

/** Memory that records are put together in, one behind the other, before they are handed to native code. */
export class RecordPacker {
  bytes = Buffer.allocUnsafeSlow(firstBytes)
  at = 0

  begin(): void {
    this.at = 0
    if (this.bytes.length > keptBytes) this.bytes = Buffer.allocUnsafeSlow(firstBytes)
  }

  /** Returns how many bytes it took, -1 for null. */
  put(value: RecordBytes | undefined): number {
    if (value === null || value === undefined) return -1
    if (typeof value === 'string') {
      this.room(value.length * bytesPerUnit)
      const written = this.bytes.write(value, this.at)
      this.at += written
      return written
    }
    const { length } = value
    this.room(length)
    this.bytes.set(value, this.at)
    this.at += length
    return length
  }

  /** The headers of a record as they lie in it, their number first. None take nothing. */
  putHeaders(headers: RecordInput['headers']): number {
    if (headers === undefined) return 0
    const pairs = Array.isArray(headers) ? headers : Object.entries(headers)
    if (pairs.length === 0) return 0
    const start = this.at
    this.putVarint(pairs.length)
    for (const [name, value] of pairs as readonly (readonly [string, RecordBytes])[]) {
      if (typeof name !== 'string') throw invalid('The name of a header is a string.')
      checkPart('value of a header', value)
      this.putSized(name)
      this.putSized(value)
    }
    return this.at - start
  }

  private putSized(value: RecordBytes): void {
    if (value === null) {
      this.putVarint(-1)
      return
    }
    const length = typeof value === 'string' ? Buffer.byteLength(value) : value.length
    this.putVarint(length)
    this.put(value)
  }

  private putVarint(value: number): void {
    this.room(varintBytes(value))
    this.at = writeVarint(this.bytes, this.at, value)
  }

  private room(length: number): void {
    if (this.at + length <= this.bytes.length) return
    const larger = Buffer.allocUnsafeSlow(Math.max(2 * this.bytes.length, this.at + length))
    larger.set(this.bytes.subarray(0, this.at))
    this.bytes = larger
  }
}

/** Throws where `part` is none: what JavaScript made of it would be another record than the app meant. */
export function checkPart(name: string, part: RecordBytes | undefined): void {
  if (part === null || part instanceof Uint8Array || typeof part === 'string') return
  throw invalid(`The ${name} is a Uint8Array, a string or null.`)
}

export const invalid = (message: string): MillraceError => new MillraceError('MILLRACE_INVALID_ARGUMENT', message)
