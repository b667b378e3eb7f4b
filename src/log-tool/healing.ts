import { batchHeaderBytes, batchOverheadBytes, currentMagic } from '../records/batch-header.ts'
import { type BatchHeader, emptyHeader, isOffset, lastOffset, lengthAt, magicPosition } from './batch.ts'
import type { SegmentReader } from './segment-reader.ts'

/** Bytes that belong at a position of a .log file in the place of those that are there. */
export interface Patch {
  readonly position: number
  readonly bytes: Uint8Array
}

/** Zeros that may end a batch and look like what was allocated ahead: its last record's empty counts. */
const trailingZerosMax = 8

/**
 * Length and magic lie outside the checksum. Where one of them alone is damaged, the checksum holds again with the right
 * ones: returns them, and where the batch ends. `next` is the next sound batch, -1 when there is none.
 */
export function healFrame(
  reader: SegmentReader,
  position: number,
  next: number,
): { patch: Patch; end: number } | undefined {
  const at = reader.load(position, batchHeaderBytes)
  if (at < 0) return undefined
  const crc = reader.view.getUint32(at + 17)
  const claimed = position + reader.view.getInt32(at + lengthAt) + batchOverheadBytes
  const contentEnd = next >= 0 ? next : reader.endOfContent(position)
  const ends = next >= 0 ? [next] : Array.from({ length: trailingZerosMax + 1 }, (_, zeros) => contentEnd + zeros)
  if (claimed <= (next >= 0 ? next : reader.sizeBytes)) ends.unshift(claimed)
  for (const end of ends) {
    const sizeBytes = end - position
    if (end > reader.sizeBytes || sizeBytes < batchHeaderBytes || sizeBytes - batchOverheadBytes > 0x7fffffff) continue
    if (reader.checksumOf(position, sizeBytes) !== crc) continue
    const bytes = new Uint8Array(magicPosition + 1 - lengthAt)
    const from = reader.load(position, batchHeaderBytes)
    bytes.set(reader.bytes.subarray(from + lengthAt, from + magicPosition + 1))
    new DataView(bytes.buffer).setInt32(0, sizeBytes - batchOverheadBytes)
    bytes[magicPosition - lengthAt] = currentMagic
    return { patch: { position: position + lengthAt, bytes }, end }
  }
  return undefined
}

/** Where a batch stands among its neighbours; offsets and epochs lie outside the checksum too. */
export interface Neighbours {
  /** The offset that follows the batch before. */
  readonly expected: number
  /** The base offset of what follows: this segment's next batch, or the next segment; undefined where nothing tells. */
  readonly following: number | undefined
  /** Nothing follows. */
  readonly isLast: boolean
  /** Where the log ended when it was closed cleanly; undefined when that is not known. */
  readonly knownEnd: number | undefined
  /** Offsets may be missing between batches. */
  readonly holes: boolean
}

/**
 * The base offset that a batch must have where its own contradicts its neighbours; undefined when there is no
 * contradiction, -1 when there is one that nothing decides.
 */
export function trueBaseOffset(
  header: BatchHeader,
  { expected, following, isLast, knownEnd, holes }: Neighbours,
): number | undefined {
  // What follows on the batch before is right, whatever comes behind it.
  if (header.baseOffset === expected) return undefined
  const end = isLast ? knownEnd : following
  const behind = header.baseOffset < expected
  const beyond = !isOffset(header.baseOffset) || (end !== undefined && lastOffset(header) >= end)
  const short = isLast && end !== undefined && lastOffset(header) + 1 !== end
  if (!behind && !beyond && !short) return undefined
  const room = end === undefined ? undefined : end - header.lastOffsetDelta - 1
  if (room === undefined) return holes ? -1 : expected
  if (room === expected) return expected
  if (!behind && isOffset(header.baseOffset) && room < expected) return undefined // It is the batch behind it that lies.
  // With holes, the end decides where nothing else can: only there is it exact.
  return holes && isLast && room > expected ? room : -1
}

/** The header of the batch that begins at `position`, if there is one; its checksum is not looked at. */
export function headerAt(reader: SegmentReader, position: number): BatchHeader | undefined {
  const header = emptyHeader()
  return reader.peek(position, header) ? header : undefined
}

export function int64Bytes(value: number): Uint8Array {
  const bytes = new Uint8Array(8)
  new DataView(bytes.buffer).setBigInt64(0, BigInt(value))
  return bytes
}

export function int32Bytes(value: number): Uint8Array {
  const bytes = new Uint8Array(4)
  new DataView(bytes.buffer).setInt32(0, value)
  return bytes
}

/** What says which leader epoch a batch has; -1 or undefined where nothing does. */
export interface EpochWitnesses {
  /** Of the batch before, -1 for the first of the log. */
  readonly before: number
  /** Of the batch behind it in its segment. */
  readonly after: number | undefined
  /** What the checkpoint says of its base offset, and whether it knows the epoch that the batch says. */
  readonly told: number | undefined
  readonly known: boolean
  /** The batch is the log's last, and the log was not closed: the checkpoint may lag behind it. */
  readonly mayLead: boolean
}

/** The leader epoch that a batch must have where its own contradicts two witnesses; undefined when it is to be believed. */
export function trueEpoch(epoch: number, { before, after, told, known, mayLead }: EpochWitnesses): number | undefined {
  if (epoch === told || epoch === after) return undefined
  if (before >= 0 && (after === before || (after === undefined && told === before)))
    return mayLead && epoch === before + 1 ? undefined : before
  const between = epoch > before && (after === undefined || epoch < after)
  if (before < 0 && told !== undefined && (after === undefined || after === told)) return told
  if (between && known) return undefined
  if (!between && told !== undefined && told >= before && (after === undefined || told <= after)) return told
  return !between && before < 0 && after !== undefined ? after : undefined
}
