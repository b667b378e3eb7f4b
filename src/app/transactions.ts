import type { Logger } from '../base/logger.ts'
import type { World } from '../base/world.ts'
import type { LiveSettings } from '../config/live-settings.ts'
import type { CoordinatorRuntime } from '../coordinator/runtime/coordinator-runtime.ts'
import { LiveTransactionSettings } from '../coordinator/transaction/live-transaction-settings.ts'
import { type EndInGroups, MarkerWriter } from '../coordinator/transaction/marker-writer.ts'
import type { TransactionContext } from '../coordinator/transaction/transaction.ts'
import { TransactionCoordinator } from '../coordinator/transaction/transaction-coordinator.ts'
import { TransactionShard } from '../coordinator/transaction/transaction-shard.ts'
import type { FeatureLevels } from '../metadata/features.ts'
import { transactionStateTopic } from '../metadata/image.ts'
import type { ProducerIds } from '../metadata/producer-ids.ts'
import type { PartitionTable } from '../replication/partition-table.ts'
import { TransactionMilestones } from './transaction-milestones.ts'

export interface TransactionParts {
  readonly world: Pick<World, 'clock' | 'timers'> & { readonly reached?: (milestone: string) => void }
  readonly table: PartitionTable
  readonly live: Pick<LiveSettings, 'current'>
  readonly features: Pick<FeatureLevels, 'level'>
  readonly producerIds: ProducerIds
  readonly logger: Logger
  readonly endInGroups: EndInGroups
}

export type TransactionRuntime = Pick<
  CoordinatorRuntime<TransactionShard>,
  'partitions' | 'partitionFor' | 'ask' | 'tell'
>

/** What makes the shards of transactions, and the coordinator over whichever runtime holds them. */
export function transactionShards({
  world,
  table,
  live,
  features,
  producerIds,
  logger,
  endInGroups,
}: TransactionParts) {
  const settings = new LiveTransactionSettings(live, features)
  const { clock, timers, reached } = world
  const markers = new MarkerWriter({ table, clock, timers, logger, endInGroups, reached })
  const milestones = reached === undefined ? undefined : new TransactionMilestones(reached)
  let runtime: TransactionRuntime | undefined

  const newShard = (partition: number): TransactionShard => {
    const context: TransactionContext = {
      settings,
      coordinatorEpoch: table.topic(transactionStateTopic)?.partitions[partition]?.epoch ?? 0,
      logger,
      takeProducerId() {
        const taken = producerIds.takeAtHand()
        if (taken === undefined)
          producerIds.atHand().catch((error: unknown) => {
            logger.error({ error: String(error) }, 'no producer id could be assigned')
          })
        return taken
      },
      // A shard that was made since has its own job for the transaction, and is told of that one alone.
      writeMarkers: job =>
        markers.write(job, () =>
          runtime?.tell(partition, (there, turn) => {
            if (there === shard) there.markersWritten(job, turn)
          }),
        ),
    }
    const shard = milestones?.newShard(partition, context) ?? new TransactionShard(context)
    return shard
  }

  return {
    settings,
    markers,
    newShard,
    /** For the runtime: undefined unless a test wants to know. */
    appended: milestones === undefined ? undefined : (partition: number) => milestones.appended(partition),
    coordinate(shards: TransactionRuntime): TransactionCoordinator {
      runtime = shards
      return new TransactionCoordinator(shards, () => producerIds.atHand())
    },
  }
}
