// How soon a broker serves, and what it takes to sit idle, beside Node itself: `npm run bench -- start`.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { childEnvironment, startMillrace, stopProcess } from './lib/broker-process.ts'
import { makeDataDirectory } from './lib/data-directory.ts'
import { type Memory, memoryOf } from './lib/machine.ts'
import { introduce } from './lib/measure.ts'
import { parseOptions } from './lib/options.ts'
import { printTable, writeJson } from './lib/report.ts'
import { figure, type Spread, spreadOf, spreadText } from './lib/spread.ts'

const idleSeconds = 10
const memoryRuns = 3

interface Started {
  /** From exec, as this process sees it, until the broker's ready line; of `node -e 0`, until its end. */
  readonly millis: number
  /** What the ready line says: from exec on the broker's own clock. */
  readonly reported: number
}

const withDataDir = async <T>(parent: string, use: (dataDir: string) => Promise<T>): Promise<T> => {
  const { path, remove } = await makeDataDirectory(parent)
  try {
    return await use(path)
  } finally {
    await remove()
  }
}

const startOnce = (parent: string): Promise<Started> =>
  withDataDir(parent, async dataDir => {
    const { child, readyMs, reportedMs } = await startMillrace(dataDir)
    await stopProcess(child)
    return { millis: readyMs, reported: reportedMs }
  })

const spawnNode = (script: string) =>
  spawn(process.execPath, ['-e', script], { stdio: 'ignore', env: childEnvironment() })

const nodeOnce = async (): Promise<number> => {
  const startedAt = performance.now()
  await once(spawnNode('0'), 'exit')
  return performance.now() - startedAt
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

const options = parseOptions('start', { runs: 21, seconds: 0 }, ['runs', 'data-dir', 'json'])
const { runs, dataParent, jsonFile } = options
const machine = await introduce(options)

const starts: Started[] = []
const nodes: number[] = []
for (let run = 0; run < runs; run++) {
  nodes.push(await nodeOnce())
  starts.push(await startOnce(dataParent))
}
const idle: { millrace: Memory; node: Memory }[] = []
for (let run = 0; run < Math.min(memoryRuns, runs); run++) idle.push(await idleMemory(dataParent))

const result = {
  bench: 'start',
  commit: machine.commit,
  millrace: {
    readyMillis: spreadOf(starts.map(start => start.millis)),
    reportedMillis: spreadOf(starts.map(start => start.reported)),
    residentMB: spreadOf(idle.map(({ millrace }) => millrace.resident)),
    anonymousMB: spreadOf(idle.map(({ millrace }) => millrace.anonymous)),
  },
  node: {
    endMillis: spreadOf(nodes),
    residentMB: spreadOf(idle.map(({ node }) => node.resident)),
    anonymousMB: spreadOf(idle.map(({ node }) => node.anonymous)),
  },
}
const { millrace, node } = result
const cells = (name: string, ...spreads: Spread[]): string[] => [name, ...spreads.map(spreadText)]
printTable(`start: median (min–max) of ${runs} on an empty data directory, memory of ${idle.length}`, [
  ['', 'ms from exec', `MB resident after ${idleSeconds} s`, 'of it not mapped from files'],
  cells('millrace serve, to ready', millrace.readyMillis, millrace.residentMB, millrace.anonymousMB),
  cells('node -e 0, to its end', node.endMillis, node.residentMB, node.anonymousMB),
])
console.log(
  `  Ready in ${figure(millrace.readyMillis.median)} ms (by its own clock ${figure(millrace.reportedMillis.median)}), ` +
    `${figure(millrace.readyMillis.median - node.endMillis.median)} ms more than Node itself takes; ` +
    `idle it holds ${figure(millrace.residentMB.median)} MB, ` +
    `${figure(millrace.residentMB.median - node.residentMB.median)} MB more than an idle Node.`,
)
console.log(JSON.stringify(result))
writeJson(jsonFile, machine, { limitBytes: undefined, text: 'broker memory not limited: nothing is written' }, [result])
