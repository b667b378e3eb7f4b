import type { GroupCoordinator } from '../coordinator/group/group-coordinator.ts'
import type { FetchedGroup, FetchedGroupAnswer } from '../coordinator/group/offsets/group-offsets.ts'
import { ErrorCode, type RequestOf, type ResponseInput, zeroUuid } from '../protocol/index.ts'
import { offsetFetch } from '../protocol/schema/offset-fetch.ts'
import { groupClient } from './group-client.ts'
import { type ApiHandler, serve } from './serve.ts'
import { TurnShare } from './turn-share.ts'

/**
 * OffsetFetch v1-10: what groups have committed, and nothing that is not durable. From v8 several groups (KIP-709), from
 * v9 with who asks, from v10 topics by id. Before v8 one group, whose error v1 repeats in every partition.
 */
export function serveOffsetFetch(groups: GroupCoordinator): ApiHandler {
  return serve(offsetFetch, { min: 1, max: 10, wide: true }, async (request, context) => {
    context.releaseFrame()
    const client = groupClient(context)
    const share = new TurnShare(context)
    const fetch = (group: FetchedGroup) => groups.fetchOffsets(group, request.requireStable, client, share)
    if (client.apiVersion >= severalGroups) return { groups: await fetchAll(request.groups, fetch, share) }
    const group = groupOf(request)
    const answer = await fetch(group)
    const { errorCode = ErrorCode.NONE } = answer
    const failedEach = client.apiVersion < groupError && errorCode !== ErrorCode.NONE
    return oneGroup(failedEach ? { ...answer, topics: failedTopics(group, errorCode) } : answer)
  })
}

const groupError = 2
const severalGroups = 8

/** Groups in their order, some at once; those for which the answer has no room any more are refused. */
async function fetchAll(
  asked: readonly FetchedGroup[],
  fetch: (group: FetchedGroup) => Promise<FetchedGroupAnswer>,
  share: TurnShare,
): Promise<FetchedGroupAnswer[]> {
  const answers: FetchedGroupAnswer[] = []
  let room = maxAnswerBytes
  for (let from = 0; from < asked.length; from += groupsAtOnce) {
    const some = asked.slice(from, from + groupsAtOnce)
    const fetched = await Promise.all(
      some.map(group => (room > 0 ? fetch(group) : { groupId: group.groupId, topics: [], errorCode: tooLarge })),
    )
    for (const answer of fetched) {
      room -= bytesOf(answer)
      answers.push(answer)
    }
    const due = share.spend(some.length * unitsPerGroup)
    if (due !== undefined) await due
  }
  return answers
}

/** About what a group takes in an answer. */
function bytesOf({ topics = [] }: FetchedGroupAnswer): number {
  let bytes = 0
  for (const { name = '', partitions = [] } of topics) {
    bytes += 20 + name.length
    for (const { metadata } of partitions) bytes += 24 + (metadata?.length ?? 0)
  }
  return bytes
}

const groupsAtOnce = 32
/** About what one takes, in microseconds, beside its partitions. */
const unitsPerGroup = 10
/** An answer holds everything at once, and a request may name a group a hundred thousand times. */
const maxAnswerBytes = 48 << 20
const tooLarge = ErrorCode.INVALID_REQUEST

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
