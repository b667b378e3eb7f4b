import { type Goal, partOfPeer, timesPeer } from '../lib/goals.ts'
import { type LoadOptions, runLoad } from '../lib/loadgen.ts'
import type { Row } from '../lib/measure.ts'
import { latency, metrics } from '../lib/metrics.ts'
import type { Question } from '../lib/report.ts'
import type { Side } from '../lib/sides.ts'

const partitionMaxBytes = 1 << 20
// Enough that a run does not see the same bytes in a processor's cache, little enough to stay in the page cache.
const hotBytes = 1_000_000_000

/** Writes a topic that is then read; `configs` beside what the side needs for acks=1. */
export const fillTopic = async (
  base: LoadOptions,
  side: Side,
  fill: { readonly partitions: number; readonly bytes: number; readonly configs?: readonly string[] },
): Promise<void> => {
  const { warmup, duration, pid, ...shared } = base
  await runLoad('produce', {
    ...shared,
    partitions: fill.partitions,
    acks: '1',
    connections: 4,
    depth: 4,
    'request-bytes': 1_000_000,
    'record-bytes': 1000,
    'total-bytes': fill.bytes,
    'keep-topic': true,
    'topic-config': [...side.topicConfigs('1', 'written'), ...(fill.configs ?? [])],
  })
}

const row = (partitions: number, connections: number, goals: readonly Goal[] = []): Row => ({
  name: `hot, ${partitions} partition${partitions > 1 ? 's' : ''}, ${connections} connection${connections > 1 ? 's' : ''}`,
  acks: '1',
  promised: 'written',
  replyBytes: (partitions / connections) * partitionMaxBytes,
  fillsMemory: true,
  goals,
  load: async (base, _, side) => {
    if (!side.raw) await fillTopic(base, side, { partitions, bytes: hotBytes })
    return { load: await runLoad('fetch', { ...base, connections, 'partition-max-bytes': partitionMaxBytes }) }
  },
})

/** Data that lies in the page cache, read from the beginning again and again. */
export const fetchHot: Question = {
  name: 'fetch',
  columns: [
    metrics.megabytes,
    metrics.cpuPerGigabyte,
    metrics.brokerCores,
    metrics.generatorCores,
    metrics.elsewhereCores,
    latency('p50'),
    latency('p99'),
    metrics.resident,
    metrics.anonymous,
  ],
  rows: [
    row(1, 1, [timesPeer(metrics.megabytes, 1.5)]),
    { ...row(8, 1), besides: true },
    row(8, 4, [timesPeer(metrics.megabytes, 0.95), partOfPeer(metrics.cpuPerGigabyte, 1.1)]),
  ],
}
