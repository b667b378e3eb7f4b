import type { Logger } from '../base/logger.ts'
import type { Clock } from '../base/world.ts'
import { maxPartitionsPerRequest } from '../metadata/placement.ts'
import { ErrorCode, type RequestOf, type ResponseInput } from '../protocol/index.ts'
import { createPartitions } from '../protocol/schema/create-partitions.ts'
import type { TopicLifecycle } from '../replication/topic-lifecycle.ts'
import { type ApiHandler, serve } from './serve.ts'
import { TurnShare } from './turn-share.ts'

/**
 * CreatePartitions v0-3: topics grow to a count, on brokers that the request names or the broker chooses; validateOnly
 * changes nothing. Each topic succeeds or fails alone; what is answered can be written. One request adds at most 10,000
 * partitions, as in Kafka, and topics that were not begun when `timeoutMs` was over are REQUEST_TIMED_OUT and stay as they are.
 */
export function serveCreatePartitions(topics: TopicLifecycle, clock: Clock, logger: Logger): ApiHandler {
  return serve(createPartitions, { min: 0, max: 3, wide: true }, async (request, context) => {
    const deadlineMs = clock.monotonicMs() + request.timeoutMs
    const share = new TurnShare(context)
    const times = new Map<string, number>()
    let added = 0
    for (const { name, count } of request.topics) {
      times.set(name, (times.get(name) ?? 0) + 1)
      added += Math.max(0, count - topics.partitionCount(name))
      const due = share.spend()
      if (due !== undefined) await due
    }
    const results: TopicResult[] = []
    for (const asked of request.topics) {
      const count = times.get(asked.name)
      if (count === undefined) continue
      times.delete(asked.name)
      if (count > 1) results.push(result(asked, ErrorCode.INVALID_REQUEST, 'Duplicate topic name.'))
      else if (added > maxPartitionsPerRequest) results.push(result(asked, ErrorCode.POLICY_VIOLATION, tooMany))
      else if (clock.monotonicMs() >= deadlineMs) results.push(result(asked, ErrorCode.REQUEST_TIMED_OUT, null))
      else results.push(await grow(asked, request.validateOnly))
      const due = share.spend(unitsPerTopic + Math.max(0, asked.assignments?.length ?? 0))
      if (due !== undefined) await due
    }
    return { throttleTimeMs: 0, results }
  })

  async function grow(asked: AskedTopic, validateOnly: boolean): Promise<TopicResult> {
    try {
      const grown = validateOnly
        ? topics.planPartitions(asked.name, asked)
        : await topics.addPartitions(asked.name, asked)
      return grown.ok ? result(asked, ErrorCode.NONE, null) : result(asked, grown.error.code, grown.error.message)
    } catch (error) {
      logger.error({ topic: asked.name, error: String(error) }, 'partitions could not be added')
      return result(asked, ErrorCode.KAFKA_STORAGE_ERROR, 'The topic could not be written to the metadata log.')
    }
  }
}

const tooMany = 'Excessively large number of additional partitions per request.'
const unitsPerTopic = 10

type AskedTopic = RequestOf<typeof createPartitions>['topics'][number]
type TopicResult = ResponseInput<typeof createPartitions>['results'][number]

const result = ({ name }: AskedTopic, errorCode: ErrorCode, errorMessage: string | null): TopicResult => ({
  name,
  errorCode,
  errorMessage,
})
