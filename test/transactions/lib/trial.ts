import { ErrorCode, errorName } from '../../../src/protocol/index.ts'
import { createTopics } from '../../../src/protocol/schema/create-topics.ts'
import { check, checkMoved } from './checker.ts'
import { History, type Seen } from './history.ts'
import { moved, mover } from './mover.ts'
import { RawReader } from './reader.ts'
import { StabilityWatch } from './stability-watch.ts'
import { ConnectionLost, EndingSurroundings, Line, type Surroundings } from './wire.ts'
import { writer } from './writer.ts'

/** Once faults are over every producer ends its transaction within its timeout and this. */
const patienceMs = 15_000
/** No request is held up for longer on its way. */
const quietMs = 2_000

export interface TrialOptions {
  readonly topic: string
  readonly partitions: number
  /** Of each transaction version. */
  readonly writers: number
  readonly readers: number
  /** Clients that consume and produce in the same transaction, of each transaction version. */
  readonly movers: number
  readonly transactionTimeoutMs: number
  readonly durationMs: number
  /** Ends it earlier. */
  readonly enough?: () => boolean
  readonly pauseMs: number
  readonly lifeMs: number
  readonly transactionVersions: readonly (1 | 2)[]
}

export interface TrialReport {
  readonly problems: readonly string[]
  readonly committed: number
  readonly aborted: number
  readonly unknown: number
  readonly records: number
  /** How long committed reads were held up at most. */
  readonly longestStuckMs: number
}

export interface Trial {
  /** Told when the writers stop and faults are to end. */
  readonly faultsOver: Promise<void>
  /** What was found so far, for a trial that comes to no end. */
  readonly violations: readonly string[]
  readonly report: Promise<TrialReport>
}

/**
 * Writers and readers at work, both through `faulty`, while somebody else does to the broker and to the network what is
 * to be survived; `direct` is left alone, for what watches. Then everything is read once more and held to the promises.
 */
export function startTrial(faulty: Surroundings, direct: Surroundings, options: TrialOptions): Trial {
  let faultsOver = () => {}
  const over = new Promise<void>(resolve => {
    faultsOver = resolve
  })
  const history = new History()
  const report = run(faulty, direct, history, options, faultsOver)
  return { faultsOver: over, violations: history.violations, report }
}

async function run(
  faulty: Surroundings,
  direct: Surroundings,
  history: History,
  options: TrialOptions,
  faultsOver: () => void,
): Promise<TrialReport> {
  const { topic, partitions, transactionTimeoutMs: timeoutMs } = options
  for (const name of [topic, ...movedTopics(options)]) await createTopic(direct, name, partitions)
  const ending = new EndingSurroundings(faulty)
  const endMs = faulty.nowMs() + options.durationMs
  const over = () => faulty.nowMs() >= endMs || options.enough?.() === true
  const writers = options.transactionVersions.flatMap(transactionVersion =>
    Array.from({ length: options.writers }, (_, i) => {
      const transactionalId = `v${transactionVersion}-${i}`
      const { pauseMs, lifeMs } = options
      const each = { transactionalId, transactionVersion, timeoutMs, topic, partitions, pauseMs, lifeMs, zombies: true }
      return writer(ending, history, each, over)
    }),
  )
  const written = Promise.all(writers)
  let allIsWritten = false
  const moving = movers(ending, history, options, () => allIsWritten)
  let reading = true
  const readers = [true, false].flatMap(committedOnly =>
    Array.from({ length: options.readers }, (_, i) => {
      const name = `${committedOnly ? 'committed' : 'uncommitted'} reader ${i}`
      return new RawReader(faulty, history, { name, topic, partitions, committedOnly })
    }),
  )
  const reads = readers.map(async reader => {
    while (reading) await reader.poll(200)
  })
  const read = Promise.all(reads)
  for (const going of [written, read, moving.done]) going.catch(() => {}) // Whoever fails is heard of when all are awaited.
  const watch = new StabilityWatch(history, timeoutMs)
  const watching = watchStability(direct, history, options, watch, () => reading)
  while (!over()) await direct.pause(20)
  faultsOver()
  const ended = await Promise.race([written.then(() => true), direct.pause(timeoutMs + patienceMs).then(() => false)])
  if (!ended) history.violation('producers come to no end')
  // What is late comes now, if ever; and what is left open is aborted in time, or the watch tells.
  await direct.pause(quietMs)
  const settleMs = direct.nowMs() + timeoutMs + 5_000
  do await direct.pause(100)
  while (!watch.settled && direct.nowMs() < settleMs)
  allIsWritten = true
  const movedAll = await Promise.race([
    moving.done.then(() => true),
    direct.pause(timeoutMs + patienceMs).then(() => false),
  ])
  if (!movedAll) history.violation('those who consume and produce come to no end')
  ending.end()
  reading = false
  await Promise.all([read, watching])
  const all = await readAll(direct, history, options, topic, false)
  const committed = await readAll(direct, history, options, topic, true)
  for (const to of moving.topics)
    for (const problem of checkMoved(committed, await readAll(direct, history, options, to, true), moved))
      history.violation(`${to}: ${problem}`)
  const readings = readers.flatMap(reader => reader.readings())
  const problems = check(history, { committed, all }, readings)
  const count = (outcome: string) => history.transactions.filter(each => each.outcome === outcome).length
  return {
    problems,
    committed: count('committed'),
    aborted: count('aborted'),
    unknown: count('unknown'),
    records: all.reduce((sum, { length }) => sum + length, 0),
    longestStuckMs: Math.round(watch.longestMs),
  }
}

