import { attributesAt, BatchAttributes, batchHeaderBytes, recordCountAt } from './batch-header.ts'
import { readVarint, readVarlong } from './varint.ts'

/**
 * Walks over the records of a batch for their offsets and timestamps alone; keys, values and headers are skipped.
 * `section` is the records section, decompressed. Malformed records throw a RangeError.
 */
export class RecordTimes {
  offset = -1
  timestampMs = -1
  private readonly section: Uint8Array
  private readonly baseOffset: number
  private readonly baseTimestamp: number
  private readonly appendTime: number | undefined
  private readonly cursor = { at: 0 }
  private left: number

  constructor(batch: Uint8Array, section: Uint8Array) {
    const view = new DataView(batch.buffer, batch.byteOffset, batchHeaderBytes)
    this.section = section
    this.baseOffset = Number(view.getBigInt64(0))
    this.baseTimestamp = Number(view.getBigInt64(27))
    const stamped = (attributesAt(view, 0) & BatchAttributes.logAppendTime) !== 0
    this.appendTime = stamped ? Number(view.getBigInt64(35)) : undefined
    this.left = recordCountAt(view, 0)
  }

  /** Goes to the next record; false behind the last one. */
  next(): boolean {
    if (this.left <= 0) return false
    this.left--
    const { section, cursor } = this
    const length = readVarint(section, cursor)
    const end = cursor.at + length
    if (length < 3 || end > section.length) throw new RangeError('a record reaches outside its batch')
    cursor.at++ // attributes, of which there are none
    const delta = readVarlong(section, cursor)
    this.offset = this.baseOffset + readVarint(section, cursor)
    this.timestampMs = this.appendTime ?? this.baseTimestamp + delta
    cursor.at = end
    return true
  }
}
