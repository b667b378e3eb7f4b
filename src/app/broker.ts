import { serveApiVersions } from '../api/api-versions.ts'
import type { ClusterView } from '../api/cluster-view.ts'
import { ColdReads } from '../api/cold-reads.ts'
import { serveFetch } from '../api/fetch.ts'
import { serveInitProducerId } from '../api/init-producer-id.ts'
import { LazyHandler, lazily, type ServedApi } from '../api/lazy.ts'
import { serveListOffsets } from '../api/list-offsets.ts'
import { serveMetadata } from '../api/metadata.ts'
import { serveProduce } from '../api/produce.ts'
import { LevelledLogger } from '../base/log-level.ts'
import type { Logger } from '../base/logger.ts'
import { OpenTrust, type World } from '../base/world.ts'
import type { CleanerStats } from '../cleaner/metrics.ts'
import { type DataDirectory, metadataLogName, openDataDirectory } from '../log/data-directory.ts'
import { Durability } from '../log/durability.ts'
import { LogManager } from '../log/log-manager.ts'
import { SpaceReserve } from '../log/space-reserve.ts'
import { DynamicConfigs } from '../metadata/dynamic-configs.ts'
import { FeatureLevels } from '../metadata/features.ts'
import { ClusterImage, type TopicImage } from '../metadata/image.ts'
import { isDamagedMetadata, LocalMetadataStore } from '../metadata/local-store.ts'
import { ProducerIds } from '../metadata/producer-ids.ts'
import { type Uuid, uuidFromBytes } from '../protocol/index.ts'
import { PartitionTable } from '../replication/partition-table.ts'
import { TopicConfigChanges } from '../replication/topic-configs.ts'
import { TopicLifecycle } from '../replication/topic-lifecycle.ts'
import { Server } from '../server/server.ts'
import type { TurnStats } from '../server/turn-lengths.ts'
import { adminHandlers } from './admin-handlers.ts'
import { startCleaner } from './cleaning.ts'
import type { BrokerConfig, Endpoint } from './config.ts'
import { groupHandlers } from './group-handlers.ts'
import { LazyGroupService } from './group-service.ts'
import { followConnectionLimits, liveSettings } from './live-configs.ts'
import { startRetention } from './retention.ts'
import { transactionHandlers } from './transaction-handlers.ts'
import { LazyTransactionService } from './transaction-service.ts'
import type { TransactionStats } from './transaction-stats.ts'

/** Reply bytes, without file regions, that may wait for one client. */
const connectionUnsentBytes = 64 << 20
const connectionInflightBytes = 128 << 20
const senderThreads = 1
/** Lookups that wait for the disk: they leave one of the four worker threads to everything else. */
const coldReadsAtOnce = 3
/** Descriptors for threads, listeners, checkpoints and what Node itself opens. */
const ownDescriptors = 128

/** For who calls the broker from within its process: src/app/in-process. */
export interface BrokerInside {
  readonly world: World
  readonly table: PartitionTable
  handler(apiKey: number): ServedApi | undefined
  unexpected(api: string, error: unknown): void
}

/** Where a request came in that came by no listener: Kafka's way to say nowhere. */
const nowhere: Endpoint = { host: '', port: -1 }

export interface Broker {
  /** Where it listens, with the ports that were given out for port 0. */
  readonly endpoints: readonly Endpoint[]
  readonly dataDirectory: string
  readonly inside: BrokerInside
  /** How long turns of the decision thread are, which is how long one client can make another wait. */
  turnStats(): TurnStats
  /** What the compaction of logs has done and cannot do. */
  cleanerStats(): CleanerStats
  /** Transactions on their way, and those that hang. */
  transactionStats(): Promise<TransactionStats>
  /** Loads what is otherwise loaded with the first request that needs it. */
  loadHandlers(): Promise<void>
  /** Finishes what is written, closes every log, marks the directory clean. */
  stop(): Promise<void>
}

/** Puts a broker together and starts it. Rejects, with everything given back, when it cannot serve. */
export async function startBroker(config: BrokerConfig, given: World, target: Logger): Promise<Broker> {
  const logger = new LevelledLogger(target)
  const reserve = new SpaceReserve(given.disk, given.storage, config.dataDirectory, logger)
  // Whatever small file is written from here on, a full disk does not keep it from being written.
  const world: World = { ...given, disk: reserve.disk }
  const newId = (): Uuid => newUuid(world)
  const directory = await openDataDirectory(world, logger, { path: config.dataDirectory, nodeId: config.nodeId, newId })
  const undo: Undo[] = [() => directory.release(), () => world.storage.close()]
  try {
    await reserve.begin()
    return await startOn(directory, reserve, config, world, logger, newId, undo)
  } catch (error) {
    for (const step of undo.reverse()) {
      try {
        await step()
      } catch (also) {
        logger.error({ error: String(also) }, 'what a start that failed had taken could not be given back')
      }
    }
    throw error
  }
}

