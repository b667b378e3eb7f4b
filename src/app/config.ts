import { MillraceError } from '../base/error.ts'
import { refuseTopicConfig, type TopicConfigs } from '../metadata/topic-config.ts'

/** What the broker runs with; names in comments are Kafka's. */
export interface BrokerConfig {
  readonly dataDirectory: string // log.dirs
  readonly nodeId: number // node.id
  readonly listeners: readonly Endpoint[] // listeners
  readonly advertised: readonly Endpoint[] | undefined // advertised.listeners
  readonly rack: string | null // broker.rack
  readonly numPartitions: number // num.partitions
  readonly replicationFactor: number // default.replication.factor
  readonly autoCreateTopics: boolean // auto.create.topics.enable
  readonly deleteTopics: boolean // delete.topic.enable
  readonly maxFrameBytes: number // socket.request.max.bytes
  readonly frameBudgetBytes: number // queued.max.request.bytes
  readonly maxConnections: number // max.connections
  readonly idleTimeoutMs: number // connections.max.idle.ms
  readonly fetchMaxBytes: number // fetch.max.bytes
  readonly producerExpirationMs: number // producer.id.expiration.ms
  /** The broker's values for topics, under the names that topics use. */
  readonly topicDefaults: TopicConfigs
}

export interface Endpoint {
  readonly host: string
  readonly port: number
}

interface NumberRule {
  readonly default: number
  readonly min: number
}

const numbers: Readonly<Record<string, NumberRule>> = {
  'node.id': { default: 1, min: 0 },
  'num.partitions': { default: 1, min: 1 },
  'default.replication.factor': { default: 1, min: 1 },
  'socket.request.max.bytes': { default: 100 << 20, min: 1 },
  'queued.max.request.bytes': { default: -1, min: -1 },
  'max.connections': { default: 10_000, min: 0 },
  'connections.max.idle.ms': { default: 600_000, min: 1 },
  'fetch.max.bytes': { default: 55 << 20, min: 1024 },
  'producer.id.expiration.ms': { default: 86_400_000, min: 1 },
}
const booleans: Readonly<Record<string, boolean>> = {
  'auto.create.topics.enable': true,
  'delete.topic.enable': true,
}
const texts = new Set(['log.dirs', 'log.dir', 'listeners', 'advertised.listeners', 'broker.rack'])
/** All request bodies in memory, when queued.max.request.bytes is not set. */
const defaultFrameBudget = 256 << 20

/** Broker configs that are a topic config's default, by Kafka's synonyms; the factor turns hours into milliseconds. */
const topicSynonyms: Readonly<Record<string, { topic: string; factor?: number }>> = {
  'log.segment.bytes': { topic: 'segment.bytes' },
  'log.roll.ms': { topic: 'segment.ms' },
  'log.roll.hours': { topic: 'segment.ms', factor: 3_600_000 },
  'log.roll.jitter.ms': { topic: 'segment.jitter.ms' },
  'log.roll.jitter.hours': { topic: 'segment.jitter.ms', factor: 3_600_000 },
  'log.index.size.max.bytes': { topic: 'segment.index.bytes' },
  'log.index.interval.bytes': { topic: 'index.interval.bytes' },
  'log.flush.interval.messages': { topic: 'flush.messages' },
  'log.flush.interval.ms': { topic: 'flush.ms' },
  'log.retention.bytes': { topic: 'retention.bytes' },
  'log.retention.ms': { topic: 'retention.ms' },
  'log.retention.minutes': { topic: 'retention.ms', factor: 60_000 },
  'log.retention.hours': { topic: 'retention.ms', factor: 3_600_000 },
  'message.max.bytes': { topic: 'max.message.bytes' },
  'log.cleaner.delete.retention.ms': { topic: 'delete.retention.ms' },
  'log.cleaner.min.compaction.lag.ms': { topic: 'min.compaction.lag.ms' },
  'log.cleaner.max.compaction.lag.ms': { topic: 'max.compaction.lag.ms' },
  'log.cleaner.min.cleanable.ratio': { topic: 'min.cleanable.dirty.ratio' },
  'log.cleanup.policy': { topic: 'cleanup.policy' },
  'log.segment.delete.delay.ms': { topic: 'file.delete.delay.ms' },
  'log.preallocate': { topic: 'preallocate' },
  'log.message.timestamp.type': { topic: 'message.timestamp.type' },
  'log.message.timestamp.before.max.ms': { topic: 'message.timestamp.before.max.ms' },
  'log.message.timestamp.after.max.ms': { topic: 'message.timestamp.after.max.ms' },
  'compression.type': { topic: 'compression.type' },
  'min.insync.replicas': { topic: 'min.insync.replicas' },
  'unclean.leader.election.enable': { topic: 'unclean.leader.election.enable' },
  'write.caching': { topic: 'write.caching' },
}

