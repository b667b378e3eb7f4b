import type { SegmentFacts } from '../base/world.ts'
import type { CompactedLog } from '../log/compacted-logs.ts'
import { directoryName } from '../log/log-key.ts'
import type { PartitionLog } from '../log/partition-log.ts'
import { type Cleanable, cleanable, dirtySegments, firstDirtyOffset, isDue, mayBeOverdue, overdueMs } from './policy.ts'

/** Segments listed in one call. */
const segmentsAtOnce = 512
const maxTimestampAt = 35

/** A log with something dirty in it, and what may be done about it. */
export interface LookedLog extends Cleanable {
  readonly compacted: CompactedLog
  readonly segments: readonly SegmentFacts[]
  readonly due: boolean
  /** Longer than max.compaction.lag.ms. */
  readonly overdueMs: number
}

export interface LookParts {
  readonly nowMs: number
  readonly cleanedTo: number | undefined
  /** The checkpoint is wrong: the log begins behind it, or ends before it. */
  onInvalidCheckpoint(name: string, firstDirty: number): void
  /** See CleaningSubject. */
  readonly stableEnd: number
}

/** Looks at logs for what there is to clean in them. What of a sealed segment never changes is remembered. */
export class LogLook {
  private readonly firstTimestamps = new WeakMap<PartitionLog, Map<number, number>>()

  /** Undefined when nothing of it is dirty, which costs next to nothing; a promise when it has to ask the disk. */
  look(compacted: CompactedLog, parts: LookParts): LookedLog | undefined | Promise<LookedLog | undefined> {
    const { key, log } = compacted
    const { nowMs, cleanedTo, stableEnd } = parts
    const { compaction } = log.settings
    if (compaction === undefined || stableEnd < 0) return undefined
    const { logStart, logEnd } = log
    const firstDirty = firstDirtyOffset({ logStart, logEnd, cleanedTo })
    if (firstDirty.checkpointInvalid) parts.onInvalidCheckpoint(directoryName(key), firstDirty.offset)
    if (log.stored.activeBaseOffset() <= firstDirty.offset) return undefined
    const segments = allSegments(log, compaction.minLagMs > 0)
    const found = cleanable({ compaction, segments, logStart, logEnd, cleanedTo, stableEnd }, nowMs)
    const looked = (overdue: number): LookedLog => {
      return { ...found, compacted, segments, due: isDue(found, compaction, overdue), overdueMs: overdue }
    }
    if (!mayBeOverdue(compaction, nowMs)) return looked(0)
    const dirty = dirtySegments(segments, firstDirty.offset)
    return this.firstTimestampsOf(log, dirty).then(times => looked(overdueMs(times, compaction, nowMs)))
  }

  /** The largest timestamp of the first batch of each, which is what Kafka asks; -1 where there is none. */
  private async firstTimestampsOf(log: PartitionLog, dirty: ReturnType<typeof dirtySegments>): Promise<number[]> {
    const known = this.firstTimestamps.get(log) ?? new Map<number, number>()
    const times = new Map<number, number>()
    for (const { segment, end } of dirty) {
      const { baseOffset } = segment
      times.set(baseOffset, known.get(baseOffset) ?? (await firstTimestamp(log, baseOffset, end)))
    }
    this.firstTimestamps.set(log, times)
    return [...times.values()]
  }
}

async function firstTimestamp(log: PartitionLog, baseOffset: number, end: number): Promise<number> {
  const batch = await log.stored.readBatch(Math.max(baseOffset, log.logStart), end)
  if (batch.length < maxTimestampAt + 8) return -1
  return Number(new DataView(batch.buffer, batch.byteOffset).getBigInt64(maxTimestampAt))
}

function allSegments(log: PartitionLog, times: boolean): SegmentFacts[] {
  const all: SegmentFacts[] = []
  for (;;) {
    const some = log.stored.segments(segmentsAtOnce, times, all.length)
    all.push(...some)
    if (some.length < segmentsAtOnce) return all
  }
}
