import { err, ok, type Result } from '../base/result.ts'
import { ErrorCode } from '../protocol/index.ts'
import { brokerDefinitions } from './broker-definitions.ts'
import { type BrokerLayers, brokerConfigEntries, refuseBrokerConfig, topicDefaults } from './broker-layers.ts'
import { type Configs, ConfigType, type Definitions, parseConfig } from './definition.ts'
import { refuseGroupValues } from './group-values.ts'
import type { DynamicLayer } from './live-settings.ts'
import { refuseTogether, topicDefinitions } from './topic-definitions.ts'
import { TopicSettings } from './topic-settings.ts'

/** Decisions about changes of configs. Pure: nothing has happened yet. */

export interface ConfigRefusal {
  readonly code: ErrorCode
  readonly message: string
}
const refuse = (code: ErrorCode, message: string): { ok: false; error: ConfigRefusal } => err({ code, message })

/** What IncrementalAlterConfigs does with one config, in its numbers. */
export const ConfigOperation = { set: 0, delete: 1, append: 2, subtract: 3 } as const

export interface ConfigChange {
  readonly name: string
  readonly operation: number
  readonly value: string | null
}

/** Says what becomes of the configs that a resource has. */
export type Decide = (current: Configs) => Result<Configs, ConfigRefusal>

/** Kafka's checks of a request's form, the same for every kind of resource. */
export function refuseForm(changes: readonly ConfigChange[]): ConfigRefusal | undefined {
  if (new Set(changes.map(({ name }) => name)).size !== changes.length)
    return { code: ErrorCode.INVALID_REQUEST, message: 'Error due to duplicate config keys' }
  const nulls = changes.filter(({ value, operation }) => value === null && operation !== ConfigOperation.delete)
  if (nulls.length === 0) return undefined
  const names = nulls.map(({ name }) => name).join(', ')
  return { code: ErrorCode.INVALID_REQUEST, message: `Null value not supported for : ${names}` }
}

/** All configs of the resource become those that are given: AlterConfigs. */
export function replaceAll(changes: readonly ConfigChange[]): Decide {
  return () => ok(Object.fromEntries(changes.map(({ name, value }) => [name, value ?? ''])))
}

/** Each change by itself, the others stay: IncrementalAlterConfigs. Lists grow from what the resource has, or the default. */
export function applyChanges(
  changes: readonly ConfigChange[],
  known: Definitions,
  refuseList: (name: string, operation: number) => string = noList,
): Decide {
  return current => {
    const configs = new Map(Object.entries(current))
    for (const { name, operation, value } of changes) {
      switch (operation) {
        case ConfigOperation.set:
          configs.set(name, value ?? '')
          break
        case ConfigOperation.delete:
          configs.delete(name)
          break
        case ConfigOperation.append:
        case ConfigOperation.subtract: {
          const definition = known.get(name)
          if (definition?.type !== ConfigType.list) return refuse(ErrorCode.INVALID_CONFIG, refuseList(name, operation))
          const items = listItems(configs.get(name) ?? definition.default ?? '')
          const given = listItems(value ?? '')
          const left =
            operation === ConfigOperation.append ? [...items, ...given] : items.filter(item => !given.includes(item))
          configs.set(name, [...new Set(left)].join(','))
          break
        }
        default:
          return refuse(ErrorCode.INVALID_REQUEST, `Unknown operations type ${operation}`)
      }
    }
    return ok(Object.fromEntries(configs))
  }
}

const verb = (operation: number): 'append' | 'subtract' =>
  operation === ConfigOperation.append ? 'append' : 'subtract'
const noList = (name: string, operation: number): string =>
  `Can't ${verb(operation).toUpperCase()} to key ${name} because its type is not LIST.`

/** Kafka says it in other words of brokers. */
export const noBrokerList = (name: string, operation: number): string =>
  brokerDefinitions.has(name)
    ? `Config value ${verb(operation)} is not allowed for config key: ${name}`
    : `Unknown config name: ${name}`

const listItems = (text: string): string[] =>
  text
    .split(',')
    .map(item => item.trim())
    .filter(item => item !== '')

/** Why a topic may not have these configs, where brokers give it `defaults`. */
export function refuseTopicConfigs(configs: Configs, defaults: Configs): ConfigRefusal | undefined {
  const refused = (message: string): ConfigRefusal => ({ code: ErrorCode.INVALID_CONFIG, message })
  for (const [name, text] of Object.entries(configs)) {
    const definition = topicDefinitions.get(name)
    if (definition === undefined) return refused(`Unknown topic config name: ${name}`)
    const parsed = parseConfig(definition, text)
    if (!parsed.ok) return refused(parsed.error)
  }
  const settings = new TopicSettings(configs, defaults)
  const together = refuseTogether(name => settings.text(name))
  return together === undefined ? undefined : refused(together)
}

/** Why `layer` of a broker's configs may not become `configs`. Kafka answers wrong values of brokers as INVALID_REQUEST. */
export function refuseBrokerConfigs(
  configs: Configs,
  layer: DynamicLayer,
  layers: BrokerLayers,
): ConfigRefusal | undefined {
  const names = Object.keys(configs)
  const readOnly = names.filter(name => brokerDefinitions.get(name)?.update === 'read-only').sort()
  if (readOnly.length > 0)
    return {
      code: ErrorCode.INVALID_REQUEST,
      message: `Cannot update these configs dynamically: [${readOnly.join(', ')}]`,
    }
  // Kafka keeps names that it does not know, for plug-ins. Here nobody would read them, so they are refused.
  const unknown = names.find(name => !brokerDefinitions.has(name))
  if (unknown !== undefined) return { code: ErrorCode.INVALID_CONFIG, message: `Unknown config name: ${unknown}` }
  for (const name of names) {
    const message = refuseBrokerConfig(name, configs[name]!)
    if (message !== undefined) return { code: ErrorCode.INVALID_REQUEST, message }
  }
  const changed = { ...layers, [layer]: configs }
  const settings = new TopicSettings({}, topicDefaults(changed).values)
  const message =
    refuseTogether(name => settings.text(name)) ??
    refuseGroupValues(name => brokerConfigEntries(name, changed)[0]!.value)
  return message === undefined ? undefined : { code: ErrorCode.INVALID_REQUEST, message }
}
