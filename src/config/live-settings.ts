import { brokerDefinitions } from './broker-definitions.ts'
import {
  type BrokerLayers,
  brokerConfigEntries,
  refuseBrokerConfig,
  type TopicDefaults,
  topicDefaults,
} from './broker-layers.ts'
import { type Configs, parseConfig, parseNumber } from './definition.ts'
import { groupValues, type LiveGroupValues } from './group-values.ts'
import { TopicSettings } from './topic-settings.ts'
import { type LiveTransactionValues, transactionValues } from './transaction-values.ts'

/** What the broker runs with at this moment, of what may change while it runs. */
export interface LiveValues {
  readonly topicDefaults: TopicDefaults
  readonly maxConnections: number // max.connections
  readonly maxConnectionsPerIp: number // max.connections.per.ip
  readonly producerExpirationMs: number // producer.id.expiration.ms
  readonly cleaner: LiveCleanerValues
  readonly groups: LiveGroupValues
  readonly transactions: LiveTransactionValues
}

/** What is set for the cleaner of compacted logs as a whole. */
export interface LiveCleanerValues {
  readonly threads: number // log.cleaner.threads
  readonly dedupeBufferBytes: number // log.cleaner.dedupe.buffer.size
  readonly loadFactor: number // log.cleaner.io.buffer.load.factor
  readonly maxBytesPerSecond: number // log.cleaner.io.max.bytes.per.second
  readonly backoffMs: number // log.cleaner.backoff.ms
}

/** The two layers that change at run time. */
export type DynamicLayer = 'dynamicBroker' | 'dynamicDefault'

export type SettingsListener = (current: LiveValues, before: LiveValues) => void

/**
 * The broker's settings as they stand: what it was started with, and what was changed since, by Kafka's precedence. Whoever
 * reads a setting each time it is used reads `current`; whoever keeps it subscribes.
 */
export class LiveSettings {
  private layersNow: BrokerLayers
  private values: LiveValues
  private readonly listeners = new Set<SettingsListener>()

  constructor(statics: Configs) {
    this.layersNow = { dynamicBroker: {}, dynamicDefault: {}, statics }
    this.values = valuesOf(this.layersNow)
  }

  get current(): LiveValues {
    return this.values
  }

  get layers(): BrokerLayers {
    return this.layersNow
  }

  /** Typed values of a topic that sets `configs` itself, as of now. */
  topic(configs: Configs): TopicSettings {
    const { values, sources } = this.values.topicDefaults
    return new TopicSettings(configs, values, sources)
  }

  /** Puts `configs` in the place of a layer. Returns the names that are left out because this release refuses them. */
  replace(layer: DynamicLayer, configs: Configs): string[] {
    const taken: Record<string, string> = {}
    const refused: string[] = []
    for (const [name, text] of Object.entries(configs)) {
      const definition = brokerDefinitions.get(name)
      if (definition?.update !== 'cluster-wide' || refuseBrokerConfig(name, text) !== undefined) {
        refused.push(name)
        continue
      }
      const parsed = parseConfig(definition, text)
      if (parsed.ok) taken[name] = parsed.value
    }
    const before = this.values
    this.layersNow = { ...this.layersNow, [layer]: taken }
    this.values = valuesOf(this.layersNow)
    for (const listener of [...this.listeners]) listener(this.values, before)
    return refused
  }

  /** Calls `listener` with each change, in the turn in which it happens, until the returned function is called. */
  onChange(listener: SettingsListener): () => void {
    this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }
}

function valuesOf(layers: BrokerLayers): LiveValues {
  const text = (name: string): string => brokerConfigEntries(name, layers)[0]!.value
  const number = (name: string): number => parseNumber(text(name))
  return {
    topicDefaults: topicDefaults(layers),
    maxConnections: number('max.connections'),
    maxConnectionsPerIp: number('max.connections.per.ip'),
    producerExpirationMs: number('producer.id.expiration.ms'),
    cleaner: {
      threads: number('log.cleaner.threads'),
      dedupeBufferBytes: number('log.cleaner.dedupe.buffer.size'),
      loadFactor: number('log.cleaner.io.buffer.load.factor'),
      maxBytesPerSecond: number('log.cleaner.io.max.bytes.per.second'),
      backoffMs: number('log.cleaner.backoff.ms'),
    },
    groups: groupValues(text),
    transactions: transactionValues(text),
  }
}
