import { atLeast, between, builtInAssignors, listOf, oneOfAnyCase } from './checks.ts'
import { type Check, type ConfigDefinition, ConfigType, definitions, maxLong } from './definition.ts'
import { topicDefinitions } from './topic-definitions.ts'

/**
 * Broker configs: those of Kafka's that this broker carries out, and some whose value here is fixed and that tools ask
 * for. Other names of Kafka's have no effect; a server.properties that has them is served, and they are reported.
 */
export interface BrokerDefinition extends ConfigDefinition {
  /** Where it may be changed while the broker runs; nothing here needs a value of its own on each broker. */
  readonly update: 'read-only' | 'cluster-wide'
  /** It always has its default, whatever server.properties says. */
  readonly fixed: boolean
}

const any: Check = () => undefined
const config = (
  name: string,
  type: ConfigType,
  value: string | null,
  check: Check = any,
  update: BrokerDefinition['update'] = 'read-only',
  fixed = false,
): BrokerDefinition => ({ name, type, default: value, check, update, fixed })

const int = (name: string, value: number, check: Check) => config(name, ConfigType.int, String(value), check)
const long = (name: string, value: number, check: Check) => config(name, ConfigType.long, String(value), check)
const text = (name: string, value: string | null = null) => config(name, ConfigType.string, value)
const list = (name: string, value: string | null = null, check: Check = any) =>
  config(name, ConfigType.list, value, check)
const flag = (name: string, value: boolean) => config(name, ConfigType.boolean, String(value))
const fixed = (name: string, type: ConfigType, value: string | null) =>
  config(name, type, value, any, 'read-only', true)
const dynamic = (name: string, type: ConfigType, value: number | string | null, check: Check = any) =>
  config(name, type, value === null ? null : String(value), check, 'cluster-wide')
/** The same type, default and bounds as the topic config. */
const topicLike = (name: string, topicName = name): BrokerDefinition => {
  const topic = topicDefinitions.get(topicName)!
  return config(name, topic.type, topic.default, topic.check, 'cluster-wide')
}

/** As Java prints its largest double: no limit. */
const maxDouble = '1.7976931348623157E308'
const dayMs = 86_400_000
const week = { hours: 168 }

