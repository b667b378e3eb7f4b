/**
 * Topic configs: Kafka's names, defaults and bounds (its TopicConfig and LogConfig), and `write.caching` of our own. The
 * table is data; what a log is told follows from it in one function.
 */
import type { LogSettings } from '../base/world.ts'

export type TopicConfigs = Readonly<Record<string, string>>

interface IntegerConfig {
  readonly kind: 'int' | 'long'
  readonly default: number
  readonly min: number
  /** Undefined: as far as the type goes. */
  readonly max?: number
}
interface DoubleConfig {
  readonly kind: 'double'
  readonly default: number
  readonly min: number
  readonly max: number
}
interface BooleanConfig {
  readonly kind: 'boolean'
  readonly default: boolean
  /** The only value this broker can honour, where there is one. */
  readonly only?: boolean
}
interface ChoiceConfig {
  readonly kind: 'choice'
  readonly default: string
  readonly choices: readonly string[]
  /** Choices of Kafka's that this broker does not carry out yet: refused rather than ignored. */
  readonly refused?: readonly string[]
}
interface ListConfig {
  readonly kind: 'list'
  readonly default: string
  /** Undefined: any. */
  readonly choices?: readonly string[]
}
export type TopicConfigType = IntegerConfig | DoubleConfig | BooleanConfig | ChoiceConfig | ListConfig

const maxInt = 0x7fffffff
/** Kafka's Long.MAX_VALUE, of which ±2^53 can be told apart here. */
const maxLong = '9223372036854775807'
const forever = Number.MAX_SAFE_INTEGER
const dayMs = 86_400_000
const long = (value: number, min = 0): IntegerConfig => ({ kind: 'long', default: value, min })
const int = (value: number, min = 0, max = maxInt): IntegerConfig => ({ kind: 'int', default: value, min, max })

export const topicConfigTypes: Readonly<Record<string, TopicConfigType>> = {
  'cleanup.policy': { kind: 'list', default: 'delete', choices: ['compact', 'delete'] },
  'compression.gzip.level': int(-1, -1, 9),
  'compression.lz4.level': int(9, 1, 17),
  'compression.type': {
    kind: 'choice',
    default: 'producer',
    choices: ['producer'],
    refused: ['uncompressed', 'zstd', 'lz4', 'snappy', 'gzip'],
  },
  'compression.zstd.level': int(3, -131072, 22),
  'delete.retention.ms': long(dayMs),
  'file.delete.delay.ms': long(60_000),
  'flush.messages': long(forever, 1),
  'flush.ms': long(forever),
  'follower.replication.throttled.replicas': { kind: 'list', default: '' },
  'index.interval.bytes': int(4096),
  'leader.replication.throttled.replicas': { kind: 'list', default: '' },
  'local.retention.bytes': long(-2, -2),
  'local.retention.ms': long(-2, -2),
  'max.compaction.lag.ms': long(forever, 1),
  'max.message.bytes': int(1_048_588),
  'message.timestamp.after.max.ms': long(3_600_000),
  'message.timestamp.before.max.ms': long(forever),
  'message.timestamp.type': { kind: 'choice', default: 'CreateTime', choices: ['CreateTime', 'LogAppendTime'] },
  'min.cleanable.dirty.ratio': { kind: 'double', default: 0.5, min: 0, max: 1 },
  'min.compaction.lag.ms': long(0),
  'min.insync.replicas': int(1, 1),
  preallocate: { kind: 'boolean', default: false },
  'remote.log.copy.disable': { kind: 'boolean', default: false },
  'remote.log.delete.on.disable': { kind: 'boolean', default: false },
  'remote.storage.enable': { kind: 'boolean', default: false, only: false },
  'retention.bytes': long(-1, -1),
  'retention.ms': long(7 * dayMs, -1),
  'segment.bytes': int(1 << 30, 1 << 20),
  'segment.index.bytes': int(10 << 20, 4),
  'segment.jitter.ms': long(0),
  'segment.ms': long(7 * dayMs, 1),
  'unclean.leader.election.enable': { kind: 'boolean', default: false },
  'write.caching': { kind: 'boolean', default: false },
}

