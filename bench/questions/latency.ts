import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { type Goal, partOfPeer } from '../lib/goals.ts'
import { evictFiles, type LoadOptions, type LoadResult, runLoad } from '../lib/loadgen.ts'
import type { ColdReads, Load, Row } from '../lib/measure.ts'
import { endToEnd, latency, metrics } from '../lib/metrics.ts'
import type { Question } from '../lib/report.ts'
import type { Acks, Promised, RunningBroker, Side } from '../lib/sides.ts'
import { fillTopic } from './fetch.ts'

const third = 1 / 3
const quarter = 1 / 4
const equalPromises: readonly Goal[] = [
  partOfPeer(latency('p99'), third),
  partOfPeer(latency('p99_9'), quarter),
  partOfPeer(endToEnd('p99'), third),
  partOfPeer(endToEnd('p99_9'), quarter),
]

/** One consumer reads along, in the generator. */
const load = (rate: number, acks: Acks, promised: Promised, base: LoadOptions, side: Side): Promise<LoadResult> =>
  runLoad('produce', {
    ...base,
    rate,
    acks,
    connections: 16,
    partitions: 8,
    readers: 1,
    'record-bytes': 100,
    'topic-config': side.topicConfigs(acks, promised),
  })

const nameOf = (rate: number, acks: Acks, promised: Promised): string =>
  `open loop, ${rate.toLocaleString('en-US')} requests/s of one 100 B record, acks=${acks}, ${promised}`

const row = (rate: number, acks: Acks, promised: Promised, goals: readonly Goal[] = []): Row => ({
  name: nameOf(rate, acks, promised),
  acks,
  promised,
  replyBytes: undefined,
  fillsMemory: false,
  goals,
  load: async (base, _, side) => ({ load: await load(rate, acks, promised, base, side) }),
})

const coldBytes = 3_000_000_000
const coldPartitions = 4
// What is still being written is mapped and stays in memory; of 3 GB in such segments that is a sixteenth.
const coldSegmentBytes = 48 << 20

/** Reads the cold topic from the disk, over and over, until `done`. Its files are dropped from memory before each time. */
const readCold = async (
  topic: string,
  broker: RunningBroker,
  dataDir: string,
  done: () => boolean,
): Promise<ColdReads> => {
  const entries = await readdir(dataDir, { recursive: true, withFileTypes: true })
  const directories = entries
    .filter(entry => entry.isDirectory() && entry.name.startsWith(`${topic}-`))
    .map(entry => join(entry.parentPath, entry.name))
  if (directories.length === 0) throw new Error(`no files of ${topic} below ${dataDir}`)
  const total = { bytes: 0, seconds: 0, cpuSeconds: 0 }
  while (!done()) {
    for (const partition of directories) await evictFiles(partition)
    const shared = { target: broker.address, topic, 'keep-topic': true, 'partition-max-bytes': 1 << 20 }
    const read = await runLoad('fetch', { ...shared, once: true, duration: 600 })
    total.bytes += read.bytes
    total.seconds += read.seconds
    total.cpuSeconds += read.generatorCpuSeconds
  }
  return total
}

const besideColdReads = (rate: number, acks: Acks, promised: Promised, goals: readonly Goal[]): Row => ({
  ...row(rate, acks, promised, goals),
  name: `${nameOf(rate, acks, promised)}, while another client reads ${coldBytes / 1e9} GB of cold data`,
  fillsMemory: true,
  load: async (base, broker, side): Promise<Load> => {
    const { dataDir } = broker
    if (dataDir === undefined)
      throw new Error('what a broker has in memory can be dropped only where its files are known')
    const topic = `${base.topic}-cold`
    const configs = [`segment.bytes=${coldSegmentBytes}`]
    await fillTopic({ ...base, topic }, side, { partitions: coldPartitions, bytes: coldBytes, configs })
    let done = false
    const measuring = load(rate, acks, promised, base, side).finally(() => {
      done = true
    })
    const [measured, cold] = await Promise.all([measuring, readCold(topic, broker, dataDir, () => done)])
    return { load: measured, cold }
  },
})

/** Requests come when they are due, and each latency counts from then: a stall is seen by all that it delays. */
export const openLoop: Question = {
  name: 'latency',
  columns: [
    latency('p99'),
    latency('p99_9'),
    endToEnd('p99'),
    endToEnd('p99_9'),
    latency('p50'),
    latency('p99_99'),
    latency('max'),
    endToEnd('p50'),
    metrics.megabytesCold,
    metrics.cpuPerRequest,
    metrics.brokerCores,
    metrics.generatorCores,
    metrics.elsewhereCores,
    metrics.resident,
  ],
  rows: [
    row(1_000, '1', 'written', equalPromises),
    row(10_000, '1', 'written', equalPromises),
    besideColdReads(1_000, '1', 'written', equalPromises),
    { ...row(1_000, 'all', 'as shipped'), besides: true },
    { ...row(10_000, 'all', 'as shipped'), besides: true },
  ],
}
