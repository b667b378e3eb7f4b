import type { SegmentFacts } from '../base/world.ts'

/** What of a log's settings says how long records stay (Kafka's topic configs of the same names). */
export interface RetentionPolicy {
  readonly deletes: boolean
  readonly retentionMs: number
  readonly retentionBytes: number
  readonly timestampAfterMaxMs: number
}

/** A log as retention sees it. */
export interface RetentionSubject {
  /** Some segments, oldest first. */
  readonly segments: readonly SegmentFacts[]
  /** Whether the last of `segments` is the one that is written; if not, only those before it are judged. */
  readonly endsActive: boolean
  readonly sizeBytes: number
  readonly logEnd: number
  readonly highWatermark: number
}

export interface RetentionVerdict {
  /** Where the log shall begin; -1 when it stays as it is. */
  readonly newStart: number
  /** The segment being written goes too: another has to be begun before. */
  readonly roll: boolean
  /** All that were judged go: more of them may have to. */
  readonly goesOn: boolean
  /** The segment whose records claim to come from the future. */
  readonly future: SegmentFacts | undefined
}

const stays = (future?: SegmentFacts): RetentionVerdict => ({ newStart: -1, roll: false, goesOn: false, future })

/**
 * Kafka's rules: whole segments, oldest first. One goes when its largest timestamp is more than retention.ms ago, or when what
 * is left without it is still retention.bytes or more; never one with records at or above the high watermark, and never an
 * empty one that is being written.
 *
 * A largest timestamp in the future would keep a segment for ever. It counts as at most message.timestamp.after.max.ms past the
 * time when its file was written: no record with a later one could have been accepted.
 */
export function judgeRetention(subject: RetentionSubject, policy: RetentionPolicy, nowMs: number): RetentionVerdict {
  if (!policy.deletes) return stays()
  const { segments, endsActive, logEnd, highWatermark } = subject
  const judged = endsActive ? segments.length : segments.length - 1
  let future: SegmentFacts | undefined
  let left = subject.sizeBytes
  let gone = 0
  for (; gone < judged; gone++) {
    const segment = segments[gone]!
    const isActive = gone === segments.length - 1
    const end = isActive ? logEnd : segments[gone + 1]!.baseOffset
    if (end > highWatermark || (isActive && segment.sizeBytes === 0)) break
    if (policy.retentionMs >= 0 && segment.maxTimestampMs > nowMs) future ??= segment
    const expired = policy.retentionMs >= 0 && nowMs - newestMs(segment, policy, nowMs) > policy.retentionMs
    const surplus = policy.retentionBytes >= 0 && left - segment.sizeBytes >= policy.retentionBytes
    if (!expired && !surplus) break
    left -= segment.sizeBytes
  }
  if (gone === 0) return stays(future)
  const roll = endsActive && gone === segments.length
  return {
    newStart: roll ? logEnd : segments[gone]!.baseOffset,
    roll,
    goesOn: !endsActive && gone === judged,
    future,
  }
}

function newestMs(segment: SegmentFacts, { timestampAfterMaxMs }: RetentionPolicy, nowMs: number): number {
  const { maxTimestampMs, modifiedMs } = segment
  if (maxTimestampMs < 0) return modifiedMs
  return maxTimestampMs > nowMs ? Math.min(maxTimestampMs, modifiedMs + timestampAfterMaxMs) : maxTimestampMs
}
