import { setTimeout as sleep } from 'node:timers/promises'
import { formatKafka, startKafka } from '../../test/compat/lib/reference-kafka.ts'
import { startMillrace, stopProcess } from '../lib/broker-process.ts'
import { CommittingCrowd } from '../lib/committing-crowd.ts'
import { endsWithBench, makeDataDirectory } from '../lib/data-directory.ts'
import { GroupConnection } from '../lib/group-connection.ts'
import { awaitCoordinator, ClassicMember, ConsumerMember, makeTopic } from '../lib/group-members.ts'
import { runLoad } from '../lib/loadgen.ts'
import { commitMany, untilLoaded } from '../lib/many-commits.ts'
import type { BenchOptions } from '../lib/options.ts'
import { cpuSecondsOf } from '../lib/process-facts.ts'
import { printTable } from '../lib/report.ts'
import { type RowResult, type SideResult, summaryOf } from '../lib/results.ts'
import { type Spread, spreadOf, spreadText } from '../lib/spread.ts'

const crowdGroups = 200
const warmupSeconds = 3
const loadedGroups = 1_000
/** Beside the load of groups: about as long as that takes. */
const besideSeconds = 2
const rebalancedMembers = 100
const rebalancedPartitions = 1_000
const askMs = 50
const kafkaHeapMb = 1024
const config = { 'group.initial.rebalance.delay.ms': '0' }

interface Started {
  readonly address: string
  readonly pid: number
  stop(): Promise<void>
}

interface Broker {
  readonly name: string
  prepare(dataDir: string): Promise<void>
  start(dataDir: string): Promise<Started>
}

const millrace: Broker = {
  name: 'millrace',
  prepare: async () => {},
  start: async dataDir => {
    const { address, pid, child } = await startMillrace(dataDir, config)
    return { address, pid, stop: () => stopProcess(child) }
  },
}

const kafka: Broker = {
  name: 'kafka',
  prepare: async dataDir => void (await formatKafka(dataDir, config)),
  start: async dataDir => {
    const { host, port, child } = await startKafka(dataDir, kafkaHeapMb)
    endsWithBench(child)
    return { address: `${host}:${port}`, pid: child.pid!, stop: () => stopProcess(child, [0, 143]) }
  },
}

type Figures = Readonly<Record<string, number>>

const percentile = (times: readonly number[], share: number): number =>
  [...times].sort((a, b) => a - b)[Math.min(times.length - 1, Math.floor(times.length * share))]!

/** What 2,000 consumers cost that commit once a second and do nothing else. */
const commits = async ({ address, pid }: Started, seconds: number): Promise<Figures> => {
  const crowd = await CommittingCrowd.gather(address, 'crowd', crowdGroups)
  await crowd.commit(warmupSeconds)
  const [cpuBefore, startedAt] = [cpuSecondsOf(pid), performance.now()]
  const times = await crowd.commit(seconds)
  const tookSeconds = (performance.now() - startedAt) / 1_000
  const cores = (cpuSecondsOf(pid) - cpuBefore) / tookSeconds
  crowd.close()
  return { cores, p50Millis: percentile(times, 0.5), p99Millis: percentile(times, 0.99) }
}

const produceBeside = ({ address, pid }: Started, topic: string) =>
  runLoad('produce', {
    target: address,
    pid,
    topic,
    rate: 1_000,
    acks: '1',
    connections: 16,
    partitions: 8,
    'record-bytes': 100,
    warmup: 0,
    duration: besideSeconds,
  })

/** How long a start takes to serve a million committed offsets again, and what that does to producers. */
const load = async (broker: Broker, dataDir: string, parent: string): Promise<Figures> => {
  const first = await broker.start(dataDir)
  await commitMany(first.address, 'loaded', loadedGroups)
  await first.stop()
  const again = await broker.start(dataDir)
  const startedAt = performance.now()
  const loaded = untilLoaded(again.address, loadedGroups).then(() => (performance.now() - startedAt) / 1_000)
  const [beside, seconds] = await Promise.all([produceBeside(again, 'beside'), loaded])
  await again.stop()
  // A broker that has just started, too: its code is as cold, and it has nothing to load.
  const alone = await onFreshDirectory(broker, parent, async emptyDir => {
    const fresh = await broker.start(emptyDir)
    const measured = await produceBeside(fresh, 'alone')
    await fresh.stop()
    return measured
  })
  const [besideMillis, aloneMillis] = [beside, alone].map(({ ackMicros }) => ackMicros!.p99 / 1e3) as [number, number]
  return { seconds, besideMillis, aloneMillis, timesAlone: besideMillis / aloneMillis }
}

const open = (address: string): Promise<GroupConnection[]> =>
  Promise.all(Array.from({ length: rebalancedMembers }, () => GroupConnection.open(address)))

const since = (startedAt: number): number => (performance.now() - startedAt) / 1_000

/** From one member's leave until the others have all partitions, in one generation. */
const rebalanceClassic = async ({ address }: Started): Promise<Figures> => {
  const [groupId, topic] = ['classic', 'classic-topic']
  await awaitCoordinator(address, groupId)
  await makeTopic(address, topic, rebalancedPartitions)
  const connections = await open(address)
  const members = connections.map(each => new ClassicMember(each, groupId, topic, rebalancedPartitions))
  let startedAt = performance.now()
  await ClassicMember.together(members)
  const gatherSeconds = since(startedAt)
  const [leaver, ...others] = members as [ClassicMember, ...ClassicMember[]]
  const before = leaver.generation
  startedAt = performance.now()
  await leaver.leave()
  const isDone = (): boolean => {
    const { generation } = others[0]!
    return generation > before && others.every(each => each.generation === generation)
  }
  await Promise.all(others.map(each => each.follow(isDone)))
  const rebalanceSeconds = since(startedAt)
  for (const member of members) member.close()
  return { gatherSeconds, rebalanceSeconds }
}

