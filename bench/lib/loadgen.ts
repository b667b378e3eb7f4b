import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import { endsWithBench } from './data-directory.ts'

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url))
const binary = here('../../build/bench/loadgen')

/** Percentiles of one run, in microseconds. */
export interface Percentiles {
  readonly count: number
  readonly mean: number
  readonly p50: number
  readonly p90: number
  readonly p99: number
  readonly p99_9: number
  readonly p99_99: number
  readonly max: number
  /** Percentile and microseconds: as many points as there were samples to tell apart. */
  readonly curve: readonly (readonly [number, number])[]
}

/** What the generator prints. Rates and CPU are of its window: without warm-up, set-up and draining. */
export interface LoadResult {
  readonly mode: 'produce' | 'latency' | 'fetch' | 'transactions'
  readonly seconds: number
  /** Of everything on the machine: what the broker and the generator did not take, others took. */
  readonly machineCpuSeconds: number
  readonly generatorCpuSeconds: number
  /** Present when it was given the broker's pid. */
  readonly brokerCpuSeconds?: number
  readonly requests: number
  readonly records: number
  /** Of record batches as they are stored: headers included, request framing not. */
  readonly bytes: number
  /** From the first request on, warm-up included. */
  readonly sentBytes?: number
  /** Absent with acks=0. Of transactions: from sending EndTxn to its answer. */
  readonly ackMicros?: Percentiles
  readonly fetchMicros?: Percentiles
  /** From a transaction's first request to the answer of its EndTxn, and what was waited in between. */
  readonly transactionMicros?: Percentiles
  /** How often a transaction was asked to wait for the markers of the one before. */
  readonly backoffs?: number
  /** Open loop: how late requests left the generator itself. Contained in `ackMicros`. */
  readonly lateMicros?: Percentiles
  readonly overloaded?: boolean
  /** Open loop: everything was answered, and read by each consumer, when the wait for it ended. */
  readonly keptUp?: boolean
  readonly unanswered?: number
  /** With consumers in the generator: from when a record was due to when one of them had it. */
  readonly endToEndMicros?: Percentiles
  /** Of record batches, by all consumers together. */
  readonly readBytes?: number
  readonly unreadRecords?: number
  /** The acknowledgements by equal slices of the window. */
  readonly slices?: readonly { readonly micros: Percentiles }[]
  readonly acknowledgedRecords?: number
  readonly errors: Readonly<Record<string, number>>
  readonly ok: boolean
}

/**
 * Cores that neither the broker nor the generator used, nor another client of the bench's own for `asideCpuSeconds`;
 * undefined where the broker's share is not known.
 */
export const elsewhereCores = (load: LoadResult, asideCpuSeconds = 0): number | undefined => {
  if (load.brokerCpuSeconds === undefined) return undefined
  const known = load.brokerCpuSeconds + load.generatorCpuSeconds + asideCpuSeconds
  return Math.max(0, load.machineCpuSeconds - known) / load.seconds
}

export type LoadOptions = Readonly<Record<string, string | number | boolean | readonly string[]>>

/** Compiles the generator if its sources are newer than it. */
export const buildLoadgen = async (): Promise<void> => {
  const args = ['-s', '-j', String(availableParallelism()), '-C', here('../loadgen')]
  const make = spawn('make', args, { stdio: ['ignore', 'inherit', 'inherit'] })
  const [code] = (await once(make, 'exit')) as [number | null]
  if (code !== 0) throw new Error('the load generator does not build: it needs make and g++ (Debian: build-essential)')
}

const argumentsOf = (options: LoadOptions): string[] =>
  Object.entries(options).flatMap(([name, value]) => {
    if (typeof value === 'boolean') return value ? [`--${name}`] : []
    if (typeof value === 'object') return value.flatMap(each => [`--${name}`, each])
    return [`--${name}`, String(value)]
  })

const outputOf = async (mode: string, options: LoadOptions, input = ''): Promise<unknown> => {
  const child = spawn(binary, [mode, ...argumentsOf(options)], { stdio: ['pipe', 'pipe', 'pipe'] })
  endsWithBench(child)
  // One that ends at once, for wrong usage, has not read it; its exit says why.
  child.stdin.on('error', () => {}).end(input)
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null]
  if (!stdout.startsWith('{')) throw new Error(stderr.trim() || `loadgen ${mode} ended with ${code ?? signal}`)
  return JSON.parse(stdout)
}

/** Runs one load to its end. A run in which anything was refused, lost or left unanswered is not a measurement. */
export const runLoad = async (
  mode: 'produce' | 'fetch' | 'transactions',
  options: LoadOptions,
): Promise<LoadResult> => {
  const result = (await outputOf(mode, options)) as LoadResult
  if (!result.ok) throw new Error(`the run went wrong: ${JSON.stringify(result)}`)
  return result
}

/** Writes that much memory once and gives it back; resolves with what could be had and the time it took. */
export const touchMemory = async (bytes: number): Promise<{ bytes: number; seconds: number }> =>
  (await outputOf('touch', { bytes })) as { bytes: number; seconds: number }

/** Writes the files below `folder` to the disk and drops them from the page cache, but for what a process has mapped. */
export const evictFiles = async (folder: string): Promise<{ files: number; bytes: number }> => {
  const { files, bytes } = (await outputOf('evict', { path: folder })) as { files: number; bytes: number }
  return { files, bytes }
}

/** The percentiles of `nanoseconds` by the generator's own histogram. */
export const percentilesOf = async (nanoseconds: readonly number[]): Promise<Percentiles> => {
  const { micros } = (await outputOf('percentiles', {}, nanoseconds.join('\n'))) as { micros: Percentiles }
  return micros
}

/** A started echo server; it ends with its standard input, so it cannot outlive this process. */
export const spawnEcho = (replyBytes: number) =>
  spawn(binary, ['echo', '--target', '127.0.0.1:0', '--reply-bytes', String(replyBytes)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
