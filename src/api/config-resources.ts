import { isLogLevel, type LevelledLogger, logLevels } from '../base/log-level.ts'
import type { Result } from '../base/result.ts'
import { brokerDefinitions } from '../config/broker-definitions.ts'
import {
  applyChanges,
  type ConfigChange,
  ConfigOperation,
  type ConfigRefusal,
  type Decide,
  noBrokerList,
  refuseBrokerConfigs,
  refuseForm,
  replaceAll,
} from '../config/change.ts'
import type { Configs, Definitions } from '../config/definition.ts'
import {
  clientMetricsDefinitions,
  groupDefinitions,
  refuseClientMetrics,
  refuseGroupConfigs,
} from '../config/group-definitions.ts'
import type { LiveSettings } from '../config/live-settings.ts'
import { ConfigResourceType } from '../config/resources.ts'
import { topicDefinitions } from '../config/topic-definitions.ts'
import { refuseTopicName } from '../metadata/create-topic.ts'
import type { DynamicConfigs, DynamicResource } from '../metadata/dynamic-configs.ts'
import { ErrorCode } from '../protocol/index.ts'
import type { TopicConfigChanges } from '../replication/topic-configs.ts'

/** What the APIs that change configs work on. */
export interface ConfigParts {
  readonly nodeId: number
  readonly live: LiveSettings
  readonly dynamic: DynamicConfigs
  readonly topics: TopicConfigChanges
  readonly logger: LevelledLogger
}

/** One resource of a request. */
export interface ConfigRequest {
  readonly resourceType: number
  readonly resourceName: string
  readonly configs: readonly ConfigChange[]
}

/** `replace`: the configs that are named become all that the resource has. */
export interface AlterMode {
  readonly replace: boolean
  readonly validateOnly: boolean
}

type Outcome = ConfigRefusal | undefined

const invalid = (message: string): ConfigRefusal => ({ code: ErrorCode.INVALID_REQUEST, message })

/** The only logger there is; Kafka gives the root logger this name. */
export const rootLogger = 'root'

/** Changes the configs of one resource, whole or not at all. Rejects when the metadata cannot be written. */
export async function alterResource(parts: ConfigParts, request: ConfigRequest, mode: AlterMode): Promise<Outcome> {
  const { resourceType: type, resourceName: name, configs } = request
  const malformed = refuseForm(configs)
  if (malformed !== undefined) return malformed
  const decideBy = (known: Definitions, refuseList?: (name: string, operation: number) => string): Decide =>
    mode.replace ? replaceAll(configs) : applyChanges(configs, known, refuseList)
  switch (type) {
    case ConfigResourceType.topic:
      return await alterTopic(parts, name, decideBy(topicDefinitions), mode)
    case ConfigResourceType.broker:
      return await alterBroker(parts, name, decideBy(brokerDefinitions, noBrokerList), mode)
    case ConfigResourceType.clientMetrics:
      if (name === '') return invalid("Subscription name can't be empty")
      return await alterStored(
        parts,
        'client-metrics',
        name,
        decideBy(clientMetricsDefinitions),
        mode,
        refuseClientMetrics,
      )
    case ConfigResourceType.group:
      if (name === '') return invalid('Default group resources are not allowed.')
      return await alterStored(parts, 'group', name, decideBy(groupDefinitions), mode, configs =>
        refuseGroupConfigs(configs, parts.live.layers),
      )
    case ConfigResourceType.brokerLogger:
      // AlterConfigs does not know loggers.
      return mode.replace ? unknownType(type) : alterLogger(parts, name, configs, mode)
    default:
      return unknownType(type)
  }
}

const unknownType = (type: number): ConfigRefusal => invalid(`Unknown resource type ${type}`)

async function alterTopic(parts: ConfigParts, name: string, decide: Decide, mode: AlterMode): Promise<Outcome> {
  if (name === '') return invalid('Default topic resources are not allowed.')
  const badName = refuseTopicName(name)
  if (badName !== undefined) return { code: ErrorCode.INVALID_TOPIC_EXCEPTION, message: badName }
  return refusalOf(mode.validateOnly ? parts.topics.plan(name, decide) : await parts.topics.change(name, decide))
}

async function alterBroker(parts: ConfigParts, name: string, decide: Decide, mode: AlterMode): Promise<Outcome> {
  const stranger = refuseNode(parts, name, 'Unexpected broker id, expected')
  if (name !== '' && stranger !== undefined) return stranger
  const layer = name === '' ? 'dynamicDefault' : 'dynamicBroker'
  const refuse = (configs: Configs) => refuseBrokerConfigs(configs, layer, parts.live.layers)
  const outcome = await alterStored(parts, 'broker', name, decide, mode, refuse)
  await parts.topics.spreadOut()
  return outcome
}

async function alterStored(
  { dynamic }: ConfigParts,
  resource: DynamicResource,
  name: string,
  decide: Decide,
  mode: AlterMode,
  refuse: (configs: Configs) => Outcome,
): Promise<Outcome> {
  const checked: Decide = current => {
    const decided = decide(current)
    const refused = decided.ok ? refuse(decided.value) : undefined
    return refused === undefined ? decided : { ok: false, error: refused }
  }
  return refusalOf(
    mode.validateOnly ? checked(dynamic.get(resource, name)) : await dynamic.change(resource, name, checked),
  )
}

/** Levels of loggers are not kept: a restart begins at INFO, as in Kafka with what its own file says. */
function alterLogger(parts: ConfigParts, name: string, changes: readonly ConfigChange[], mode: AlterMode): Outcome {
  const stranger = refuseNode(parts, name, 'Unexpected node id. Expected')
  if (stranger !== undefined) return stranger
  for (const change of changes) {
    const refused = refuseLevel(change)
    if (refused !== undefined) return refused
  }
  if (mode.validateOnly) return undefined
  for (const { value } of changes) if (value !== null && isLogLevel(value)) parts.logger.level = value
  return undefined
}

function refuseLevel({ name, operation, value }: ConfigChange): Outcome {
  const { set, delete: unset, append, subtract } = ConfigOperation
  const notAllowed = (what: string) => invalid(`${what} is not allowed for the BROKER_LOGGER resource`)
  if (operation === append) return notAllowed('APPEND operation')
  if (operation === subtract) return notAllowed('SUBTRACT operation')
  if (operation !== set && operation !== unset) return notAllowed(`Unknown operation type ${operation}`)
  if (name !== rootLogger) return { code: ErrorCode.INVALID_CONFIG, message: `Logger ${name} does not exist!` }
  if (operation === unset) return invalid(`Removing the log level of the ${rootLogger} logger is not allowed`)
  if (value !== null && isLogLevel(value)) return undefined
  return {
    code: ErrorCode.INVALID_CONFIG,
    message:
      `Cannot set the log level of ${name} to ${value} as it is not a supported log level. ` +
      `Valid log levels are ${[...logLevels].sort().join(', ')}`,
  }
}

function refuseNode({ nodeId }: ConfigParts, name: string, unexpected: string): Outcome {
  if (!/^[+-]?\d+$/.test(name)) return invalid(`Node id must be an integer, but it is: ${name}`)
  return Number(name) === nodeId ? undefined : invalid(`${unexpected} ${nodeId}, but received ${name}`)
}

const refusalOf = (result: Result<Configs, ConfigRefusal>): Outcome => (result.ok ? undefined : result.error)
