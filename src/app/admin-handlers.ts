import { resolve } from 'node:path'
import { lazily, type ServedApi } from '../api/lazy.ts'
import type { ClientTelemetry } from '../api/telemetry/client-telemetry.ts'
import type { Logger } from '../base/logger.ts'
import type { Clock, DiskRoom } from '../base/world.ts'
import type { DataDirectory } from '../log/data-directory.ts'
import type { DynamicConfigs } from '../metadata/dynamic-configs.ts'
import type { FeatureLevels } from '../metadata/features.ts'
import type { ClusterImage } from '../metadata/image.ts'
import { type LocalMetadataStore, metadataLeaderEpoch } from '../metadata/local-store.ts'
import type { PlacementDefaults } from '../metadata/placement.ts'
import { isUuid, type Uuid, zeroUuid } from '../protocol/index.ts'
import type { PartitionTable } from '../replication/partition-table.ts'

/** What the administration works on, beyond topics, configs and groups. */
export interface AdminParts {
  readonly table: PartitionTable
  readonly image: ClusterImage
  readonly store: LocalMetadataStore
  readonly features: FeatureLevels
  readonly directory: DataDirectory
  /** What the directory has left for logs. */
  readonly room: () => Promise<DiskRoom>
  readonly placement: PlacementDefaults
  readonly dynamic: DynamicConfigs
  readonly telemetryMaxBytes: number
  readonly newId: () => Uuid
  readonly clock: Clock
  readonly logger: Logger
}

/** Administration that is not about topics, configs or groups: tools ask it of every cluster. */
export function adminHandlers(parts: AdminParts): ServedApi[] {
  const { table, image, store, features, directory, room, placement, clock, logger } = parts
  const { nodeId } = placement
  const { directoryId } = directory
  // Tools are elsewhere: a directory that was given relative to this process's own would tell them nothing.
  const path = resolve(directory.path)
  let telemetry: Promise<ClientTelemetry> | undefined
  /** Both APIs share one. */
  const loadTelemetry = (): Promise<ClientTelemetry> => {
    telemetry ??= makeTelemetry(parts)
    return telemetry
  }
  return [
    lazily({ key: 29, min: 1, max: 3 }, async () => (await import('../api/acls.ts')).serveDescribeAcls()),
    lazily({ key: 30, min: 1, max: 3 }, async () => (await import('../api/acls.ts')).serveCreateAcls()),
    lazily({ key: 31, min: 1, max: 3 }, async () => (await import('../api/acls.ts')).serveDeleteAcls()),
    lazily({ key: 34, min: 1, max: 2 }, async () =>
      (await import('../api/alter-replica-log-dirs.ts')).serveAlterReplicaLogDirs(image, table, path),
    ),
    lazily({ key: 35, min: 1, max: 5 }, async () =>
      (await import('../api/describe-log-dirs.ts')).serveDescribeLogDirs(table, { path, room }, logger),
    ),
    lazily({ key: 38, min: 1, max: 3 }, async () =>
      (await import('../api/delegation-tokens.ts')).serveCreateDelegationToken(),
    ),
    lazily({ key: 39, min: 1, max: 2 }, async () =>
      (await import('../api/delegation-tokens.ts')).serveRenewDelegationToken(),
    ),
    lazily({ key: 40, min: 1, max: 2 }, async () =>
      (await import('../api/delegation-tokens.ts')).serveExpireDelegationToken(),
    ),
    lazily({ key: 41, min: 1, max: 3 }, async () =>
      (await import('../api/delegation-tokens.ts')).serveDescribeDelegationToken(),
    ),
    lazily({ key: 43, min: 0, max: 2 }, async () =>
      (await import('../api/elect-leaders.ts')).serveElectLeaders(image, table),
    ),
    lazily({ key: 45, min: 0, max: 1 }, async () =>
      (await import('../api/partition-reassignments.ts')).serveAlterPartitionReassignments(image, placement),
    ),
    lazily({ key: 46, min: 0, max: 0 }, async () =>
      (await import('../api/partition-reassignments.ts')).serveListPartitionReassignments(),
    ),
    lazily({ key: 48, min: 0, max: 1 }, async () =>
      (await import('../api/client-quotas.ts')).serveDescribeClientQuotas(),
    ),
    lazily({ key: 49, min: 0, max: 1 }, async () => (await import('../api/client-quotas.ts')).serveAlterClientQuotas()),
    lazily({ key: 50, min: 0, max: 0 }, async () =>
      (await import('../api/user-scram-credentials.ts')).serveDescribeUserScramCredentials(),
    ),
    lazily({ key: 51, min: 0, max: 0 }, async () =>
      (await import('../api/user-scram-credentials.ts')).serveAlterUserScramCredentials(),
    ),
    lazily({ key: 55, min: 0, max: 2 }, async () => {
      const quorum = {
        nodeId,
        directoryId: isUuid(directoryId) ? directoryId : zeroUuid,
        leaderEpoch: metadataLeaderEpoch,
        logEndOffset: () => store.logEndOffset,
        highWatermark: () => store.highWatermark,
      }
      return (await import('../api/describe-quorum.ts')).serveDescribeQuorum(quorum, clock)
    }),
    lazily({ key: 57, min: 0, max: 2 }, async () =>
      (await import('../api/update-features.ts')).serveUpdateFeatures(features, nodeId, logger),
    ),
    lazily({ key: 61, min: 0, max: 0 }, async () =>
      (await import('../api/describe-producers.ts')).serveDescribeProducers(table),
    ),
    lazily({ key: 64, min: 0, max: 0 }, async () =>
      (await import('../api/brokers-and-voters.ts')).serveUnregisterBroker(nodeId),
    ),
    lazily({ key: 71, min: 0, max: 0 }, async () => {
      const { serveGetTelemetrySubscriptions } = await import('../api/get-telemetry-subscriptions.ts')
      return serveGetTelemetrySubscriptions(await loadTelemetry(), parts.newId)
    }),
    lazily({ key: 72, min: 0, max: 0 }, async () =>
      (await import('../api/push-telemetry.ts')).servePushTelemetry(await loadTelemetry()),
    ),
    lazily({ key: 80, min: 0, max: 1 }, async () => (await import('../api/brokers-and-voters.ts')).serveAddRaftVoter()),
    lazily({ key: 81, min: 0, max: 0 }, async () =>
      (await import('../api/brokers-and-voters.ts')).serveRemoveRaftVoter(),
    ),
  ]
}

async function makeTelemetry({ dynamic, telemetryMaxBytes, clock, logger }: AdminParts): Promise<ClientTelemetry> {
  const { ClientTelemetry } = await import('../api/telemetry/client-telemetry.ts')
  const { Subscriptions } = await import('../api/telemetry/subscriptions.ts')
  return new ClientTelemetry(new Subscriptions(dynamic), telemetryMaxBytes, clock, logger)
}
