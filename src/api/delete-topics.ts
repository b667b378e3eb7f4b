import type { Logger } from '../base/logger.ts'
import { ErrorCode, errorMessage, type ResponseInput, type Uuid, zeroUuid } from '../protocol/index.ts'
import { deleteTopics } from '../protocol/schema/delete-topics.ts'
import type { TopicLifecycle } from '../replication/topic-lifecycle.ts'
import { type ApiHandler, serve } from './serve.ts'

/**
 * DeleteTopics v1-6, by name or (v6) by id. A topic that is answered is gone, with its files; one that is named twice in
 * a request is refused, once.
 */
export function serveDeleteTopics(topics: TopicLifecycle, deleteEnabled: boolean, logger: Logger): ApiHandler {
  return serve(deleteTopics, { min: 1, max: 6 }, async (request, { apiVersion }) => {
    const targets: Target[] =
      apiVersion >= 6 ? request.topics : request.topicNames.map(name => ({ name, topicId: zeroUuid }))
    const times = new Map<string, number>()
    for (const target of targets) times.set(keyOf(target), (times.get(keyOf(target)) ?? 0) + 1)
    const responses: TopicResponse[] = []
    for (const target of targets) {
      const count = times.get(keyOf(target))
      if (count === undefined) continue
      times.delete(keyOf(target))
      responses.push(count > 1 ? namedTwice(target) : await deleteOne(target, apiVersion))
    }
    return { responses }
  })

  async function deleteOne(target: Target, apiVersion: number): Promise<TopicResponse> {
    const answer = (errorCode: ErrorCode, found?: { name: string; id: Uuid }): TopicResponse => ({
      name: found?.name ?? target.name,
      topicId: found?.id ?? target.topicId,
      errorCode,
      errorMessage: errorCode === ErrorCode.NONE ? null : errorMessage(errorCode),
    })
    // Before v3 clients do not know TOPIC_DELETION_DISABLED.
    if (!deleteEnabled) return answer(apiVersion < 3 ? ErrorCode.INVALID_REQUEST : ErrorCode.TOPIC_DELETION_DISABLED)
    if ((target.name === null) === (target.topicId === zeroUuid)) return answer(ErrorCode.INVALID_REQUEST)
    try {
      const outcome = await topics.delete(target.name === null ? { id: target.topicId } : { name: target.name })
      return answer(outcome.code, outcome.topic)
    } catch (error) {
      logger.error({ topic: target.name ?? target.topicId, error: String(error) }, 'a topic could not be deleted')
      return answer(ErrorCode.KAFKA_STORAGE_ERROR)
    }
  }
}

interface Target {
  readonly name: string | null
  readonly topicId: Uuid
}
type TopicResponse = ResponseInput<typeof deleteTopics>['responses'][number]

const keyOf = ({ name, topicId }: Target): string => (name === null ? `id ${topicId}` : `name ${name}`)

const namedTwice = ({ name, topicId }: Target): TopicResponse => ({
  name,
  topicId,
  errorCode: ErrorCode.INVALID_REQUEST,
  errorMessage: 'Duplicate topic name.',
})
