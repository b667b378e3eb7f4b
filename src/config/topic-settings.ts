import { ConfigSource } from './broker-layers.ts'
import { type Configs, parseBoolean, parseConfig, parseList, parseNumber } from './definition.ts'
import { topicDefault, topicDefinitions } from './topic-definitions.ts'

/** Values of one topic, typed: what it sets itself, else what the broker is set to, else the default. */
export class TopicSettings {
  private readonly configs: Configs
  private readonly brokerConfigs: Configs
  private readonly brokerSources: Readonly<Record<string, ConfigSource>>

  /** `brokerConfigs`: the broker's settings under the names that topics use, and where each comes from. */
  constructor(configs: Configs, brokerConfigs: Configs, brokerSources: Readonly<Record<string, ConfigSource>> = {}) {
    this.configs = configs
    this.brokerConfigs = brokerConfigs
    this.brokerSources = brokerSources
  }

  /** As Kafka prints it. */
  text(name: string): string {
    const own = Object.hasOwn(this.configs, name) ? this.configs[name] : this.brokerConfigs[name]
    if (own === undefined) return topicDefault(name)
    const definition = topicDefinitions.get(name)
    if (definition === undefined) return own
    const parsed = parseConfig(definition, own)
    // A value that an earlier release took counts for nothing once it is refused.
    return parsed.ok ? parsed.value : topicDefault(name)
  }

  source(name: string): ConfigSource {
    if (Object.hasOwn(this.configs, name)) return ConfigSource.topic
    if (!Object.hasOwn(this.brokerConfigs, name)) return ConfigSource.default
    return this.brokerSources[name] ?? ConfigSource.staticBroker
  }

  /** Values past 2^53 count as 2^53 - 1: both mean "never". */
  number(name: string): number {
    return parseNumber(this.text(name))
  }

  flag(name: string): boolean {
    return parseBoolean(this.text(name))
  }

  list(name: string): string[] {
    return parseList(this.text(name))
  }
}
