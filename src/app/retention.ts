import type { Logger } from '../base/logger.ts'
import type { World } from '../base/world.ts'
import type { LogKey, LogManager } from '../log/log-manager.ts'
import { LogRetention } from '../log/log-retention.ts'
import type { Uuid } from '../protocol/index.ts'
import type { PartitionTable } from '../replication/partition-table.ts'
import type { Cleaning } from './cleaning.ts'

/** Retention over the logs of the partitions that are served; the others keep everything. */
export function startRetention(
  world: World,
  logs: LogManager,
  table: PartitionTable,
  logger: Logger,
  intervalMs: number,
  cleaner: Cleaning,
): LogRetention {
  const partitionOf = ({ topicId, partition }: LogKey) => table.topicById(topicId as Uuid)?.partitions[partition]
  const retention = new LogRetention({
    world,
    logs,
    logger,
    highWatermark: key => partitionOf(key)?.highWatermark ?? -1,
    onMoved: key => partitionOf(key)?.logStartMoved(),
    busy: log => cleaner.busy(log),
  })
  cleaner.onEnded = (key, log) => retention.checkOne(key, log)
  retention.start(intervalMs)
  return retention
}
