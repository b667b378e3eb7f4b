import { SettledClock } from '../../log/settled-clock.ts'
import { ErrorCode, type RequestOf, type ResponseInput } from '../../protocol/index.ts'
import type { endTxn } from '../../protocol/schema/end-txn.ts'
import type { initProducerId } from '../../protocol/schema/init-producer-id.ts'
import type { CoordinatorRecord } from '../runtime/record.ts'
import type { Asker, ReplayedFrom, Shard, Turn } from '../runtime/shard.ts'
import { runInSlices, type Steps, slicesOf } from '../runtime/slices.ts'
import { decideAdd, decideVerification, type PartitionsAsked } from './add-partitions.ts'
import { decideEnd, transactionVersionOf } from './end-txn.ts'
import { Endings } from './endings.ts'
import { expireIds } from './expiry.ts'
import { decideInit, expectedOf, refuseInit, timeoutOf } from './init-producer-id.ts'
import {
  type DescribedTransaction,
  describeState,
  type ListedTransaction,
  listStates,
  type TransactionFilters,
} from './listing.ts'
import { longestWaitMs, ParkedRequests } from './parked-requests.ts'
import { Timeouts } from './timeouts.ts'
import { areFew, isIn, type TopicPartitions, whichAreIn, withFew, withPartitions } from './topic-partitions.ts'
import { type MarkerJob, type TopicPartition, type TransactionContext, TransactionState } from './transaction.ts'
import {
  epochPerTransaction,
  isIdle,
  isPrepared,
  noEpoch,
  noProducerId,
  type TransactionMetadata,
} from './transaction-metadata.ts'
import { TransactionStates } from './transaction-states.ts'
import { begun, completed, partitionsAdded } from './transitions.ts'

export type { PartitionsAsked } from './add-partitions.ts'
export type { DescribedTransaction, ListedTransaction, TransactionFilters } from './listing.ts'

export type InitProducerIdAnswer = ResponseInput<typeof initProducerId>
export type EndTxnAnswer = ResponseInput<typeof endTxn>

// Keys of other timers begin with what they are for and a space, so these are nobody else's.
const expiryKey = 'expire'
const resumeKey = 'resume'

/** For metrics; all but the first two since the shard was loaded. */
export interface TransactionCounts {
  /** Transactional ids that are known. */
  ids: number
  /** Requests that wait for markers. */
  parked: number
  timedOut: number
  expiredIds: number
}

/**
 * All transactional ids of one partition of `__transaction_state`. Codes are those of the newest versions: handlers turn
 * PRODUCER_FENCED into what older versions know.
 */
export class TransactionShard implements Shard {
  private readonly context: TransactionContext
  private readonly states: TransactionStates
  private readonly endings: Endings
  private readonly timeouts: Timeouts
  private readonly parked = new ParkedRequests()
  private readonly tally = { timedOut: 0, expiredIds: 0 }
  /** What both clocks said when they were looked at last, for the settled one. */
  private readonly seen = { wallMs: 0, nowMs: 0 }
  private slicedRequests = 0

  constructor(context: TransactionContext) {
    this.context = context
    this.states = new TransactionStates(context)
    this.endings = new Endings(context, this.states, (transactionalId, turn) =>
      this.parked.resume(transactionalId, turn),
    )
    this.timeouts = new Timeouts(this.states, this.endings, ({ transactionalId, producerId, producerEpoch }) => {
      this.tally.timedOut++
      context.logger.info(
        { transactionalId, producerId: String(producerId), producerEpoch },
        'a transaction was open for longer than its producer said: it is aborted',
      )
    })
  }

  get counts(): TransactionCounts {
    return { ids: this.states.size, parked: this.parked.size, ...this.tally }
  }

  /** `request` has a transactional id. */
  initProducerId(request: RequestOf<typeof initProducerId>, asker: Asker<InitProducerIdAnswer>, turn: Turn): void {
    const refusal = refuseInit(request, this.context.settings)
    if (refusal === ErrorCode.NONE) this.begin(request, asker, turn.nowMs + longestWaitMs, turn)
    else turn.answer(asker, initRefused(refusal))
  }

