import { verdictText } from './goals.ts'
import { busyCores } from './machine.ts'
import type { Row, RowRuns, SideRuns } from './measure.ts'
import { type Metric, metrics, sayMetric } from './metrics.ts'
import { filledColumns, type RowResult, spreadFor, summaryOf } from './results.ts'
import { figure, spreadText } from './spread.ts'

/** What one bench file asks: the first of its columns is what its sentences and ratios are about. */
export interface Question {
  readonly name: string
  readonly columns: readonly Metric[]
  readonly rows: readonly Row[]
}

export const printTable = (title: string, lines: readonly (readonly string[])[]): void => {
  const widths = (lines[0] ?? []).map((_, column) => Math.max(...lines.map(line => (line[column] ?? '').length)))
  console.log(`\n${title}`)
  for (const line of lines) {
    console.log(
      `  ${line.map((cell, i) => (i === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[i] ?? 0))).join('  ')}`,
    )
  }
}

/** `1.8 × kafka, 40 % of echo`: the main metric of `side` against every other side of the same runs. */
const ratios = (main: Metric, side: SideRuns, { sides }: RowRuns): string => {
  const own = spreadFor(main, side)?.median
  const against = sides.flatMap(other => {
    const median = other.side === side.side ? undefined : spreadFor(main, other)?.median
    if (own === undefined || median === undefined || median === 0) return []
    const ratio = own / median
    // Nothing has more throughput than the echo server, or less latency.
    const share = other.side.raw && ratio < 1 ? `${figure(ratio * 100)} % of` : `${figure(ratio)} ×`
    return [`${share} ${other.side.name}`]
  })
  return against.join(', ')
}

/** One sentence for people: the rate, beside the others of the same run, what it cost and what it is worth. */
const sentence = (main: Metric, side: SideRuns, row: RowRuns): string => {
  const ratio = ratios(main, side, row)
  const cores = spreadFor(metrics.brokerCores, side)?.median
  const parts = [
    `${side.side.name}: ${sayMetric(main, spreadFor(main, side)?.median)}${ratio === '' ? '' : ` (${ratio})`}`,
    cores === undefined
      ? 'CPU unknown without --pid'
      : `${figure(cores)} cores of broker, ${figure(spreadFor(metrics.generatorCores, side)?.median ?? 0)} of generator`,
    `acknowledged: ${side.side.durability(row.row.acks, row.row.promised)}`,
  ]
  return `${parts.join('; ')}.`
}

/** Prints the row's table, a sentence for each broker, what was to be reached, and a line of JSON. */
export const printRow = ({ name: bench, columns }: Question, row: RowRuns, result: RowResult): void => {
  const kept = filledColumns(columns, row)
  const [main] = kept
  const { name, acks, promised } = row.row
  const lines = row.sides.map(side => [
    side.side.name,
    ...kept.map(column => {
      const spread = spreadFor(column, side)
      return spread === undefined ? '–' : spreadText(spread)
    }),
    side.side.durability(acks, promised),
  ])
  printTable(`${bench}: ${name}`, [['', ...kept.map(column => column.title), 'acknowledged'], ...lines])
  if (main !== undefined) {
    for (const side of row.sides.filter(({ side }) => !side.raw)) console.log(`  ${sentence(main, side, row)}`)
  }
  for (const verdict of result.verdicts) console.log(`  ${verdictText(verdict)}`)
  for (const { side, runs } of row.sides) {
    const behind = runs.filter(({ load }) => load.keptUp === false).length
    if (behind > 0) console.log(`  ${side.name} did not keep up with the rate in ${behind} of ${runs.length} runs.`)
  }
  const busy = Math.max(...row.sides.map(side => spreadFor(metrics.elsewhereCores, side)?.max ?? 0))
  if (busy > busyCores)
    console.log(`  WARNING: up to ${figure(busy)} cores were busy with something else: do not quote this row.`)
  console.log(JSON.stringify(summaryOf(result)))
}

/** All figures of a bench at its end: which were reached. */
export const printVerdicts = (rows: readonly RowResult[]): void => {
  const judged = rows.flatMap(row => row.verdicts.map(verdict => ({ row, verdict })))
  if (judged.length === 0) return
  const reached = judged.filter(({ verdict }) => verdict.reached).length
  console.log(`\n${reached} of ${judged.length} figures reached (the median, and two of three runs)`)
  for (const { row, verdict } of judged) console.log(`  ${row.bench}: ${row.row}: ${verdictText(verdict)}`)
}