export const brokerDefinitions = definitions<BrokerDefinition>([
  list('advertised.listeners'),
  fixed('alter.config.policy.class.name', ConfigType.class, null),
  fixed('authorizer.class.name', ConfigType.string, ''),
  flag('auto.create.topics.enable', true),
  int('broker.id', -1, any),
  text('broker.rack'),
  topicLike('compression.gzip.level'),
  topicLike('compression.lz4.level'),
  topicLike('compression.type'),
  topicLike('compression.zstd.level'),
  long('connections.max.idle.ms', 600_000, atLeast(1)),
  fixed('create.topic.policy.class.name', ConfigType.class, null),
  int('default.replication.factor', 1, atLeast(1)),
  flag('delete.topic.enable', true),
  int('fetch.max.bytes', 55 << 20, atLeast(1024)),
  dynamic('group.consumer.assignment.interval.ms', ConfigType.int, 1_000, atLeast(0)),
  list('group.consumer.assignors', 'uniform,range', builtInAssignors),
  int('group.consumer.heartbeat.interval.ms', 5_000, atLeast(1)),
  int('group.consumer.max.assignment.interval.ms', 15_000, atLeast(0)),
  int('group.consumer.max.heartbeat.interval.ms', 15_000, atLeast(1)),
  int('group.consumer.max.session.timeout.ms', 60_000, atLeast(1)),
  int('group.consumer.max.size', 2_147_483_647, atLeast(1)),
  config(
    'group.consumer.migration.policy',
    ConfigType.string,
    'bidirectional',
    oneOfAnyCase('disabled', 'downgrade', 'upgrade', 'bidirectional'),
  ),
  int('group.consumer.min.assignment.interval.ms', 0, atLeast(0)),
  int('group.consumer.min.heartbeat.interval.ms', 5_000, atLeast(1)),
  int('group.consumer.min.session.timeout.ms', 45_000, atLeast(1)),
  int('group.consumer.regex.refresh.interval.ms', 600_000, atLeast(10_000)),
  int('group.consumer.session.timeout.ms', 45_000, atLeast(1)),
  int('group.coordinator.append.linger.ms', -1, atLeast(-1)),
  list(
    'group.coordinator.rebalance.protocols',
    'classic,consumer,streams',
    listOf('classic', 'consumer', 'share', 'streams'),
  ),
  int('group.initial.rebalance.delay.ms', 3_000, any),
  int('group.max.session.timeout.ms', 1_800_000, any),
  int('group.max.size', 2_147_483_647, atLeast(1)),
  int('group.min.session.timeout.ms', 6_000, any),
  fixed('inter.broker.listener.name', ConfigType.string, null),
  fixed('listener.security.protocol.map', ConfigType.string, 'PLAINTEXT:PLAINTEXT'),
  list('listeners', 'PLAINTEXT://127.0.0.1:9092'),
  dynamic('log.cleaner.backoff.ms', ConfigType.long, 15_000, atLeast(0)),
  dynamic('log.cleaner.dedupe.buffer.size', ConfigType.long, 128 << 20),
  topicLike('log.cleaner.delete.retention.ms', 'delete.retention.ms'),
  flag('log.cleaner.enable', true),
  dynamic('log.cleaner.io.buffer.load.factor', ConfigType.double, 0.9),
  dynamic('log.cleaner.io.buffer.size', ConfigType.int, 512 << 10, atLeast(0)),
  dynamic('log.cleaner.io.max.bytes.per.second', ConfigType.double, maxDouble, atLeast(1)),
  topicLike('log.cleaner.max.compaction.lag.ms', 'max.compaction.lag.ms'),
  topicLike('log.cleaner.min.cleanable.ratio', 'min.cleanable.dirty.ratio'),
  topicLike('log.cleaner.min.compaction.lag.ms', 'min.compaction.lag.ms'),
  dynamic('log.cleaner.threads', ConfigType.int, 1, atLeast(0)),
  topicLike('log.cleanup.policy', 'cleanup.policy'),
  list('log.dir', './data'),
  list('log.dirs'),
  topicLike('log.flush.interval.messages', 'flush.messages'),
  dynamic('log.flush.interval.ms', ConfigType.long, null),
  fixed('log.flush.offset.checkpoint.interval.ms', ConfigType.int, '1000'),
  config('log.flush.scheduler.interval.ms', ConfigType.long, maxLong),
  fixed('log.flush.start.offset.checkpoint.interval.ms', ConfigType.int, '1000'),
  topicLike('log.index.interval.bytes', 'index.interval.bytes'),
  topicLike('log.index.size.max.bytes', 'segment.index.bytes'),
  topicLike('log.local.retention.bytes', 'local.retention.bytes'),
  topicLike('log.local.retention.ms', 'local.retention.ms'),
  topicLike('log.message.timestamp.after.max.ms', 'message.timestamp.after.max.ms'),
  topicLike('log.message.timestamp.before.max.ms', 'message.timestamp.before.max.ms'),
  topicLike('log.message.timestamp.type', 'message.timestamp.type'),
  topicLike('log.preallocate', 'preallocate'),
  topicLike('log.remote.copy.lag.bytes', 'remote.copy.lag.bytes'),
  topicLike('log.remote.copy.lag.ms', 'remote.copy.lag.ms'),
  topicLike('log.retention.bytes', 'retention.bytes'),
  long('log.retention.check.interval.ms', 300_000, atLeast(1)),
  int('log.retention.hours', week.hours, any),
  config('log.retention.minutes', ConfigType.int, null),
  dynamic('log.retention.ms', ConfigType.long, null),
  int('log.roll.hours', week.hours, atLeast(1)),
  int('log.roll.jitter.hours', 0, atLeast(0)),
  dynamic('log.roll.jitter.ms', ConfigType.long, null, atLeast(0)),
  dynamic('log.roll.ms', ConfigType.long, null, atLeast(1)),
  topicLike('log.segment.bytes', 'segment.bytes'),
  topicLike('log.segment.delete.delay.ms', 'file.delete.delay.ms'),
  dynamic('max.connections', ConfigType.int, 10_000, atLeast(1)),
  dynamic('max.connections.per.ip', ConfigType.int, 2_147_483_647, atLeast(1)),
  topicLike('max.decompressed.message.bytes'),
  int('max.incremental.fetch.session.cache.slots', 1_000, atLeast(0)),
  int('max.request.partition.size.limit', 2_000, atLeast(1)),
  topicLike('message.max.bytes', 'max.message.bytes'),
  topicLike('min.insync.replicas'),
  int('node.id', 1, atLeast(0)),
  int('num.partitions', 1, atLeast(1)),
  int('offset.metadata.max.bytes', 4_096, any),
  int('offsets.commit.timeout.ms', 5_000, atLeast(1)),
  int('offsets.load.buffer.size', 5 << 20, atLeast(1)),
  long('offsets.retention.check.interval.ms', 600_000, atLeast(1)),
  int('offsets.retention.minutes', 7 * 24 * 60, atLeast(1)),
  int('offsets.topic.num.partitions', 50, atLeast(1)),
  // Kafka's 3 is more than one node can carry; a new cluster of Kafka's is set to 1 as well.
  config('offsets.topic.replication.factor', ConfigType.short, '1', atLeast(1)),
  int('offsets.topic.segment.bytes', 100 << 20, atLeast(1)),
  fixed('process.roles', ConfigType.list, 'broker,controller'),
  int('processors.awake.ms', -1, between(-1, 1_000)),
  dynamic('producer.id.expiration.ms', ConfigType.int, dayMs, atLeast(1)),
  long('queued.max.request.bytes', -1, atLeast(-1)),
  fixed('remote.log.storage.system.enable', ConfigType.boolean, 'false'),
  fixed('security.inter.broker.protocol', ConfigType.string, 'PLAINTEXT'),
  int('socket.request.max.bytes', 100 << 20, atLeast(1)),
  int('telemetry.max.bytes', 1 << 20, atLeast(1)),
  int('transaction.abort.timed.out.transaction.cleanup.interval.ms', 10_000, atLeast(1)),
  int('transaction.max.timeout.ms', 15 * 60_000, atLeast(1)),
  dynamic('transaction.partition.verification.enable', ConfigType.boolean, 'true'),
  int('transaction.remove.expired.transaction.cleanup.interval.ms', 3_600_000, atLeast(1)),
  int('transaction.state.log.load.buffer.size', 5 << 20, atLeast(1)),
  // Kafka's 2 and 3 are more than one node can carry, as with the offsets.
  int('transaction.state.log.min.isr', 1, atLeast(1)),
  int('transaction.state.log.num.partitions', 50, atLeast(1)),
  config('transaction.state.log.replication.factor', ConfigType.short, '1', atLeast(1)),
  int('transaction.state.log.segment.bytes', 100 << 20, atLeast(1)),
  config('transaction.two.phase.commit.enable', ConfigType.boolean, 'false'),
  int('transactional.id.expiration.ms', 7 * dayMs, atLeast(1)),
  topicLike('unclean.leader.election.enable'),
  topicLike('write.caching'),
])

