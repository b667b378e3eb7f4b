import type { CompactionSettings, SegmentFacts } from '../base/world.ts'

/** A compacted log as the choice sees it. */
export interface CleaningSubject {
  readonly compaction: CompactionSettings
  /** All of them, oldest first; the last is the one being written. Times are asked for where min.compaction.lag.ms is set. */
  readonly segments: readonly SegmentFacts[]
  readonly logStart: number
  readonly logEnd: number
  /** Below it records are decided, on every replica in sync, and durable here. */
  readonly stableEnd: number
  /** The checkpoint: below it the log was cleaned; undefined when it never was. */
  readonly cleanedTo: number | undefined
}

/** What of a log may be cleaned, in whole segments. */
export interface Cleanable {
  readonly firstDirtyOffset: number
  /** Exclusive; `firstDirtyOffset` when there is nothing. */
  readonly endOffset: number
  readonly cleanBytes: number
  readonly cleanableBytes: number
  /** Of 0 to 1: how much of what a pass would read is new. */
  readonly dirtyRatio: number
}

export interface FirstDirty {
  readonly offset: number
  /** The checkpoint tells of records that the log has not: it is to be put right. */
  readonly checkpointInvalid: boolean
}

/**
 * Where the part begins that was never cleaned, as in Kafka: a checkpoint before the log's start, or after its end since
 * the log was cut, counts as none.
 */
export function firstDirtyOffset({
  logStart,
  logEnd,
  cleanedTo,
}: Pick<CleaningSubject, 'logStart' | 'logEnd' | 'cleanedTo'>): FirstDirty {
  if (cleanedTo === undefined) return { offset: logStart, checkpointInvalid: false }
  const valid = cleanedTo >= logStart && cleanedTo <= logEnd
  return { offset: valid ? cleanedTo : logStart, checkpointInvalid: !valid }
}

/** Sealed segments that are not wholly below `offset`, with their ends. */
export function dirtySegments(
  segments: readonly SegmentFacts[],
  offset: number,
): { readonly segment: SegmentFacts; readonly end: number }[] {
  return segments
    .slice(0, -1)
    .map((segment, index) => ({ segment, end: segments[index + 1]!.baseOffset }))
    .filter(({ end }) => end > offset)
}

/**
 * Kafka's bounds: never the segment being written, nothing that is not stable, no segment from the first one on whose
 * newest record is younger than min.compaction.lag.ms; and of what is left, whole segments.
 */
export function cleanable(subject: CleaningSubject, nowMs: number): Cleanable {
  const { segments, compaction, stableEnd } = subject
  const { offset: firstDirty } = firstDirtyOffset(subject)
  const dirty = dirtySegments(segments, firstDirty)
  const young =
    compaction.minLagMs > 0
      ? dirty.findIndex(({ segment }) => segment.maxTimestampMs > nowMs - compaction.minLagMs)
      : -1
  const old = young < 0 ? dirty : dirty.slice(0, young)
  const stable = old.filter(({ end }) => end <= stableEnd)
  const endOffset = stable[stable.length - 1]?.end ?? firstDirty
  const cleanableBytes = stable.reduce((sum, { segment }) => sum + segment.sizeBytes, 0)
  const firstDirtyBase = dirty[0]?.segment.baseOffset ?? Number.POSITIVE_INFINITY
  const cleanBytes = segments
    .slice(0, -1)
    .reduce((sum, { baseOffset, sizeBytes }) => (baseOffset < firstDirtyBase ? sum + sizeBytes : sum), 0)
  const readBytes = cleanBytes + cleanableBytes
  return {
    firstDirtyOffset: firstDirty,
    endOffset,
    cleanBytes,
    cleanableBytes,
    dirtyRatio: readBytes === 0 ? 0 : cleanableBytes / readBytes,
  }
}

/**
 * By how much the oldest of these records, the first of each dirty segment, have waited longer than max.compaction.lag.ms
 * allows; 0 when they have not. Records without a timestamp are not waited for.
 */
export function overdueMs(
  firstTimestampsMs: readonly number[],
  { maxLagMs }: CompactionSettings,
  nowMs: number,
): number {
  const oldestMs = firstTimestampsMs.reduce(
    (least, ms) => (ms > 0 && ms < least ? ms : least),
    Number.POSITIVE_INFINITY,
  )
  return Math.max(0, nowMs - maxLagMs - oldestMs)
}

/** Whether there is enough to clean, or something that must be cleaned now. */
export function isDue(found: Cleanable, { minCleanableRatio }: CompactionSettings, overdue: number): boolean {
  return found.cleanableBytes > 0 && (overdue > 0 || found.dirtyRatio > minCleanableRatio)
}

/** Whether records can have waited too long at all: only then is it worth asking how long they have. */
export const mayBeOverdue = ({ maxLagMs }: CompactionSettings, nowMs: number): boolean => nowMs - maxLagMs > 0

/** The filthiest first. */
export const byFilth = (a: { readonly dirtyRatio: number }, b: { readonly dirtyRatio: number }): number =>
  b.dirtyRatio - a.dirtyRatio
