import type { Clock } from '../base/world.ts'
import { clusterMetadataTopic } from '../metadata/image.ts'
import { ErrorCode, type ResponseInput, type Uuid } from '../protocol/index.ts'
import { describeQuorum } from '../protocol/schema/describe-quorum.ts'
import { type ApiHandler, serve } from './serve.ts'
import { TurnShare } from './turn-share.ts'

/** The metadata log, as its only voter sees it. */
export interface QuorumView {
  readonly nodeId: number
  readonly directoryId: Uuid
  readonly leaderEpoch: number
  logEndOffset(): number
  /** What of it is durable. */
  highWatermark(): number
}

/**
 * DescribeQuorum v0-2: this node is the one voter of the metadata quorum and leads it; nobody observes. It has no
 * controller listener to be told of.
 */
export function serveDescribeQuorum(quorum: QuorumView, clock: Clock): ApiHandler {
  return serve(describeQuorum, { min: 0, max: 2, wide: true }, async (request, context) => {
    const { apiVersion } = context
    const share = new TurnShare(context)
    const topics: Response['topics'][number][] = []
    let told = false
    for (const { topicName, partitions: asked } of request.topics) {
      const partitions: PartitionAnswer[] = []
      topics.push({ topicName, partitions })
      for (const { partitionIndex } of asked) {
        const exists = topicName === clusterMetadataTopic && partitionIndex === 0
        partitions.push(exists ? describe(apiVersion) : notHosted(partitionIndex, apiVersion))
        told ||= exists
        const due = share.spend()
        if (due !== undefined) await due
      }
      const due = share.spend()
      if (due !== undefined) await due
    }
    const nodes = told && apiVersion >= 2 ? [{ nodeId: quorum.nodeId, listeners: [] }] : []
    return { errorCode: ErrorCode.NONE, errorMessage: '', topics, nodes }
  })

  function describe(apiVersion: number): PartitionAnswer {
    const nowMs = clock.wallMs()
    const self = {
      replicaId: quorum.nodeId,
      ...(apiVersion >= 2 ? { replicaDirectoryId: quorum.directoryId } : {}),
      logEndOffset: quorum.logEndOffset(),
      // A leader has always just fetched from itself.
      lastFetchTimestamp: nowMs,
      lastCaughtUpTimestamp: nowMs,
    }
    return {
      partitionIndex: 0,
      errorCode: ErrorCode.NONE,
      errorMessage: '',
      leaderId: quorum.nodeId,
      leaderEpoch: quorum.leaderEpoch,
      highWatermark: quorum.highWatermark(),
      currentVoters: [self],
      observers: [],
    }
  }
}

type Response = ResponseInput<typeof describeQuorum>
type PartitionAnswer = Response['topics'][number]['partitions'][number]

const notHosted = (partitionIndex: number, apiVersion: number): PartitionAnswer => ({
  partitionIndex,
  errorCode: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
  errorMessage: apiVersion >= 2 ? 'This server does not host this topic-partition.' : '',
  leaderId: 0,
  leaderEpoch: 0,
  highWatermark: 0,
  currentVoters: [],
  observers: [],
})