/** Why a value cannot be taken, or undefined when it can. */
export function refuseTopicConfig(name: string, value: string): string | undefined {
  const type = Object.hasOwn(topicConfigTypes, name) ? topicConfigTypes[name] : undefined
  if (type === undefined) return `Unknown topic config name: ${name}`
  const refuse = (why: string) => `Invalid value ${value} for configuration ${name}: ${why}`
  switch (type.kind) {
    case 'int':
    case 'long': {
      if (!/^[+-]?\d{1,19}$/.test(value.trim())) return refuse(`Not a number of type ${type.kind.toUpperCase()}`)
      const exact = BigInt(value.trim())
      if (exact > (type.kind === 'int' ? BigInt(maxInt) : BigInt(maxLong)))
        return refuse(`Not a number of type ${type.kind.toUpperCase()}`)
      if (exact < BigInt(type.min)) return refuse(`Value must be at least ${type.min}`)
      return type.max !== undefined && exact > BigInt(type.max)
        ? refuse(`Value must be at most ${type.max}`)
        : undefined
    }
    case 'double': {
      const number = Number(value)
      if (value.trim() === '' || Number.isNaN(number)) return refuse('Not a number of type DOUBLE')
      return number < type.min || number > type.max
        ? refuse(`Value must be from ${type.min} to ${type.max}`)
        : undefined
    }
    case 'boolean': {
      const flag = parseBoolean(value)
      if (flag === undefined) return refuse('Expected value to be either true or false')
      return type.only !== undefined && flag !== type.only ? refuse('This broker does not serve it') : undefined
    }
    case 'choice':
      if (type.choices.includes(value)) return undefined
      if (type.refused?.includes(value)) return refuse(`This broker serves only ${type.choices.join(', ')}`)
      return refuse(`String must be one of: ${type.choices.join(', ')}`)
    case 'list': {
      if (type.choices === undefined) return undefined
      const items = parseList(value)
      if (items.length === 0) return refuse('The list may not be empty')
      const stranger = items.find(item => !type.choices?.includes(item))
      return stranger === undefined ? undefined : refuse(`String must be one of: ${type.choices.join(', ')}`)
    }
  }
}

/** The value as Kafka prints it. */
export function defaultOf(name: string): string {
  const value = topicConfigTypes[name]?.default
  return value === forever ? maxLong : String(value)
}

/** Where a value comes from, in Kafka's numbers (ConfigSource). */
export const ConfigSource = { topic: 1, staticBroker: 4, default: 5 } as const
export type ConfigSource = (typeof ConfigSource)[keyof typeof ConfigSource]

/** Values of one topic, typed: what it sets itself, else what the broker is set to, else the default. */
export class TopicSettings {
  private readonly configs: TopicConfigs
  private readonly brokerConfigs: TopicConfigs

  /** `brokerConfigs`: the broker's settings under the names that topics use. */
  constructor(configs: TopicConfigs, brokerConfigs: TopicConfigs) {
    this.configs = configs
    this.brokerConfigs = brokerConfigs
  }

  text(name: string): string {
    return this.configs[name] ?? this.brokerConfigs[name] ?? defaultOf(name)
  }

  source(name: string): ConfigSource {
    if (name in this.configs) return ConfigSource.topic
    return name in this.brokerConfigs ? ConfigSource.staticBroker : ConfigSource.default
  }

  /** Values past 2^53 count as 2^53 - 1: both mean "never". */
  number(name: string): number {
    return Math.min(Number(this.text(name)), forever)
  }

  flag(name: string): boolean {
    return parseBoolean(this.text(name)) === true
  }

  list(name: string): string[] {
    return parseList(this.text(name))
  }
}

export function logSettings(topic: TopicSettings): LogSettings {
  return {
    segmentBytes: topic.number('segment.bytes'),
    segmentMs: topic.number('segment.ms'),
    indexIntervalBytes: topic.number('index.interval.bytes'),
    segmentIndexBytes: topic.number('segment.index.bytes'),
    maxMessageBytes: topic.number('max.message.bytes'),
    timestampBeforeMaxMs: topic.number('message.timestamp.before.max.ms'),
    timestampAfterMaxMs: topic.number('message.timestamp.after.max.ms'),
    logAppendTime: topic.text('message.timestamp.type') === 'LogAppendTime',
    requireKeys: topic.list('cleanup.policy').includes('compact'),
  }
}

function parseBoolean(value: string): boolean | undefined {
  const text = value.trim().toLowerCase()
  return text === 'true' ? true : text === 'false' ? false : undefined
}

const parseList = (value: string): string[] =>
  value
    .split(',')
    .map(item => item.trim())
    .filter(item => item !== '')
