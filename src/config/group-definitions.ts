import { ErrorCode } from '../protocol/index.ts'
import { type BrokerLayers, brokerConfigEntries, type ConfigEntry, ConfigSource } from './broker-layers.ts'
import type { ConfigRefusal } from './change.ts'
import { atLeast, oneOf } from './checks.ts'
import {
  type Check,
  type ConfigDefinition,
  type Configs,
  ConfigType,
  definitions,
  invalidValue,
  parseConfig,
  parseList,
} from './definition.ts'

/**
 * Configs of consumer, share and streams groups, and of client metrics subscriptions: kept here and described, for the
 * coordinators and the telemetry that use them. A broker config of the same setting comes before the defaults here.
 */
export interface GroupDefinition extends ConfigDefinition {
  /** The broker config that gives the default. */
  readonly broker: string
  readonly range?: readonly [min: number, max: number]
}

const any: Check = () => undefined
const intervalIn = (
  name: string,
  broker: string,
  value: number,
  min: number,
  max: number,
  check: Check = atLeast(1),
): GroupDefinition => ({ name, broker, type: ConfigType.int, default: String(value), check, range: [min, max] })
const plain = (name: string, broker: string, type: ConfigType, value: string, check: Check = any): GroupDefinition => ({
  name,
  broker,
  type,
  default: value,
  check,
})

/** `earliest`, `latest`, or how long ago as an ISO 8601 duration of days, hours, minutes and seconds. */
const offsetReset: Check = (name, value) => {
  const [kind, duration] = value.split(':', 2)
  if (value === 'earliest' || value === 'latest') return undefined
  const parts = /^P(?!$)(\d+D)?(T(?=\d)(\d+H)?(\d+M)?(\d+(\.\d{1,9})?S)?)?$/i
  if (kind === 'by_duration' && duration !== undefined && parts.test(duration)) return undefined
  const form = "The value must be either 'earliest', 'latest' or of the format 'by_duration:<PnDTnHnMn.nS>'."
  return invalidValue(name, value, `Invalid value \`${value}\` for configuration ${name}. ${form}`)
}

const sticky: Check = (name, value) =>
  value === 'sticky'
    ? undefined
    : `${name} '${value}' is not a registered task assignor. Registered assignors are: [sticky].`
const standbys: Check = (name, value) =>
  atLeast(0)(name, value) ?? (Number(value) > 2 ? `${name} must be less than or equal to 2` : undefined)

const { boolean, string, int, list } = ConfigType

export const groupDefinitions = definitions<GroupDefinition>([
  intervalIn('consumer.assignment.interval.ms', 'group.consumer.assignment.interval.ms', 1_000, 0, 15_000, atLeast(0)),
  intervalIn('consumer.heartbeat.interval.ms', 'group.consumer.heartbeat.interval.ms', 5_000, 5_000, 15_000),
  intervalIn('consumer.session.timeout.ms', 'group.consumer.session.timeout.ms', 45_000, 45_000, 60_000),
  plain('errors.deadletterqueue.copy.record.enable', 'errors.deadletterqueue.copy.record.enable', boolean, 'false'),
  plain('errors.deadletterqueue.topic.name', 'errors.deadletterqueue.topic.name', string, ''),
  intervalIn('share.assignment.interval.ms', 'group.share.assignment.interval.ms', 1_000, 0, 15_000, atLeast(0)),
  plain('share.auto.offset.reset', 'share.auto.offset.reset', string, 'latest', offsetReset),
  intervalIn('share.delivery.count.limit', 'group.share.delivery.count.limit', 5, 2, 10, atLeast(2)),
  intervalIn('share.heartbeat.interval.ms', 'group.share.heartbeat.interval.ms', 5_000, 5_000, 15_000),
  plain(
    'share.isolation.level',
    'share.isolation.level',
    string,
    'read_uncommitted',
    oneOf('read_committed', 'read_uncommitted'),
  ),
  intervalIn(
    'share.partition.max.record.locks',
    'group.share.partition.max.record.locks',
    2_000,
    100,
    4_000,
    atLeast(100),
  ),
  intervalIn(
    'share.record.lock.duration.ms',
    'group.share.record.lock.duration.ms',
    30_000,
    15_000,
    60_000,
    atLeast(1_000),
  ),
  plain('share.renew.acknowledge.enable', 'share.renew.acknowledge.enable', boolean, 'true'),
  intervalIn('share.session.timeout.ms', 'group.share.session.timeout.ms', 45_000, 45_000, 60_000),
  intervalIn('streams.assignment.interval.ms', 'group.streams.assignment.interval.ms', 1_000, 0, 15_000, atLeast(0)),
  plain('streams.assignor.name', 'group.streams.assignors', string, 'sticky', sticky),
  intervalIn('streams.heartbeat.interval.ms', 'group.streams.heartbeat.interval.ms', 5_000, 5_000, 15_000),
  plain('streams.initial.rebalance.delay.ms', 'group.streams.initial.rebalance.delay.ms', int, '3000', atLeast(0)),
  plain('streams.num.standby.replicas', 'group.streams.num.standby.replicas', int, '0', standbys),
  plain('streams.rack.aware.assignment.tags', 'group.streams.rack.aware.assignment.tags', list, ''),
  intervalIn('streams.session.timeout.ms', 'group.streams.session.timeout.ms', 45_000, 45_000, 60_000),
])

