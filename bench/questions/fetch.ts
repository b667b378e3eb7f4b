import { runLoad } from '../lib/loadgen.ts'
import type { Row } from '../lib/measure.ts'
import { latency, metrics, type Question } from '../lib/report.ts'

const partitionMaxBytes = 1 << 20
// Enough that a run does not see the same bytes in a processor's cache, little enough to stay in the page cache.
const filledBytes = 1_000_000_000

const row = (partitions: number, connections: number): Row => ({
  name: `hot, ${partitions} partition${partitions > 1 ? 's' : ''}, ${connections} connection${connections > 1 ? 's' : ''}`,
  acks: '1',
  promised: 'written',
  replyBytes: (partitions / connections) * partitionMaxBytes,
  fillsMemory: true,
  load: async (base, _, side) => {
    const { warmup, duration, pid, ...shared } = base
    if (!side.raw) {
      await runLoad('produce', {
        ...shared,
        partitions,
        acks: '1',
        connections: 4,
        depth: 4,
        'request-bytes': 1_000_000,
        'record-bytes': 1000,
        'total-bytes': filledBytes,
        'keep-topic': true,
        'topic-config': side.topicConfigs('1', 'written'),
      })
    }
    return runLoad('fetch', { ...base, connections, 'partition-max-bytes': partitionMaxBytes })
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
  rows: [row(1, 1), row(8, 1), row(8, 4)],
}
