import { MillraceError } from '../base/error.ts'
import { brokerDefinitions } from '../config/broker-definitions.ts'
import { type BrokerLayers, brokerConfigEntries, refuseBrokerConfig, topicDefaults } from '../config/broker-layers.ts'
import { type Configs, parseBoolean, parseConfig, parseNumber } from '../config/definition.ts'
import { refuseGroupValues } from '../config/group-values.ts'
import { refuseTogether } from '../config/topic-definitions.ts'
import { TopicSettings } from '../config/topic-settings.ts'

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
  readonly partitionsPerPage: number // max.request.partition.size.limit
  readonly telemetryMaxBytes: number // telemetry.max.bytes
  readonly fetchSessionCacheSlots: number // max.incremental.fetch.session.cache.slots
  readonly retentionCheckIntervalMs: number // log.retention.check.interval.ms
  readonly compactLogs: boolean // log.cleaner.enable
  readonly processorsAwakeMs: number // processors.awake.ms, which is not Kafka's
  /** Everything that was set and has an effect, under its own name and in its canonical form. */
  readonly statics: Configs
}

export interface Endpoint {
  readonly host: string
  readonly port: number
}

/** All request bodies in memory, when queued.max.request.bytes is not set. */
const defaultFrameBudget = 256 << 20

/** Reads broker configs; names that mean nothing here are returned, to be reported and not refused, as Kafka does. */
export function readBrokerConfig(given: ReadonlyMap<string, string>): { config: BrokerConfig; ignored: string[] } {
  const { statics, ignored } = readStatics(given)
  const layers: BrokerLayers = { dynamicBroker: {}, dynamicDefault: {}, statics }
  const text = (name: string): string | undefined => brokerConfigEntries(name, layers)[0]?.value
  const number = (name: string): number => parseNumber(text(name)!)
  const flag = (name: string): boolean => parseBoolean(text(name)!)
  const dataDirectory = text('log.dirs') ?? text('log.dir')!
  if (dataDirectory.includes(','))
    throw invalid('log.dirs', dataDirectory, 'this broker keeps its data in one directory')
  const advertisedText = text('advertised.listeners')
  const budget = number('queued.max.request.bytes')
  const config: BrokerConfig = {
    dataDirectory,
    nodeId: nodeId(number('node.id'), number('broker.id'), statics),
    listeners: parseListeners('listeners', text('listeners')!),
    advertised: advertisedText === undefined ? undefined : parseListeners('advertised.listeners', advertisedText),
    rack: text('broker.rack') ?? null,
    numPartitions: number('num.partitions'),
    replicationFactor: number('default.replication.factor'),
    autoCreateTopics: flag('auto.create.topics.enable'),
    deleteTopics: flag('delete.topic.enable'),
    maxFrameBytes: number('socket.request.max.bytes'),
    frameBudgetBytes: budget < 0 ? defaultFrameBudget : budget,
    maxConnections: number('max.connections'),
    idleTimeoutMs: number('connections.max.idle.ms'),
    fetchMaxBytes: number('fetch.max.bytes'),
    partitionsPerPage: number('max.request.partition.size.limit'),
    telemetryMaxBytes: number('telemetry.max.bytes'),
    fetchSessionCacheSlots: number('max.incremental.fetch.session.cache.slots'),
    retentionCheckIntervalMs: number('log.retention.check.interval.ms'),
    compactLogs: flag('log.cleaner.enable'),
    processorsAwakeMs: number('processors.awake.ms'),
    statics,
  }
  checkReachable(config)
  return { config, ignored }
}

function readStatics(given: ReadonlyMap<string, string>): { statics: Configs; ignored: string[] } {
  const statics: Record<string, string> = {}
  const ignored: string[] = []
  for (const [name, text] of given) {
    const definition = brokerDefinitions.get(name)
    if (definition === undefined || (definition.fixed && text.trim() !== definition.default)) {
      ignored.push(name)
      continue
    }
    const refused = refuseBrokerConfig(name, text)
    if (refused !== undefined) throw new MillraceError('INVALID_CONFIG', `${refused}.`)
    const parsed = parseConfig(definition, text)
    if (parsed.ok && !definition.fixed) statics[name] = parsed.value
  }
  const layers: BrokerLayers = { dynamicBroker: {}, dynamicDefault: {}, statics }
  const topic = new TopicSettings({}, topicDefaults(layers).values)
  const conflict =
    refuseTogether(name => topic.text(name)) ?? refuseGroupValues(name => brokerConfigEntries(name, layers)[0]!.value)
  if (conflict !== undefined) throw new MillraceError('INVALID_CONFIG', `${conflict}.`)
  return { statics, ignored }
}

/** node.id, or broker.id as it was called before; Kafka refuses two that differ. */
function nodeId(id: number, brokerId: number, statics: Configs): number {
  if (brokerId < 0) return id
  if ('node.id' in statics && id !== brokerId)
    throw invalid('broker.id', String(brokerId), `it must be node.id, which is ${id}, or be left out`)
  return brokerId
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
