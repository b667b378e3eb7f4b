import { atLeast, partOfPeer } from '../lib/goals.ts'
import { runLoad } from '../lib/loadgen.ts'
import type { Row } from '../lib/measure.ts'
import { endToEnd, latency, metrics } from '../lib/metrics.ts'
import type { Question } from '../lib/report.ts'

const readers = 4
const megabytesIn = 120
const requestBytes = 100_000

const row: Row = {
  name: `one to ${readers} at ${megabytesIn} MB/s in, acks=1, written`,
  acks: '1',
  promised: 'written',
  replyBytes: undefined,
  fillsMemory: true,
  goals: [atLeast(metrics.keptUp, 1), partOfPeer(endToEnd('p99'), 1 / 2)],
  load: async (base, _, side) => ({
    load: await runLoad('produce', {
      ...base,
      rate: (megabytesIn * 1e6) / requestBytes,
      acks: '1',
      connections: 8,
      partitions: 8,
      readers,
      'request-bytes': requestBytes,
      'record-bytes': 1000,
      'topic-config': side.topicConfigs('1', 'written'),
    }),
  }),
}

/** Several consumers of everything that is written, each from the topic's end. */
export const fanOut: Question = {
  name: 'fan-out',
  columns: [
    endToEnd('p99'),
    endToEnd('p50'),
    endToEnd('p99_9'),
    latency('p99'),
    metrics.megabytes,
    metrics.megabytesRead,
    metrics.keptUp,
    metrics.cpuPerGigabyte,
    metrics.brokerCores,
    metrics.generatorCores,
    metrics.elsewhereCores,
    metrics.resident,
    metrics.anonymous,
  ],
  rows: [row],
}