/** Between which bounds the broker lets groups set an interval, where it is one. */
function rangeOf({ broker, range }: GroupDefinition, layers: BrokerLayers): readonly [min: number, max: number] {
  const bound = (which: 'min' | 'max'): number | undefined => {
    const entry = brokerConfigEntries(broker.replace(/^(group\.\w+\.)/, `$1${which}.`), layers)[0]
    return entry === undefined ? undefined : Number(entry.value)
  }
  const [min, max] = range ?? [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY]
  return [bound('min') ?? min, bound('max') ?? max]
}

/** What a group has of one config: what it set itself, else what the broker gives. What wins comes first. */
export function groupConfigEntries(name: string, own: Configs, layers: BrokerLayers): ConfigEntry[] {
  const definition = groupDefinitions.get(name)!
  const entries: ConfigEntry[] = []
  const parsed = Object.hasOwn(own, name) ? parseConfig(definition, own[name]!) : undefined
  if (parsed?.ok) entries.push({ name, value: parsed.value, source: ConfigSource.group })
  const given = brokerConfigEntries(definition.broker, layers)
  if (given.length > 0) return [...entries, ...given]
  return [...entries, { name: definition.broker, value: definition.default!, source: ConfigSource.default }]
}

/** Why a group may not have these configs. */
export function refuseGroupConfigs(configs: Configs, layers: BrokerLayers): ConfigRefusal | undefined {
  const refused = (message: string): ConfigRefusal => ({ code: ErrorCode.INVALID_CONFIG, message })
  for (const [name, text] of Object.entries(configs)) {
    const definition = groupDefinitions.get(name)
    if (definition === undefined) return refused(`Unknown group config name: ${name}`)
    const parsed = parseConfig(definition, text)
    if (!parsed.ok) return refused(parsed.error)
    const [min, max] = rangeOf(definition, layers)
    if (Number(parsed.value) < min || Number(parsed.value) > max)
      return refused(`${name} must be in the range ${min} to ${max} inclusive.`)
  }
  const value = (name: string): number => Number(groupConfigEntries(name, configs, layers)[0]!.value)
  for (const kind of ['consumer', 'share', 'streams']) {
    const [session, heartbeat] = [`${kind}.session.timeout.ms`, `${kind}.heartbeat.interval.ms`]
    if (value(session) <= value(heartbeat)) return refused(`${session} must be greater than ${heartbeat}`)
  }
  return undefined
}

export const clientMetricsDefinitions = definitions([
  { name: 'interval.ms', type: int, default: '300000' },
  { name: 'match', type: list, default: '' },
  { name: 'metrics', type: list, default: '' },
])

const matchNames = new Set([
  'client_instance_id',
  'client_id',
  'client_software_name',
  'client_software_version',
  'client_source_address',
  'client_source_port',
])

/** Why a client metrics subscription may not have these configs. */
export function refuseClientMetrics(configs: Configs): ConfigRefusal | undefined {
  for (const [name, text] of Object.entries(configs)) {
    const definition = clientMetricsDefinitions.get(name)
    if (definition === undefined)
      return { code: ErrorCode.INVALID_REQUEST, message: `Unknown client metrics configuration: ${name}` }
    const parsed = parseConfig(definition, text)
    if (!parsed.ok) return { code: ErrorCode.INVALID_CONFIG, message: parsed.error }
    if (name === 'interval.ms' && (Number(parsed.value) < 100 || Number(parsed.value) > 3_600_000)) {
      const why = 'interval must be between 100 and 3600000 (1 hour)'
      return { code: ErrorCode.INVALID_REQUEST, message: `Invalid value ${parsed.value} for ${name}, ${why}` }
    }
    const pattern = name === 'match' ? parseList(text).find(each => !isMatchPattern(each)) : undefined
    if (pattern !== undefined)
      return { code: ErrorCode.INVALID_CONFIG, message: `Illegal client matching pattern: ${pattern}` }
  }
  return undefined
}

/** `name=regular expression`. */
function isMatchPattern(pattern: string): boolean {
  const [name, expression, ...more] = pattern.split('=')
  if (expression === undefined || more.length > 0 || !matchNames.has(name!.trim())) return false
  try {
    new RegExp(expression.trim())
    return true
  } catch {
    return false
  }
}
