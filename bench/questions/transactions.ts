import { type Goal, partOfPeer, timesPeer } from '../lib/goals.ts'
import { type LoadOptions, runLoad } from '../lib/loadgen.ts'
import type { Row } from '../lib/measure.ts'
import { commitLatency, metrics, wholeTransaction } from '../lib/metrics.ts'
import type { Question } from '../lib/report.ts'
import type { Promised } from '../lib/sides.ts'

interface Shape {
  readonly name: string
  readonly load: LoadOptions
}

const recordBytes = 100
const one: Shape = {
  name: `one ${recordBytes} B record each`,
  load: { records: 1, partitions: 10, 'record-bytes': recordBytes },
}
const hundred: Shape = {
  name: `100 records of ${recordBytes} B over 10 partitions each`,
  load: { records: 100, partitions: 10, 'partitions-per-request': 10, 'record-bytes': recordBytes },
}

/** How Kafka's Java producers since 4.0 go about it, and those of all other clients. */
type Version = 2 | 1

/**
 * Of both sides the row asks the same: as shipped, Kafka's acknowledgements come from its page cache and ours from the
 * disk; durable, Kafka flushes records, decisions and markers, each before it answers, as we do anyway.
 */
const row = (producers: number, shape: Shape, promised: Promised, version: Version, goals: readonly Goal[]): Row => ({
  name: `${producers} producer${producers > 1 ? 's' : ''}, ${shape.name}, transactions v${version}, ${promised}`,
  acks: 'all',
  promised,
  replyBytes: undefined,
  fillsMemory: false,
  ownTopicsToo: true,
  goals,
  load: async (base, _, side) => {
    const { raw: _raw, ...options } = base
    return {
      load: await runLoad('transactions', {
        ...options,
        ...shape.load,
        connections: producers,
        'transaction-version': version,
        'topic-config': side.topicConfigs('all', promised),
      }),
    }
  },
})

const besides = (each: Row): Row => ({ ...each, besides: true })

const equalPromises = [timesPeer(metrics.transactions, 1.5), partOfPeer(commitLatency('p99'), 1 / 2)]
const asShipped = [timesPeer(metrics.transactions, 1)]

const several = 16

/** Each producer commits what it began before it begins again, as every client's do. */
export const transactions: Question = {
  name: 'transactions',
  columns: [
    metrics.transactions,
    commitLatency('p50'),
    commitLatency('p99'),
    wholeTransaction('p50'),
    wholeTransaction('p99'),
    metrics.backoffs,
    metrics.records,
    metrics.cpuPerTransaction,
    metrics.brokerCores,
    metrics.generatorCores,
    metrics.elsewhereCores,
    metrics.resident,
  ],
  rows: [
    ...[one, hundred].flatMap(shape => [
      row(1, shape, 'durable', 2, equalPromises),
      row(several, shape, 'durable', 2, equalPromises),
      row(1, shape, 'as shipped', 2, asShipped),
      row(several, shape, 'as shipped', 2, asShipped),
    ]),
    ...[one, hundred].flatMap(shape => [
      besides(row(1, shape, 'durable', 1, equalPromises)),
      besides(row(several, shape, 'durable', 1, equalPromises)),
      besides(row(several, shape, 'as shipped', 1, asShipped)),
    ]),
  ],
}
