import type { Logger } from '../base/logger.ts'
import type { Clock } from '../base/world.ts'
import type { ClusterImage } from '../metadata/image.ts'
import { ErrorCode, errorMessage, type ResponseInput, type Uuid, zeroUuid } from '../protocol/index.ts'
import { deleteTopics } from '../protocol/schema/delete-topics.ts'
import type { TopicLifecycle } from '../replication/topic-lifecycle.ts'
import { type ApiHandler, serve } from './serve.ts'
import { TurnShare } from './turn-share.ts'

/**
 * DeleteTopics v1-6, by name or (v6) by id. A topic that is answered is gone, with its files; one that is named twice in
 * a request, or by its name and its id, is refused, once. Topics that were not begun when `timeoutMs` was over are
 * REQUEST_TIMED_OUT and stay.
 */
export function serveDeleteTopics(
  topics: TopicLifecycle,
  image: ClusterImage,
  deleteEnabled: boolean,
  clock: Clock,
  logger: Logger,
): ApiHandler {
  return serve(deleteTopics, { min: 1, max: 6, wide: true }, async (request, context) => {
    const { apiVersion } = context
    const deadlineMs = clock.monotonicMs() + request.timeoutMs
    const share = new TurnShare(context)
    const asked: Target[] =
      apiVersion >= firstIdVersion ? request.topics : request.topicNames.map(name => ({ name, topicId: zeroUuid }))
    const times = new Map<string, number>()
    const ids = new Set<Uuid>()
    for (const target of asked) {
      times.set(keyOf(target), (times.get(keyOf(target)) ?? 0) + 1)
      if (target.name === null) ids.add(target.topicId)
      const due = share.spend()
      if (due !== undefined) await due
    }
    const responses: TopicResponse[] = []
    const named = await idsOfNames(asked, image, ids, share)
    for (const target of asked) {
      // A topic that was given by name and by id is answered, and refused, under its name.
      if (target.name === null && named.has(target.topicId)) continue

      const count = times.get(keyOf(target))
      if (count === undefined) continue
      times.delete(keyOf(target))
      responses.push(refusal(target, count, ids, deadlineMs, apiVersion) ?? (await deleteOne(target)))
      const due = share.spend(unitsPerTopic)
      if (due !== undefined) await due
    }
    return { responses }
  })

  /** Why a topic is not even looked for. */
  function refusal(
    target: Target,
    times: number,
    ids: ReadonlySet<Uuid>,
    deadlineMs: number,
    apiVersion: number,
  ): TopicResponse | undefined {
    const { name, topicId } = target
    const invalid = (message: string) => answer(target, ErrorCode.INVALID_REQUEST, message)
    // Before v3 clients do not know TOPIC_DELETION_DISABLED.
    if (!deleteEnabled)
      return apiVersion < firstDisabledVersion
        ? invalid('Topic deletion is disabled.')
        : answer(target, ErrorCode.TOPIC_DELETION_DISABLED)
    if (name === null && topicId === zeroUuid) return invalid('Neither topic name nor id were specified.')
    if (name !== null && topicId !== zeroUuid) return invalid('You may not specify both topic name and topic id.')
    if (times > 1) return invalid(`Duplicate topic ${name === null ? 'id' : 'name'}.`)
    const id = name === null ? undefined : image.topic(name)?.id
    if (id !== undefined && ids.has(id))
      return answer(
        { name, topicId: id },
        ErrorCode.INVALID_REQUEST,
        'The provided topic name maps to an ID that was already supplied.',
      )
    if (clock.monotonicMs() >= deadlineMs) return answer(target, ErrorCode.REQUEST_TIMED_OUT, null)
    return undefined
  }

  async function deleteOne(target: Target): Promise<TopicResponse> {
    const { name, topicId } = target
    try {
      const { code, topic } = await topics.delete(name === null ? { id: topicId } : { name })
      return answer(topic === undefined ? target : { name: topic.name, topicId: topic.id }, code)
    } catch (error) {
      logger.error({ topic: name ?? topicId, error: String(error) }, 'a topic could not be deleted')
      return answer(target, ErrorCode.KAFKA_STORAGE_ERROR)
    }
  }
}

const unitsPerTopic = 5
const firstIdVersion = 6
const firstDisabledVersion = 3

interface Target {
  readonly name: string | null
  readonly topicId: Uuid
}
type TopicResponse = ResponseInput<typeof deleteTopics>['responses'][number]

const keyOf = ({ name, topicId }: Target): string => (name === null ? `id ${topicId}` : `name ${name} ${topicId}`)

/** Those of `ids` that the request gives by name too. */
async function idsOfNames(
  asked: readonly Target[],
  image: ClusterImage,
  ids: ReadonlySet<Uuid>,
  share: TurnShare,
): Promise<ReadonlySet<Uuid>> {
  const named = new Set<Uuid>()
  if (ids.size === 0) return named
  for (const { name, topicId } of asked) {
    const id = name === null || topicId !== zeroUuid ? undefined : image.topic(name)?.id
    if (id !== undefined && ids.has(id)) named.add(id)
    const due = share.spend()
    if (due !== undefined) await due
  }
  return named
}

function answer({ name, topicId }: Target, errorCode: ErrorCode, message?: string | null): TopicResponse {
  const standard = errorCode === ErrorCode.NONE ? null : errorMessage(errorCode)
  return { name, topicId, errorCode, errorMessage: message === undefined ? standard : message }
}