/** A broker config that gives a topic config its default; `factor` turns its unit into the topic config's. */
export interface BrokerSynonym {
  readonly name: string
  readonly factor?: number
}

const hourMs = 3_600_000
const topicSynonyms: Readonly<Record<string, readonly BrokerSynonym[]>> = {
  'cleanup.policy': [{ name: 'log.cleanup.policy' }],
  'compression.gzip.level': [{ name: 'compression.gzip.level' }],
  'compression.lz4.level': [{ name: 'compression.lz4.level' }],
  'compression.type': [{ name: 'compression.type' }],
  'compression.zstd.level': [{ name: 'compression.zstd.level' }],
  'delete.retention.ms': [{ name: 'log.cleaner.delete.retention.ms' }],
  'file.delete.delay.ms': [{ name: 'log.segment.delete.delay.ms' }],
  'flush.messages': [{ name: 'log.flush.interval.messages' }],
  'flush.ms': [{ name: 'log.flush.interval.ms' }, { name: 'log.flush.scheduler.interval.ms' }],
  'index.interval.bytes': [{ name: 'log.index.interval.bytes' }],
  'local.retention.bytes': [{ name: 'log.local.retention.bytes' }],
  'local.retention.ms': [{ name: 'log.local.retention.ms' }],
  'max.compaction.lag.ms': [{ name: 'log.cleaner.max.compaction.lag.ms' }],
  'max.decompressed.message.bytes': [{ name: 'max.decompressed.message.bytes' }],
  'max.message.bytes': [{ name: 'message.max.bytes' }],
  'message.timestamp.after.max.ms': [{ name: 'log.message.timestamp.after.max.ms' }],
  'message.timestamp.before.max.ms': [{ name: 'log.message.timestamp.before.max.ms' }],
  'message.timestamp.type': [{ name: 'log.message.timestamp.type' }],
  'min.cleanable.dirty.ratio': [{ name: 'log.cleaner.min.cleanable.ratio' }],
  'min.compaction.lag.ms': [{ name: 'log.cleaner.min.compaction.lag.ms' }],
  'min.insync.replicas': [{ name: 'min.insync.replicas' }],
  preallocate: [{ name: 'log.preallocate' }],
  'remote.copy.lag.bytes': [{ name: 'log.remote.copy.lag.bytes' }],
  'remote.copy.lag.ms': [{ name: 'log.remote.copy.lag.ms' }],
  'retention.bytes': [{ name: 'log.retention.bytes' }],
  'retention.ms': [
    { name: 'log.retention.ms' },
    { name: 'log.retention.minutes', factor: 60_000 },
    { name: 'log.retention.hours', factor: hourMs },
  ],
  'segment.bytes': [{ name: 'log.segment.bytes' }],
  'segment.index.bytes': [{ name: 'log.index.size.max.bytes' }],
  'segment.jitter.ms': [{ name: 'log.roll.jitter.ms' }, { name: 'log.roll.jitter.hours', factor: hourMs }],
  'segment.ms': [{ name: 'log.roll.ms' }, { name: 'log.roll.hours', factor: hourMs }],
  'unclean.leader.election.enable': [{ name: 'unclean.leader.election.enable' }],
  'write.caching': [{ name: 'write.caching' }],
}

/** Broker configs of a topic config, the one that wins first. */
export function brokerSynonyms(topicName: string): readonly BrokerSynonym[] {
  return topicSynonyms[topicName] ?? []
}

const sameSetting = Object.values(topicSynonyms).filter(synonyms => synonyms.length > 1)

/** Names of the one setting that `name` is a name of, the one that wins first. */
export function siblings(name: string): readonly string[] {
  const group = sameSetting.find(synonyms => synonyms.some(synonym => synonym.name === name))
  return group?.map(synonym => synonym.name) ?? [name]
}

/** The synonym's value in the topic config's unit; below zero every unit means "never". */
export function inTopicUnit(value: string, { factor }: BrokerSynonym, topicName: string): string {
  if (factor !== undefined) return BigInt(value) < 0n ? '-1' : String(BigInt(value) * BigInt(factor))
  return topicName === 'retention.ms' && BigInt(value) < 0n ? '-1' : value
}
