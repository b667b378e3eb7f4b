import type { GroupCoordinator } from '../coordinator/group/group-coordinator.ts'
import type { FetchedGroup, FetchedGroupAnswer } from '../coordinator/group/offsets/group-offsets.ts'
import { ErrorCode, type RequestOf, type ResponseInput, zeroUuid } from '../protocol/index.ts'
import { offsetFetch } from '../protocol/schema/offset-fetch.ts'
import { groupClient } from './group-client.ts'
import { type ApiHandler, serve } from './serve.ts'

/**
 * OffsetFetch v1-10: what groups have committed, and nothing that is not durable. From v8 several groups (KIP-709), from
 * v9 with who asks, from v10 topics by id. Before v8 one group, whose error v1 repeats in every partition.
 */
export function serveOffsetFetch(groups: GroupCoordinator): ApiHandler {
  return serve(offsetFetch, { min: 1, max: 10, wide: true }, async (request, context) => {
    context.releaseFrame()
    const client = groupClient(context)
    const fetch = (group: FetchedGroup) => groups.fetchOffsets(group, request.requireStable, client)
    if (client.apiVersion >= severalGroups) return { groups: await Promise.all(request.groups.map(fetch)) }
    const group = groupOf(request)
    const answer = await fetch(group)
    const { errorCode = ErrorCode.NONE } = answer
    const failedEach = client.apiVersion < groupError && errorCode !== ErrorCode.NONE
    return oneGroup(failedEach ? { ...answer, topics: failedTopics(group, errorCode) } : answer)
  })
}

const groupError = 2
const severalGroups = 8

/** A request before v8 as that of one group. */
function groupOf({ groupId, topics }: RequestOf<typeof offsetFetch>): FetchedGroup {
  return {
    groupId,
    memberId: null,
    memberEpoch: -1,
    topics: topics?.map(topic => ({ ...topic, topicId: zeroUuid })) ?? null,
  }
}

function failedTopics({ topics }: FetchedGroup, errorCode: ErrorCode): FetchedGroupAnswer['topics'] {
  return (topics ?? []).map(({ name, partitionIndexes }) => ({
    name,
    partitions: partitionIndexes.map(partitionIndex => ({
      partitionIndex,
      committedOffset: -1,
      metadata: '',
      errorCode,
    })),
  }))
}

function oneGroup({ topics = [], errorCode }: FetchedGroupAnswer): ResponseInput<typeof offsetFetch> {
  return {
    topics: topics.map(({ name = '', partitions = [] }) => ({ name, partitions })),
    errorCode,
  }
}
