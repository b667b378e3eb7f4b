import type { RecordInput } from '../../records/record-batch.ts'

/** Text is written as UTF-8; null is Kafka's tombstone. */
export type Bytes = Uint8Array | string | null

/** A record with more than a value. */
export interface AppendRecord {
  readonly key?: Bytes
  readonly value: Bytes
  readonly headers?: Readonly<Record<string, Bytes>>
  /** Milliseconds since the epoch; now, when absent. */
  readonly timestamp?: number
}

export type AppendInput = Uint8Array | string | AppendRecord

/** A record as it was read. Its bytes are copies: they stay whatever becomes of the log. */
export interface BrokerRecord {
  readonly partition: number
  readonly offset: number
  /** Milliseconds since the epoch. */
  readonly timestamp: number
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly headers: Readonly<Record<string, Buffer | null>>
}

const utf8 = new TextEncoder()
const bytesOf = (bytes: Bytes | undefined): Uint8Array | null =>
  typeof bytes === 'string' ? utf8.encode(bytes) : (bytes ?? null)

export function recordOf(input: AppendInput): RecordInput {
  if (typeof input === 'string' || input instanceof Uint8Array) return { key: null, value: bytesOf(input) }
  const { key, value, headers, timestamp } = input
  return {
    key: bytesOf(key),
    value: bytesOf(value),
    ...(timestamp === undefined ? {} : { timestampMs: timestamp }),
    ...(headers === undefined
      ? {}
      : { headers: Object.entries(headers).map(([name, bytes]) => ({ key: name, value: bytesOf(bytes) })) }),
  }
}

/** What a record takes in a batch besides its bytes, at most: seven varints and its attributes. */
const recordOverheadBytes = 36

/** An upper bound of what a record takes in a batch. */
export function recordBytes({ key, value, headers = [] }: RecordInput): number {
  let bytes = recordOverheadBytes + (key?.length ?? 0) + (value?.length ?? 0)
  // A character is three bytes of UTF-8 at most (a surrogate pair, which is two, takes four).
  for (const header of headers) bytes += recordOverheadBytes + 3 * header.key.length + (header.value?.length ?? 0)
  return bytes
}
