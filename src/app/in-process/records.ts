import type { AppendInput, RecordBytes } from '../../embedded/record-packer.ts'
import type { RecordHeader, RecordInput } from '../../records/record-batch.ts'

/** A record as it was read. Its bytes are copies: they stay whatever becomes of the log. */
export interface BrokerRecord {
  readonly partition: number
  readonly offset: number
  /** Milliseconds since the epoch. */
  readonly timestamp: number
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly headers: readonly RecordHeader[]
}

type AppendRecord = Exclude<AppendInput, Uint8Array | string>

const utf8 = new TextEncoder()
const bytesOf = (bytes: RecordBytes | undefined): Uint8Array | null =>
  typeof bytes === 'string' ? utf8.encode(bytes) : (bytes ?? null)

export function recordOf(input: AppendInput): RecordInput {
  if (typeof input === 'string' || input instanceof Uint8Array) return { key: null, value: bytesOf(input) }
  const { key, value, headers, timestamp } = input
  return {
    key: bytesOf(key),
    value: bytesOf(value),
    ...(timestamp === undefined ? {} : { timestampMs: timestamp }),
    ...(headers === undefined ? {} : { headers: headersOf(headers) }),
  }
}

function headersOf(headers: NonNullable<AppendRecord['headers']>): RecordHeader[] {
  const pairs: readonly (readonly [string, RecordBytes])[] = isPairs(headers) ? headers : Object.entries(headers)
  return pairs.map(([key, bytes]) => ({ key, value: bytesOf(bytes) }))
}

const isPairs = (headers: object): headers is readonly (readonly [string, RecordBytes])[] => Array.isArray(headers)

/** What a record takes in a batch besides its bytes, at most: seven varints and its attributes. */
const recordOverheadBytes = 36

/** An upper bound of what a record takes in a batch. */
export function recordBytes({ key, value, headers = [] }: RecordInput): number {
  let bytes = recordOverheadBytes + (key?.length ?? 0) + (value?.length ?? 0)
  // A character is three bytes of UTF-8 at most (a surrogate pair, which is two, takes four).
  for (const header of headers) bytes += recordOverheadBytes + 3 * header.key.length + (header.value?.length ?? 0)
  return bytes
}
