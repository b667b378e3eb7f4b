import type { Logger } from '../base/logger.ts'
import type { Result } from '../base/result.ts'
import type { NewTopic, Refusal } from '../metadata/create-topic.ts'
import type { TopicImage } from '../metadata/image.ts'
import { type TopicConfigs, TopicSettings, topicConfigNames } from '../metadata/topic-config.ts'
import { ErrorCode, type RequestOf, type ResponseInput } from '../protocol/index.ts'
import { createTopics } from '../protocol/schema/create-topics.ts'
import type { TopicLifecycle } from '../replication/topic-lifecycle.ts'
import { type ApiHandler, serve } from './serve.ts'

/**
 * CreateTopics v2-7: topics with counts or explicit assignments and configs; validateOnly changes nothing. A topic named
 * twice is refused. When a topic is answered it can be written; each topic succeeds or fails alone.
 */
export function serveCreateTopics(topics: TopicLifecycle, brokerConfigs: TopicConfigs, logger: Logger): ApiHandler {
  return serve(createTopics, { min: 2, max: 7 }, async request => {
    const names = new Map<string, number>()
    for (const { name } of request.topics) names.set(name, (names.get(name) ?? 0) + 1)
    const results: TopicResponse[] = []
    for (const [name, count] of names) {
      const asked = request.topics.find(topic => topic.name === name)!
      if (count > 1) results.push(refused(name, ErrorCode.INVALID_REQUEST, 'Duplicate topic name.'))
      else results.push(await createOne(asked))
    }
    return { topics: results }

    async function createOne(asked: AskedTopic): Promise<TopicResponse> {
      const indexes = new Set(asked.assignments.map(({ partitionIndex }) => partitionIndex))
      if (indexes.size !== asked.assignments.length)
        return refused(asked.name, ErrorCode.INVALID_REPLICA_ASSIGNMENT, 'A partition is assigned twice.')
      let created: Result<TopicImage, Refusal>
      try {
        created = request.validateOnly ? topics.plan(newTopic(asked)) : await topics.create(newTopic(asked))
      } catch (error) {
        logger.error({ topic: asked.name, error: String(error) }, 'a topic could not be created')
        return refused(asked.name, ErrorCode.KAFKA_STORAGE_ERROR, 'The topic could not be written to the metadata log.')
      }
      return created.ok
        ? described(created.value, brokerConfigs)
        : refused(asked.name, created.error.code, created.error.message)
    }
  })
}

type AskedTopic = RequestOf<typeof createTopics>['topics'][number]
type TopicResponse = ResponseInput<typeof createTopics>['topics'][number]

function newTopic(asked: AskedTopic): NewTopic {
  return {
    name: asked.name,
    numPartitions: asked.numPartitions,
    replicationFactor: asked.replicationFactor,
    assignments: new Map(asked.assignments.map(({ partitionIndex, brokerIds }) => [partitionIndex, brokerIds])),
    configs: asked.configs,
  }
}

function described(topic: TopicImage, brokerConfigs: TopicConfigs): TopicResponse {
  const settings = new TopicSettings(topic.configs, brokerConfigs)
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

function refused(name: string, errorCode: ErrorCode, errorMessage: string): TopicResponse {
  return { name, errorCode, errorMessage, configs: [] }
}
