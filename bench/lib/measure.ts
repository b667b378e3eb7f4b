import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { BrokerMemory, limitFor } from './broker-memory.ts'
import type { Goal } from './goals.ts'
import { buildLoadgen, type LoadOptions, type LoadResult, touchMemory } from './loadgen.ts'
import {
  busyCores,
  coresInUse,
  describeMachine,
  isTmpfs,
  type Machine,
  type Memory,
  memoryOf,
  touchableBytes,
} from './machine.ts'
import { metrics } from './metrics.ts'
import type { BenchOptions } from './options.ts'
import {
  type Acks,
  type BrokerConfig,
  brokerSides,
  echoSide,
  type Promised,
  type RunningBroker,
  type Side,
} from './sides.ts'
import { figure } from './spread.ts'
import { type Sample, Watch } from './watch.ts'

/** One question to a broker: the load, and what its acknowledgements are asked to promise. */
export interface Row {
  readonly name: string
  readonly acks: Acks
  readonly promised: Promised
  /** Of each answer of the echo server that stands for the ceiling; undefined where none can. */
  readonly replyBytes: number | undefined
  /** It writes so much that where its memory comes from would decide it. */
  readonly fillsMemory: boolean
  /** What the brokers are started with beyond their defaults, by Kafka's names. */
  readonly brokerConfig?: BrokerConfig
  /** Of what the broker writes for itself, a coordinator's decisions, the row asks the same promise. */
  readonly ownTopicsToo?: true
  /** Of the measured part, where the row needs one of its own. */
  seconds?(options: BenchOptions): number
  readonly goals: readonly Goal[]
  /** Measured under its question's own name, or when it is asked for: it repeats what another row of `all` shows. */
  readonly besides?: boolean
  /** Runs the load against a broker that has just started. `base` holds the options every load needs. */
  load(base: LoadOptions, broker: RunningBroker, side: Side, options: BenchOptions): Promise<Load>
}

export interface ColdReads {
  readonly bytes: number
  readonly seconds: number
  /** Of the client that read. */
  readonly cpuSeconds: number
}

/** What a row's load results in. */
export interface Load {
  readonly load: LoadResult
  /** The same load on the same broker before, without what the row is to show beside it. */
  readonly alone?: LoadResult
  /** What another client read from the disk meanwhile. */
  readonly cold?: ColdReads
  /** The same files read from beginning to end by a program that does nothing else. */
  readonly plain?: { readonly bytes: number; readonly seconds: number }
  /** What the broker's cleaner did, beside the load and after it, with nothing else to do. */
  readonly compaction?: { readonly beside: Compaction; readonly alone: Compaction }
}

export interface Compaction {
  readonly bytesRead: number
  readonly bytesWritten: number
  /** Of its passes, one after the other. */
  readonly seconds: number
}

export interface Run extends Load {
  /** When the load ended; undefined where the broker's process is not known. */
  readonly memory: Memory | undefined
  readonly samples: readonly Sample[]
  /** Written to the data directory's device from the load's start until everything was on it. */
  readonly deviceBytes: number | undefined
}

export interface SideRuns {
  readonly side: Side
  readonly runs: readonly Run[]
}

export interface RowRuns {
  readonly row: Row
  readonly sides: readonly SideRuns[]
}

let topicsUsed = 0

/** Data of the run before, still on its way to the disk, would be paid for by the next one. */
const settleDisk = async (directory: string): Promise<void> => {
  await once(spawn('sync', ['-f', directory], { stdio: 'ignore' }), 'exit')
}

const runOnce = async (
  row: Row,
  side: Side,
  options: BenchOptions,
  memory: BrokerMemory,
  topic: string,
): Promise<Run> => {
  const ownTopics = row.ownTopicsToo === true ? side.ownTopicConfig(row.promised) : {}
  const brokerConfig = { ...row.brokerConfig, ...ownTopics }
  if (side.foreign && Object.keys(brokerConfig).length > 0) {
    const config = Object.entries(brokerConfig).map(([name, value]) => `${name}=${value}`)
    throw new Error(`it needs a broker that was started with ${config.join(', ')}, and the target was not started here`)
  }
  const fills = row.fillsMemory && !side.raw
  if (fills) await memory.fill()
  await settleDisk(options.dataParent)
  const broker = await side.start(brokerConfig)
  try {
    const seconds = row.seconds?.(options) ?? options.seconds
    const base: Record<string, string | number | boolean | readonly string[]> = {
      target: broker.address,
      topic,
      warmup: side.raw ? 0.5 : options.warmupSeconds,
      // The ceiling needs no more than a glance.
      duration: side.raw ? Math.min(seconds, 2) : seconds,
      raw: side.raw,
    }
    if (broker.pid !== undefined) base.pid = broker.pid
    const watch = new Watch(broker.pid, options.dataParent)
    try {
      const load = await row.load(base, broker, side, options)
      const memory = broker.pid === undefined ? undefined : memoryOf(broker.pid)
      await settleDisk(options.dataParent)
      return { ...load, memory, samples: watch.samples, deviceBytes: watch.deviceBytes() }
    } finally {
      watch.end()
    }
  } finally {
    try {
      await broker.stop()
      // Before its files go: the next run gets the pages that they hold.
      if (fills) await memory.fill()
    } finally {
      await broker.discard()
    }
  }
}

