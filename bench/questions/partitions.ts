import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { type StartedProcess, startMillrace, stopProcess } from '../lib/broker-process.ts'
import { makeDataDirectory } from '../lib/data-directory.ts'
import { ManyPartitions } from '../lib/many-partitions.ts'
import type { BenchOptions } from '../lib/options.ts'
import { cpuSecondsOf, descriptorsOf, factsOf, mappingsOf } from '../lib/process-facts.ts'
import { printTable } from '../lib/report.ts'
import { type RowResult, type SideResult, summaryOf } from '../lib/results.ts'
import { figure, type Spread, spreadOf, spreadText } from '../lib/spread.ts'

const fewPartitions = 100
const requestPartitions = 1_000
/** Requests of the cost of a partition; as many partitions are written on the broker with few. */
const requests = 100
const idleSeconds = 10
/** Logs that are not written rest after ten seconds. */
const restSeconds = 13
const sampleMs = 50
const config = { 'max.connections': '2000' }

const columns = [
  { key: 'seconds', title: 'seconds' },
  { key: 'cpuSeconds', title: 'CPU s' },
  { key: 'descriptors', title: 'descriptors' },
  { key: 'mappings', title: 'mappings' },
  { key: 'residentMB', title: 'MB resident' },
]
type Figures = Record<string, number>

/** What a broker takes for `act`, its peaks included. */
const during = async ({ pid }: StartedProcess, act: () => Promise<void>): Promise<Figures> => {
  const before = cpuSecondsOf(pid)
  const startedAt = performance.now()
  let descriptors = 0
  let mappings = 0
  const sample = (): void => {
    descriptors = Math.max(descriptors, descriptorsOf(pid))
    mappings = Math.max(mappings, mappingsOf(pid))
  }
  const timer = setInterval(sample, sampleMs)
  try {
    await act()
  } finally {
    clearInterval(timer)
  }
  const seconds = (performance.now() - startedAt) / 1000
  sample()
  const { cpuSeconds, residentMB } = factsOf(pid)
  return { seconds, cpuSeconds: cpuSeconds - before, descriptors, mappings, residentMB }
}

const started = (broker: StartedProcess): Figures => ({ ...factsOf(broker.pid), seconds: broker.readyMs / 1000 })

/** Microseconds of the broker's CPU for each partition of a request, when they were all written before. */
const perPartition = async (broker: StartedProcess, client: ManyPartitions, partitions: number): Promise<number> => {
  await client.writeFirst(partitions, 1)
  const before = cpuSecondsOf(broker.pid)
  const count = Math.ceil((requests * requestPartitions) / partitions)
  for (let request = 0; request < count; request++) await client.writeFirst(partitions, 1)
  return ((cpuSecondsOf(broker.pid) - before) / (count * partitions)) * 1e6
}

const withBroker = async <T>(
  dataDir: string,
  partitions: number,
  use: (broker: StartedProcess, client: ManyPartitions) => Promise<T>,
): Promise<{ broker: StartedProcess; value: T }> => {
  const broker = await startMillrace(dataDir, config)
  const client = await ManyPartitions.connect(broker.address, partitions)
  try {
    return { broker, value: await use(broker, client) }
  } finally {
    client.close()
  }
}

const stop = async ({ child, pid }: StartedProcess): Promise<Figures> => {
  const startedAt = performance.now()
  const before = cpuSecondsOf(pid)
  let cpuSeconds = before
  const timer = setInterval(() => {
    try {
      cpuSeconds = cpuSecondsOf(pid)
    } catch {
      // It has just ended.
    }
  }, sampleMs / 5)
  await stopProcess(child)
  clearInterval(timer)
  return { seconds: (performance.now() - startedAt) / 1000, cpuSeconds: cpuSeconds - before }
}

const kill = async ({ child }: StartedProcess): Promise<void> => {
  child.kill('SIGKILL')
  await once(child, 'exit')
}

/** Everything once, by what was done; and what a partition of a request costs, in microseconds, among many and few. */
const measureOnce = async (options: BenchOptions, rows: Map<string, Figures[]>): Promise<[number, number]> => {
  const note = (what: string, figures: Figures): void => void rows.set(what, [...(rows.get(what) ?? []), figures])
  const { partitions, dataParent } = options
  const few = await makeDataDirectory(dataParent)
  const many = await makeDataDirectory(dataParent)
  try {
    const small = await withBroker(few.path, fewPartitions, async (broker, client) => {
      await client.create()
      return await perPartition(broker, client, fewPartitions)
    })
    await stopProcess(small.broker.child)
    const first = await withBroker(many.path, partitions, async (broker, client) => {
      note('made', await during(broker, () => client.create()))
      note('all written, acks=1', await during(broker, () => client.writeAll(1)))
      note('all written, acks=all', await during(broker, () => client.writeAll(-1)))
      const cost = await perPartition(broker, client, requestPartitions)
      await sleep(restSeconds * 1000)
      note(`idle for ${idleSeconds} s`, await during(broker, () => sleep(idleSeconds * 1000)))
      return cost
    })
    note('stopped', await stop(first.broker))
    const second = await withBroker(many.path, partitions, async (broker, client) => {
      note('started again', started(broker))
      note('all written, acks=1, after the start', await during(broker, () => client.writeAll(1)))
    })
    await kill(second.broker)
    const third = await startMillrace(many.path, config)
    note('started after kill -9', started(third))
    note('stopped, after little was written', await stop(third))
    return [first.value, small.value]
  } finally {
    await few.remove()
    await many.remove()
  }
}

/** What very many partitions cost. Prints its table. */
export const measurePartitions = async (options: BenchOptions, commit: string): Promise<RowResult> => {
  const rows = new Map<string, Figures[]>()
  const costs: [number, number][] = []
  for (let run = 0; run < options.runs; run++) costs.push(await measureOnce(options, rows))
  const sides = [...rows].map(([side, runs]): SideResult => {
    const figures: Record<string, Spread> = {}
    for (const { key } of columns) {
      const values = runs.map(each => each[key]).filter(value => value !== undefined)
      if (values.length > 0) figures[key] = spreadOf(values)
    }
    return { side, raw: false, durability: '', figures, runs: [] }
  })
  const [among, alone] = [0, 1].map(which => spreadOf(costs.map(pair => pair[which]!))) as [Spread, Spread]
  for (const [side, spread] of [
    [`a partition of a request to ${requestPartitions}, CPU µs`, among],
    [`the same to ${fewPartitions}, on a broker with no more`, alone],
  ] as const) {
    sides.push({ side, raw: false, durability: '', figures: { partitionMicros: spread }, runs: [] })
  }
  const shown = [...columns, { key: 'partitionMicros', title: 'µs a partition' }]
  const row = `${figure(options.partitions)} partitions, ${options.runs} runs`
  printTable(`partitions: ${row}`, [
    ['', ...shown.map(({ title }) => title)],
    ...sides.map(({ side, figures }) => [
      side,
      ...shown.map(({ key }) => (figures[key] === undefined ? '–' : spreadText(figures[key]))),
    ]),
  ])
  console.log(`  A partition among many costs ${figure(among.median - alone.median)} µs more than among few.`)
  const result: RowResult = {
    ...{ bench: 'partitions', row, acks: '', promised: '', fillsMemory: false, commit, verdicts: [] },
    columns: shown,
    sides,
  }
  console.log(JSON.stringify(summaryOf(result)))
  return result
}
