import { brokerDefinitions, brokerSynonyms, inTopicUnit, siblings } from './broker-definitions.ts'
import { type Configs, parseConfig } from './definition.ts'
import { topicDefinitions } from './topic-definitions.ts'

/** Where a value comes from, in Kafka's numbers. */
export const ConfigSource = {
  topic: 1,
  dynamicBroker: 2,
  dynamicDefaultBroker: 3,
  staticBroker: 4,
  default: 5,
  brokerLogger: 6,
  clientMetrics: 7,
  group: 8,
} as const
export type ConfigSource = (typeof ConfigSource)[keyof typeof ConfigSource]

/** What was set, by where: the first that has a value wins. Values are in their canonical form. */
export interface BrokerLayers {
  /** Changed at run time, for this broker. */
  readonly dynamicBroker: Configs
  /** Changed at run time, for all brokers. */
  readonly dynamicDefault: Configs
  /** What the broker was started with. */
  readonly statics: Configs
}

/** A value that a config has, or would have if those before it were not set. */
export interface ConfigEntry {
  readonly name: string
  readonly value: string
  readonly source: ConfigSource
}

/** Everything that sets one of `names`, what wins first; the default of each comes last. */
export function brokerEntries(names: readonly string[], layers: BrokerLayers): ConfigEntry[] {
  const entries: ConfigEntry[] = []
  const collect = (configs: Configs, source: ConfigSource) => {
    for (const name of names) if (Object.hasOwn(configs, name)) entries.push({ name, value: configs[name]!, source })
  }
  collect(layers.dynamicBroker, ConfigSource.dynamicBroker)
  collect(layers.dynamicDefault, ConfigSource.dynamicDefaultBroker)
  collect(layers.statics, ConfigSource.staticBroker)
  for (const name of names) {
    const value = brokerDefinitions.get(name)?.default
    if (value !== null && value !== undefined) entries.push({ name, value, source: ConfigSource.default })
  }
  return entries
}

/** What a broker config is set to under its own name, and what that hides; finer units of the same setting are left out. */
export function brokerConfigEntries(name: string, layers: BrokerLayers): ConfigEntry[] {
  const entries = brokerEntries(siblings(name), layers)
  const first = entries.findIndex(entry => entry.name === name)
  return first < 0 ? [] : entries.slice(first)
}

/** What topics are given that do not set a config themselves, under the names of topic configs. */
export interface TopicDefaults {
  readonly values: Configs
  readonly sources: Readonly<Record<string, ConfigSource>>
}

export function topicDefaults(layers: BrokerLayers): TopicDefaults {
  const values: Record<string, string> = {}
  const sources: Record<string, ConfigSource> = {}
  for (const name of topicDefinitions.keys()) {
    const synonyms = brokerSynonyms(name)
    const [winner] = brokerEntries(
      synonyms.map(synonym => synonym.name),
      layers,
    )
    if (winner === undefined || winner.source === ConfigSource.default) continue
    const synonym = synonyms.find(each => each.name === winner.name)!
    values[name] = inTopicUnit(winner.value, synonym, name)
    sources[name] = winner.source
  }
  return { values, sources }
}

/** Why a broker config may not have this value, judged also as the topic config that it gives a default to. */
export function refuseBrokerConfig(name: string, text: string): string | undefined {
  const parsed = parseConfig(brokerDefinitions.get(name)!, text)
  if (!parsed.ok) return parsed.error
  for (const [topicName, definition] of topicDefinitions) {
    const synonym = brokerSynonyms(topicName).find(each => each.name === name)
    if (synonym === undefined) continue
    const asTopic = parseConfig({ ...definition, name }, inTopicUnit(parsed.value, synonym, topicName))
    return asTopic.ok ? undefined : asTopic.error
  }
  return undefined
}
