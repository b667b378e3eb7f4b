import type { ProducerId } from '../base/ids.ts'
import { crc32c } from '../records/crc32c.ts'
import { lastSequenceIn, type ProducerEntry, ProducerStates } from './producer-state.ts'

/**
 * `<offset>.snapshot`, Kafka's format, big-endian: the producers as they were when the log ended at `offset`.
 *
 *     0 version int16 (1) | 2 crc uint32 (CRC-32C of all after it) | 6 count int32, then for each producer
 *     id int64 | epoch int16 | last sequence int32 | last offset int64 | offset delta int32 | timestamp int64
 *     | coordinator epoch int32 | first offset of its open transaction int64 (-1: none)
 */
const version = 1
const crcAt = 2
const checkedFrom = 6
const entriesAt = 10
const entryBytes = 46

export const snapshotName = (offset: number): string => `${String(offset).padStart(20, '0')}.snapshot`

/** The offset in a snapshot's name; undefined for other files. */
export function snapshotOffset(name: string): number | undefined {
  const match = /^(\d{20})\.snapshot$/.exec(name)
  return match === null ? undefined : Number(match[1])
}

export function encodeProducerSnapshot(producers: ProducerStates): Uint8Array {
  const bytes = new Uint8Array(entriesAt + producers.size * entryBytes)
  const view = new DataView(bytes.buffer)
  view.setInt16(0, version)
  view.setInt32(checkedFrom, producers.size)
  let at = entriesAt
  for (const [producerId, entry] of producers) {
    const last = entry.batches[entry.batches.length - 1]
    view.setBigInt64(at, producerId)
    view.setInt16(at + 8, entry.producerEpoch)
    view.setInt32(at + 10, lastSequenceIn(entry))
    view.setBigInt64(at + 14, BigInt(last?.lastOffset ?? -1))
    view.setInt32(at + 22, last === undefined ? 0 : last.lastOffset - last.baseOffset)
    view.setBigInt64(at + 26, BigInt(entry.lastTimestampMs))
    view.setInt32(at + 34, entry.coordinatorEpoch)
    view.setBigInt64(at + 38, BigInt(entry.transactionStart))
    at += entryBytes
  }
  view.setUint32(crcAt, crc32c(bytes.subarray(checkedFrom)))
  return bytes
}

/** Undefined when the bytes are not a whole snapshot: it is then rebuilt from the log. */
export function decodeProducerSnapshot(bytes: Uint8Array): ProducerStates | undefined {
  if (bytes.length < entriesAt) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const count = view.getInt32(checkedFrom)
  if (view.getInt16(0) !== version || count < 0 || bytes.length !== entriesAt + count * entryBytes) return undefined
  if (view.getUint32(crcAt) !== crc32c(bytes.subarray(checkedFrom))) return undefined
  const entries: [ProducerId, ProducerEntry][] = []
  for (let i = 0, at = entriesAt; i < count; i++, at += entryBytes)
    entries.push([view.getBigInt64(at), entryAt(view, at)])
  const producers = new ProducerStates()
  producers.restore(entries)
  return producers
}

function entryAt(view: DataView, at: number): ProducerEntry {
  const lastSequence = view.getInt32(at + 10)
  const lastOffset = Number(view.getBigInt64(at + 14))
  const offsetDelta = view.getInt32(at + 22)
  const timestampMs = Number(view.getBigInt64(at + 26))
  const baseSequence = baseSequenceOf(lastSequence, offsetDelta)
  const batch = { baseSequence, lastSequence, baseOffset: lastOffset - offsetDelta, lastOffset, timestampMs }
  return {
    producerEpoch: view.getInt16(at + 8),
    coordinatorEpoch: view.getInt32(at + 34),
    batches: lastOffset < 0 ? [] : [batch],
    lastTimestampMs: timestampMs,
    transactionStart: Number(view.getBigInt64(at + 38)),
  }
}

function baseSequenceOf(lastSequence: number, offsetDelta: number): number {
  if (lastSequence < 0) return -1
  const base = lastSequence - offsetDelta
  return base < 0 ? base + 0x7fffffff + 1 : base
}
