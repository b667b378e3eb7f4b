import type { World } from '../base/world.ts'
import type { GroupCoordinator } from '../coordinator/group/group-coordinator.ts'
import type { GroupShard } from '../coordinator/group/group-shard.ts'
import { CoordinatorRuntime } from '../coordinator/runtime/coordinator-runtime.ts'
import { CoordinatorTopic } from '../coordinator/runtime/coordinator-topic.ts'
import { consumerOffsetsTopic } from '../metadata/image.ts'
import { consumerOffsetsRecords } from '../protocol/all-records.ts'
import type { PartitionTable } from '../replication/partition-table.ts'
import type { TopicLifecycle } from '../replication/topic-lifecycle.ts'
import { type GroupParts, groupShards } from './groups.ts'

export interface GroupRuntimeParts extends GroupParts {
  readonly world: World
  readonly table: PartitionTable
  readonly topics: TopicLifecycle
}

export interface RunningGroups {
  readonly topic: CoordinatorTopic
  readonly runtime: CoordinatorRuntime<GroupShard>
  readonly coordinator: GroupCoordinator
}

/** Puts the coordinator of groups together; nothing is loaded yet. */
export function startGroups(parts: GroupRuntimeParts): RunningGroups {
  const { world, table, topics, live, logger } = parts
  const { clock, timers, storage } = world
  const topic = new CoordinatorTopic(consumerOffsetsTopic, {
    topics,
    table,
    settings: () => live.current.groups.offsetsTopic,
    logger,
  })
  const { newShard, coordinate } = groupShards(parts)
  const runtime = new CoordinatorRuntime<GroupShard>({
    topic: topic.name,
    schemas: consumerOffsetsRecords,
    table,
    storage,
    clock,
    timers,
    logger,
    newShard,
    commitTimeoutMs: () => live.current.groups.commitTimeoutMs,
    appendLingerMs: () => live.current.groups.appendLingerMs,
    onTopicMissing: () => void topic.ensure(),
  })
  return { topic, runtime, coordinator: coordinate(runtime) }
}
