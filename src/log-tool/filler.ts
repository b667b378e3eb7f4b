import { batchHeaderBytes, batchOverheadBytes, currentMagic } from '../records/batch-header.ts'
import { crc32c } from '../records/crc32c.ts'
import { checkedFrom, checksumAt, leaderEpochAt, lengthAt, magicPosition } from './batch.ts'
import type { LostRange } from './repair-plan.ts'

const deltaMax = 0x7fffffff

/**
 * Batches without records that stand for offsets whose records are lost, as compaction leaves some: the offsets before and
 * behind stay what they are, none is given again, and clients step over them.
 */
export function fillers({ from, to, leaderEpoch }: LostRange): Uint8Array {
  const count = Math.ceil((to - from) / (deltaMax + 1))
  const bytes = new Uint8Array(count * batchHeaderBytes)
  for (let i = 0, base = from; i < count; i++) {
    const delta = Math.min(to - base - 1, deltaMax)
    const batch = bytes.subarray(i * batchHeaderBytes, (i + 1) * batchHeaderBytes)
    const view = new DataView(batch.buffer, batch.byteOffset, batch.byteLength)
    view.setBigInt64(0, BigInt(base))
    view.setInt32(lengthAt, batchHeaderBytes - batchOverheadBytes)
    view.setInt32(leaderEpochAt, Math.max(leaderEpoch, 0))
    view.setInt8(magicPosition, currentMagic)
    view.setInt32(23, delta)
    view.setBigInt64(27, -1n)
    view.setBigInt64(35, -1n)
    view.setBigInt64(43, -1n)
    view.setInt16(51, -1)
    view.setInt32(53, -1)
    view.setUint32(checksumAt, crc32c(batch.subarray(checkedFrom)))
    base += delta + 1
  }
  return bytes
}
