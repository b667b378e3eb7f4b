import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { installChronicle, installNodePeers } from '../embedded/install.ts'
import type { Measured, Task, TaskSpec } from '../embedded/task.ts'
import type { BrokerMemory } from '../lib/broker-memory.ts'
import { makeDataDirectory } from '../lib/data-directory.ts'
import { type Verdict, verdictText } from '../lib/goals.ts'
import type { BenchOptions } from '../lib/options.ts'
import { printTable, printVerdicts } from '../lib/report.ts'
import { type RowResult, type SideResult, summaryOf } from '../lib/results.ts'
import { spreadOf, spreadText } from '../lib/spread.ts'

const program = fileURLToPath(new URL('../embedded/run-task.ts', import.meta.url))
const limitMs = 600_000
const own = 'millrace'

type SideName = 'millrace' | 'chronicle' | 'fs' | 'memory' | 'lmdb' | 'sqlite' | 'level'

/** A figure to reach: by itself, or as a multiple of a peer's (`best`: of whichever is the fastest). */
interface Goal {
  readonly of?: SideName | 'best'
  /** The peers' figures are those of this row, which comes before. */
  readonly ofRow?: string
  readonly atLeast?: number
  readonly atMost?: number
}

interface LogRow {
  readonly name: string
  readonly task: Task
  readonly sides: readonly SideName[]
  readonly recordBytes: number
  readonly promised: string
  readonly goals: readonly Goal[]
}

const nodePeers = ['fs', 'lmdb', 'sqlite', 'level'] as const
const fromNpm = new Set<SideName>(['lmdb', 'sqlite', 'level'])
const durableRow = 'durable: 64 values of 100 B a flush, one writer that awaits each'
/** That a slow peer, too, appends in some seconds before they are read. */
const readRecords = 500_000

export const logRows: readonly LogRow[] = [
  {
    name: 'one value of 100 B a call',
    task: 'append-one',
    sides: [own, 'chronicle', ...nodePeers],
    recordBytes: 100,
    promised: 'written',
    goals: [{ atLeast: 5e6 }, { of: 'chronicle', atLeast: 2 }],
  },
  {
    name: '64 values of 100 B a call',
    task: 'append-batch',
    sides: [own, 'chronicle', ...nodePeers],
    recordBytes: 100,
    promised: 'written',
    goals: [{ atLeast: 8e6 }],
  },
  {
    name: '64 values of 1 KB a call, beside a copy of 64 KB into pages that are there',
    task: 'append-batch',
    sides: [own, 'memory', 'chronicle', ...nodePeers],
    recordBytes: 1000,
    promised: 'written',
    goals: [{ of: 'memory', atLeast: 0.6 }],
  },
  {
    name: durableRow,
    task: 'durable',
    sides: [own, ...nodePeers],
    recordBytes: 100,
    promised: 'durable',
    goals: [{ of: 'best', atLeast: 1 }],
  },
  {
    name: 'durable: 64 values of 100 B a flush, 64 writers at once',
    task: 'durable-crowd',
    sides: [own, ...nodePeers],
    recordBytes: 100,
    promised: 'durable',
    goals: [{ of: 'best', ofRow: durableRow, atLeast: 5 }],
  },
  {
    name: 'scan, 100 B records, values not looked at',
    task: 'scan',
    sides: [own, 'fs'],
    recordBytes: 100,
    promised: '',
    goals: [{ atLeast: 20e6 }],
  },
  {
    name: 'scan, 100 B records, each value read where it lies',
    task: 'scan-in-place',
    sides: [own, 'chronicle', 'fs'],
    recordBytes: 100,
    promised: '',
    goals: [{ of: 'chronicle', atLeast: 1 }],
  },
  {
    name: 'scan, 100 B records, each value as an object',
    task: 'scan-views',
    sides: [own, ...nodePeers],
    recordBytes: 100,
    promised: '',
    goals: [{ atLeast: 7e6 }],
  },
  {
    name: 'scan, 100 B records, each value copied into one buffer',
    task: 'scan-copies',
    sides: [own, 'chronicle', 'fs'],
    recordBytes: 100,
    promised: '',
    goals: [{ of: 'chronicle', atLeast: 1 }],
  },
  {
    name: 'read by offset at random, 100 B records',
    task: 'random',
    sides: [own, 'chronicle', ...nodePeers],
    recordBytes: 100,
    promised: '',
    goals: [{ atLeast: 1e6 }],
  },
]

const idleRow = 'an open log that does nothing, beside a process without one'
const idleMegabytes = 5

