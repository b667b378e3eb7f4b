import assert from 'node:assert/strict'
import { test } from 'node:test'
import { transactionStats } from '../../../src/app/transaction-stats.ts'
import { ProducerStates } from '../../../src/log/producer-state.ts'
import type { PartitionTable, TopicPartitions } from '../../../src/replication/partition-table.ts'

const maxTimeoutMs = 900_000
const live = { current: { transactions: { maxTimeoutMs } } } as Parameters<typeof transactionStats>[2]

function partitionWith(transactions: number, lastTimestampMs: number) {
  const producers = new ProducerStates()
  for (let id = 0; id < transactions; id++) {
    const batch = { producerId: BigInt(id), producerEpoch: 0, baseSequence: 0, recordCount: 1, transactional: true }
    producers.apply(batch, id, lastTimestampMs)
  }
  return { log: { producers } }
}

test('transactions that hang are counted in slices: neither many partitions nor many transactions take one turn', async () => {
  const nowMs = 2_000_000
  const lateMs = nowMs - maxTimeoutMs - 5 * 60_000 - 1
  const idle = Array.from({ length: 5_000 }, () => partitionWith(0, 0))
  const busy = Array.from({ length: 20 }, () => partitionWith(1_000, nowMs))
  const partitions = [...idle, ...busy, partitionWith(3, lateMs), partitionWith(3, lateMs + 1), { log: undefined }]
  const topic = { name: 't', partitions } as unknown as TopicPartitions
  const table: Pick<PartitionTable, 'all'> = { all: () => [topic].values() as IterableIterator<TopicPartitions> }
  let pauses = 0
  const stats = await transactionStats(undefined, table, live, { wallMs: () => nowMs }, async () => void pauses++)
  assert.equal(stats.partitionsWithOpenTransactions, 22)
  assert.equal(stats.partitionsWithLateTransactions, 1)
  assert.ok(pauses >= 4 + 10, `${pauses} pauses`)
})
