import { Writer } from '../../protocol/index.ts'
import { BatchAttributes, batchHeaderBytes, batchOverheadBytes, currentMagic } from '../../records/batch-header.ts'
import { crc32c } from '../../records/crc32c.ts'
import { varintBytes, writeVarint } from '../../records/varint.ts'
import type { CoordinatorRecord } from './record.ts'
import type { RecordCodec } from './record-codec.ts'
import type { TransactionalProducer } from './shard.ts'

/** What a record takes besides key and value, at most: lengths and deltas as varints, attributes, no headers. */
const recordOverheadBytes = 5 + 1 + 1 + 5 + 5 + 5 + 1
/** A turn's encoded records: three numbers each. */
const numbersPerRecord = 3

/** The records of one turn, encoded one behind the other; the memory serves the next turn. */
export class TurnRecords {
  private readonly codec: RecordCodec
  readonly encoded = new Writer()
  /** Of each record: where its key begins, where it ends, where the value ends; the last is -1 for a tombstone. */
  readonly places: number[] = []
  /** An upper bound of what the records take in a batch. */
  bytes = 0
  /** The record that was measured last, whose bytes lie behind those of the records: it is not encoded again. */
  private measured: CoordinatorRecord | undefined
  private measuredKeyEnd = 0
  private measuredEnd = 0

  constructor(codec: RecordCodec) {
    this.codec = codec
  }

  get count(): number {
    return this.places.length / numbersPerRecord
  }

  reset(): void {
    this.encoded.reset()
    this.places.length = 0
    this.bytes = 0
    this.measured = undefined
  }

  add(record: CoordinatorRecord): void {
    const { encoded, places } = this
    if (record !== this.measured) this.measure(record)
    this.measured = undefined
    const keyFrom = encoded.position
    encoded.position = this.measuredEnd
    places.push(keyFrom, this.measuredKeyEnd, record.value === null ? -1 : this.measuredEnd)
    this.bytes += this.measuredEnd - keyFrom + recordOverheadBytes
  }

  /** What a batch of this one record takes, at most. */
  batchBytesOf(record: CoordinatorRecord): number {
    this.measure(record)
    return batchHeaderBytes + this.measuredEnd - this.encoded.position + recordOverheadBytes
  }

  /** Encodes it where the next record goes, and leaves the writer there. */
  private measure(record: CoordinatorRecord): void {
    const { encoded } = this
    const from = encoded.position
    this.measured = undefined // Its bytes are written over, and encoding may throw.
    this.codec.encodeKey(encoded, record)
    this.measuredKeyEnd = encoded.position
    this.codec.encodeValue(encoded, record)
    this.measuredEnd = encoded.position
    encoded.position = from
    this.measured = record
  }
}

/** Most keys and values are shorter: making a view of so few bytes takes longer than copying them one by one. */
const fewBytes = 160

function copy(from: Uint8Array, start: number, end: number, to: Uint8Array, at: number): void {
  if (end - start > fewBytes) to.set(from.subarray(start, end), at)
  else for (let source = start, target = at; source < end; ) to[target++] = from[source++]!
}

/** One record batch that turns are added to; every record carries the time at which it is sealed. */
export class BatchWriter {
  private readonly writer = new Writer(1 << 10)
  private records = 0

  constructor() {
    this.reset()
  }

  get bytes(): number {
    return this.writer.position
  }

  get capacity(): number {
    return this.writer.bytes.byteLength
  }

  reset(): void {
    this.writer.reset()
    this.writer.take(batchHeaderBytes)
    this.records = 0
  }

  add({ encoded, places }: TurnRecords): void {
    for (let at = 0; at < places.length; at += numbersPerRecord)
      this.addRecord(encoded.bytes, places[at]!, places[at + 1]!, places[at + 2]!)
  }

  private addRecord(from: Uint8Array, keyFrom: number, keyEnd: number, valueEnd: number): void {
    const keyBytes = keyEnd - keyFrom
    const valueBytes = valueEnd < 0 ? -1 : valueEnd - keyEnd
    const offsetDelta = this.records++
    const body =
      3 + // Attributes, a timestamp delta of 0, no headers.
      varintBytes(offsetDelta) +
      varintBytes(keyBytes) +
      keyBytes +
      varintBytes(valueBytes) +
      Math.max(valueBytes, 0)
    const start = this.writer.take(varintBytes(body) + body)
    const { bytes } = this.writer
    let at = writeVarint(bytes, start, body)
    bytes[at++] = 0
    bytes[at++] = 0
    at = writeVarint(bytes, at, offsetDelta)
    at = writeVarint(bytes, at, keyBytes)
    copy(from, keyFrom, keyEnd, bytes, at)
    at = writeVarint(bytes, at + keyBytes, valueBytes)
    if (valueBytes > 0) copy(from, keyEnd, valueEnd, bytes, at)
    bytes[at + Math.max(valueBytes, 0)] = 0
  }

  /** The whole batch, with base offset 0 and as part of `producer`'s transaction: a view that the next reset ends. */
  seal(timestampMs: number, producer?: TransactionalProducer): Uint8Array {
    const batch = this.writer.written()
    const view = new DataView(batch.buffer, batch.byteOffset, batch.byteLength)
    const timestamp = BigInt(timestampMs)
    view.setBigInt64(0, 0n)
    view.setInt32(8, batch.length - batchOverheadBytes)
    view.setInt32(12, -1)
    view.setInt8(16, currentMagic)
    view.setInt16(21, producer === undefined ? 0 : BatchAttributes.transactional)
    view.setInt32(23, this.records - 1)
    view.setBigInt64(27, timestamp)
    view.setBigInt64(35, timestamp)
    view.setBigInt64(43, producer?.producerId ?? -1n)
    view.setInt16(51, producer?.producerEpoch ?? -1)
    view.setInt32(53, -1)
    view.setInt32(57, this.records)
    view.setUint32(17, crc32c(batch.subarray(21)))
    return batch
  }
}

/** Batches whose memory is used again: a runtime needs as many at a time as partitions are written in one turn of the loop. */
export class BatchPool {
  private readonly free: BatchWriter[] = []

  take(): BatchWriter {
    return this.free.pop() ?? new BatchWriter()
  }

  give(batch: BatchWriter): void {
    if (this.free.length >= maxFree || batch.capacity > maxKeptBytes) return
    batch.reset()
    this.free.push(batch)
  }
}

const maxFree = 64
const maxKeptBytes = 64 << 10
