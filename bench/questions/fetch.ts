import { fillTopic } from '../lib/fill-topic.ts'
import { type Goal, partOfPeer, timesPeer } from '../lib/goals.ts'
import { runLoad } from '../lib/loadgen.ts'
import type { Row } from '../lib/measure.ts'
import { latency, metrics } from '../lib/metrics.ts'
import type { Question } from '../lib/report.ts'

const partitionMaxBytes = 1 << 20
// Enough that a run does not see the same bytes in a processor's cache, little enough to stay in the page cache.
const hotBytes = 1_000_000_000

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
