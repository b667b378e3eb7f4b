import { type Goal, partOfPeer, timesPeer } from '../lib/goals.ts'
import { type LoadOptions, runLoad } from '../lib/loadgen.ts'
import type { Row } from '../lib/measure.ts'
import { latency, metrics } from '../lib/metrics.ts'
import type { Question } from '../lib/report.ts'
import type { Acks, Promised } from '../lib/sides.ts'

interface Shape {
  readonly name: string
  readonly load: LoadOptions
}

const large: Shape = {
  name: '1 MB requests of 1 KB records, 4 connections × 4',
  load: { connections: 4, depth: 4, 'request-bytes': 1_000_000, 'record-bytes': 1000, partitions: 8 },
}
const medium: Shape = {
  name: '16 KB requests of 100 B records, 16 connections × 5',
  load: { connections: 16, depth: 5, 'request-bytes': 16_000, 'record-bytes': 100, partitions: 8 },
}
const small = (depth: number): Shape => ({
  name: `one 100 B record per request, 32 connections × ${depth}`,
  load: { connections: 32, depth, 'record-bytes': 100, partitions: 8 },
})
const single = (connections: number): Shape => ({
  name: `one 1 KB record per request, ${connections} connection${connections > 1 ? 's' : ''} × 1`,
  load: { connections, depth: 1, 'record-bytes': 1000, partitions: Math.min(connections, 8) },
})
const partitionsPerRequest = 100
const wide: Shape = {
  name: `${partitionsPerRequest} partitions of one 100 B record per request, 4 connections × 2`,
  load: {
    connections: 4,
    depth: 2,
    'record-bytes': 100,
    partitions: partitionsPerRequest,
    'partitions-per-request': partitionsPerRequest,
  },
}

// About what an answer takes on the wire, and each further partition in it.
const answerBytes = 60
const partitionAnswerBytes = 30

const answerOf = ({ load }: Shape): number =>
  answerBytes + (Number(load['partitions-per-request'] ?? 1) - 1) * partitionAnswerBytes

const row = (shape: Shape, acks: Acks, promised: Promised, goals: readonly Goal[] = []): Row => ({
  name: `${shape.name}, acks=${acks}, ${promised}`,
  acks,
  promised,
  replyBytes: acks === '0' ? undefined : answerOf(shape),
  fillsMemory: shape.load['request-bytes'] !== undefined,
  goals,
  load: async (base, _, side) => ({
    load: await runLoad('produce', {
      ...base,
      ...shape.load,
      acks,
      'topic-config': side.topicConfigs(acks, promised),
    }),
  }),
})

const besides = (each: Row): Row => ({ ...each, besides: true })

const third = 1 / 3

/** Requests whose size makes bytes the cost. */
export const produceBytes: Question = {
  name: 'produce',
  columns: [
    metrics.megabytes,
    metrics.requests,
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
    row(large, 'all', 'as shipped', [timesPeer(metrics.megabytes, 1)]),
    row(large, '1', 'written', [timesPeer(metrics.megabytes, 2), partOfPeer(metrics.cpuPerGigabyte, third)]),
    row(large, 'all', 'written', [timesPeer(metrics.megabytes, 2), partOfPeer(metrics.cpuPerGigabyte, third)]),
    row(large, '0', 'as shipped'),
    row(medium, '1', 'written', [timesPeer(metrics.megabytes, 3)]),
    besides(row(medium, 'all', 'written', [timesPeer(metrics.megabytes, 3)])),
  ],
}

/** Requests so small that their number is the cost. */
export const produceRequests: Question = {
  name: 'produce',
  columns: [
    metrics.requests,
    metrics.cpuPerRequest,
    metrics.brokerCores,
    metrics.generatorCores,
    metrics.elsewhereCores,
    latency('p50'),
    latency('p99'),
    metrics.resident,
    metrics.anonymous,
  ],
  rows: [
    row(small(1), 'all', 'as shipped', [timesPeer(metrics.requests, 1)]),
    row(small(1), '1', 'written', [timesPeer(metrics.requests, 2), partOfPeer(metrics.cpuPerRequest, third)]),
    besides(
      row(small(1), 'all', 'written', [timesPeer(metrics.requests, 2), partOfPeer(metrics.cpuPerRequest, third)]),
    ),
    besides(row(small(8), '1', 'written')),
    row(wide, '1', 'written', [timesPeer(metrics.requests, 2)]),
    besides(row(wide, 'all', 'written', [timesPeer(metrics.requests, 2)])),
    row(single(1), 'all', 'durable', [timesPeer(metrics.requests, 4)]),
    row(single(32), 'all', 'durable', [timesPeer(metrics.requests, 10)]),
  ],
}
