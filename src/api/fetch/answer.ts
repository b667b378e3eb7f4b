import { ErrorCode } from '../../protocol/index.ts'
import type { RequestContext } from '../serve.ts'
import { TurnShare } from '../turn-share.ts'
import type { FetchScope } from './scope.ts'
import {
  type FetchResponse,
  type FetchTarget,
  firstTopicIdVersion,
  type PartitionResponse,
  type TopicResponse,
} from './target.ts'

/** Where clients of a connection reach a broker: told with answers that send them there. */
export interface NodeEndpoint {
  readonly nodeId: number
  readonly host: string
  readonly port: number
  readonly rack: string | null
}

/**
 * Puts the answers of the targets together, in order, one topic's side by side in one entry. For a session it notes what
 * the client is told by this, and sends partitions that gave records to the end. In slices, like the reading.
 */
export class FetchAnswer {
  private readonly scope: FetchScope
  private readonly results: readonly (PartitionResponse | undefined)[]
  private readonly context: RequestContext
  private readonly byId: boolean
  private readonly share: TurnShare
  private readonly responses: TopicResponse[] = []
  private next = 0
  private topic: string | undefined
  private partitions: PartitionResponse[] = []
  private movesClients = false

  constructor(scope: FetchScope, results: readonly (PartitionResponse | undefined)[], context: RequestContext) {
    this.scope = scope
    this.results = results
    this.context = context
    this.byId = context.apiVersion >= firstTopicIdVersion
    this.share = new TurnShare(context)
  }

  step(): Promise<void> | undefined {
    if (this.scope.overtaken) return undefined
    while (this.next < this.results.length) {
      const target = this.scope.targets[this.next]!
      const result = this.results[this.next]!
      this.next++
      if (result !== undefined) this.put(target, result)
      const due = this.share.spend()
      if (due !== undefined) return due
    }
    return undefined
  }

  response(leader: () => NodeEndpoint): FetchResponse {
    const { responses, scope } = this
    const sessionId = scope.sessionId()
    if (scope.overtaken) {
      this.context.dropRegions()
      return { errorCode: ErrorCode.INVALID_FETCH_SESSION_EPOCH, sessionId, responses: [] }
    }
    return this.movesClients ? { sessionId, responses, nodeEndpoints: [leader()] } : { sessionId, responses }
  }

  private put(target: FetchTarget, result: PartitionResponse): void {
    if (target.topic !== this.topic) {
      this.topic = target.topic
      this.partitions = []
      const { topic, partitions } = this
      this.responses.push(this.byId ? { topicId: topic as never, partitions } : { topic, partitions })
    }
    this.partitions.push(result)
    if (result.currentLeader !== undefined) this.movesClients = true
    const { session } = this.scope
    if (session === undefined) return
    // An error is told with offsets of -1, so the partition is news again when the error is over.
    target.toldHighWatermark = result.highWatermark
    target.toldLogStart = result.logStartOffset ?? -1
    if (holdsRecords(result)) session.moveToEnd(target)
  }
}

const holdsRecords = ({ records }: PartitionResponse): boolean => records != null && records.length > 0
