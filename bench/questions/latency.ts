import { runLoad } from '../lib/loadgen.ts'
import type { Row } from '../lib/measure.ts'
import { latency, metrics, type Question } from '../lib/report.ts'
import type { Acks, Promised } from '../lib/sides.ts'

const row = (rate: number, acks: Acks, promised: Promised): Row => ({
  name: `open loop, ${rate.toLocaleString('en-US')} requests/s of one 100 B record, acks=${acks}, ${promised}`,
  acks,
  promised,
  replyBytes: 60,
  fillsMemory: false,
  load: (base, _, side) =>
    runLoad('produce', {
      ...base,
      rate,
      acks,
      connections: 16,
      partitions: 8,
      'record-bytes': 100,
      'topic-config': side.topicConfigs(acks, promised),
    }),
})

/** Requests come when they are due, and each latency counts from then: a stall is seen by all that it delays. */
export const openLoop: Question = {
  name: 'latency',
  columns: [
    latency('p99'),
    latency('p50'),
    latency('p99_9'),
    latency('p99_99'),
    latency('max'),
    metrics.cpuPerRequest,
    metrics.brokerCores,
    metrics.generatorCores,
    metrics.elsewhereCores,
    metrics.resident,
  ],
  rows: [
    row(1_000, 'all', 'as shipped'),
    row(1_000, '1', 'written'),
    row(10_000, 'all', 'as shipped'),
    row(10_000, '1', 'written'),
  ],
}
