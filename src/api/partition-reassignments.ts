import type { ClusterImage } from '../metadata/image.ts'
import { type PlacementDefaults, placeAsAssigned } from '../metadata/placement.ts'
import { ErrorCode } from '../protocol/index.ts'
import { alterPartitionReassignments } from '../protocol/schema/alter-partition-reassignments.ts'
import { listPartitionReassignments } from '../protocol/schema/list-partition-reassignments.ts'
import { type ApiHandler, serve } from './serve.ts'
import { TurnShare } from './turn-share.ts'

/**
 * AlterPartitionReassignments v0-1: on one node a partition can only be put where it is, which is done at once; other
 * brokers are INVALID_REPLICA_ASSIGNMENT, and there is never a move to cancel.
 */
export function serveAlterPartitionReassignments(image: ClusterImage, placement: PlacementDefaults): ApiHandler {
  const alter = (topicName: string, index: number, replicas: readonly number[] | null): Outcome => {
    const topic = image.topic(topicName)
    if (topic === undefined) return unknown(`Unable to find a topic named ${topicName}.`)
    if (topic.partitions[index] === undefined) return unknown(`Unable to find partition ${topicName}:${index}.`)
    if (replicas === null) return { code: ErrorCode.NO_REASSIGNMENT_IN_PROGRESS, message: null }
    const placed = placeAsAssigned([replicas], placement)
    return placed.ok ? done : placed.error
  }
  return serve(alterPartitionReassignments, { min: 0, max: 1, wide: true }, async (request, context) => {
    const { allowReplicationFactorChange } = request
    const share = new TurnShare(context)
    const responses = []
    for (const { name, partitions: asked } of request.topics) {
      const partitions: { partitionIndex: number; errorCode: ErrorCode; errorMessage: string | null }[] = []
      responses.push({ name, partitions })
      for (const { partitionIndex, replicas } of asked) {
        const { code, message } = alter(name, partitionIndex, replicas)
        partitions.push({ partitionIndex, errorCode: code, errorMessage: message })
        const due = share.spend(2 + (replicas?.length ?? 0))
        if (due !== undefined) await due
      }
    }
    return { throttleTimeMs: 0, allowReplicationFactorChange, errorCode: ErrorCode.NONE, errorMessage: null, responses }
  })
}

interface Outcome {
  readonly code: ErrorCode
  readonly message: string | null
}

const done: Outcome = { code: ErrorCode.NONE, message: null }
const unknown = (message: string): Outcome => ({ code: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, message })

/** ListPartitionReassignments v0: nothing moves between the brokers of one node. */
export const serveListPartitionReassignments = (): ApiHandler =>
  serve(listPartitionReassignments, { min: 0, max: 0 }, () => ({
    throttleTimeMs: 0,
    errorCode: ErrorCode.NONE,
    errorMessage: null,
    topics: [],
  }))