/** Gives back what a start that fails has taken; the newest first. */
type Undo = () => void | Promise<void>

async function startOn(
  directory: DataDirectory,
  reserve: SpaceReserve,
  config: BrokerConfig,
  world: World,
  logger: LevelledLogger,
  newId: () => Uuid,
  undo: Undo[],
): Promise<Broker> {
  world.storage.limitOpenFiles(config.maxConnections + ownDescriptors)
  const markFailed = () =>
    directory.markFailed().catch((error: unknown) => {
      logger.error({ error: String(error) }, 'the failure marker could not be written')
    })
  const durability = new Durability(world.storage, () => void markFailed())
  const store = await LocalMetadataStore.open(
    world,
    durability,
    `${directory.path}/${metadataLogName}`,
    directory.trust,
    {
      spend: work => reserve.spend(work),
      onFailed(error) {
        logger.error({ error: error.message }, 'the cluster metadata take no more changes')
      },
      onCut(cutBytes, cutFromOffset) {
        const log = metadataLogName
        logger.warn({ log, cutBytes, cutFromOffset }, 'the tail of a log was incomplete and has been cut')
      },
    },
  ).catch(async (error: unknown) => {
    // Nothing was written: the next start is to find what this one found. After a stop that was not clean it would take
    // damage for a torn append, and cut it away.
    if (isDamagedMetadata(error) && directory.trust === OpenTrust.clean) await directory.markClean()
    throw error
  })
  undo.push(() => store.close())
  const features = await FeatureLevels.open(store)
  for (const { name, level } of features.behind)
    logger.info({ feature: name, level }, 'a feature is below what a new cluster has: kafka-features upgrade raises it')
  const dynamic = new DynamicConfigs(store)
  const live = liveSettings(config, dynamic, logger)
  const logs = new LogManager(world, directory, reserve, logger, () => live.current.producerExpirationMs)
  undo.push(() => logs.abandon())
  await logs.start()
  const image = new ClusterImage()
  const table = new PartitionTable()
  const placement = {
    nodeId: config.nodeId,
    numPartitions: config.numPartitions,
    replicationFactor: config.replicationFactor,
  }
  const topics = new TopicLifecycle({
    store,
    logs,
    durability,
    image,
    table,
    placement,
    live,
    newId,
    logger,
  })
  await logs.openTogether(() => topics.load())
  if (logs.allOpened) await directory.markOpened()
  logger.info({ ...logs.totals }, 'logs opened')
  const cleaner = startCleaner({ world, logs, table, live, logger, enabled: config.compactLogs })
  undo.push(() => cleaner.stop())
  const retention = startRetention(world, logs, table, logger, config.retentionCheckIntervalMs, cleaner)
  undo.push(() => retention.stop())

  const { clock, timers } = world
  const identity = { clusterId: directory.clusterId, nodeId: config.nodeId }
  /** By listener: what clients that come to it are told. */
  const advertised: Endpoint[] = []
  const cluster: ClusterView = {
    ...identity,
    rack: config.rack,
    advertised: connection => advertised[server.listener(connection)] ?? nowhere,
  }
  const coldReads = new ColdReads(coldReadsAtOnce)
  const settingsOf = (topic: TopicImage) => live.topic(topic.configs)
  const topicConfigs = new TopicConfigChanges({
    store,
    image,
    table,
    live,
    timers,
    exclusively: work => topics.exclusively(work),
  })
  const groups = new LazyGroupService({ world, image, table, topics, live, dynamic, features, logger })
  undo.push(() => groups.stop())
  const producerIds = new ProducerIds(store)
  const transactions = new LazyTransactionService({
    world,
    table,
    topics,
    live,
    features,
    producerIds,
    logger,
    endInGroups: groups.endTransaction,
  })
  undo.push(() => transactions.stop())
  const configParts = { nodeId: config.nodeId, image, live, dynamic, topics: topicConfigs, logger }
  const handlers: ServedApi[] = [
    serveProduce(table, () => world.clock.wallMs(), world.timers, transactions),
    serveFetch({
      table,
      clock,
      timers,
      random: world.random,
      coldReads,
      fetchMaxBytes: config.fetchMaxBytes,
      sessionSlots: config.fetchSessionCacheSlots,
      endpoint: connection => ({ nodeId: config.nodeId, ...cluster.advertised(connection), rack: config.rack }),
    }),
    serveListOffsets(table, timers, coldReads),
    serveMetadata({
      image,
      table,
      topics,
      ...cluster,
      autoCreateTopics: config.autoCreateTopics,
      logger,
    }),
    serveApiVersions(() => handlers, identity, features),
    serveInitProducerId(producerIds, transactions, logger),
    lazily({ key: 10, min: 0, max: 6 }, async () =>
      (await import('../api/find-coordinator.ts')).serveFindCoordinator(cluster, groups, transactions),
    ),
    ...groupHandlers(groups),
    ...transactionHandlers({ transactions, groups, endInGroups: groups.endTransaction, table, clock, timers }),
    lazily({ key: 19, min: 2, max: 7 }, async () =>
      (await import('../api/create-topics.ts')).serveCreateTopics(topics, settingsOf, clock, logger),
    ),
    lazily({ key: 20, min: 1, max: 6 }, async () =>
      (await import('../api/delete-topics.ts')).serveDeleteTopics(topics, image, config.deleteTopics, clock, logger),
    ),
    lazily({ key: 21, min: 0, max: 2 }, async () => {
      const { RecordDeletion } = await import('../replication/record-deletion.ts')
      const deletion = new RecordDeletion(table, image, logs, settingsOf)
      return (await import('../api/delete-records.ts')).serveDeleteRecords(deletion, timers, logger)
    }),
    lazily({ key: 23, min: 2, max: 4 }, async () =>
      (await import('../api/offset-for-leader-epoch.ts')).serveOffsetForLeaderEpoch(table),
    ),
    lazily({ key: 32, min: 1, max: 4 }, async () =>
      (await import('../api/describe-configs.ts')).serveDescribeConfigs(configParts),
    ),
    lazily({ key: 33, min: 0, max: 2 }, async () =>
      (await import('../api/alter-configs.ts')).serveAlterConfigs(configParts),
    ),
    lazily({ key: 37, min: 0, max: 3 }, async () =>
      (await import('../api/create-partitions.ts')).serveCreatePartitions(topics, clock, logger),
    ),
    lazily({ key: 44, min: 0, max: 1 }, async () =>
      (await import('../api/incremental-alter-configs.ts')).serveIncrementalAlterConfigs(configParts),
    ),
    lazily({ key: 60, min: 0, max: 2 }, async () =>
      (await import('../api/describe-cluster.ts')).serveDescribeCluster(cluster),
    ),
    lazily({ key: 74, min: 0, max: 1 }, async () =>
      (await import('../api/list-config-resources.ts')).serveListConfigResources(configParts),
    ),
    lazily({ key: 75, min: 0, max: 0 }, async () =>
      (await import('../api/describe-topic-partitions.ts')).serveDescribeTopicPartitions(
        image,
        table,
        config.partitionsPerPage,
      ),
    ),
    ...adminHandlers({
      table,
      image,
      store,
      features,
      directory,
      room: () => reserve.room(),
      placement,
      dynamic,
      telemetryMaxBytes: config.telemetryMaxBytes,
      newId,
      clock,
      logger,
    }),
  ]
  const server = new Server(world, logger, handlers)
  undo.push(() => server.stop())
  server.start({
    maxFrameBytes: config.maxFrameBytes,
    frameBudgetBytes: config.frameBudgetBytes,
    connectionInflightBytes,
    connectionUnsentBytes,
    maxConnections: live.current.maxConnections,
    maxConnectionsPerIp: live.current.maxConnectionsPerIp,
    idleTimeoutMs: config.idleTimeoutMs,
    senderThreads,
  })
  followConnectionLimits(live, world, ownDescriptors, written => logs.limitWritten(written))
  const endpoints = config.listeners.map((endpoint, index) => {
    const bound = world.network.listen(endpoint.host, endpoint.port)
    const told = config.advertised?.[index]
    advertised[bound.listener] = { host: told?.host ?? endpoint.host, port: told?.port || bound.port }
    return { host: bound.host, port: bound.port }
  })
  groups.resume()
  transactions.resume()
  return {
    endpoints,
    dataDirectory: directory.path,
    inside: {
      world,
      table,
      handler: apiKey => server.handler(apiKey),
      unexpected: (api, error) => server.unexpected(-1, api, error),
    },
    async loadHandlers() {
      const loading = handlers.map(served => (served instanceof LazyHandler ? served.load() : served))
      await Promise.all([...loading, groups.load(), transactions.load()])
    },
    turnStats: () => server.turnStats(),
    cleanerStats: () => cleaner.stats(),
    transactionStats: () => transactions.stats(),
    async stop() {
      server.stop()
      transactions.stop()
      groups.stop()
      retention.stop()
      await cleaner.stop()
      try {
        await store.close()
      } catch (error) {
        logger.error({ error: String(error) }, 'the log of the metadata could not be closed cleanly')
        await markFailed()
      }
      await logs.close()
      await world.storage.close()
    },
  }
}

function newUuid(world: World): Uuid {
  const bytes = world.random.bytes(16)
  // A random (version 4) UUID; one that begins with '-' in its text form would look like an option (as Kafka avoids).
  bytes[6] = (bytes[6]! & 0x0f) | 0x40
  bytes[8] = (bytes[8]! & 0x3f) | 0x80
  const id = uuidFromBytes(bytes, 0)
  return id.startsWith('-') ? newUuid(world) : id
}