const movedTopics = ({ movers: count, transactionVersions }: TrialOptions): string[] =>
  transactionVersions.flatMap(version => Array.from({ length: count }, (_, i) => `moved-v${version}-${i}`))

function movers(at: Surroundings, history: History, options: TrialOptions, over: () => boolean) {
  const { topic: from, partitions, pauseMs, lifeMs, transactionTimeoutMs: timeoutMs } = options
  const topics = movedTopics(options)
  const running = topics.map(to => {
    const transactionVersion = to.startsWith('moved-v1') ? 1 : 2
    const each = { transactionalId: to, transactionVersion, timeoutMs, from, to, partitions, pauseMs, lifeMs } as const
    return mover(at, history, each, over)
  })
  return { topics, done: Promise.all(running) }
}

async function watchStability(
  direct: Surroundings,
  history: History,
  { topic, partitions }: TrialOptions,
  watch: StabilityWatch,
  going: () => boolean,
): Promise<void> {
  const reader = new RawReader(direct, history, { name: 'the watch', topic, partitions, committedOnly: false })
  while (going()) {
    watch.observe(await reader.poll(0), direct.nowMs())
    await direct.pause(50)
  }
}

async function readAll(
  direct: Surroundings,
  history: History,
  { partitions }: TrialOptions,
  topic: string,
  committedOnly: boolean,
): Promise<Seen[][]> {
  const name = `the last ${committedOnly ? 'committed' : 'uncommitted'} reader`
  return await new RawReader(direct, history, { name, topic, partitions, committedOnly }).readToEnd()
}

export async function createTopic(at: Surroundings, name: string, numPartitions: number): Promise<void> {
  const line = new Line(at)
  for (let tries = 0; ; tries++) {
    try {
      const topics = [{ name, numPartitions, replicationFactor: 1, assignments: [], configs: [] }]
      const { body } = await line.request(createTopics, 5, { topics, timeoutMs: 10_000, validateOnly: false })
      const { errorCode } = body.topics[0]!
      if (errorCode === ErrorCode.NONE || errorCode === ErrorCode.TOPIC_ALREADY_EXISTS) break
      throw new Error(`the topic could not be created: ${errorName(errorCode)}`)
    } catch (error) {
      if (!(error instanceof ConnectionLost) || tries > 50) throw error
      await line.pause(50)
    }
  }
  line.hangUp()
}
