import { once } from 'node:events'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { type StartedProcess, startMillrace, stopProcess } from '../lib/broker-process.ts'
import { makeDataDirectory } from '../lib/data-directory.ts'
import { runLoad } from '../lib/loadgen.ts'
import type { BenchOptions } from '../lib/options.ts'
import { cpuSecondsOf } from '../lib/process-facts.ts'
import { printTable } from '../lib/report.ts'
import { type RowResult, type SideResult, summaryOf } from '../lib/results.ts'
import { figure, type Spread, spreadOf, spreadText } from '../lib/spread.ts'

/** What tells a start that the machine has not been rebooted. */
const bootFile = '.boot_id'
/** Nothing of it becomes durable by age while it is written, so that all of it is checked. */
const recoveryPoints = 'recovery-point-offset-checkpoint'

interface Start {
  readonly seconds: number
  readonly cpuSeconds: number
}

const begin = async (dataDir: string): Promise<{ broker: StartedProcess; start: Start }> => {
  const broker = await startMillrace(dataDir)
  return { broker, start: { seconds: broker.readyMs / 1000, cpuSeconds: cpuSecondsOf(broker.pid) } }
}

const kill = async ({ child }: StartedProcess): Promise<void> => {
  child.kill('SIGKILL')
  await once(child, 'exit')
}

const columns = [
  { key: 'gigabytesPerCpuSecond', title: 'GB per CPU s' },
  { key: 'seconds', title: 'seconds to ready' },
  { key: 'cpuSeconds', title: 'CPU s' },
]

/** How fast a start reads a log of which nothing is known to be durable. Prints its table. */
export const measureReplay = async (options: BenchOptions, commit: string): Promise<RowResult> => {
  const { path, remove } = await makeDataDirectory(options.dataParent)
  const starts = { clean: [] as Start[], killed: [] as Start[], rebooted: [] as Start[] }
  try {
    const first = await begin(path)
    await runLoad('produce', {
      target: first.broker.address,
      topic: 'bench-replay',
      partitions: 1,
      acks: '1',
      connections: 1,
      depth: 4,
      'request-bytes': 16_000,
      'record-bytes': 1000,
      'total-bytes': options.logBytes,
      'keep-topic': true,
    })
    await stopProcess(first.broker.child)
    for (let run = 0; run < options.runs; run++) {
      const clean = await begin(path)
      starts.clean.push(clean.start)
      await kill(clean.broker)
      const killed = await begin(path)
      starts.killed.push(killed.start)
      await kill(killed.broker)
      for (const name of [bootFile, recoveryPoints]) await rm(join(path, name), { force: true })
      const rebooted = await begin(path)
      starts.rebooted.push(rebooted.start)
      await stopProcess(rebooted.broker.child)
    }
  } finally {
    await remove()
  }
  const base = spreadOf(starts.clean.map(({ cpuSeconds }) => cpuSeconds)).median
  const side = (name: string, runs: readonly Start[], reads: boolean): SideResult => {
    const figures: Record<string, Spread> = {
      seconds: spreadOf(runs.map(({ seconds }) => seconds)),
      cpuSeconds: spreadOf(runs.map(({ cpuSeconds }) => cpuSeconds)),
    }
    // CPU time is told in hundredths of a second.
    if (reads)
      figures.gigabytesPerCpuSecond = spreadOf(
        runs.map(({ cpuSeconds }) => options.logBytes / 1e9 / Math.max(cpuSeconds - base, 0.01)),
      )
    return { side: name, raw: false, durability: '', figures, runs: [] }
  }
  const sides = [
    side('after a clean stop', starts.clean, false),
    side('after kill -9', starts.killed, false),
    side('after a reboot, nothing known to be durable', starts.rebooted, true),
  ]
  const row = `a log of ${figure(options.logBytes / 1e9)} GB, ${options.runs} runs`
  printTable(`replay: ${row}`, [
    ['', ...columns.map(({ title }) => title)],
    ...sides.map(({ side: name, figures }) => [
      name,
      ...columns.map(({ key }) => (figures[key] === undefined ? '–' : spreadText(figures[key]))),
    ]),
  ])
  const result: RowResult = {
    ...{ bench: 'replay', row, acks: '', promised: '', fillsMemory: false, commit, verdicts: [] },
    columns,
    sides,
  }
  console.log(JSON.stringify(summaryOf(result)))
  return result
}
