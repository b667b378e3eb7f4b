import type { Clock, Random, Timers } from '../base/world.ts'
import { ErrorCode } from '../protocol/index.ts'
import { fetch } from '../protocol/schema/fetch.ts'
import type { PartitionTable } from '../replication/partition-table.ts'
import type { ColdReads } from './cold-reads.ts'
import { FetchAnswer, type NodeEndpoint } from './fetch/answer.ts'
import { LongPoll } from './fetch/long-poll.ts'
import { type FetchParams, Reading } from './fetch/reading.ts'
import { type FetchScope, isFollower, openScope } from './fetch/scope.ts'
import { defaultSessionLimits, FetchSessionCache } from './fetch/session-cache.ts'
import type { FetchRequest, FetchResponse } from './fetch/target.ts'
import { type Answer, type ApiHandler, noReply, type RequestContext, serve } from './serve.ts'

export interface FetchParts {
  readonly table: PartitionTable
  readonly clock: Clock
  readonly timers: Timers
  /** For the ids of sessions. */
  readonly random: Random
  readonly coldReads: ColdReads
  /** `fetch.max.bytes` */
  readonly fetchMaxBytes: number
  /** `max.incremental.fetch.session.cache.slots` */
  readonly sessionSlots?: number
  /** Where clients of a connection reach this broker. */
  readonly endpoint: (connection: number) => NodeEndpoint
}

/**
 * Fetch v4-18 for consumers: long poll with minBytes and maxBytes (KIP-74), whole batches around an offset in mid-batch,
 * records as file regions that never enter this heap; sessions by name and by topic id (KIP-227, KIP-516); diverging
 * epochs (KIP-595) and the leader with errors that send a client to it (KIP-951). Nothing waits for the disk on this
 * thread, and a request for very many partitions takes many turns. Only the leader serves, so no preferred replica is
 * ever named (KIP-392). Followers get NOT_LEADER_OR_FOLLOWER, as brokers that hold no replica: there are none.
 */
export function serveFetch(parts: FetchParts): ApiHandler {
  const slots = parts.sessionSlots ?? defaultSessionLimits.slots
  const sessions = new FetchSessionCache(parts.random, { ...defaultSessionLimits, slots })
  return serve(fetch, { min: 4, max: 18 }, (request, context) => {
    context.releaseFrame()
    const scope = openScope(request, context, sessions, parts.clock.monotonicMs())
    if (typeof scope === 'number') return { errorCode: scope, responses: [] }
    return new FetchExchange(parts, request, context, scope).run()
  })
}

/** One request on its way: what it is about, a reading, perhaps a wait and another reading, the answer. */
class FetchExchange {
  private readonly parts: FetchParts
  private readonly context: RequestContext
  private readonly scope: FetchScope
  private readonly maxWaitMs: number
  private readonly params: FetchParams
  private taken = false
  private reading: Reading | undefined
  private poll: LongPoll | undefined
  private answer: FetchAnswer | undefined
  private aborted = false

  constructor(parts: FetchParts, request: FetchRequest, context: RequestContext, scope: FetchScope) {
    this.parts = parts
    this.context = context
    this.scope = scope
    this.maxWaitMs = request.maxWaitMs
    const maxBytes = Math.min(request.maxBytes, parts.fetchMaxBytes)
    this.params = {
      table: parts.table,
      apiVersion: context.apiVersion,
      readCommitted: request.isolationLevel === 1,
      fromFollower: isFollower(request),
      minBytes: Math.min(request.minBytes, maxBytes),
      maxBytes,
      newsOnly: scope.newsOnly,
    }
  }

  run(): Answer<FetchResponse> | Promise<Answer<FetchResponse>> {
    const due = this.step()
    return due === undefined ? this.response() : this.goOn(due)
  }

  private async goOn(first: Promise<void>): Promise<Answer<FetchResponse>> {
    this.context.onAbort(() => {
      this.aborted = true
      this.reading?.stop()
      this.poll?.finish()
    })
    for (let due: Promise<void> | undefined = first; due !== undefined; due = this.step()) {
      await due
      if (this.aborted) return noReply
    }
    return this.response()
  }

  /** Undefined when the answer is ready; else what to await before the next step. */
  private step(): Promise<void> | undefined {
    const { scope, context, params } = this
    if (!this.taken) {
      const due = scope.step()
      if (due !== undefined) return due
      this.taken = true
      if (scope.error !== ErrorCode.NONE) return undefined
    }
    if (this.answer === undefined) {
      this.reading ??= new Reading(params, scope.targets, context, this.parts.coldReads)
      const due = this.reading.step()
      if (due !== undefined) return due
      if (this.poll === undefined && !this.reading.satisfied && this.maxWaitMs > 0) return this.wait()
      this.answer = new FetchAnswer(scope, this.reading.results, context)
    }
    return this.answer.step()
  }

  /** What was read goes back; it is read anew, with what has come, when the wait is over. */
  private wait(): Promise<void> {
    this.context.dropRegions()
    this.reading = undefined
    this.poll = new LongPoll(this.params, this.context, this.parts.timers, this.maxWaitMs)
    return this.poll.wait(this.scope.targets)
  }

  private response(): FetchResponse {
    const { scope, answer, context } = this
    if (answer === undefined) return { errorCode: scope.error, responses: [] }
    return answer.response(() => this.parts.endpoint(context.connection))
  }
}
