import { mkdirSync, realpathSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { parseArgs } from 'node:util'

/** What every bench understands. */
export interface BenchOptions {
  readonly runs: number
  readonly seconds: number
  readonly warmupSeconds: number
  readonly dataParent: string
  /** A broker that runs already, instead of this build's. */
  readonly target: { readonly address: string; readonly pid: number | undefined } | undefined
  /** Apache Kafka, started beside this build's broker. */
  readonly peerKafka: boolean
  readonly jsonFile: string | undefined
  readonly htmlFile: string | undefined
  /** Of the steady-state rows, which need longer than the others to show what grows. */
  readonly steadySeconds: number
  /** Of keyed records that are compacted beside a load. */
  readonly compactedBytes: number
  /** Of the bench of many partitions, and the size of the log that is replayed. */
  readonly partitions: number
  readonly logBytes: number
  readonly touchBytes: number
  /** The memory of each broker, its page cache included; 0 leaves it as it is. */
  readonly memoryGB: number
  /** How long to wait before each run until nothing else uses the CPU; 0 takes the machine as it is. */
  readonly quietSeconds: number
  /** Only rows whose name contains one of these. */
  readonly rows: readonly string[]
}

export interface Defaults {
  readonly runs: number
  readonly seconds: number
}

const descriptions = {
  runs: 'N             of each row and side, alternating',
  duration: 'S         seconds of the measured part of a run',
  warmup: 'S           seconds before it (2; 10 with --peer or --target, which may be a JVM)',
  row: 'TEXT           only rows whose name contains TEXT; may be repeated',
  'data-dir': "PARENT    where each run gets a fresh data directory (the system's temporary directory)",
  peer: 'kafka         measure Apache Kafka from Maven Central beside this build (needs java and mvn)',
  target: 'HOST:PORT   measure a broker that runs already instead; topics are created there and deleted',
  pid: "N              that broker's process: its CPU time and memory are read from /proc",
  'memory-gb': 'N        memory of each broker, page cache and heap, by a cgroup (4; 0: no limit)',
  'touch-gb': 'N         without such a limit: memory to touch before measuring (4; 0: none)',
  quiet:
    'S            before each run wait up to S seconds for a quiet machine; repeat, twice at most, what was disturbed',
  'steady-duration': 'S  seconds of a steady-state run (180)',
  partitions: 'N       on one broker (20,000), in topics of up to 1,000',
  'log-gb': 'N           of the log that is replayed (1)',
  'compaction-gb': 'N    of keyed records that are compacted beside a load (4)',
  html: 'FILE          write one page with tables and plots there',
  json: 'FILE          write all results there as JSON',
}
export type OptionName = keyof typeof descriptions
const everyOption = Object.keys(descriptions) as OptionName[]

const usage = (name: string, accepted: readonly OptionName[], defaults: Defaults): string => {
  const lines = accepted.map(option => `\n  --${option} ${descriptions[option]}`)
  const from = accepted.includes('duration')
    ? `${defaults.runs} runs of ${defaults.seconds} s`
    : `${defaults.runs} runs`
  return `usage: npm run bench -- ${name} [OPTIONS], by default ${from}${lines.join('')}`
}

const parse = (args: string[]) =>
  parseArgs({
    args,
    options: {
      runs: { type: 'string' },
      duration: { type: 'string' },
      warmup: { type: 'string' },
      row: { type: 'string', multiple: true },
      'data-dir': { type: 'string' },
      peer: { type: 'string' },
      target: { type: 'string' },
      pid: { type: 'string' },
      'memory-gb': { type: 'string' },
      'touch-gb': { type: 'string' },
      quiet: { type: 'string' },
      json: { type: 'string' },
      html: { type: 'string' },
      'steady-duration': { type: 'string' },
      'compaction-gb': { type: 'string' },
      partitions: { type: 'string' },
      'log-gb': { type: 'string' },
      help: { type: 'boolean' },
    },
  }).values

/** Reads the command line; `accepted` are the options that mean something to this bench. Wrong usage ends with code 2. */
export const parseOptions = (
  name: string,
  defaults: Defaults,
  accepted: readonly OptionName[] = everyOption,
): BenchOptions => {
  const refuse = (problem: string): never => {
    console.error(`${problem}\n${usage(name, accepted, defaults)}`)
    process.exit(2)
  }
  let values: ReturnType<typeof parse>
  try {
    values = parse(process.argv.slice(2))
  } catch (error) {
    return refuse(error instanceof Error ? error.message : String(error))
  }
  if (values.help === true) {
    console.log(usage(name, accepted, defaults))
    process.exit(0)
  }
  for (const option of everyOption) {
    if (values[option] !== undefined && !accepted.includes(option)) refuse(`--${option} means nothing to ${name}`)
  }
  const number = (option: string, text: string | undefined, otherwise: number, least: number): number => {
    if (text === undefined) return otherwise
    const value = Number(text)
    return value >= least ? value : refuse(`--${option} must be a number from ${least}`)
  }
  if (values.peer !== undefined && values.peer !== 'kafka') refuse('the one peer is kafka')
  if (values.peer !== undefined && values.target !== undefined) refuse('--peer or --target')
  if (values.pid !== undefined && values.target === undefined) refuse('--pid goes with --target')

  const parent = values['data-dir'] ?? tmpdir()
  mkdirSync(parent, { recursive: true })
  const foreign = values.peer !== undefined || values.target !== undefined
  const pid = values.pid === undefined ? undefined : number('pid', values.pid, 0, 1)
  return {
    runs: Math.floor(number('runs', values.runs, defaults.runs, 1)),
    seconds: number('duration', values.duration, defaults.seconds, 0.1),
    warmupSeconds: number('warmup', values.warmup, foreign ? 10 : 2, 0),
    dataParent: realpathSync(parent),
    target: values.target === undefined ? undefined : { address: values.target, pid },
    peerKafka: values.peer === 'kafka',
    jsonFile: values.json,
    htmlFile: values.html,
    steadySeconds: number('steady-duration', values['steady-duration'], 180, 0.2),
    partitions: Math.floor(number('partitions', values.partitions, 20_000, 1)),
    logBytes: number('log-gb', values['log-gb'], 1, 0.001) * 1e9,
    compactedBytes: number('compaction-gb', values['compaction-gb'], 4, 0.01) * 1e9,
    touchBytes: number('touch-gb', values['touch-gb'], 4, 0) * 1e9,
    memoryGB: number('memory-gb', values['memory-gb'], 4, 0),
    quietSeconds: number('quiet', values.quiet, 0, 0),
    rows: values.row ?? [],
  }
}
