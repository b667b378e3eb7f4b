import { writeFileSync } from 'node:fs'
import type { MemoryNote } from './broker-memory.ts'
import { judge, type Verdict } from './goals.ts'
import type { Percentiles } from './loadgen.ts'
import type { Machine } from './machine.ts'
import type { ColdReads, RowRuns, SideRuns } from './measure.ts'
import type { Metric } from './metrics.ts'
import { type Spread, spreadOf } from './spread.ts'
import type { Sample } from './watch.ts'

/** What a row came to, as --json keeps it and the page draws it. */
export interface RowResult {
  readonly bench: string
  readonly row: string
  readonly acks: string
  readonly promised: string
  readonly fillsMemory: boolean
  readonly commit: string
  /** The columns in their order; the first is what the row is about. */
  readonly columns: readonly { readonly key: string; readonly title: string }[]
  readonly sides: readonly SideResult[]
  readonly verdicts: readonly Verdict[]
}

export interface SideResult {
  readonly side: string
  readonly raw: boolean
  readonly durability: string
  readonly figures: Readonly<Record<string, Spread>>
  readonly runs: readonly RunResult[]
}

export interface RunResult {
  readonly load: unknown
  /** What the plots need of it, apart. */
  readonly latencies: Readonly<Record<string, Percentiles>>
  readonly slices: readonly Percentiles[]
  readonly samples: readonly Sample[]
  readonly deviceBytes?: number
  readonly cold?: ColdReads
}

export interface Results {
  readonly finished: string
  readonly command: readonly string[]
  readonly machine: Machine
  readonly memory: MemoryNote
  readonly rows: readonly RowResult[]
}

export const spreadFor = (metric: Metric, { runs }: SideRuns): Spread | undefined => {
  const values = runs.map(run => metric.of(run)).filter(value => value !== undefined)
  return values.length === 0 ? undefined : spreadOf(values)
}

/** Columns that no side can fill would only widen the table. */
export const filledColumns = (columns: readonly Metric[], { sides }: RowRuns): Metric[] =>
  columns.filter(column => sides.some(side => spreadFor(column, side) !== undefined))

export const resultOf = (bench: string, columns: readonly Metric[], runs: RowRuns, machine: Machine): RowResult => {
  const { name, acks, promised, fillsMemory, goals } = runs.row
  const kept = filledColumns(columns, runs)
  const [own, peer] = runs.sides.filter(({ side }) => !side.raw)
  const sides = runs.sides.map(
    (each): SideResult => ({
      side: each.side.name,
      raw: each.side.raw,
      durability: each.side.durability(acks, promised),
      figures: Object.fromEntries(
        kept.flatMap(column => {
          const spread = spreadFor(column, each)
          return spread === undefined ? [] : [[column.key, spread]]
        }),
      ),
      runs: each.runs.map(({ load, samples, deviceBytes, cold }) => {
        const times = {
          acknowledged: load.ackMicros,
          fetched: load.fetchMicros,
          'end to end': load.endToEndMicros,
          'whole transaction': load.transactionMicros,
        }
        return {
          load,
          latencies: Object.fromEntries(
            Object.entries(times).flatMap(([title, micros]) => (micros === undefined ? [] : [[title, micros]])),
          ),
          slices: (load.slices ?? []).map(({ micros }) => micros),
          samples,
          ...(deviceBytes === undefined ? {} : { deviceBytes }),
          ...(cold === undefined ? {} : { cold }),
        }
      }),
    }),
  )
  const verdicts = own === undefined ? [] : goals.map(goal => judge(goal, own.runs, peer?.runs))
  return {
    bench,
    row: name,
    acks,
    promised,
    fillsMemory,
    commit: machine.commit,
    columns: kept.map(({ key, title }) => ({ key, title })),
    sides,
    verdicts: verdicts.filter(verdict => verdict !== undefined),
  }
}

/** For comparing two commits line by line: no single runs, no curves. */
export const summaryOf = ({ columns, sides, ...row }: RowResult): object => ({
  ...row,
  sides: sides.map(({ side, durability, figures }) => ({ side, durability, ...figures })),
})

export const collect = (machine: Machine, memory: MemoryNote, rows: readonly RowResult[]): Results => ({
  finished: new Date().toISOString(),
  command: process.argv.slice(2),
  machine,
  memory,
  rows,
})

export const writeJson = (file: string, results: Results): void => {
  writeFileSync(file, `${JSON.stringify(results, null, 1)}\n`)
}
