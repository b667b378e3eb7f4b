import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { formatKafka, startKafka } from '../../test/compat/lib/reference-kafka.ts'
import { childEnvironment, startMillrace, stopProcess } from '../lib/broker-process.ts'
import { endsWithBench, makeDataDirectory } from '../lib/data-directory.ts'
import { runLoad } from '../lib/loadgen.ts'
import { type Memory, memoryOf } from '../lib/machine.ts'
import type { BenchOptions } from '../lib/options.ts'
import { printTable } from '../lib/report.ts'
import { type RowResult, type SideResult, summaryOf } from '../lib/results.ts'
import { figure, spreadOf, spreadText } from '../lib/spread.ts'

const idleSeconds = 10
const memoryRuns = 3
const kafkaRuns = 3
const restartBytes = 500_000_000
const restartPartitions = 64
const kafkaHeapMb = 1024

interface Started {
  /** From exec, as this process sees it, until the broker's ready line; of `node -e 0`, until its end. */
  readonly readyMillis: number
  /** What the ready line says: from exec on the broker's own clock. */
  readonly reportedMillis?: number
}

const withDataDir = async <T>(parent: string, use: (dataDir: string) => Promise<T>): Promise<T> => {
  const { path, remove } = await makeDataDirectory(parent)
  try {
    return await use(path)
  } finally {
    await remove()
  }
}

const startOnce = async (dataDir: string): Promise<Started> => {
  const { child, readyMs, reportedMs } = await startMillrace(dataDir)
  await stopProcess(child)
  return { readyMillis: readyMs, reportedMillis: reportedMs }
}

/** Starts on what a run before wrote and stopped cleanly with. */
const restarts = (parent: string, runs: number): Promise<Started[]> =>
  withDataDir(parent, async dataDir => {
    const { child, address } = await startMillrace(dataDir)
    await runLoad('produce', {
      target: address,
      topic: 'bench-restart',
      partitions: restartPartitions,
      acks: '1',
      connections: 4,
      depth: 4,
      'request-bytes': 500_000,
      'record-bytes': 1000,
      'total-bytes': restartBytes,
      'keep-topic': true,
    })
    await stopProcess(child)
    const starts: Started[] = []
    for (let run = 0; run < runs; run++) starts.push(await startOnce(dataDir))
    return starts
  })

const kafkaOnce = (parent: string): Promise<Started> =>
  withDataDir(parent, async dataDir => {
    await formatKafka(dataDir, {})
    const startedAt = performance.now()
    const { child } = await startKafka(dataDir, kafkaHeapMb)
    const readyMillis = performance.now() - startedAt
    endsWithBench(child)
    await stopProcess(child, [0, 143])
    return { readyMillis }
  })

const spawnNode = (script: string) =>
  spawn(process.execPath, ['-e', script], { stdio: 'ignore', env: childEnvironment() })

const nodeOnce = async (): Promise<Started> => {
  const startedAt = performance.now()
  await once(spawnNode('0'), 'exit')
  return { readyMillis: performance.now() - startedAt }
}

/** Both processes idle through the same ten seconds. */
const idleMemory = (parent: string): Promise<{ millrace: Memory; node: Memory }> =>
  withDataDir(parent, async dataDir => {
    const { child, pid } = await startMillrace(dataDir)
    const node = spawnNode('setInterval(() => {}, 1e9)')
    try {
      await sleep(idleSeconds * 1000)
      return { millrace: memoryOf(pid), node: memoryOf(node.pid ?? 0) }
    } finally {
      node.kill('SIGKILL')
      await stopProcess(child)
    }
  })

const columns = [
  { key: 'readyMillis', title: 'ms from exec' },
  { key: 'reportedMillis', title: 'by its own clock' },
  { key: 'residentMB', title: `MB after ${idleSeconds} s idle` },
  { key: 'anonymousMB', title: 'MB unmapped' },
]

const sideOf = (side: string, starts: readonly Started[], idle: readonly Memory[] = []): SideResult => {
  const reported = starts.flatMap(start => (start.reportedMillis === undefined ? [] : [start.reportedMillis]))
  const values = {
    readyMillis: starts.map(start => start.readyMillis),
    reportedMillis: reported,
    residentMB: idle.map(memory => memory.resident),
    anonymousMB: idle.map(memory => memory.unmapped),
  }
  const figures = Object.entries(values).flatMap(([key, runs]) => (runs.length === 0 ? [] : [[key, spreadOf(runs)]]))
  return { side, raw: false, durability: '', figures: Object.fromEntries(figures), runs: [] }
}

/** How soon a broker serves, and what it takes to sit idle, beside Node itself. Prints its table. */
export const measureStart = async (options: BenchOptions, commit: string): Promise<RowResult> => {
  const { runs, dataParent } = options
  const starts: Started[] = []
  const nodes: Started[] = []
  const kafkas: Started[] = []
  for (let run = 0; run < runs; run++) {
    nodes.push(await nodeOnce())
    starts.push(await withDataDir(dataParent, startOnce))
    if (options.peerKafka && run < kafkaRuns) kafkas.push(await kafkaOnce(dataParent))
  }
  const again = await restarts(dataParent, runs)
  const idle: { millrace: Memory; node: Memory }[] = []
  for (let run = 0; run < Math.min(memoryRuns, runs); run++) idle.push(await idleMemory(dataParent))

  const own = sideOf(
    'millrace',
    starts,
    idle.map(({ millrace }) => millrace),
  )
  const node = sideOf(
    'node',
    nodes,
    idle.map(each => each.node),
  )
  const sides = [
    own,
    sideOf(`millrace, again on ${restartBytes / 1e6} MB in ${restartPartitions} partitions`, again),
    ...(kafkas.length === 0 ? [] : [sideOf('kafka', kafkas)]),
    node,
  ]
  const row = `median (min–max) of ${runs} starts on an empty data directory, memory of ${idle.length}`
  const cells = ({ side, figures }: SideResult): string[] => [
    side,
    ...columns.map(({ key }) => (figures[key] === undefined ? '–' : spreadText(figures[key]))),
  ]
  printTable(`start: ${row}`, [['', ...columns.map(column => column.title)], ...sides.map(cells)])
  const median = (side: SideResult, key: string): number => side.figures[key]?.median ?? Number.NaN
  console.log(
    `  Ready in ${figure(median(own, 'readyMillis'))} ms, ` +
      `${figure(median(own, 'readyMillis') - median(node, 'readyMillis'))} ms more than Node itself takes; ` +
      `idle it holds ${figure(median(own, 'residentMB'))} MB, ` +
      `${figure(median(own, 'residentMB') - median(node, 'residentMB'))} MB more than an idle Node.`,
  )
  const shared = { acks: '', promised: '', fillsMemory: false, commit, verdicts: [] }
  const result: RowResult = { bench: 'start', row, ...shared, columns, sides }
  console.log(JSON.stringify(summaryOf(result)))
  return result
}