interface Peers {
  readonly node: string | undefined
  readonly chronicle: readonly string[] | undefined
}

async function orWithout<T>(what: string, install: () => Promise<T>): Promise<T | undefined> {
  try {
    return await install()
  } catch (error) {
    console.log(`without ${what}, which could not be installed: ${(error as Error).message.split('\n')[0]}`)
    return undefined
  }
}

async function runTask(spec: TaskSpec, peers: Peers): Promise<Measured> {
  const { directory, seconds, recordBytes, records } = spec
  const [command, args] =
    spec.side === 'chronicle'
      ? ['java', [...peers.chronicle!, directory, spec.task, String(seconds), String(recordBytes), String(records)]]
      : [process.execPath, ['--import', 'tsx', program, JSON.stringify(spec)]]
  const { stdout } = await promisify(execFile)(command, args, { timeout: limitMs, maxBuffer: 1 << 24 })
  return JSON.parse(stdout.trim().split('\n').at(-1)!) as Measured
}

const fillsMemory = ({ task }: LogRow): boolean => task.startsWith('append-')

/** Runs of each side of a row, one behind the other in each turn; by side. */
async function measureSides(
  row: LogRow,
  sides: readonly SideName[],
  options: BenchOptions,
  memory: BrokerMemory,
  peers: Peers,
): Promise<Map<SideName, Measured[]>> {
  const runs = new Map<SideName, Measured[]>(sides.map(side => [side, []]))
  const fill = fillsMemory(row) ? () => memory.fill() : () => Promise.resolve()
  for (let turn = 0; turn < options.runs; turn++) {
    for (const side of sides) {
      const { path, remove } = await makeDataDirectory(options.dataParent)
      const { task, recordBytes } = row
      const { seconds } = options
      const spec = { side, task, directory: path, peers: peers.node ?? '', recordBytes, records: readRecords, seconds }
      try {
        await fill()
        runs.get(side)!.push(await memory.within(() => runTask(spec, peers)))
      } catch (error) {
        console.log(`${row.name}: ${side} failed: ${(error as Error).message.split('\n').slice(0, 3).join(' ')}`)
      } finally {
        await fill() // before its files go: the next run gets the pages that they hold
        await remove()
      }
    }
  }
  return runs
}

const perSecond = (runs: readonly Measured[]): number[] => runs.map(({ records, seconds }) => records / seconds)

/** As goals.ts judges: the median, and two of three turns. */
function judge(goal: Goal, title: string, values: readonly number[], base: readonly number[]): Verdict {
  const { atLeast, atMost, of } = goal
  const reaches = (value: number) =>
    (atLeast === undefined || value >= atLeast) && (atMost === undefined || value <= atMost)
  const against = of === undefined ? 'itself' : 'peer'
  const missing = values.length === 0 || (of !== undefined && base.length === 0)
  const ratios = missing
    ? []
    : of === undefined
      ? values
      : values.map((value, turn) => value / (base[turn] ?? base.at(-1)!))
  const median = missing ? undefined : spreadOf(values).median / (of === undefined ? 1 : spreadOf(base).median)
  const enough = ratios.filter(reaches).length >= Math.ceil((ratios.length * 2) / 3)
  return {
    key: 'recordsPerSecond',
    title,
    against,
    ...(atLeast === undefined ? {} : { atLeast }),
    ...(atMost === undefined ? {} : { atMost }),
    value: median,
    runs: ratios,
    reached: median !== undefined && reaches(median) && enough,
  }
}

/** Of the peers of a row the one with the highest median. */
function fastest(rates: ReadonlyMap<SideName, number[]>): SideName | undefined {
  const peers = [...rates].filter(([side, runs]) => side !== own && runs.length > 0)
  return peers.sort(([, a], [, b]) => spreadOf(b).median - spreadOf(a).median)[0]?.[0]
}

function resultOf(
  row: { readonly name: string; readonly promised: string; readonly fillsMemory: boolean },
  column: { readonly key: string; readonly title: string },
  figures: ReadonlyMap<string, readonly number[]>,
  verdicts: readonly Verdict[],
  commit: string,
): RowResult {
  const sides = [...figures]
    .filter(([, runs]) => runs.length > 0)
    .map(
      ([side, runs]): SideResult => ({
        side,
        raw: side === 'memory' || side === 'nothing',
        durability: row.promised,
        figures: { [column.key]: spreadOf(runs) },
        runs: [],
      }),
    )
  printTable(`log: ${row.name}`, [
    ['', column.title],
    ...sides.map(({ side, figures: each }) => [side, spreadText(each[column.key]!)]),
  ])
  for (const verdict of verdicts) console.log(`  ${verdictText(verdict)}`)
  const result = {
    ...{ bench: 'log', row: row.name, acks: '', promised: row.promised, fillsMemory: row.fillsMemory, commit },
    ...{ columns: [column], sides, verdicts },
  }
  console.log(JSON.stringify(summaryOf(result)))
  return result
}

