import type { LevelledLogger } from '../base/log-level.ts'
import { err, ok, type Result } from '../base/result.ts'
import { ConfigSource } from '../config/broker-layers.ts'
import {
  type DescribedConfig,
  type DescribeOptions,
  describeBroker,
  describeBrokerDefaults,
  describeClientMetrics,
  describeGroup,
  describeTopic,
} from '../config/describe.ts'
import type { LiveSettings } from '../config/live-settings.ts'
import { ConfigResourceType } from '../config/resources.ts'
import { refuseTopicName } from '../metadata/create-topic.ts'
import type { DynamicConfigs } from '../metadata/dynamic-configs.ts'
import type { ClusterImage } from '../metadata/image.ts'
import { ErrorCode, errorMessage, type RequestOf, type ResponseInput } from '../protocol/index.ts'
import { describeConfigs } from '../protocol/schema/describe-configs.ts'
import { rootLogger } from './config-resources.ts'
import { type ApiHandler, serve } from './serve.ts'
import { TurnShare } from './turn-share.ts'

/** What DescribeConfigs reads. */
export interface DescribeParts {
  readonly nodeId: number
  readonly image: ClusterImage
  readonly live: LiveSettings
  readonly dynamic: DynamicConfigs
  readonly logger: LevelledLogger
}

/**
 * DescribeConfigs v1-4: configs of topics, of this broker, of all brokers (the name ''), of the logger, of client metrics
 * subscriptions and of groups, with where each value comes from and what it hides. A kind of resource that does not
 * exist fails alone, where Kafka refuses the whole request. What does not fit into one answer is refused.
 */
export function serveDescribeConfigs(parts: DescribeParts): ApiHandler {
  return serve(describeConfigs, { min: 1, max: 4 }, async (request, context) => {
    const share = new TurnShare(context)
    const memory = new DescribedTopics(parts.live)
    const results: DescribeResult[] = []
    let room = maxAnswerBytes
    for (const resource of request.resources) {
      const { configurationKeys: keys } = resource
      const options: DescribeOptions = {
        names: keys === null || keys.length === 0 ? undefined : new Set(keys),
        synonyms: request.includeSynonyms,
        documentation: request.includeDocumentation,
      }
      const broker = resource.resourceType === ConfigResourceType.broker
      const due = share.spend((broker ? unitsPerBroker : unitsPerResource) + (keys?.length ?? 0))
      if (due !== undefined) await due
      const described = room > 0 ? describe(parts, resource, options, memory) : noRoom
      if (described.ok) room -= described.value.bytes
      results.push(answer(resource, described))
    }
    return { throttleTimeMs: 0, results }
  })
}

type Resource = RequestOf<typeof describeConfigs>['resources'][number]
type DescribeResult = ResponseInput<typeof describeConfigs>['results'][number]
type Outcome = Result<Described, { readonly code: ErrorCode; readonly message: string | null }>

/** About what it takes to describe one resource, in microseconds. */
const unitsPerResource = 100
const unitsPerBroker = 400
/** An answer holds everything at once, and a request may name a topic a hundred thousand times. */
const maxAnswerBytes = 48 << 20

/** Configs, and about how many bytes they take in an answer. */
interface Described {
  readonly configs: readonly DescribedConfig[]
  readonly bytes: number
}

function measured(configs: readonly DescribedConfig[]): Described {
  let bytes = 64
  for (const { name, value, synonyms, documentation } of configs) {
    bytes += 16 + name.length + (value?.length ?? 0) + (documentation?.length ?? 0)
    for (const synonym of synonyms) bytes += 8 + synonym.name.length + (synonym.value?.length ?? 0)
  }
  return { configs, bytes }
}

/** Topics of one request that set the same are described once. */
class DescribedTopics {
  private readonly live: LiveSettings
  private readonly byConfigs = new Map<string, Described>()

  constructor(live: LiveSettings) {
    this.live = live
  }

  describe(configs: Readonly<Record<string, string>>, options: DescribeOptions): Described {
    const { live } = this
    // Settings may change between two topics of a request: what was described before stands for what was then.
    const key = JSON.stringify([configs, options.names === undefined ? null : [...options.names]])
    let described = this.byConfigs.get(key)
    if (described === undefined) {
      described = measured(describeTopic(configs, live.topic(configs), live.layers, options))
      this.byConfigs.set(key, described)
    }
    return described
  }
}

const refuse = (code: ErrorCode, message: string | null): Outcome => err({ code, message })
const invalid = (message: string): Outcome => refuse(ErrorCode.INVALID_REQUEST, message)
const noRoom = invalid('The answer would be too large: ask for fewer resources at once.')

function describe(
  parts: DescribeParts,
  resource: Resource,
  options: DescribeOptions,
  topics: DescribedTopics,
): Outcome {
  const { resourceType, resourceName: name } = resource
  const described = (configs: readonly DescribedConfig[]): Outcome => ok(measured(configs))
  switch (resourceType) {
    case ConfigResourceType.topic: {
      const badName = refuseTopicName(name)
      if (badName !== undefined) return refuse(ErrorCode.INVALID_TOPIC_EXCEPTION, badName)
      const topic = parts.image.topic(name)
      if (topic === undefined) return refuse(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, '')
      return ok(topics.describe(topic.configs, options))
    }
    case ConfigResourceType.broker: {
      if (name === '') return described(describeBrokerDefaults(parts.live.layers, options))
      const refused = refuseNode(parts.nodeId, name, `${parts.nodeId} or empty string,`)
      return refused === undefined ? described(describeBroker(parts.live.layers, options)) : invalid(refused)
    }
    case ConfigResourceType.brokerLogger: {
      if (name === '') return invalid('Broker id must not be empty')
      const refused = refuseNode(parts.nodeId, name, String(parts.nodeId))
      return refused === undefined ? described(describeLogger(parts.logger, options)) : invalid(refused)
    }
    case ConfigResourceType.clientMetrics:
      if (name === '') return invalid('Client metrics subscription name must not be empty')
      return described(describeClientMetrics(parts.dynamic.get('client-metrics', name), options))
    case ConfigResourceType.group:
      if (name === '') return invalid('Group name must not be empty')
      return described(describeGroup(parts.dynamic.get('group', name), parts.live.layers, options))
    default:
      return invalid(errorMessage(ErrorCode.INVALID_REQUEST))
  }
}

function refuseNode(nodeId: number, name: string, expected: string): string | undefined {
  if (!/^[+-]?\d+$/.test(name)) return `Broker id must be an integer, but it is: ${name}`
  return Number(name) === nodeId ? undefined : `Unexpected broker id, expected ${expected} but received ${name}`
}

function describeLogger(logger: LevelledLogger, { names }: DescribeOptions): DescribedConfig[] {
  if (names !== undefined && !names.has(rootLogger)) return []
  return [
    {
      name: rootLogger,
      value: logger.level,
      readOnly: false,
      configSource: ConfigSource.brokerLogger,
      isSensitive: false,
      synonyms: [],
      configType: 0,
      documentation: '',
    },
  ]
}

function answer({ resourceType, resourceName }: Resource, outcome: Outcome): DescribeResult {
  return {
    errorCode: outcome.ok ? ErrorCode.NONE : outcome.error.code,
    errorMessage: outcome.ok ? '' : outcome.error.message,
    resourceType,
    resourceName,
    configs: outcome.ok ? outcome.value.configs : [],
  }
}
