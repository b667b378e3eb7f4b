import { BatchAttributes } from '../records/batch-header.ts'
import { buildBatch } from '../records/record-batch.ts'
import type { TransactionMarker } from './transaction-marker.ts'

/**
 * A marker is a batch of one record, as in Kafka: its key holds a version (int16, 0) and what it is (int16), its value a
 * version (int16, 0) and the epoch of the coordinator that decided (int32).
 */
export const ControlType = { abort: 0, commit: 1 } as const
export type ControlType = (typeof ControlType)[keyof typeof ControlType]

export function markerBatch(marker: TransactionMarker, nowMs: number): Uint8Array {
  const { producerId, producerEpoch, coordinatorEpoch, committed } = marker
  const key = new Uint8Array(4)
  new DataView(key.buffer).setInt16(2, committed ? ControlType.commit : ControlType.abort)
  const value = new Uint8Array(6)
  new DataView(value.buffer).setInt32(2, coordinatorEpoch)
  return buildBatch({
    records: [{ key, value }],
    timestampMs: nowMs,
    producerId,
    producerEpoch,
    attributes: BatchAttributes.transactional | BatchAttributes.control,
  })
}
