import type { ProducerId } from '../base/ids.ts'
import { readInt64, writeInt64 } from '../base/int64.ts'
import { LargeMap } from '../base/large-map.ts'
import { sortInSlices } from '../base/sort-in-slices.ts'
import { extendCrc32c } from '../records/crc32c.ts'
import { lastSequenceIn, type ProducerEntry, ProducerStates, type ProducerWatcher } from './producer-state.ts'

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

/** Producers encoded or decoded in one turn: some ten microseconds, a millisecond before the code is compiled. */
export const producersPerSlice = 256

/**
 * A snapshot of the producers as they were when it was made. It is encoded in slices, and what changes between them is
 * encoded before it does. `end` lets go of the producers.
 */
export class ProducerSnapshot implements ProducerWatcher {
  private readonly producers: ProducerStates
  private readonly bytes: Uint8Array
  private readonly view: DataView
  private readonly walk: Iterator<[ProducerId, ProducerEntry]>
  /** Whom the walk has come to, who changed before it did, and who was not there when it began. */
  private readonly seen = new LargeMap<ProducerId, true>()
  private at = entriesAt
  private checkedTo = checkedFrom
  private crc = 0

  constructor(producers: ProducerStates) {
    this.producers = producers
    this.bytes = new Uint8Array(entriesAt + producers.size * entryBytes)
    this.view = new DataView(this.bytes.buffer)
    this.view.setInt16(0, version)
    this.view.setInt32(checkedFrom, producers.size)
    this.walk = producers[Symbol.iterator]()
    this.slice()
    if (!this.complete) producers.watch(this)
  }

  /** The whole, `pause` awaited between slices. */
  async encoded(pause: () => Promise<void>): Promise<Uint8Array> {
    while (!this.complete) {
      await pause()
      this.slice()
    }
    this.end()
    return this.bytes
  }

  end(): void {
    this.producers.unwatch(this)
  }

  /** For the producers. */
  changing(producerId: ProducerId, entry: ProducerEntry | undefined): void {
    if (this.seen.has(producerId)) return
    this.seen.set(producerId, true)
    if (entry !== undefined) this.put(producerId, entry)
  }

  private get complete(): boolean {
    return this.checkedTo === this.bytes.length
  }

  private slice(): void {
    for (let left = producersPerSlice; left > 0 && this.at < this.bytes.length; left--) {
      const [producerId, entry] = this.walk.next().value!
      // Nor if it was forgotten and came again, behind the walk.
      if (this.seen.has(producerId)) continue
      this.seen.set(producerId, true)
      this.put(producerId, entry)
    }
    this.crc = extendCrc32c(this.crc, this.bytes.subarray(this.checkedTo, this.at))
    this.checkedTo = this.at
    if (this.complete) this.view.setUint32(crcAt, this.crc)
  }

  private put(producerId: ProducerId, entry: ProducerEntry): void {
    const { view, at } = this
    const last = entry.batches[entry.batches.length - 1]
    view.setBigInt64(at, producerId)
    view.setInt16(at + 8, entry.producerEpoch)
    view.setInt32(at + 10, lastSequenceIn(entry))
    writeInt64(view, at + 14, last?.lastOffset ?? -1)
    view.setInt32(at + 22, last === undefined ? 0 : last.lastOffset - last.baseOffset)
    writeInt64(view, at + 26, entry.lastTimestampMs)
    view.setInt32(at + 34, entry.coordinatorEpoch)
    writeInt64(view, at + 38, entry.transactionStart)
    this.at = at + entryBytes
  }
}

/** Undefined when the bytes are not a whole snapshot: it is then rebuilt from the log. */
export function decodeProducerSnapshot(bytes: Uint8Array): ProducerStates | undefined {
  const slices = decodeSlices(bytes)
  let slice = slices.next()
  while (slice.done !== true) slice = slices.next()
  return slice.value
}

/** The same, `pause` awaited between slices. */
export async function decodeInSlices(
  bytes: Uint8Array,
  pause: () => Promise<void>,
): Promise<ProducerStates | undefined> {
  const slices = decodeSlices(bytes)
  let slice = slices.next()
  for (; slice.done !== true; slice = slices.next()) await pause()
  return slice.value
}

function* decodeSlices(bytes: Uint8Array): Generator<unknown, ProducerStates | undefined> {
  if (bytes.length < entriesAt) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const count = view.getInt32(checkedFrom)
  if (view.getInt16(0) !== version || count < 0 || bytes.length !== entriesAt + count * entryBytes) return undefined
  const producers = new ProducerStates()
  const open: OpenTransaction[] = []
  let crc = extendCrc32c(0, bytes.subarray(checkedFrom, entriesAt))
  for (let at = entriesAt; at < bytes.length; ) {
    if (at > entriesAt) yield
    const end = Math.min(at + producersPerSlice * entryBytes, bytes.length)
    crc = extendCrc32c(crc, bytes.subarray(at, end))
    for (; at < end; at += entryBytes) {
      const producerId = view.getBigInt64(at)
      const entry = entryAt(view, at)
      producers.restore(producerId, entry)
      if (entry.transactionStart >= 0) open.push({ producerId, firstOffset: entry.transactionStart })
    }
  }
  if (view.getUint32(crcAt) !== crc) return undefined
  const inOrder = yield* sortInSlices(open, (one, other) => one.firstOffset - other.firstOffset)
  for (const [index, { producerId, firstOffset }] of inOrder.entries()) {
    if (index % producersPerSlice === producersPerSlice - 1) yield
    producers.transactions.begin(producerId, firstOffset)
  }
  return producers
}

interface OpenTransaction {
  readonly producerId: ProducerId
  readonly firstOffset: number
}

function entryAt(view: DataView, at: number): ProducerEntry {
  const lastSequence = view.getInt32(at + 10)
  const lastOffset = readInt64(view, at + 14)
  const offsetDelta = view.getInt32(at + 22)
  const timestampMs = readInt64(view, at + 26)
  const baseSequence = baseSequenceOf(lastSequence, offsetDelta)
  const batch = { baseSequence, lastSequence, baseOffset: lastOffset - offsetDelta, lastOffset, timestampMs }
  return {
    producerEpoch: view.getInt16(at + 8),
    coordinatorEpoch: view.getInt32(at + 34),
    batches: lastOffset < 0 ? [] : [batch],
    lastTimestampMs: timestampMs,
    transactionStart: readInt64(view, at + 38),
  }
}

function baseSequenceOf(lastSequence: number, offsetDelta: number): number {
  if (lastSequence < 0) return -1
  const base = lastSequence - offsetDelta
  return base < 0 ? base + 0x7fffffff + 1 : base
}
