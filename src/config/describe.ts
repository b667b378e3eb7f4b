import { brokerDefinitions, brokerSynonyms } from './broker-definitions.ts'
import {
  type BrokerLayers,
  brokerConfigEntries,
  brokerEntries,
  type ConfigEntry,
  ConfigSource,
} from './broker-layers.ts'
import { type ConfigDefinition, type Configs, isSensitive, parseConfig } from './definition.ts'
import {
  brokerDocumentationOf,
  clientMetricsDocumentationOf,
  groupDocumentationOf,
  topicDocumentationOf,
} from './documentation.ts'
import { clientMetricsDefinitions, groupConfigEntries, groupDefinitions } from './group-definitions.ts'
import { topicDefinitions } from './topic-definitions.ts'
import type { TopicSettings } from './topic-settings.ts'

/** One config as DescribeConfigs tells it. */
export interface DescribedConfig {
  readonly name: string
  readonly value: string | null
  readonly readOnly: boolean
  readonly configSource: ConfigSource
  readonly isSensitive: boolean
  readonly synonyms: readonly { readonly name: string; readonly value: string | null; readonly source: ConfigSource }[]
  readonly configType: number
  readonly documentation: string | null
}

/** What was asked for. */
export interface DescribeOptions {
  /** Undefined: all of them. */
  readonly names: ReadonlySet<string> | undefined
  readonly synonyms: boolean
  readonly documentation: boolean
}

export function describeTopic(
  own: Configs,
  settings: TopicSettings,
  layers: BrokerLayers,
  options: DescribeOptions,
): DescribedConfig[] {
  return asked(topicDefinitions, options).map(definition => {
    const { name } = definition
    const value = settings.text(name)
    const broker = brokerEntries(
      brokerSynonyms(name).map(synonym => synonym.name),
      layers,
    )
    const entries = Object.hasOwn(own, name) ? [{ name, value, source: ConfigSource.topic }, ...broker] : broker
    return described(definition, value, entries, false, options, topicDocumentationOf)
  })
}

/** Everything that this broker runs with. */
export function describeBroker(layers: BrokerLayers, options: DescribeOptions): DescribedConfig[] {
  return asked(brokerDefinitions, options).map(definition => {
    const entries = brokerConfigEntries(definition.name, layers)
    const readOnly = definition.update === 'read-only'
    return described(definition, entries[0]?.value ?? null, entries, readOnly, options, brokerDocumentationOf)
  })
}

/** What was changed for all brokers. */
export function describeBrokerDefaults({ dynamicDefault }: BrokerLayers, options: DescribeOptions): DescribedConfig[] {
  return asked(brokerDefinitions, options)
    .filter(({ name }) => Object.hasOwn(dynamicDefault, name))
    .map(definition => {
      const { name } = definition
      const entries = [{ name, value: dynamicDefault[name]!, source: ConfigSource.dynamicDefaultBroker }]
      return described(definition, dynamicDefault[name]!, entries, false, options, brokerDocumentationOf)
    })
}

export function describeGroup(own: Configs, layers: BrokerLayers, options: DescribeOptions): DescribedConfig[] {
  return asked(groupDefinitions, options).map(definition => {
    const entries = groupConfigEntries(definition.name, own, layers)
    return described(definition, entries[0]!.value, entries, false, options, groupDocumentationOf)
  })
}

export function describeClientMetrics(own: Configs, options: DescribeOptions): DescribedConfig[] {
  return asked(clientMetricsDefinitions, options).map(definition => {
    const set = ownEntries(definition, own, ConfigSource.clientMetrics)
    const value = set[0]?.value ?? definition.default
    return described(definition, value, set, false, options, clientMetricsDocumentationOf)
  })
}

function ownEntries(definition: ConfigDefinition, own: Configs, source: ConfigSource): ConfigEntry[] {
  const { name } = definition
  if (!Object.hasOwn(own, name)) return []
  const parsed = parseConfig(definition, own[name]!)
  return parsed.ok ? [{ name, value: parsed.value, source }] : []
}

function asked<D extends ConfigDefinition>(definitions: ReadonlyMap<string, D>, { names }: DescribeOptions): D[] {
  const all = [...definitions.values()]
  return names === undefined ? all : all.filter(({ name }) => names.has(name))
}

function described(
  definition: ConfigDefinition,
  value: string | null,
  entries: readonly ConfigEntry[],
  readOnly: boolean,
  options: DescribeOptions,
  documentationOf: (name: string) => string | null,
): DescribedConfig {
  const sensitive = isSensitive(definition)
  const shown = (text: string | null) => (sensitive ? null : text)
  return {
    name: definition.name,
    value: shown(value),
    readOnly,
    configSource: entries[0]?.source ?? ConfigSource.default,
    isSensitive: sensitive,
    synonyms: options.synonyms ? entries.map(entry => ({ ...entry, value: shown(entry.value) })) : [],
    configType: definition.type,
    documentation: options.documentation ? documentationOf(definition.name) : null,
  }
}
