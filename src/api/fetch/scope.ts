import { ErrorCode } from '../../protocol/index.ts'
import type { RequestContext } from '../serve.ts'
import { TurnShare } from '../turn-share.ts'
import { FetchSession, finalEpoch, initialEpoch, nextEpoch } from './session.ts'
import type { FetchSessionCache } from './session-cache.ts'
import { type FetchRequest, FetchTarget, firstTopicIdVersion } from './target.ts'

const noSession = 0

/** Consumers have replica id -1, Kafka's own debugging consumers -2. */
export const isFollower = (request: FetchRequest): boolean =>
  Math.max(request.replicaId, request.replicaState.replicaId) >= 0

/**
 * What a Fetch request is about: the partitions it names, with those of the session it goes on with (KIP-227). Opened by
 * `openScope`; complete, and its `targets` known, once `step` has nothing to await any more.
 */
export class FetchScope {
  /** In the order in which they are served. */
  targets: readonly FetchTarget[] = []
  /** Why the request cannot be answered. */
  error: ErrorCode = ErrorCode.NONE
  /** The session it goes on with, or begins with its answer. */
  session: FetchSession | undefined
  private readonly request: FetchRequest
  private readonly cache: FetchSessionCache
  private readonly nowMs: number
  private readonly byId: boolean
  private readonly share: TurnShare
  private readonly incremental: boolean
  private readonly plain: FetchTarget[] = []
  /** Where in the request the intake stands: topic and partition, first of those asked for, then of those forgotten. */
  private topic = 0
  private partition = 0
  private forgetting = false

  constructor(
    request: FetchRequest,
    context: RequestContext,
    cache: FetchSessionCache,
    session: FetchSession | undefined,
    nowMs: number,
  ) {
    this.request = request
    this.cache = cache
    this.session = session
    this.nowMs = nowMs
    this.byId = context.apiVersion >= firstTopicIdVersion
    this.share = new TurnShare(context)
    this.incremental = session !== undefined && session.id !== noSession
  }

  /** The answer names only partitions with news. */
  get newsOnly(): boolean {
    return this.incremental && this.session !== undefined
  }

  /** Takes in what the request names. Undefined when that is done; else what to await before the next step. */
  step(): Promise<void> | undefined {
    const { request } = this
    if (!this.forgetting) {
      for (; this.topic < request.topics.length; this.topic++, this.partition = 0) {
        const { topic, topicId, partitions } = request.topics[this.topic]!
        while (this.partition < partitions.length) {
          this.take(this.byId ? topicId : topic, partitions[this.partition++]!)
          const due = this.share.spend()
          if (due !== undefined) return due
        }
      }
      this.forgetting = true
      this.topic = 0
    }
    const forgotten = this.incremental ? request.forgottenTopicsData : []
    for (; this.topic < forgotten.length; this.topic++, this.partition = 0) {
      const { topic, topicId, partitions } = forgotten[this.topic]!
      while (this.partition < partitions.length) {
        this.session!.remove(this.byId ? topicId : topic, partitions[this.partition++]!)
        const due = this.share.spend()
        if (due !== undefined) return due
      }
    }
    this.complete()
    return undefined
  }

  /** Another request of the session came while this one was on its way: what it tells would not be what the client has. */
  get overtaken(): boolean {
    return this.newsOnly && this.session!.epoch !== nextEpoch(this.request.sessionEpoch)
  }

  /** The session id to answer with. A session that the request asked for begins here, if there is room. */
  sessionId(): number {
    const { session } = this
    if (session === undefined) return noSession
    if (!this.incremental) this.cache.admit(session, this.nowMs)
    return session.id
  }

  private take(topic: string, asked: FetchRequest['topics'][number]['partitions'][number]): void {
    const { session } = this
    if (session === undefined) {
      this.plain.push(new FetchTarget(topic, asked))
      return
    }
    const known = session.find(topic, asked.partition)
    if (known === undefined) session.add(new FetchTarget(topic, asked))
    else known.ask(asked)
  }

  private complete(): void {
    const { session, cache } = this
    if (session === undefined) {
      this.targets = this.plain
      return
    }
    this.targets = session.targets()
    if (!this.incremental) return
    if (session.size === 0) {
      cache.remove(session)
      this.session = undefined
    } else if (!cache.touch(session, this.nowMs)) this.error = ErrorCode.FETCH_SESSION_ID_NOT_FOUND
  }
}

/** Opens the scope of a request, or tells why it has none. Ends the session that a full request names. */
export function openScope(
  request: FetchRequest,
  context: RequestContext,
  cache: FetchSessionCache,
  nowMs: number,
): FetchScope | ErrorCode {
  const byId = context.apiVersion >= firstTopicIdVersion
  const { sessionId, sessionEpoch } = request
  const known = sessionId === noSession ? undefined : cache.get(sessionId)
  if (sessionEpoch === finalEpoch || sessionEpoch === initialEpoch) {
    cache.remove(known)
    const begun = sessionEpoch === initialEpoch ? new FetchSession(isFollower(request), byId, nowMs) : undefined
    return new FetchScope(request, context, cache, begun, nowMs)
  }
  if (known === undefined) return ErrorCode.FETCH_SESSION_ID_NOT_FOUND
  if (known.epoch !== sessionEpoch) return ErrorCode.INVALID_FETCH_SESSION_EPOCH
  if (known.usesTopicIds !== byId) return ErrorCode.FETCH_SESSION_TOPIC_ID_ERROR
  // At once, so that nobody else goes on from here while this request is on its way.
  known.epoch = nextEpoch(sessionEpoch)
  return new FetchScope(request, context, cache, known, nowMs)
}
