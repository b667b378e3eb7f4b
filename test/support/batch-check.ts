import { type LogSettings, type RecordFault, RecordFaultKind } from '../../src/base/world.ts'
import { StatusCode } from '../../src/native/status.ts'
import { BatchAttributes, batchHeaderBytes, batchSizeAt } from '../../src/records/batch-header.ts'
import { crc32c } from '../../src/records/crc32c.ts'
import { readRecords } from '../../src/records/record-batch.ts'

export interface BatchVerdict {
  readonly status: number
  readonly firstBadRecord: number
  readonly faults: RecordFault[]
}

const verdict = (status: number, firstBadRecord = -1, faults: RecordFault[] = []): BatchVerdict => ({
  status,
  firstBadRecord,
  faults,
})
const highestCodec = 4
const deleteHorizon = 0x40

/**
 * What native code checks of a batch before it is appended, in the same order, with the same answers. `unfolded` are the
 * records of a compressed batch, where they are to be checked.
 */
export function checkBatch(
  bytes: Uint8Array,
  settings: LogSettings,
  nowMs: number,
  internal: boolean,
  unfolded?: Uint8Array,
): BatchVerdict {
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
    if ((attributes & BatchAttributes.logAppendTime) !== 0) return verdict(StatusCode.batchTimestamp)
  }
  const compressed = (attributes & BatchAttributes.codecMask) !== 0
  if (unfolded !== undefined && !compressed) return verdict(StatusCode.invalidArgument)
  const checked =
    compressed && unfolded === undefined ? verdict(StatusCode.ok) : checkRecords(bytes, settings, nowMs, unfolded)
  if (checked.status !== StatusCode.ok) return checked
  return size > settings.segmentBytes ? verdict(StatusCode.batchLargerThanSegment) : checked
}

const faultsNamed = 500

function checkRecords(bytes: Uint8Array, settings: LogSettings, nowMs: number, unfolded?: Uint8Array): BatchVerdict {
  try {
    const records = readRecords(bytes, 0, unfolded)
    if (records.some(({ offset }, index) => offset !== index)) return verdict(StatusCode.batchInvalid, 0)
    const earliest = settings.logAppendTime ? Number.NEGATIVE_INFINITY : nowMs - settings.timestampBeforeMaxMs
    const latest = settings.logAppendTime ? Number.POSITIVE_INFINITY : nowMs + settings.timestampAfterMaxMs
    const faults: RecordFault[] = []
    for (const [index, { key, timestampMs: timestamp }] of records.entries()) {
      if (settings.requireKeys && key === null) faults.push({ index, kind: RecordFaultKind.keyMissing, timestamp })
      else if (timestamp !== -1 && (timestamp < earliest || timestamp > latest))
        faults.push({ index, kind: RecordFaultKind.timestampOutOfBounds, timestamp })
    }
    if (faults.length === 0) return verdict(StatusCode.ok)
    const stray = faults.some(({ kind }) => kind === RecordFaultKind.timestampOutOfBounds)
    const status = stray ? StatusCode.batchTimestamp : StatusCode.batchInvalid
    return verdict(status, faults[0]!.index, faults.slice(0, faultsNamed))
  } catch (error) {
    if (error instanceof RangeError) return verdict(StatusCode.batchInvalid, 0)
    throw error
  }
}