const untilQuiet = async (limitSeconds: number): Promise<void> => {
  const limit = performance.now() + limitSeconds * 1000
  while ((await coresInUse()) > busyCores && performance.now() < limit);
}

const quietAttempts = 3

/** Whether a run is repeated depends on what others did during it, never on its result. */
const runUndisturbed = async (row: Row, side: Side, options: BenchOptions, memory: BrokerMemory): Promise<Run> => {
  for (let attempt = 1; ; attempt++) {
    if (options.quietSeconds > 0) await untilQuiet(options.quietSeconds)
    const run = await runOnce(row, side, options, memory, `bench-${process.pid}-${++topicsUsed}`)
    const disturbed = (metrics.elsewhereCores.of(run) ?? 0) > busyCores
    if (options.quietSeconds === 0 || !disturbed || attempt === quietAttempts) return run
  }
}

/** The sides of a row; ours, or the target, is the first that is no echo server. */
export const sidesOf = (row: Row, options: BenchOptions, memory: BrokerMemory): Side[] => [
  ...(row.replyBytes === undefined ? [] : [echoSide(row.replyBytes)]),
  ...brokerSides(options, memory),
]

/** Every side in turn, again and again, so that what drifts on the machine meets all of them alike. */
export const measureRow = async (
  row: Row,
  options: BenchOptions,
  memory: BrokerMemory,
  beforeRun: (turn: number, side: Side) => void,
): Promise<RowRuns> => {
  const sides = sidesOf(row, options, memory).map(side => ({ side, runs: [] as Run[] }))
  for (let turn = 0; turn < options.runs; turn++) {
    for (const { side, runs } of sides) {
      beforeRun(turn, side)
      runs.push(await runUndisturbed(row, side, options, memory))
    }
  }
  return { row, sides }
}

/** Says what is measured where, and what will spoil it. */
export const introduce = async (options: BenchOptions): Promise<Machine> => {
  const machine = describeMachine(options.dataParent)
  console.log(
    `commit ${machine.commit} · ${machine.cores} × ${machine.cpu} · ${machine.memoryGiB} GiB · Linux ${machine.kernel}` +
      ` · Node ${machine.node} · data on ${machine.fileSystem}`,
  )
  if (isTmpfs(options.dataParent)) {
    console.log(`WARNING: ${options.dataParent} is a tmpfs: "on disk" means nothing there; choose another --data-dir.`)
  }
  const inUse = await coresInUse()
  if (inUse > busyCores) console.log(`WARNING: ${figure(inUse)} cores are busy with something else.`)
  return machine
}

/** Limits the brokers' memory; where that cannot be, touches the machine's. */
export const prepareMemory = async (options: BenchOptions): Promise<BrokerMemory> => {
  const memory =
    options.target !== undefined
      ? BrokerMemory.unlimited('the target runs already')
      : options.memoryGB === 0
        ? BrokerMemory.unlimited('as asked')
        : await BrokerMemory.make(options.dataParent, limitFor(options.memoryGB))
  console.log(memory.note.text)
  if (!memory.limited && options.touchBytes > 0) {
    const { bytes, seconds } = await touchMemory(touchableBytes(options.touchBytes))
    const rate = bytes / 1e9 / seconds
    console.log(`touched ${(bytes / 1e9).toFixed(1)} GB of memory first, at ${rate.toFixed(1)} GB/s`)
  }
  return memory
}

/** Builds the generator, says where it measures, and prepares the memory of the brokers. */
export const prepare = async (options: BenchOptions): Promise<{ machine: Machine; memory: BrokerMemory }> => {
  await buildLoadgen()
  const machine = await introduce(options)
  return { machine, memory: await prepareMemory(options) }
}
