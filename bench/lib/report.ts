import { writeFileSync } from 'node:fs'
import type { MemoryNote } from './broker-memory.ts'
import { elsewhereCores, type LoadResult, type Percentiles } from './loadgen.ts'
import { busyCores, type Machine } from './machine.ts'
import type { Row, RowRuns, Run, SideRuns } from './measure.ts'
import { figure, type Spread, spreadOf, spreadText } from './spread.ts'

/** A figure of a run, with what it is called in the table and in the JSON. Undefined where a side cannot tell it. */
export interface Metric {
  readonly key: string
  readonly title: string
  /** The figure in a sentence; by default it stands before its title. */
  says?(text: string): string
  of(run: Run): number | undefined
}

const perSecond = (load: LoadResult, amount: number): number => amount / load.seconds
const brokerCpu = (load: LoadResult, scale: number, per: number): number | undefined =>
  load.brokerCpuSeconds === undefined || per === 0 ? undefined : (load.brokerCpuSeconds * scale) / per

export const metrics = {
  requests: { key: 'requestsPerSecond', title: 'requests/s', of: ({ load }) => perSecond(load, load.requests) },
  megabytes: { key: 'megabytesPerSecond', title: 'MB/s', of: ({ load }) => perSecond(load, load.bytes / 1e6) },
  cpuPerGigabyte: { key: 'brokerCpuSecondsPerGB', title: 's/GB', of: ({ load }) => brokerCpu(load, 1e9, load.bytes) },
  cpuPerRequest: {
    key: 'brokerCpuMicrosPerRequest',
    title: 'µs/request',
    of: ({ load }) => brokerCpu(load, 1e6, load.requests),
  },
  brokerCores: {
    key: 'brokerCores',
    title: 'cores',
    of: ({ load }) => brokerCpu(load, 1, load.seconds),
  },
  generatorCores: {
    key: 'generatorCores',
    title: "generator's",
    of: ({ load }) => load.generatorCpuSeconds / load.seconds,
  },
  /** Other processes and the kernel's own threads: much of it, and the row measures the neighbours. */
  elsewhereCores: {
    key: 'elsewhereCores',
    title: 'elsewhere',
    of: ({ load }) => elsewhereCores(load),
  },
  resident: { key: 'residentMB', title: 'MB', of: ({ memory }) => memory?.resident },
  anonymous: { key: 'anonymousMB', title: 'MB unmapped', of: ({ memory }) => memory?.anonymous },
} satisfies Record<string, Metric>

type Percentile = 'p50' | 'p99' | 'p99_9' | 'p99_99' | 'max'

/** Of how many times one may be expected to lie beyond the percentile. */
const samplesNeeded: Readonly<Record<Percentile, number>> = { p50: 1, p99: 100, p99_9: 1_000, p99_99: 10_000, max: 1 }

/** Of the answers' times, in milliseconds; undefined where there were too few to have such a percentile. */
export const latency = (percentile: Percentile): Metric => ({
  key: `${percentile}Millis`,
  title: `${percentile.replace('_', '.')} ms`,
  says: text => `${percentile.replace('_', '.')} of ${text} ms`,
  of: ({ load }) => {
    const times: Percentiles | undefined = load.ackMicros ?? load.fetchMicros
    if (times === undefined || times.count < samplesNeeded[percentile]) return undefined
    return times[percentile] / 1e3
  },
})

/** What one bench file asks: the first of its columns is what its sentences and ratios are about. */
export interface Question {
  readonly name: string
  readonly columns: readonly Metric[]
  readonly rows: readonly Row[]
}

const spreadFor = (metric: Metric, { runs }: SideRuns): Spread | undefined => {
  const values = runs.map(run => metric.of(run)).filter(value => value !== undefined)
  return values.length === 0 ? undefined : spreadOf(values)
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
  const text = (metric: Metric): string | undefined => {
    const spread = spreadFor(metric, side)
    return spread === undefined ? undefined : figure(spread.median)
  }
  const value = text(main) ?? 'unknown'
  const said = main.says?.(value) ?? `${value} ${main.title}`
  const ratio = ratios(main, side, row)
  const cores = text(metrics.brokerCores)
  const parts = [
    `${side.side.name}: ${said}${ratio === '' ? '' : ` (${ratio})`}`,
    cores === undefined
      ? 'CPU unknown without --pid'
      : `${cores} cores of broker, ${text(metrics.generatorCores)} of generator`,
    `acknowledged: ${side.side.durability(row.row.acks, row.row.promised)}`,
  ]
  return `${parts.join('; ')}.`
}

/** Prints the row's table, a sentence for each broker, and a line of JSON. Returns what --json keeps of it. */
export const reportRow = ({ name: bench, columns }: Question, row: RowRuns, machine: Machine): object => {
  const [main] = columns
  if (main === undefined) throw new Error('a table needs a column')
  const { name, acks, promised } = row.row
  const lines = row.sides.map(side => [
    side.side.name,
    ...columns.map(column => {
      const spread = spreadFor(column, side)
      return spread === undefined ? '–' : spreadText(spread)
    }),
    side.side.durability(acks, promised),
  ])
  printTable(`${bench}: ${name}`, [['', ...columns.map(column => column.title), 'acknowledged'], ...lines])
  for (const side of row.sides.filter(({ side }) => !side.raw)) console.log(`  ${sentence(main, side, row)}`)
  const busy = Math.max(...row.sides.map(side => spreadFor(metrics.elsewhereCores, side)?.max ?? 0))
  if (busy > busyCores)
    console.log(`  WARNING: up to ${figure(busy)} cores were busy with something else: do not quote this row.`)

  const head = { bench, row: name, acks, promised, fillsMemory: row.row.fillsMemory, commit: machine.commit }
  const summaries = row.sides.map(side => ({
    side: side.side.name,
    durability: side.side.durability(acks, promised),
    ...Object.fromEntries(columns.map(column => [column.key, spreadFor(column, side)])),
  }))
  console.log(JSON.stringify({ ...head, sides: summaries }))
  const sides = summaries.map((summary, i) => ({ ...summary, loads: row.sides[i]?.runs.map(run => run.load) }))
  return { ...head, sides }
}

export const writeJson = (
  file: string | undefined,
  machine: Machine,
  memory: MemoryNote,
  rows: readonly object[],
): void => {
  if (file === undefined) return
  const finished = new Date().toISOString()
  writeFileSync(
    file,
    `${JSON.stringify({ finished, command: process.argv.slice(2), machine, memory, rows }, null, 1)}\n`,
  )
  console.log(`\nwrote ${file}`)
}
