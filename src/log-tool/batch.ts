import { readInt64 } from '../base/int64.ts'
import { batchHeaderBytes, batchOverheadBytes, currentMagic } from '../records/batch-header.ts'

/** A record batch's header; numbers beyond 2^53 are rounded, and no valid offset is. */
export interface BatchHeader {
  baseOffset: number
  sizeBytes: number
  leaderEpoch: number
  magic: number
  crc: number
  attributes: number
  lastOffsetDelta: number
  baseTimestamp: number
  maxTimestamp: number
  producerId: bigint
  producerEpoch: number
  baseSequence: number
  recordCount: number
}

export const codecMask = 0x07
export const Attribute = { logAppendTime: 0x08, transactional: 0x10, control: 0x20, deleteHorizon: 0x40 } as const
const knownAttributes = 0x7f
export const checksumAt = 17
export const checkedFrom = 21
export const leaderEpochAt = 12
export const baseOffsetAt = 0
export const lengthAt = 8
export const magicPosition = 16

export const noProducer = -1n

export const lastOffset = (header: BatchHeader): number => header.baseOffset + header.lastOffsetDelta
export const isControl = (header: BatchHeader): boolean => (header.attributes & Attribute.control) !== 0
export const isTransactional = (header: BatchHeader): boolean => (header.attributes & Attribute.transactional) !== 0

export const emptyHeader = (): BatchHeader => ({
  baseOffset: 0,
  sizeBytes: 0,
  leaderEpoch: 0,
  magic: 0,
  crc: 0,
  attributes: 0,
  lastOffsetDelta: 0,
  baseTimestamp: 0,
  maxTimestamp: 0,
  producerId: noProducer,
  producerEpoch: 0,
  baseSequence: 0,
  recordCount: 0,
})

/** Reads the header at `at`, of which all `batchHeaderBytes` are there, into `header`. */
export function readHeader(view: DataView, at: number, header: BatchHeader): void {
  header.baseOffset = readInt64(view, at)
  header.sizeBytes = view.getInt32(at + lengthAt) + batchOverheadBytes
  header.leaderEpoch = view.getInt32(at + leaderEpochAt)
  header.magic = view.getInt8(at + magicPosition)
  header.crc = view.getUint32(at + checksumAt)
  header.attributes = view.getInt16(at + checkedFrom)
  header.lastOffsetDelta = view.getInt32(at + 23)
  header.baseTimestamp = readInt64(view, at + 27)
  header.maxTimestamp = readInt64(view, at + 35)
  header.producerId = view.getInt32(at + 43) < 0 ? noProducer : view.getBigInt64(at + 43)
  header.producerEpoch = view.getInt16(at + 51)
  header.baseSequence = view.getInt32(at + 53)
  header.recordCount = view.getInt32(at + 57)
}

/** Whether an offset can be one at all. */
export const isOffset = (offset: number): boolean => offset >= 0 && Number.isSafeInteger(offset)

/**
 * What keeps a header from telling where its batch ends and what is in it; undefined when nothing does. Base offset and
 * leader epoch are judged by the batch's neighbours.
 */
export function implausible(header: BatchHeader): string | undefined {
  const { magic, sizeBytes, lastOffsetDelta, recordCount } = header
  if (magic !== currentMagic) return `its magic is ${magic}, not ${currentMagic}`
  if (sizeBytes < batchHeaderBytes) return `its length of ${sizeBytes - batchOverheadBytes} is too small for a batch`
  if (lastOffsetDelta < 0) return `its last offset delta is ${lastOffsetDelta}`
  if (recordCount < 0 || recordCount > lastOffsetDelta + 1)
    return `it counts ${recordCount} records in ${lastOffsetDelta + 1} offsets`
  return undefined
}

/** What a sound batch cannot say in its header, though its checksum holds; undefined when all is well. */
export function headerFault(header: BatchHeader): string | undefined {
  const { attributes, producerId, producerEpoch, baseSequence, recordCount } = header
  if ((attributes & ~knownAttributes) !== 0) return `its attributes ${attributes} have unknown bits`
  if ((attributes & codecMask) > 4) return `its codec ${attributes & codecMask} is unknown`
  if (isTransactional(header) && producerId < 0n) return 'it is transactional and has no producer id'
  if (producerId >= 0n && producerEpoch < 0) return `its producer epoch is ${producerEpoch}`
  // What a coordinator writes into a producer's transaction has none of its sequences.
  const hasSequence = producerId >= 0n && !isTransactional(header) && recordCount > 0
  if (hasSequence && baseSequence < 0) return `its base sequence is ${baseSequence}`
  return undefined
}
