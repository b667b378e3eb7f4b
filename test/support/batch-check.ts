import type { LogSettings } from '../../src/base/world.ts'
import { StatusCode } from '../../src/native/status.ts'
import { BatchAttributes, batchHeaderBytes, batchSizeAt } from '../../src/records/batch-header.ts'
import { crc32c } from '../../src/records/crc32c.ts'
import { readRecords } from '../../src/records/record-batch.ts'

export interface BatchVerdict {
  readonly status: number
  readonly firstBadRecord: number
}

const verdict = (status: number, firstBadRecord = -1): BatchVerdict => ({ status, firstBadRecord })
const highestCodec = 4
const deleteHorizon = 0x40

/** What native code checks of a batch before it is appended, in the same order, with the same answers. */
export function checkBatch(bytes: Uint8Array, settings: LogSettings, nowMs: number, internal: boolean): BatchVerdict {
  if (bytes.length <= 16) return verdict(StatusCode.batchCorrupt)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (view.getInt8(16) !== 2) return verdict(StatusCode.batchMagic)
  if (bytes.length < batchHeaderBytes) return verdict(StatusCode.batchCorrupt)
  const size = batchSizeAt(view, 0)
  if (size < batchHeaderBytes || size > bytes.length) return verdict(StatusCode.batchCorrupt)
  if (size > settings.maxMessageBytes) return verdict(StatusCode.batchTooLarge)
  if (crc32c(bytes.subarray(21, size)) !== view.getUint32(17)) return verdict(StatusCode.batchCorrupt)
  if (size < bytes.length) return verdict(StatusCode.batchInvalid)
  const attributes = view.getInt16(21)
  if ((attributes & BatchAttributes.codecMask) > highestCodec) return verdict(StatusCode.batchCompression)
  const count = view.getInt32(57)
  const idempotent = view.getBigInt64(43) >= 0n
  if (count <= 0 || view.getInt32(23) !== count - 1) return verdict(StatusCode.batchInvalid)
  if (idempotent && view.getInt16(51) < 0) return verdict(StatusCode.batchInvalid)
  if (!internal) {
    if (view.getBigInt64(0) !== 0n) return verdict(StatusCode.batchInvalid)
    if ((attributes & (BatchAttributes.control | deleteHorizon)) !== 0) return verdict(StatusCode.batchInvalid)
    if (idempotent && view.getInt32(53) < 0) return verdict(StatusCode.batchInvalid)
    if ((attributes & BatchAttributes.logAppendTime) !== 0) return verdict(StatusCode.batchTimestamp, 0)
  }
  const checked =
    (attributes & BatchAttributes.codecMask) === 0 ? checkRecords(bytes, settings, nowMs) : verdict(StatusCode.ok)
  if (checked.status !== StatusCode.ok) return checked
  return size > settings.segmentBytes ? verdict(StatusCode.batchLargerThanSegment) : checked
}

function checkRecords(bytes: Uint8Array, settings: LogSettings, nowMs: number): BatchVerdict {
  try {
    const records = readRecords(bytes, 0)
    const unkeyed = records.findIndex(record => settings.requireKeys && record.key === null)
    if (unkeyed >= 0) return verdict(StatusCode.batchInvalid, unkeyed)
    const stray = settings.logAppendTime
      ? -1
      : records.findIndex(
          ({ timestampMs }) =>
            timestampMs !== -1 &&
            (timestampMs < nowMs - settings.timestampBeforeMaxMs || timestampMs > nowMs + settings.timestampAfterMaxMs),
        )
    return stray < 0 ? verdict(StatusCode.ok) : verdict(StatusCode.batchTimestamp, stray)
  } catch (error) {
    if (error instanceof RangeError) return verdict(StatusCode.batchInvalid, 0)
    throw error
  }
}
