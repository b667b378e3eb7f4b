import type { World } from '../base/world.ts'
import { CoordinatorRuntime } from '../coordinator/runtime/coordinator-runtime.ts'
import { CoordinatorTopic } from '../coordinator/runtime/coordinator-topic.ts'
import type { MarkerWriter } from '../coordinator/transaction/marker-writer.ts'
import type { TransactionCoordinator } from '../coordinator/transaction/transaction-coordinator.ts'
import type { TransactionShard } from '../coordinator/transaction/transaction-shard.ts'
import { transactionStateTopic } from '../metadata/image.ts'
import { transactionStateRecords } from '../protocol/all-records.ts'
import type { TopicLifecycle } from '../replication/topic-lifecycle.ts'
import { type TransactionParts, transactionShards } from './transactions.ts'

export interface TransactionRuntimeParts extends TransactionParts {
  readonly world: World
  readonly topics: TopicLifecycle
}

export interface RunningTransactions {
  readonly topic: CoordinatorTopic
  readonly runtime: CoordinatorRuntime<TransactionShard>
  readonly markers: MarkerWriter
  readonly coordinator: TransactionCoordinator
}

/** As long as a produce request may wait for the same, by Kafka's default. */
const commitTimeoutMs = 30_000

/** Puts the coordinator of transactions together; nothing is loaded yet. */
export function startTransactions(parts: TransactionRuntimeParts): RunningTransactions {
  const { world, table, topics, live, logger } = parts
  const { clock, timers, storage } = world
  const topic = new CoordinatorTopic(transactionStateTopic, {
    topics,
    table,
    settings: () => live.current.transactions.stateTopic,
    logger,
  })
  const { newShard, coordinate, markers, appended } = transactionShards(parts)
  const runtime = new CoordinatorRuntime<TransactionShard>({
    topic: topic.name,
    schemas: transactionStateRecords,
    table,
    storage,
    clock,
    timers,
    logger,
    newShard,
    commitTimeoutMs: () => commitTimeoutMs,
    // Each step of a transaction waits for the one before.
    appendLingerMs: () => 0,
    onTopicMissing: () => void topic.ensure(),
    appended,
  })
  return { topic, runtime, markers, coordinator: coordinate(runtime) }
}