/** The same in a KIP-848 group: until each partition is owned again. */
const rebalanceConsumer = async ({ address }: Started): Promise<Figures> => {
  const [groupId, name] = ['consumer', 'consumer-topic']
  await awaitCoordinator(address, groupId)
  const id = await makeTopic(address, name, rebalancedPartitions)
  const members = (await open(address)).map(each => new ConsumerMember(each, groupId, { name, id }))
  const untilAllOwned = async (some: readonly ConsumerMember[]): Promise<void> => {
    const fair = Math.ceil(rebalancedPartitions / some.length)
    const isDone = (): boolean =>
      some.every(({ owned }) => owned.length <= fair) &&
      new Set(some.flatMap(({ owned }) => owned)).size === rebalancedPartitions
    await Promise.all(
      some.map(async member => {
        while (!isDone()) {
          await member.keepUp()
          await sleep(askMs)
        }
      }),
    )
  }
  let startedAt = performance.now()
  await Promise.all(members.map(member => member.join()))
  await untilAllOwned(members)
  const gatherSeconds = since(startedAt)
  const [leaver, ...others] = members as [ConsumerMember, ...ConsumerMember[]]
  startedAt = performance.now()
  await leaver.leave()
  await untilAllOwned(others)
  const rebalanceSeconds = since(startedAt)
  for (const member of members) member.close()
  return { gatherSeconds, rebalanceSeconds }
}

const columns = [
  { key: 'cores', title: 'cores' },
  { key: 'p50Millis', title: 'commit p50 ms' },
  { key: 'p99Millis', title: 'commit p99 ms' },
  { key: 'seconds', title: 's to load' },
  { key: 'besideMillis', title: 'produce p99 ms beside' },
  { key: 'aloneMillis', title: 'alone' },
  { key: 'timesAlone', title: '× alone' },
  { key: 'gatherSeconds', title: 's to gather' },
  { key: 'rebalanceSeconds', title: 's to rebalance' },
]

const onFreshDirectory = async <Measured>(
  broker: Broker,
  parent: string,
  measure: (dataDir: string) => Promise<Measured>,
): Promise<Measured> => {
  const { path, remove } = await makeDataDirectory(parent)
  try {
    await broker.prepare(path)
    return await measure(path)
  } finally {
    await remove()
  }
}

/** Commits of many consumers, the load of a million offsets, rebalances of large groups. Prints its table. */
export const measureGroups = async (options: BenchOptions, commit: string): Promise<RowResult> => {
  const brokers = options.peerKafka ? [millrace, kafka] : [millrace]
  const onStarted =
    (broker: Broker, measure: (started: Started) => Promise<Figures>) =>
    async (dataDir: string): Promise<Figures> => {
      const started = await broker.start(dataDir)
      const figures = await measure(started)
      await started.stop()
      return figures
    }
  const questions: readonly [string, (broker: Broker) => (dataDir: string) => Promise<Figures>][] = [
    [
      `2,000 consumers in ${crowdGroups} groups commit once a second`,
      broker => onStarted(broker, started => commits(started, options.seconds)),
    ],
    ['1,000,000 commits loaded', broker => dataDir => load(broker, dataDir, options.dataParent)],
    [`${rebalancedMembers} members, classic`, broker => onStarted(broker, rebalanceClassic)],
    [`${rebalancedMembers} members, KIP-848`, broker => onStarted(broker, rebalanceConsumer)],
  ]
  const wanted = questions.filter(([name]) => options.rows.length === 0 || options.rows.some(row => name.includes(row)))
  const runs = new Map<string, Figures[]>()
  for (let run = 0; run < options.runs; run++)
    for (const [name, measure] of wanted)
      for (const broker of brokers) {
        const side = `${broker.name}: ${name}`
        const figures = await onFreshDirectory(broker, options.dataParent, measure(broker))
        runs.set(side, [...(runs.get(side) ?? []), figures])
      }
  const sides = [...runs].map(([side, all]): SideResult => {
    const figures: Record<string, Spread> = {}
    for (const { key } of columns) {
      const values = all.map(each => each[key]).filter(value => value !== undefined)
      if (values.length > 0) figures[key] = spreadOf(values)
    }
    return { side, raw: false, durability: '', figures, runs: [] }
  })
  const row = `${options.runs} runs; rebalances over ${rebalancedPartitions} partitions, a heartbeat each ${askMs} ms`
  const shown = columns.filter(({ key }) => sides.some(({ figures }) => figures[key] !== undefined))
  printTable(`groups: ${row}`, [
    ['', ...shown.map(({ title }) => title)],
    ...sides.map(({ side, figures }) => [
      side,
      ...shown.map(({ key }) => (figures[key] === undefined ? '–' : spreadText(figures[key]))),
    ]),
  ])
  const result: RowResult = {
    ...{ bench: 'groups', row, acks: '', promised: '', fillsMemory: false, commit, verdicts: [] },
    columns: shown,
    sides,
  }
  console.log(JSON.stringify(summaryOf(result)))
  return result
}
