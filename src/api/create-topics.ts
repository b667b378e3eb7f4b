import type { Logger } from '../base/logger.ts'
import type { Result } from '../base/result.ts'
import type { Clock } from '../base/world.ts'
import { type NewTopic, tooManyPartitions } from '../metadata/create-topic.ts'
import type { TopicImage } from '../metadata/image.ts'
import { maxPartitionsPerRequest, type Refusal } from '../metadata/placement.ts'
import { type TopicSettings, topicConfigNames } from '../metadata/topic-config.ts'
import { ErrorCode, type ResponseInput } from '../protocol/index.ts'
import { createTopics } from '../protocol/schema/create-topics.ts'
import type { TopicLifecycle } from '../replication/topic-lifecycle.ts'
import { type ApiHandler, serve } from './serve.ts'
import { TurnShare } from './turn-share.ts'

/**
 * CreateTopics v2-7: topics with counts or explicit assignments and configs; validateOnly changes nothing. Each topic
 * succeeds or fails alone, one that is named twice is refused once; when a topic is answered it can be written. One request
 * asks for at most 10,000 partitions, as in Kafka. Topics that were not begun when `timeoutMs` was over are
 * REQUEST_TIMED_OUT and not made.
 */
export function serveCreateTopics(
  topics: TopicLifecycle,
  settingsOf: (topic: TopicImage) => TopicSettings,
  clock: Clock,
  logger: Logger,
): ApiHandler {
  return serve(createTopics, { min: 2, max: 7, wide: true }, async (request, context) => {
    const deadlineMs = clock.monotonicMs() + request.timeoutMs
    const share = new TurnShare(context)
    const times = new Map<string, number>()
    let partitions = 0
    for (const asked of request.topics) {
      const count = (times.get(asked.name) ?? 0) + 1
      times.set(asked.name, count)
      if (count === 1) partitions += topics.partitionsAsked(asked)
      const due = share.spend()
      if (due !== undefined) await due
    }
    const results: TopicResponse[] = []
    for (const asked of request.topics) {
      const count = times.get(asked.name)
      if (count === undefined) continue
      times.delete(asked.name)
      if (count > 1) results.push(refused(asked.name, ErrorCode.INVALID_REQUEST, 'Duplicate topic name.'))
      else if (partitions > maxPartitionsPerRequest)
        results.push(refused(asked.name, ErrorCode.POLICY_VIOLATION, tooManyPartitions))
      else if (clock.monotonicMs() >= deadlineMs) results.push(refused(asked.name, ErrorCode.REQUEST_TIMED_OUT, null))
      else results.push(await createOne(asked, request.validateOnly))
      const due = share.spend(results.at(-1)!.errorCode === ErrorCode.NONE ? unitsPerTopic : 1)
      if (due !== undefined) await due
    }
    return { topics: results }
  })

  async function createOne(asked: NewTopic, validateOnly: boolean): Promise<TopicResponse> {
    let created: Result<TopicImage, Refusal>
    try {
      created = validateOnly ? topics.plan(asked) : await topics.create(asked)
    } catch (error) {
      logger.error({ topic: asked.name, error: String(error) }, 'a topic could not be created')
      return refused(asked.name, ErrorCode.KAFKA_STORAGE_ERROR, 'The topic could not be written to the metadata log.')
    }
    return created.ok
      ? described(created.value, settingsOf(created.value))
      : refused(asked.name, created.error.code, created.error.message)
  }
}

/** A topic is checked, and all its configs are told. */
const unitsPerTopic = 30

type TopicResponse = ResponseInput<typeof createTopics>['topics'][number]

function described(topic: TopicImage, settings: TopicSettings): TopicResponse {
  return {
    name: topic.name,
    topicId: topic.id,
    errorCode: ErrorCode.NONE,
    errorMessage: null,
    numPartitions: topic.partitions.length,
    replicationFactor: topic.partitions[0]!.replicas.length,
    configs: topicConfigNames.map(name => ({
      name,
      value: settings.text(name),
      readOnly: false,
      configSource: settings.source(name),
      isSensitive: false,
    })),
  }
}

function refused(name: string, errorCode: ErrorCode, errorMessage: string | null): TopicResponse {
  return { name, errorCode, errorMessage, configs: [] }
}
