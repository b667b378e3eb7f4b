import type { Run } from './measure.ts'
import type { Metric } from './metrics.ts'
import { figure, type Spread, spreadOf } from './spread.ts'

/** What a row is to reach: a figure of our own, or its ratio to the peer's of the same turn. */
export interface Goal {
  readonly metric: Metric
  readonly against: 'peer' | 'itself'
  readonly atLeast?: number
  readonly atMost?: number
}

export const timesPeer = (metric: Metric, atLeast: number): Goal => ({ metric, against: 'peer', atLeast })
export const partOfPeer = (metric: Metric, atMost: number): Goal => ({ metric, against: 'peer', atMost })
export const atLeast = (metric: Metric, least: number): Goal => ({ metric, against: 'itself', atLeast: least })
export const atMost = (metric: Metric, most: number): Goal => ({ metric, against: 'itself', atMost: most })

export interface Verdict {
  readonly key: string
  readonly title: string
  readonly against: 'peer' | 'itself'
  readonly atLeast?: number
  readonly atMost?: number
  /** The figure, or the ratio of both medians; undefined where it was not measured. */
  readonly value: number | undefined
  /** Of each turn by itself. */
  readonly runs: readonly number[]
  readonly reached: boolean
}

const reaches = (goal: Goal, value: number): boolean =>
  (goal.atLeast === undefined || value >= goal.atLeast) && (goal.atMost === undefined || value <= goal.atMost)

/** Two thirds of the turns: two of three, one of one. */
const enough = (turns: number): number => Math.ceil((turns * 2) / 3)

/** Reached when the median does and, turn by turn, two of three runs do; a figure that is missing is not. */
export const judge = (goal: Goal, own: readonly Run[], peer: readonly Run[] | undefined): Verdict | undefined => {
  const { metric, against, atLeast, atMost } = goal
  if (against === 'peer' && peer === undefined) return undefined
  const spread = (runs: readonly Run[]): Spread | undefined => {
    const values = runs.map(run => metric.of(run)).filter(value => value !== undefined)
    return values.length === 0 ? undefined : spreadOf(values)
  }
  const ratio = (value: number | undefined, of: number | undefined): number | undefined =>
    value === undefined || of === undefined || of === 0 ? undefined : value / of
  const ownMedian = spread(own)?.median
  const value = peer === undefined || against === 'itself' ? ownMedian : ratio(ownMedian, spread(peer)?.median)
  const runs = own
    .map((run, turn) => {
      const peerRun = peer?.[turn]
      if (against === 'itself') return metric.of(run)
      return peerRun === undefined ? undefined : ratio(metric.of(run), metric.of(peerRun))
    })
    .filter(each => each !== undefined)
  const reaching = runs.filter(each => reaches(goal, each)).length
  return {
    key: metric.key,
    title: metric.title,
    against,
    ...(atLeast === undefined ? {} : { atLeast }),
    ...(atMost === undefined ? {} : { atMost }),
    value,
    runs,
    reached: value !== undefined && reaches(goal, value) && reaching >= enough(own.length),
  }
}

/** `reached: MB/s 2.31 × peer, at least 2 × (runs 2.2, 2.4, 2.31)`. */
export const verdictText = (verdict: Verdict): string => {
  const times = verdict.against === 'peer' ? ' × peer' : ''
  const wanted = [
    ...(verdict.atLeast === undefined ? [] : [`at least ${figure(verdict.atLeast)}`]),
    ...(verdict.atMost === undefined ? [] : [`at most ${figure(verdict.atMost)}`]),
  ]
  const value = verdict.value === undefined ? 'not measured' : `${figure(verdict.value)}${times}`
  const runs = verdict.runs.length > 1 ? ` (runs ${verdict.runs.map(figure).join(', ')})` : ''
  const state = verdict.reached ? 'reached' : 'NOT REACHED'
  return `${state}: ${verdict.title} ${value}, wanted ${wanted.join(' and ')}${runs}`
}
