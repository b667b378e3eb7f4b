import type { Logger } from '../base/logger.ts'
import type { World } from '../base/world.ts'
import { LogCleaner } from '../cleaner/log-cleaner.ts'
import type { CleanerStats } from '../cleaner/metrics.ts'
import type { LiveSettings } from '../config/live-settings.ts'
import type { LogKey, LogManager } from '../log/log-manager.ts'
import type { PartitionLog } from '../log/partition-log.ts'
import type { Uuid } from '../protocol/index.ts'
import type { PartitionTable } from '../replication/partition-table.ts'

/** The broker's cleaner, which others ask about a log and are told by. */
export interface Cleaning {
  busy(log: PartitionLog): boolean
  stats(): CleanerStats
  stop(): Promise<void>
  /** A pass over the log ended; there is no other before this resolves. */
  onEnded: (key: LogKey, log: PartitionLog) => Promise<void>
}

/** Compaction of the partitions that are served. Where it is not `enabled`, compacted topics keep all their records. */
export function startCleaner(parts: {
  world: World
  logs: LogManager
  table: PartitionTable
  live: LiveSettings
  logger: Logger
  enabled: boolean
}): Cleaning {
  const { world, logs, table, live, logger, enabled } = parts
  const cleaner = new LogCleaner({
    world,
    logs: logs.compacted,
    logger,
    settings: () => live.current.cleaner,
    stableEnd({ topicId, partition: index }) {
      const partition = table.topicById(topicId as Uuid)?.partitions[index]
      return partition?.log === undefined ? -1 : partition.lastStable
    },
    onEnded: (key, log) => cleaning.onEnded(key, log),
  })
  const cleaning: Cleaning = {
    busy: log => cleaner.busy(log),
    stats: () => cleaner.stats(),
    stop: () => cleaner.stop(),
    onEnded: async () => {},
  }
  if (!enabled) return cleaning
  live.onChange((now, before) => {
    if (JSON.stringify(now.cleaner) !== JSON.stringify(before.cleaner)) cleaner.reconfigured()
  })
  cleaner.start()
  return cleaning
}
