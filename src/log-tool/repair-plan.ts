import type { Patch } from './healing.ts'
import type { PartitionFacts, SegmentFacts } from './log-state.ts'
import { nothingDurable } from './log-verdict.ts'

/** Offsets whose records are gone. */
export interface LostRange {
  readonly from: number
  readonly to: number
  readonly leaderEpoch: number
}

/** What a segment's file is to become: what is not named stays as it is. */
export interface SegmentPlan {
  readonly segment: SegmentFacts
  readonly patches: readonly Patch[]
  /** Damaged bytes [position, end) to be taken out; `lost` is what stands for them, empty where nothing has to. */
  readonly removals: { readonly position: number; readonly end: number; readonly lost: LostRange | undefined }[]
  /** Offsets that no batch holds, to be stood for in front of `position`. */
  readonly fillers: { readonly position: number; readonly lost: LostRange }[]
  /** Where an interrupted append begins, which is cut off; undefined when none is. */
  tornFrom: number | undefined
  tornEnd: number
}

/** What is to be done with one partition. */
export interface PartitionPlan {
  /** Swaps are finished before anything else is looked at. */
  readonly swaps: boolean
  readonly segments: SegmentPlan[]
  readonly rebuildIndexes: SegmentFacts[]
  readonly rebuildTxnIndexes: SegmentFacts[]
  readonly snapshots: readonly number[]
  readonly epochs: boolean
  readonly metadata: boolean
  readonly leftovers: readonly string[]
  /** What would be lost, so that it is not done without being asked for. */
  readonly refused: {
    readonly segment: SegmentFacts | undefined
    readonly position: number
    readonly from: number
    readonly to: number
    readonly message: string
  }[]
}

export function planRepair(facts: PartitionFacts, acceptDataLoss: boolean): PartitionPlan {
  const { log, context } = facts
  const plans = new Map<SegmentFacts, SegmentPlan>()
  const planOf = (segment: SegmentFacts): SegmentPlan => {
    const known = plans.get(segment)
    if (known !== undefined) return known
    const made: SegmentPlan = {
      segment,
      patches: segment.patches,
      removals: [],
      fillers: [],
      tornFrom: undefined,
      tornEnd: 0,
    }
    plans.set(segment, made)
    return made
  }
  const refused: PartitionPlan['refused'] = []
  const known = context.recoveryPoint ?? 0
  for (const segment of log.segments) {
    if (segment.patches.length > 0) planOf(segment)
    for (const { position, end, fromOffset, toOffset, leaderEpoch, atEnd, torn, message } of segment.damages) {
      if (torn && nothingDurable(facts)) {
        const plan = planOf(segment)
        plan.tornFrom = position
        plan.tornEnd = end
        continue
      }
      // Offsets that were given to records are never given again.
      const to = atEnd ? Math.max(toOffset, known) : Math.max(toOffset, fromOffset)
      if (!acceptDataLoss) refused.push({ segment, position, from: fromOffset, to, message })
      else
        planOf(segment).removals.push({
          position,
          end,
          lost: to > fromOffset ? { from: fromOffset, to, leaderEpoch } : undefined,
        })
    }
  }
  for (const gap of log.holes ? [] : log.gaps) {
    const { from, to, leaderEpoch, segmentBase, position } = gap
    const at = log.segments.findIndex(segment => segment.baseOffset === segmentBase)
    // What is missing in front of a segment belongs to the one before it: the name says where the next begins.
    const segment = log.segments[position === 0 && segmentBase === to ? at - 1 : at]
    if (segment === undefined) continue
    if (!acceptDataLoss) refused.push({ segment, position, from, to, message: 'no batch holds these offsets' })
    else
      planOf(segment).fillers.push({
        position: segment.baseOffset === segmentBase ? position : segment.contentBytes,
        lost: { from, to, leaderEpoch },
      })
  }
  const first = log.segments[0]
  const start = context.logStart ?? 0
  if (first !== undefined && facts.logStartWrong && first.baseOffset > start && !acceptDataLoss)
    refused.push({
      segment: first,
      position: 0,
      from: start,
      to: first.baseOffset,
      message: 'no segment holds these offsets',
    })
  const last = log.segments[log.segments.length - 1]
  const endDamaged = last?.damages.some(damage => damage.atEnd) === true
  if (known > facts.logEnd && !endDamaged) {
    const lost = { from: Math.max(facts.logEnd, 0), to: known, leaderEpoch: log.leaderEpoch }
    if (!acceptDataLoss)
      refused.push({ segment: last, position: last?.contentBytes ?? 0, ...lost, message: 'the log ends before them' })
    else if (last !== undefined) planOf(last).fillers.push({ position: last.contentBytes, lost })
  }
  if (facts.names.swaps.length > 0) return { ...nothing, swaps: true, refused }
  return {
    swaps: false,
    segments: [...plans.values()],
    rebuildIndexes: log.segments.filter(segment => segment.indexWrong || segment.timeIndexWrong),
    rebuildTxnIndexes: log.segments.filter(segment => segment.txnIndexWrong),
    snapshots: facts.badSnapshots,
    epochs: facts.epochsWrong,
    metadata: facts.metadataWrong && context.topicId !== undefined,
    leftovers: facts.leftovers,
    refused,
  }
}

const nothing = {
  segments: [],
  rebuildIndexes: [],
  rebuildTxnIndexes: [],
  snapshots: [],
  epochs: false,
  metadata: false,
  leftovers: [],
}

export const isEmpty = (plan: PartitionPlan): boolean =>
  !plan.swaps &&
  plan.segments.length === 0 &&
  plan.rebuildIndexes.length === 0 &&
  plan.rebuildTxnIndexes.length === 0 &&
  plan.snapshots.length === 0 &&
  !plan.epochs &&
  !plan.metadata &&
  plan.leftovers.length === 0
