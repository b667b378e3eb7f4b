import { atLeast, atMost, type Goal } from '../lib/goals.ts'
import { runLoad } from '../lib/loadgen.ts'
import type { Row } from '../lib/measure.ts'
import { latency, metrics } from '../lib/metrics.ts'
import type { Question } from '../lib/report.ts'
import type { Acks, Promised } from '../lib/sides.ts'

const megabytesIn = 300
const requestBytes = 1_000_000
const sliceSeconds = 30
const partitions = 8
// Six gigabytes in all: more than a broker's memory by default, so that what is deleted was on the disk, and twenty
// seconds' worth, so that most of a run deletes as fast as it writes.
const retentionBytes = 768 << 20
const segmentBytes = 64 << 20

// By a quarter the p99.9 of nine thousand requests, which nine of them decide, differs between equal slices.
const growthAllowed = 1.25

const goals: readonly Goal[] = [
  atLeast(metrics.keptUp, 1),
  atMost(metrics.growth, growthAllowed),
  atMost(metrics.deviceBytes, 1.15),
  atMost(metrics.anonymousMost, 300),
]

const row = (acks: Acks, promised: Promised): Row => ({
  name: `steady state at ${megabytesIn} MB/s with retention deleting, acks=${acks}, ${promised}`,
  acks,
  promised,
  replyBytes: undefined,
  fillsMemory: true,
  goals,
  brokerConfig: { 'log.retention.check.interval.ms': '1000', 'log.initial.task.delay.ms': '1000' },
  seconds: options => options.steadySeconds,
  load: async (base, _, side) => ({
    load: await runLoad('produce', {
      ...base,
      rate: (megabytesIn * 1e6) / requestBytes,
      acks,
      connections: 8,
      partitions,
      'request-bytes': requestBytes,
      'record-bytes': 1000,
      slice: Math.min(sliceSeconds, Number(base.duration) / 6),
      'topic-config': [
        ...side.topicConfigs(acks, promised),
        `retention.bytes=${retentionBytes}`,
        `segment.bytes=${segmentBytes}`,
      ],
    }),
  }),
})

/** Whether what is well for half a minute stays so: latency by slices of time, the device's bytes, memory. */
export const steadyState: Question = {
  name: 'steady',
  columns: [
    latency('p99_9'),
    metrics.growth,
    metrics.deviceBytes,
    metrics.anonymousMost,
    metrics.keptUp,
    latency('p99'),
    latency('max'),
    metrics.megabytes,
    metrics.cpuPerGigabyte,
    metrics.brokerCores,
    metrics.generatorCores,
    metrics.elsewhereCores,
    metrics.resident,
  ],
  rows: [row('all', 'as shipped'), { ...row('1', 'written'), besides: true }],
}
