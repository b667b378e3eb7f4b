import { assert } from '../base/assert.ts'
import {
  attributesAt,
  BatchAttributes,
  batchHeaderBytes,
  batchOverheadBytes,
  batchSizeAt,
  Codec,
  currentMagic,
  magicAt,
  recordCountAt,
} from './batch-header.ts'
import { crc32c } from './crc32c.ts'
import { readVarint, readVarlong, varintBytes, varlongBytes, writeVarint, writeVarlong } from './varint.ts'

export interface RecordHeader {
  key: string
  value: Uint8Array | null
}

export interface RecordInput {
  key: Uint8Array | null
  value: Uint8Array | null
  /** Milliseconds since the epoch; the batch's own when absent. */
  timestampMs?: number
  headers?: readonly RecordHeader[]
}

export interface BatchInput {
  records: readonly RecordInput[]
  timestampMs: number
  producerId?: bigint
  producerEpoch?: number
  baseSequence?: number
  attributes?: number
}

/** One record as it stands in a batch; `key` and `value` are views over the batch's bytes. */
export interface RecordView {
  offset: number
  timestampMs: number
  key: Uint8Array | null
  value: Uint8Array | null
  headers: RecordHeader[]
}

const utf8 = new TextEncoder()
/** A byte order mark is a character of a key like any other. */
const fromUtf8 = new TextDecoder('utf-8', { ignoreBOM: true })

/** An uncompressed batch with base offset 0, whole and with its checksum, ready to be appended. */
export function buildBatch(input: BatchInput): Uint8Array {
  assert(input.records.length > 0, 'a batch holds at least one record')
  const baseTimestamp = input.records[0]?.timestampMs ?? input.timestampMs
  const shaped = input.records.map((record, index) => shape(record, index, input.timestampMs, baseTimestamp))
  const size = batchHeaderBytes + shaped.reduce((sum, s) => sum + varintBytes(s.bodyBytes) + s.bodyBytes, 0)
  const bytes = new Uint8Array(size)
  const view = new DataView(bytes.buffer)
  view.setInt32(8, size - batchOverheadBytes)
  view.setInt32(12, -1)
  view.setInt8(16, currentMagic)
  view.setInt16(21, input.attributes ?? 0)
  view.setInt32(23, shaped.length - 1)
  view.setBigInt64(27, BigInt(baseTimestamp))
  view.setBigInt64(35, BigInt(shaped.reduce((max, s) => Math.max(max, s.timestampMs), -1)))
  view.setBigInt64(43, input.producerId ?? -1n)
  view.setInt16(51, input.producerEpoch ?? -1)
  view.setInt32(53, input.baseSequence ?? -1)
  view.setInt32(57, shaped.length)
  let at = batchHeaderBytes
  for (const record of shaped) at = writeRecord(bytes, at, record)
  assert(at === size, 'a batch fills the size computed for it', { at, size })
  view.setUint32(17, crc32c(bytes.subarray(21)))
  return bytes
}

interface ShapedRecord {
  input: RecordInput
  headers: { key: Uint8Array; value: Uint8Array | null }[]
  timestampMs: number
  timestampDelta: number
  offsetDelta: number
  bodyBytes: number
}

function shape(input: RecordInput, offsetDelta: number, batchTimestamp: number, baseTimestamp: number): ShapedRecord {
  const headers = (input.headers ?? []).map(header => ({ key: utf8.encode(header.key), value: header.value }))
  const timestampMs = input.timestampMs ?? batchTimestamp
  const timestampDelta = timestampMs - baseTimestamp
  let bodyBytes = 1 + varlongBytes(timestampDelta) + varintBytes(offsetDelta)
  bodyBytes += nullableBytes(input.key) + nullableBytes(input.value) + varintBytes(headers.length)
  for (const header of headers) bodyBytes += nullableBytes(header.key) + nullableBytes(header.value)
  return { input, headers, timestampMs, timestampDelta, offsetDelta, bodyBytes }
}

function nullableBytes(bytes: Uint8Array | null): number {
  return bytes === null ? varintBytes(-1) : varintBytes(bytes.length) + bytes.length
}