/** Resident memory of a process that does `open` and nothing more, in MB. Without a loader, which an app has not. */
async function residentMegabytes(open: string, options: BenchOptions): Promise<number> {
  const { path, remove } = await makeDataDirectory(options.dataParent)
  await writeFile(`${path}/nothing.mjs`, '')
  const program = `${open}\nsetTimeout(() => { console.log(process.memoryUsage.rss()); process.exit() }, 1000)`
  try {
    const args = ['--input-type=module', '-e', program, `${path}/log`]
    const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: limitMs })
    return Number(stdout) / 1e6
  } finally {
    await remove()
  }
}

/** What any app does: the loader of modules is Node's own. */
const opensNothing = "await import(process.argv[1].replace(/log$/, 'nothing.mjs'))"
const opensLog = `
const { Log } = await import(${JSON.stringify(new URL('../../dist/index.js', import.meta.url).href)})
globalThis.log = await Log.open(process.argv[1])
log.append(Buffer.alloc(100))
`

async function measureIdle(options: BenchOptions, commit: string): Promise<RowResult> {
  const megabytes = { millrace: [] as number[], nothing: [] as number[] }
  for (let turn = 0; turn < options.runs; turn++) {
    megabytes.millrace.push(await residentMegabytes(opensLog, options))
    megabytes.nothing.push(await residentMegabytes(opensNothing, options))
  }
  const more = megabytes.millrace.map((value, turn) => value - megabytes.nothing[turn]!)
  const verdict = { ...judge({ atMost: idleMegabytes }, "MB more than Node's own", more, []), key: 'residentMB' }
  const column = { key: 'residentMB', title: 'MB resident' }
  return resultOf(
    { name: idleRow, promised: '', fillsMemory: false },
    column,
    new Map(Object.entries(megabytes)),
    [verdict],
    commit,
  )
}

/** All rows, or those whose names contain one of `options.rows`. */
export async function measureLogs(options: BenchOptions, memory: BrokerMemory, commit: string): Promise<RowResult[]> {
  const wanted = (name: string) => options.rows.length === 0 || options.rows.some(text => `log: ${name}`.includes(text))
  const peers: Peers = {
    node: await orWithout("npm's lmdb, better-sqlite3 and classic-level", installNodePeers),
    chronicle: await orWithout('Chronicle Queue', installChronicle),
  }
  const isThere = (side: SideName): boolean =>
    side === 'chronicle' ? peers.chronicle !== undefined : !fromNpm.has(side) || peers.node !== undefined
  const results: RowResult[] = []
  const measured = new Map<string, Map<SideName, number[]>>()
  for (const row of logRows.filter(({ name }) => wanted(name))) {
    const runs = await measureSides(row, row.sides.filter(isThere), options, memory, peers)
    const rates = new Map([...runs].map(([side, each]) => [side, perSecond(each)]))
    measured.set(row.name, rates)
    const verdicts = row.goals.map(goal => {
      const base = goal.ofRow === undefined ? rates : (measured.get(goal.ofRow) ?? new Map<SideName, number[]>())
      const side = goal.of === 'best' ? fastest(base) : goal.of
      const beside = goal.ofRow === undefined ? '' : `, row '${goal.ofRow}'`
      const title = goal.of === undefined ? 'records/s' : `records/s (peer: ${side ?? 'none'}${beside})`
      return judge(goal, title, rates.get(own)!, side === undefined ? [] : base.get(side)!)
    })
    results.push(
      resultOf(
        { ...row, fillsMemory: fillsMemory(row) },
        { key: 'recordsPerSecond', title: 'records/s' },
        rates,
        verdicts,
        commit,
      ),
    )
  }
  if (wanted(idleRow)) results.push(await measureIdle(options, commit))
  if (results.length === 0) {
    const names = [...logRows.map(({ name }) => name), idleRow]
    console.error(`No row is called that. There are:\n  ${names.join('\n  ')}`)
    process.exitCode = 2
  }
  printVerdicts(results)
  return results
}