/** Reads broker configs; names that mean nothing here are returned, to be reported and not refused, as Kafka does. */
export function readBrokerConfig(given: ReadonlyMap<string, string>): { config: BrokerConfig; ignored: string[] } {
  const number = (name: string): number => {
    const rule = numbers[name]!
    const text = given.get(name)
    if (text === undefined) return rule.default
    const value = Number(text)
    if (text.trim() === '' || !Number.isSafeInteger(value) || value < rule.min)
      throw invalid(name, text, `it must be an integer of at least ${rule.min}`)
    return value
  }
  const flag = (name: string): boolean => {
    const text = given.get(name)?.toLowerCase()
    if (text === undefined) return booleans[name]!
    if (text !== 'true' && text !== 'false') throw invalid(name, text, 'it must be true or false')
    return text === 'true'
  }
  const dataDirectory = given.get('log.dirs') ?? given.get('log.dir') ?? './data'
  if (dataDirectory.includes(','))
    throw invalid('log.dirs', dataDirectory, 'this broker keeps its data in one directory')
  const listeners = parseListeners('listeners', given.get('listeners') ?? 'PLAINTEXT://127.0.0.1:9092')
  const advertisedText = given.get('advertised.listeners')
  const budget = number('queued.max.request.bytes')
  const config: BrokerConfig = {
    dataDirectory,
    nodeId: number('node.id'),
    listeners,
    advertised: advertisedText === undefined ? undefined : parseListeners('advertised.listeners', advertisedText),
    rack: given.get('broker.rack') ?? null,
    numPartitions: number('num.partitions'),
    replicationFactor: number('default.replication.factor'),
    autoCreateTopics: flag('auto.create.topics.enable'),
    deleteTopics: flag('delete.topic.enable'),
    maxFrameBytes: number('socket.request.max.bytes'),
    frameBudgetBytes: budget < 0 ? defaultFrameBudget : budget,
    maxConnections: number('max.connections'),
    idleTimeoutMs: number('connections.max.idle.ms'),
    fetchMaxBytes: number('fetch.max.bytes'),
    producerExpirationMs: number('producer.id.expiration.ms'),
    topicDefaults: readTopicDefaults(given),
  }
  checkReachable(config)
  const known = (name: string) =>
    texts.has(name) || [numbers, booleans, topicSynonyms].some(table => Object.hasOwn(table, name))
  return { config, ignored: [...given.keys()].filter(name => !known(name)) }
}

function readTopicDefaults(given: ReadonlyMap<string, string>): TopicConfigs {
  const defaults: Record<string, string> = {}
  // In the table's order the finer unit comes first, and wins.
  for (const [name, { topic, factor }] of Object.entries(topicSynonyms)) {
    const text = given.get(name)
    if (text === undefined || topic in defaults) continue
    const value = factor === undefined || text === '-1' ? text : String(Number(text) * factor)
    const why = refuseTopicConfig(topic, value)
    if (why !== undefined) throw invalid(name, text, why)
    defaults[topic] = value
  }
  return defaults
}

/** `PLAINTEXT://host:port[,…]`. */
function parseListeners(name: string, text: string): Endpoint[] {
  return text.split(',').map(each => {
    const match = /^([A-Za-z_]+):\/\/(.*):(\d+)$/.exec(each.trim())
    if (match === null) throw invalid(name, text, 'each listener is written PLAINTEXT://host:port')
    const [, protocol, host, port] = match
    if (protocol!.toUpperCase() !== 'PLAINTEXT')
      throw invalid(name, text, 'this broker serves PLAINTEXT listeners only')
    return { host: unbracket(host!), port: checkPort(name, text, Number(port)) }
  })
}

/** `HOST:PORT` of the command line. */
export function parseEndpoint(option: string, text: string): Endpoint {
  const match = /^(.+):(\d+)$/.exec(text)
  if (match === null) throw invalid(option, text, 'it is written HOST:PORT, as in 127.0.0.1:9092')
  return { host: unbracket(match[1]!), port: checkPort(option, text, Number(match[2])) }
}

export const formatEndpoint = ({ host, port }: Endpoint): string => `${host.includes(':') ? `[${host}]` : host}:${port}`

const unbracket = (host: string): string => host.replace(/^\[(.*)\]$/, '$1')

function checkPort(name: string, text: string, port: number): number {
  if (port > 65_535) throw invalid(name, text, 'a port is at most 65535')
  return port
}

/** Clients come back to the address they are told, so one that stands for all interfaces cannot be told. */
function checkReachable(config: BrokerConfig): void {
  const told = config.advertised ?? config.listeners
  for (const { host } of told)
    if (host === '' || host === '0.0.0.0' || host === '::')
      throw new MillraceError(
        'INVALID_CONFIG',
        `Clients cannot connect to ${host === '' ? 'an empty host' : host}: set advertised.listeners to the address they should use, ` +
          'for example -X advertised.listeners=PLAINTEXT://broker.example:9092',
      )
  if (config.advertised !== undefined && config.advertised.length !== config.listeners.length)
    throw new MillraceError('INVALID_CONFIG', 'advertised.listeners must name one address for each of listeners.')
}

function invalid(name: string, value: string, why: string): MillraceError {
  return new MillraceError('INVALID_CONFIG', `Invalid value ${value} for ${name}: ${why}.`)
}