  /** A code for each partition, in the order in which they were given. */
  addPartitions(asked: PartitionsAsked, asker: Asker<readonly ErrorCode[]>, turn: Turn): void {
    if (!asked.verifyOnly) {
      this.add(asked, asker, turn.nowMs + longestWaitMs, turn)
      return
    }
    this.verify(asked, asker, turn)
  }

  endTxn(request: RequestOf<typeof endTxn>, apiVersion: number, asker: Asker<EndTxnAnswer>, turn: Turn): void {
    this.end(request, transactionVersionOf(apiVersion), asker, turn.nowMs + longestWaitMs, turn)
  }

  describe(transactionalId: string, asker: Asker<DescribedTransaction>, turn: Turn): void {
    turn.answer(asker, describeState(transactionalId, this.states.get(transactionalId)))
  }

  list(filters: TransactionFilters, asker: Asker<readonly ListedTransaction[]>, turn: Turn): void {
    const listed = new Map<string, ListedTransaction>()
    const steps = listStates(this.states, filters, listed)
    runInSlices(`list ${this.slicedRequests++}`, steps, turn, last => last.answer(asker, [...listed.values()]))
  }

  /** All markers of the job are committed, but those of partitions that are no more. */
  markersWritten(job: MarkerJob, turn: Turn): void {
    this.endings.markersWritten(job, turn)
  }

  replay(record: CoordinatorRecord, _from: ReplayedFrom): void {
    this.states.replay(record)
  }

  /** Nobody's transaction writes to this log. */
  replayTransactionEnd(_producerId: bigint, _producerEpoch: number, _committed: boolean): void {}

  loaded(turn: Turn): void {
    this.look(turn)
    const clock = new SettledClock({ wallMs: () => this.seen.wallMs, monotonicMs: () => this.seen.nowMs }, aheadMs =>
      this.context.logger.warn(
        { aheadMs },
        'the wall clock jumped ahead: transactional ids expire by it after an hour',
      ),
    )
    runInSlices(resumeKey, this.resumeAll(), turn, () => {})
    this.expireLater(clock, turn)
  }

  private begin(
    request: RequestOf<typeof initProducerId>,
    asker: Asker<InitProducerIdAnswer>,
    untilMs: number,
    turn: Turn,
  ): void {
    const transactionalId = request.transactionalId ?? ''
    const metadata = this.states.get(transactionalId)
    const decision = decideInit(metadata, expectedOf(request))
    const refuse = (code: ErrorCode, at = turn): void => at.answer(asker, initRefused(code))
    switch (decision.kind) {
      case 'refuse':
        refuse(decision.code)
        return
      case 'wait':
        this.parked.park(
          transactionalId,
          {
            untilMs,
            resume: next => this.begin(request, asker, untilMs, next),
            giveUp: late => refuse(ErrorCode.CONCURRENT_TRANSACTIONS, late),
          },
          turn,
        )
        return
      case 'fence':
        // Once the transaction is aborted, this producer begins.
        if (this.endings.fence(decision.open, turn)) this.begin(request, asker, untilMs, turn)
        else refuse(noProducerIdAtHand)
        return
      case 'begin': {
        const known = decision.newId ? undefined : metadata?.producerId
        const producerId = known ?? this.context.takeProducerId()
        if (producerId === undefined) {
          refuse(noProducerIdAtHand)
          return
        }
        const { producerEpoch, lastProducerEpoch } = decision
        const beginning = { producerId, producerEpoch, lastProducerEpoch, timeoutMs: timeoutOf(request) }
        this.states.write(begun(transactionalId, metadata, { ...beginning, nowMs: turn.wallMs }), turn)
        turn.answer(asker, { throttleTimeMs: 0, errorCode: ErrorCode.NONE, producerId, producerEpoch })
      }
    }
  }

