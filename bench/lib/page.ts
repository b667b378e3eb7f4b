import { writeFileSync } from 'node:fs'
import { verdictText } from './goals.ts'
import type { Results, RowResult, SideResult } from './results.ts'
import { spreadText } from './spread.ts'
import { type Axis, barChart, escapeXml, lineChart, percentileAxis, percentilePlace, type Series } from './svg.ts'

const colours: Readonly<Record<string, string>> = { kafka: '#d97706', echo: '#9ca3af', node: '#9ca3af' }
const colourOf = (side: string): string => colours[side] ?? '#2563eb'

const style = `
body { font: 15px/1.45 system-ui, sans-serif; max-width: 1100px; margin: 2em auto; padding: 0 1em; }
table { border-collapse: collapse; margin: 0.6em 0; }
th, td { text-align: right; padding: 0.15em 0.7em; border-bottom: 1px solid #8884; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
td.text { text-align: left; white-space: normal; }
.scroll { overflow-x: auto; }
.plots { display: flex; flex-wrap: wrap; gap: 1em; }
svg { width: 520px; max-width: 100%; font: 12px system-ui, sans-serif; fill: currentColor; stroke-width: 1.6; }
.grid { stroke: #8884; stroke-width: 1; }
.whisker { stroke: currentColor; stroke-width: 1.2; }
.reached { color: #15803d; }
.missed { color: #b91c1c; }
.note { color: #6b7280; }
:root { color-scheme: light dark; }`

const tableOf = (lines: readonly (readonly string[])[]): string => {
  const [head = [], ...body] = lines
  const cells = (line: readonly string[], tag: string): string =>
    `<tr>${line.map(cell => `<${tag}>${escapeXml(cell)}</${tag}>`).join('')}</tr>`
  return `<div class="scroll"><table>${cells(head, 'th')}${body.map(line => cells(line, 'td')).join('')}</table></div>`
}

const figuresTable = ({ columns, sides }: RowResult): string =>
  tableOf([
    ['', ...columns.map(column => column.title), 'acknowledged'],
    ...sides.map(({ side, figures, durability }) => [
      side,
      ...columns.map(({ key }) => (figures[key] === undefined ? '–' : spreadText(figures[key]))),
      durability,
    ]),
  ])

/** What the row is about, for each side that can tell it. */
const mainBars = ({ columns, sides }: RowResult): string => {
  const [main] = columns
  if (main === undefined) return ''
  const bars = sides.flatMap(({ side, figures }) => {
    const spread = figures[main.key]
    return spread === undefined ? [] : [{ label: side, colour: colourOf(side), ...spread }]
  })
  return bars.length === 0 ? '' : barChart(`${main.title}: median, lowest and highest run`, bars)
}

const millis: Axis = { title: 'ms', scale: 'log' }

/** Each run of each side as a line of its own. */
const latencyCurves = ({ sides }: RowResult): string => {
  const series = sides.flatMap(({ side, runs }) =>
    runs.flatMap(run =>
      Object.entries(run.latencies).map(
        ([what, { curve }]): Series => ({
          name: `${side}, ${what}`,
          colour: colourOf(side),
          dashed: what === 'end to end',
          points: curve.map(([percentile, micros]) => [percentilePlace(percentile), Math.max(micros, 1) / 1e3]),
        }),
      ),
    ),
  )
  return lineChart('latency by percentile, every run', percentileAxis, millis, series)
}

/** The time lines of rows that were cut into slices: latency, memory and what the device was given. */
const timeLines = ({ sides }: RowResult): string[] => {
  if (sides.every(({ runs }) => runs.every(run => run.slices.length === 0))) return []
  const seconds: Axis = { title: 'seconds', scale: 'linear' }
  const lines = (points: (run: SideResult['runs'][number]) => readonly (readonly [number, number])[]): Series[] =>
    sides.flatMap(({ side, runs }) => runs.map(run => ({ name: side, colour: colourOf(side), points: points(run) })))
  const slices = lines(run => run.slices.map((slice, i) => [i + 1, slice.p99_9 / 1e3]))
  const memory = lines(run =>
    run.samples.flatMap(sample =>
      sample.memory === undefined ? [] : [[sample.seconds, sample.memory.unmapped] as const],
    ),
  )
  const device = lines(run =>
    run.samples.flatMap(sample => (sample.deviceMB === undefined ? [] : [[sample.seconds, sample.deviceMB] as const])),
  )
  return [
    lineChart('p99.9 of the acknowledgements by slice of the run', { title: 'slice', scale: 'linear' }, millis, slices),
    lineChart('resident memory beyond mapped file pages', seconds, { title: 'MB', scale: 'linear' }, memory),
    lineChart('written to the device', seconds, { title: 'MB', scale: 'linear' }, device),
  ]
}

const verdictItems = (row: RowResult): string =>
  row.verdicts
    .map(verdict => `<li class="${verdict.reached ? 'reached' : 'missed'}">${escapeXml(verdictText(verdict))}</li>`)
    .join('')

const rowSection = (row: RowResult): string => {
  const plots = [mainBars(row), latencyCurves(row), ...timeLines(row)].filter(plot => plot !== '')
  const filled = row.fillsMemory ? '' : '<p class="note">Few bytes: the page cache was not filled before its runs.</p>'
  return (
    `<section><h3>${escapeXml(`${row.bench}: ${row.row}`)}</h3><ul>${verdictItems(row)}</ul>` +
    `${figuresTable(row)}${filled}<div class="plots">${plots.join('')}</div></section>`
  )
}

const verdictTable = (rows: readonly RowResult[]): string => {
  const judged = rows.flatMap(row => row.verdicts.map(verdict => ({ row, verdict })))
  if (judged.length === 0) return ''
  const lines = judged.map(
    ({ row, verdict }) =>
      `<tr><td class="text">${escapeXml(`${row.bench}: ${row.row}`)}</td>` +
      `<td class="text ${verdict.reached ? 'reached' : 'missed'}">${escapeXml(verdictText(verdict))}</td></tr>`,
  )
  const reached = judged.filter(({ verdict }) => verdict.reached).length
  return (
    `<h2>Figures to reach: ${reached} of ${judged.length}</h2>` +
    '<p class="note">A figure is reached when the median and two of three alternating runs reach it.</p>' +
    `<div class="scroll"><table>${lines.join('')}</table></div>`
  )
}

/** One page with everything in it: it loads nothing and runs nothing. */
export const pageOf = ({ finished, command, machine, memory, rows }: Results): string => {
  const about = [
    `${machine.cores} × ${machine.cpu}, ${machine.memoryGiB} GiB, Linux ${machine.kernel}, Node ${machine.node}, data on ${machine.fileSystem}`,
    memory.text,
    `bench arguments: ${command.join(' ') || 'none'}`,
    `finished ${finished}`,
  ]
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Millrace ${escapeXml(machine.commit)}: benchmark</title><style>${style}</style></head>
<body><h1>Millrace ${escapeXml(machine.commit)}: benchmark</h1>
<ul>${about.map(each => `<li>${escapeXml(each)}</li>`).join('')}</ul>
${verdictTable(rows)}
<h2>Rows</h2>
<p class="note">Figures are medians of the runs, with the lowest and the highest behind them; sides take turns. “Acknowledged”
says where a record is when its acknowledgement comes. Echo is a server that does no work: the ceiling of loopback and generator.</p>
${rows.map(rowSection).join('\n')}
</body></html>
`
}

export const writePage = (file: string, results: Results): void => {
  writeFileSync(file, pageOf(results))
}
