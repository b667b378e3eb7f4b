import { readInt64 } from '../base/int64.ts'

/** An entry says: the batch at `position` ends with `offset`. Kafka's .index: relative offset int32, position int32. */
export interface OffsetEntry {
  offset: number
  position: number
}

/** An entry says: `timestamp` is the largest up to `offset`. Kafka's .timeindex: timestamp int64, relative offset int32. */
export interface TimeEntry {
  timestamp: number
  offset: number
}

export const offsetEntryBytes = 8
export const timeEntryBytes = 12
/** What an index of Kafka's largest segment.index.bytes would take is far less. */
export const indexBytesMax = 256 << 20

/** The entries of an index file without the zeros that were allocated ahead, and how the file ends. */
export interface IndexContent {
  readonly count: number
  /** Bytes that are no whole entry. */
  readonly ragged: boolean
  /** Bytes of zeros behind the last entry. */
  readonly allocatedBytes: number
  readonly view: DataView
}

/** Only a first entry can be all zeros, and only in a time index: it is counted when nothing else is there. */
export function indexContent(bytes: Uint8Array, entryBytes: number): IndexContent {
  let end = bytes.length
  while (end > 0 && bytes[end - 1] === 0) end--
  const slots = Math.floor(bytes.length / entryBytes)
  const single = bytes.length === entryBytes && entryBytes === timeEntryBytes
  const count = single ? 1 : Math.min(slots, Math.ceil(end / entryBytes))
  const allocatedBytes = bytes.length - count * entryBytes
  const blocks = bytes.length % 4096 === 0
  return {
    count,
    ragged: !blocks && bytes.length % entryBytes !== 0,
    allocatedBytes,
    view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength),
  }
}

export function offsetEntryAt({ view }: IndexContent, index: number, baseOffset: number, into: OffsetEntry): void {
  into.offset = baseOffset + view.getUint32(index * offsetEntryBytes)
  into.position = view.getUint32(index * offsetEntryBytes + 4)
}

export function timeEntryAt({ view }: IndexContent, index: number, baseOffset: number, into: TimeEntry): void {
  into.timestamp = readInt64(view, index * timeEntryBytes)
  into.offset = baseOffset + view.getUint32(index * timeEntryBytes + 8)
}

/** Both indexes of a segment, made from its batches by the rule that appending follows. */
export class IndexImage {
  private readonly baseOffset: number
  private readonly intervalBytes: number
  private readonly offsets: number[] = []
  private readonly times: number[] = []
  private indexedPosition = 0
  private indexedTimestamp = -1
  private maxTimestamp = -1
  private maxOffset = -1

  constructor(baseOffset: number, intervalBytes: number) {
    this.baseOffset = baseOffset
    this.intervalBytes = intervalBytes
  }

  add(position: number, lastOffset: number, maxTimestamp: number): void {
    if (maxTimestamp > this.maxTimestamp) {
      this.maxTimestamp = maxTimestamp
      this.maxOffset = lastOffset
    }
    if (position - this.indexedPosition <= this.intervalBytes) return
    this.addTime()
    this.offsets.push(lastOffset - this.baseOffset, position)
    this.indexedPosition = position
  }

  /** Both files; call it once, behind the last batch. */
  finish(): { index: Uint8Array; timeIndex: Uint8Array } {
    this.addTime()
    const index = new Uint8Array(this.offsets.length * 4)
    const indexView = new DataView(index.buffer)
    for (const [i, number] of this.offsets.entries()) indexView.setUint32(i * 4, number)
    const timeIndex = new Uint8Array((this.times.length / 2) * timeEntryBytes)
    const timeView = new DataView(timeIndex.buffer)
    for (let i = 0; i < this.times.length; i += 2) {
      timeView.setBigInt64((i / 2) * timeEntryBytes, BigInt(this.times[i]!))
      timeView.setUint32((i / 2) * timeEntryBytes + 8, this.times[i + 1]!)
    }
    return { index, timeIndex }
  }

  private addTime(): void {
    if (this.maxTimestamp <= this.indexedTimestamp) return
    this.times.push(this.maxTimestamp, this.maxOffset - this.baseOffset)
    this.indexedTimestamp = this.maxTimestamp
  }
}
