import { besideReader, fillColdTopic } from '../lib/cold-topic.ts'
import { type Goal, partOfPeer } from '../lib/goals.ts'
import { type LoadOptions, type LoadResult, runLoad } from '../lib/loadgen.ts'
import type { Load, Row } from '../lib/measure.ts'
import { endToEnd, latency, metrics } from '../lib/metrics.ts'
import type { Question } from '../lib/report.ts'
import type { Acks, Promised, Side } from '../lib/sides.ts'

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

const besideColdReads = (rate: number, acks: Acks, promised: Promised, goals: readonly Goal[]): Row => ({
  ...row(rate, acks, promised, goals),
  name: `${nameOf(rate, acks, promised)}, while another client reads ${coldBytes / 1e9} GB of cold data`,
  fillsMemory: true,
  load: async (base, broker, side): Promise<Load> => {
    const topic = await fillColdTopic(base, broker, side, coldBytes)
    return await besideReader(topic, () => load(rate, acks, promised, base, side))
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