  private add(asked: PartitionsAsked, asker: Asker<readonly ErrorCode[]>, untilMs: number, turn: Turn): void {
    const { transactionalId, partitions } = asked
    const metadata = this.states.get(transactionalId)
    const answer = (code: ErrorCode, at = turn): void => at.answer(asker, all(partitions, code))
    if (metadata === undefined) {
      answer(codeOfUnknown(transactionalId))
      return
    }
    const decision = decideAdd(metadata, asked)
    if (decision === 'wait') {
      this.parked.park(
        transactionalId,
        {
          untilMs,
          resume: next => this.add(asked, asker, untilMs, next),
          giveUp: late => answer(ErrorCode.CONCURRENT_TRANSACTIONS, late),
        },
        turn,
      )
      return
    }
    if (decision !== 'add') {
      answer(decision)
      return
    }
    const before = isIdle(metadata) ? [] : metadata.topics
    if (areFew(before, partitions)) {
      answer(this.join(metadata, before, withFew(before, partitions), asked, turn))
      return
    }
    let joined = before
    const steps = slicesOf(withPartitions(before, partitions), topics => {
      joined = topics
    })
    runInSlices(`add ${this.slicedRequests++}`, steps, turn, last => {
      const unchanged = this.states.get(transactionalId) === metadata
      if (unchanged) answer(this.join(metadata, before, joined, asked, last), last)
      else if (last.nowMs < untilMs) this.add(asked, asker, untilMs, last)
      else answer(ErrorCode.CONCURRENT_TRANSACTIONS, last)
    })
  }

  /** The transaction, which had `before`, has `topics` from now on. */
  private join(
    metadata: TransactionMetadata,
    before: readonly TopicPartitions[],
    topics: readonly TopicPartitions[],
    asked: PartitionsAsked,
    turn: Turn,
  ): ErrorCode {
    const isOpen = metadata.state === TransactionState.ongoing
    if (isOpen && topics === before) return ErrorCode.NONE
    const next = partitionsAdded(metadata, topics, asked.transactionVersion, turn.wallMs)
    if (!this.states.fits(next, turn)) return ErrorCode.UNKNOWN_SERVER_ERROR
    this.states.write(next, turn)
    if (!isOpen) this.timeouts.watch(next, turn)
    return ErrorCode.NONE
  }

  /** Whether each partition is in the open transaction of this very producer. */
  private verify(asked: PartitionsAsked, asker: Asker<readonly ErrorCode[]>, turn: Turn): void {
    const { transactionalId, partitions } = asked
    const metadata = this.states.get(transactionalId)
    if (metadata === undefined) {
      turn.answer(asker, all(partitions, codeOfUnknown(transactionalId)))
      return
    }
    const decision = decideVerification(metadata, asked)
    if (decision !== 'look') {
      turn.answer(asker, all(partitions, decision))
      return
    }
    const code = (found: boolean): ErrorCode => (found ? ErrorCode.NONE : ErrorCode.TRANSACTION_ABORTABLE)
    const { topics } = metadata
    if (areFew(topics, partitions)) {
      turn.answer(
        asker,
        partitions.map(each => code(isIn(topics, each))),
      )
      return
    }
    let found: readonly boolean[] = []
    const steps = slicesOf(whichAreIn(topics, partitions), each => {
      found = each
    })
    runInSlices(`verify ${this.slicedRequests++}`, steps, turn, last => {
      if (this.states.get(transactionalId) === metadata) last.answer(asker, found.map(code))
      else this.verify(asked, asker, last)
    })
  }

