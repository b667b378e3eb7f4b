import { atLeast, between, gzipLevel, listOf, oneOf, servesOnly, throttledReplicas } from './checks.ts'
import { type Check, type ConfigDefinition, ConfigType, definitions, maxLong } from './definition.ts'

/**
 * Topic configs: Kafka's names, types, defaults and bounds (its TopicConfig and LogConfig), and `write.caching` of our
 * own. What they mean stands in documentation.ts, which is loaded when somebody asks.
 */

const any: Check = () => undefined
const config = (name: string, type: ConfigType, value: string, check: Check): ConfigDefinition => ({
  name,
  type,
  default: value,
  check,
})
const int = (name: string, value: number, check: Check = atLeast(0)) =>
  config(name, ConfigType.int, String(value), check)
const long = (name: string, value: number | string, check: Check = atLeast(0)) =>
  config(name, ConfigType.long, String(value), check)
const flag = (name: string, check: Check = any) => config(name, ConfigType.boolean, 'false', check)

const dayMs = 86_400_000
const tieredStorage: Check = (_, value) =>
  value === 'false'
    ? undefined
    : 'Tiered Storage functionality is disabled in the broker. Topic cannot be configured with remote log storage.'
export const compressionType: Check = servesOnly(
  'producer',
  oneOf('uncompressed', 'zstd', 'lz4', 'snappy', 'gzip', 'producer'),
  'This broker keeps batches as their producers compressed them: it serves only producer',
)
/** Kafka's default, which is no limit: the largest array that its broker can allocate. */
const maxArrayBytes = 2_147_483_639
export const decompressedBytes: Check = servesOnly(
  String(maxArrayBytes),
  between(1, maxArrayBytes),
  `This broker limits what a whole batch unfolds to, and no record: it serves only ${maxArrayBytes}, which is no limit`,
)
export const cleanupPolicy = listOf('compact', 'delete')
export const timestampType = oneOf('CreateTime', 'LogAppendTime')

export const topicDefinitions = definitions([
  config('cleanup.policy', ConfigType.list, 'delete', cleanupPolicy),
  int('compression.gzip.level', -1, gzipLevel),
  int('compression.lz4.level', 9, between(1, 17)),
  config('compression.type', ConfigType.string, 'producer', compressionType),
  int('compression.zstd.level', 3, between(-131_072, 22)),
  long('delete.retention.ms', dayMs),
  flag(
    'errors.deadletterqueue.group.enable',
    servesOnly('false', any, 'This broker has no share groups that could use the topic'),
  ),
  long('file.delete.delay.ms', 60_000),
  long('flush.messages', maxLong, atLeast(1)),
  long('flush.ms', maxLong),
  config('follower.replication.throttled.replicas', ConfigType.list, '', throttledReplicas),
  int('index.interval.bytes', 4096),
  config('leader.replication.throttled.replicas', ConfigType.list, '', throttledReplicas),
  long('local.retention.bytes', -2, atLeast(-2)),
  long('local.retention.ms', -2, atLeast(-2)),
  long('max.compaction.lag.ms', maxLong, atLeast(1)),
  int('max.decompressed.message.bytes', maxArrayBytes, decompressedBytes),
  int('max.message.bytes', 1_048_588),
  long('message.timestamp.after.max.ms', 3_600_000),
  long('message.timestamp.before.max.ms', maxLong),
  config('message.timestamp.type', ConfigType.string, 'CreateTime', timestampType),
  config('min.cleanable.dirty.ratio', ConfigType.double, '0.5', between(0, 1)),
  long('min.compaction.lag.ms', 0),
  int('min.insync.replicas', 1, atLeast(1)),
  flag('preallocate'),
  long('remote.copy.lag.bytes', -1, atLeast(-1)),
  long('remote.copy.lag.ms', 0, atLeast(-1)),
  flag('remote.log.copy.disable'),
  flag('remote.log.delete.on.disable'),
  flag('remote.storage.enable', tieredStorage),
  long('retention.bytes', -1, any),
  long('retention.ms', 7 * dayMs, atLeast(-1)),
  int('segment.bytes', 1 << 30, atLeast(1 << 20)),
  int('segment.index.bytes', 10 << 20, atLeast(4)),
  long('segment.jitter.ms', 0),
  long('segment.ms', 7 * dayMs, atLeast(1)),
  flag('unclean.leader.election.enable'),
  flag('write.caching'),
])

/** Why these configs of a topic do not go together; `text` gives the effective value of each. */
export function refuseTogether(text: (name: string) => string): string | undefined {
  const [min, max] = [text('min.compaction.lag.ms'), text('max.compaction.lag.ms')]
  return BigInt(min) > BigInt(max)
    ? `conflict topic config setting min.compaction.lag.ms (${min}) > max.compaction.lag.ms (${max})`
    : undefined
}

/** The value that a topic config has where nobody set it. */
export function topicDefault(name: string): string {
  const value = topicDefinitions.get(name)?.default
  if (value === undefined || value === null) throw new RangeError(`${name} is no topic config`)
  return value
}