function writeRecord(into: Uint8Array, start: number, record: ShapedRecord): number {
  let at = writeVarint(into, start, record.bodyBytes)
  into[at++] = 0
  at = writeVarlong(into, at, record.timestampDelta)
  at = writeVarint(into, at, record.offsetDelta)
  at = writeNullable(into, at, record.input.key)
  at = writeNullable(into, at, record.input.value)
  at = writeVarint(into, at, record.headers.length)
  for (const header of record.headers) at = writeNullable(into, writeNullable(into, at, header.key), header.value)
  return at
}

function writeNullable(into: Uint8Array, start: number, bytes: Uint8Array | null): number {
  if (bytes === null) return writeVarint(into, start, -1)
  const at = writeVarint(into, start, bytes.length)
  into.set(bytes, at)
  return at + bytes.length
}

/** The position just behind the whole batch at `at`, or undefined when fewer bytes are there. */
export function batchEnd(bytes: Uint8Array, at: number): number | undefined {
  if (bytes.length - at < batchHeaderBytes) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const end = at + batchSizeAt(view, at)
  return end > at && end <= bytes.length ? end : undefined
}

/** The offset of the last record that the batch at `at` was written with; compaction may have taken it since. */
export function batchLastOffset(bytes: Uint8Array, at: number): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return Number(view.getBigInt64(at)) + view.getInt32(at + 23)
}

/** The codec of the batch at `at`. */
export function batchCodec(bytes: Uint8Array, at: number): Codec {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return (attributesAt(view, at) & BatchAttributes.codecMask) as Codec
}

/**
 * The records of the whole batch at `at`. `recordBytes` are the decompressed records section of a compressed batch.
 * The batch was checked before; malformed records throw a RangeError.
 */
export function readRecords(bytes: Uint8Array, at: number, recordBytes?: Uint8Array): RecordView[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  assert(magicAt(view, at) === currentMagic, 'only batches of magic 2 are read', { magic: magicAt(view, at) })
  assert(recordBytes !== undefined || batchCodec(bytes, at) === Codec.none, 'a compressed batch comes decompressed')
  const section = recordBytes ?? bytes.subarray(at + batchHeaderBytes, at + batchSizeAt(view, at))
  const baseOffset = Number(view.getBigInt64(at))
  const appendTime = (attributesAt(view, at) & BatchAttributes.logAppendTime) !== 0
  const baseTimestamp = Number(view.getBigInt64(at + 27))
  const maxTimestamp = Number(view.getBigInt64(at + 35))
  const cursor = { at: 0 }
  const count = recordCountAt(view, at)
  if (count < 0 || count > section.length)
    throw new RangeError(`a batch of ${section.length} bytes counts ${count} records`)
  const records: RecordView[] = []
  for (let i = 0; i < count; i++) {
    const length = readVarint(section, cursor)
    const end = cursor.at + length
    if (length < 0 || end > section.length) throw new RangeError(`record ${i} reaches outside its batch`)
    cursor.at += 1
    const timestampDelta = readVarlong(section, cursor)
    const offset = baseOffset + readVarint(section, cursor)
    const key = readNullable(section, cursor)
    const value = readNullable(section, cursor)
    const headers: RecordHeader[] = []
    for (let n = readVarint(section, cursor); n > 0; n--) {
      const headerKey = readNullable(section, cursor)
      if (headerKey === null) throw new RangeError(`record ${i} has a header without a key`)
      headers.push({ key: fromUtf8.decode(headerKey), value: readNullable(section, cursor) })
    }
    if (cursor.at !== end) throw new RangeError(`record ${i} is not as long as it says`)
    records.push({
      offset,
      timestampMs: appendTime ? maxTimestamp : baseTimestamp + timestampDelta,
      key,
      value,
      headers,
    })
  }
  if (cursor.at !== section.length) throw new RangeError('bytes lie behind the last record of a batch')
  return records
}

function readNullable(bytes: Uint8Array, cursor: { at: number }): Uint8Array | null {
  const length = readVarint(bytes, cursor)
  if (length < 0) return null
  const from = cursor.at
  if (from + length > bytes.length) throw new RangeError('a field reaches outside its batch')
  cursor.at += length
  return bytes.subarray(from, from + length)
}