  private end(
    request: RequestOf<typeof endTxn>,
    transactionVersion: number,
    asker: Asker<EndTxnAnswer>,
    untilMs: number,
    turn: Turn,
  ): void {
    const { transactionalId, committed } = request
    const metadata = this.states.get(transactionalId)
    const refuse = (code: ErrorCode, at = turn): void => at.answer(asker, endRefused(code))
    if (metadata === undefined) {
      refuse(codeOfUnknown(transactionalId))
      return
    }
    const decision = decideEnd(metadata, request, transactionVersion)
    if (decision === 'wait') {
      this.parked.park(
        transactionalId,
        {
          untilMs,
          resume: next => this.end(request, transactionVersion, asker, untilMs, next),
          giveUp: late => refuse(ErrorCode.CONCURRENT_TRANSACTIONS, late),
        },
        turn,
      )
      return
    }
    if (decision === 'again') turn.answer(asker, ended(metadata, transactionVersion))
    else if (decision !== 'decide') refuse(decision)
    else {
      const decided = this.endings.decide(metadata, committed, transactionVersion, turn)
      if (decided === undefined) refuse(noProducerIdAtHand)
      else turn.answer(asker, ended(decided, transactionVersion))
    }
  }

  /** What was found in the log goes on: transactions to their end, open ones until they time out. */
  private *resumeAll(): Steps {
    let turn = yield 0
    for (const { transactionalId } of this.states.all()) {
      const metadata = this.states.get(transactionalId)
      if (metadata !== undefined && isPrepared(metadata)) {
        // A transaction without partitions completes at once, which is a record.
        if (!this.states.fits(metadata, turn)) turn = yield Number.POSITIVE_INFINITY
        const now = this.states.get(transactionalId)
        if (now !== undefined && isPrepared(now)) this.endings.resume(now, turn)
        turn = yield resumeCost
      } else if (metadata?.state === TransactionState.ongoing) {
        this.timeouts.watch(metadata, turn)
        turn = yield resumeCost
      } else turn = yield lookCost
    }
  }

  private expireLater(clock: SettledClock, turn: Turn): void {
    turn.after(expiryKey, this.context.settings.removeExpiredIntervalMs, due => {
      this.look(due)
      const before = this.tally.expiredIds
      const { idExpirationMs } = this.context.settings
      const steps = expireIds(this.states, idExpirationMs, clock.nowMs(), () => this.tally.expiredIds++)
      runInSlices(expiryKey, steps, due, last => {
        const expired = this.tally.expiredIds - before
        if (expired > 0) this.context.logger.info({ expired }, 'transactional ids have expired')
        this.expireLater(clock, last)
      })
    })
  }

  private look({ wallMs, nowMs }: Turn): void {
    this.seen.wallMs = wallMs
    this.seen.nowMs = nowMs
  }
}

/** Costs, about in microseconds. */
const lookCost = 0.2
const resumeCost = 3
/** What Kafka says while it fetches a block of them: the client asks again. */
const noProducerIdAtHand = ErrorCode.COORDINATOR_LOAD_IN_PROGRESS

const codeOfUnknown = (transactionalId: string): ErrorCode =>
  transactionalId === '' ? ErrorCode.INVALID_REQUEST : ErrorCode.INVALID_PRODUCER_ID_MAPPING

const all = (partitions: readonly TopicPartition[], code: ErrorCode): ErrorCode[] => partitions.map(() => code)

const initRefused = (errorCode: ErrorCode): InitProducerIdAnswer => ({
  throttleTimeMs: 0,
  errorCode,
  producerId: noProducerId,
  producerEpoch: noEpoch,
})

const endRefused: (errorCode: ErrorCode) => EndTxnAnswer = initRefused

/** From version 2 on the client goes on with what it is told here, which is what there is once the markers are in. */
function ended(metadata: TransactionMetadata, transactionVersion: number): EndTxnAnswer {
  if (transactionVersion < epochPerTransaction) return endRefused(ErrorCode.NONE)
  const next = isPrepared(metadata) ? completed(metadata, metadata.lastUpdateMs) : metadata
  const { producerId, producerEpoch } = next
  return { throttleTimeMs: 0, errorCode: ErrorCode.NONE, producerId, producerEpoch }
}
