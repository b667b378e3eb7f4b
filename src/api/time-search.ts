import { MillraceError } from '../base/error.ts'
import type { StoredLog, TimestampPosition } from '../base/world.ts'
import { batchHeaderBytes } from '../records/batch-header.ts'
import { decompress } from '../records/compression.ts'
import { batchCodec, batchEnd } from '../records/record-batch.ts'
import { RecordTimes } from '../records/record-times.ts'
import type { TurnShare } from './turn-share.ts'

/** The records that may be found: those of [from, limit). */
export interface SearchRange {
  readonly from: number
  readonly limit: number
}

export interface FoundRecord {
  readonly offset: number
  readonly timestamp: number
  readonly leaderEpoch: number
}

/** A compressed batch, unfolded: what is asked for in it, and where the batch behind it begins. */
interface Unfolded {
  readonly found: FoundRecord | undefined
  readonly next: number
}

/** The first record of the range at or after `timestamp`. */
export async function findByTime(
  log: StoredLog,
  timestamp: number,
  range: SearchRange,
  share: TurnShare,
): Promise<FoundRecord | undefined> {
  // A batch that the log start lies in may have its late records below it: then the next batch is looked for.
  for (let { from } = range; from < range.limit; ) {
    const position = await log.findTimestamp(timestamp, from, range.limit)
    if (position === undefined || !position.inCompressedBatch) return position
    const { found, next } = await unfold(log, position, { ...range, from }, share, timestamp)
    if (found !== undefined) return found
    from = next
  }
  return undefined
}

/** The first record of the range with its largest timestamp. */
export async function findLatest(
  log: StoredLog,
  range: SearchRange,
  share: TurnShare,
): Promise<FoundRecord | undefined> {
  let best: FoundRecord | undefined
  for (let { from } = range; from < range.limit; ) {
    const position = await log.findMaxTimestamp(from, range.limit)
    if (position === undefined || (best !== undefined && position.timestamp <= best.timestamp)) return best
    if (!position.inCompressedBatch) return position
    const { found, next } = await unfold(log, position, { ...range, from }, share, undefined)
    if (found !== undefined && (best === undefined || found.timestamp > best.timestamp)) best = found
    // The header counts records below the log start too. Only the first batch can have such.
    if (found?.timestamp === position.timestamp || position.offset >= from) return best
    from = next
  }
  return best
}

/** The first record at or after `timestamp`, or without one the first of the latest. */
async function unfold(
  log: StoredLog,
  position: TimestampPosition,
  { from, limit }: SearchRange,
  share: TurnShare,
  timestamp: number | undefined,
): Promise<Unfolded> {
  const { leaderEpoch } = position
  const batch = await log.readBatch(Math.max(position.offset, from), limit)
  const end = batchEnd(batch, 0)
  if (end === undefined) return { found: undefined, next: limit }
  let found: FoundRecord | undefined
  let next = position.offset + 1 + new DataView(batch.buffer, batch.byteOffset).getInt32(23)
  if (next <= from) next = limit
  try {
    const section = await decompress(batchCodec(batch, 0), batch.subarray(batchHeaderBytes, end))
    const records = new RecordTimes(batch, section)
    while (records.next()) {
      const due = share.spend()
      if (due !== undefined) await due
      const { offset, timestampMs } = records
      if (offset < from || offset >= limit) continue
      if (timestamp === undefined ? found !== undefined && timestampMs <= found.timestamp : timestampMs < timestamp)
        continue
      found = { offset, timestamp: timestampMs, leaderEpoch }
      if (timestamp !== undefined) break
    }
  } catch (error) {
    if (!(error instanceof MillraceError || error instanceof RangeError)) throw error
    // Not every producer's compression was unfolded when it came, so it may be none at all: the header must do.
    const { offset, timestamp: claimed } = position
    found = { offset: Math.max(offset, from), timestamp: claimed, leaderEpoch }
  }
  return { found, next }
}
