import { assert } from '../../base/assert.ts'
import type { Logger } from '../../base/logger.ts'
import type { Clock, Timer, Timers } from '../../base/world.ts'
import type { AppendFailure } from '../../log/append-failure.ts'
import type { TransactionMarker } from '../../log/transaction-marker.ts'
import { ErrorCode } from '../../protocol/index.ts'
import type { Partition } from '../../replication/partition.ts'
import { type Ask, HeldAnswers, refuseAll } from './asks.ts'
import { codeOfLogFailure } from './coordinator-error.ts'
import { HostTurn, Life, type TurnParts } from './host-turn.ts'
import { type ReplayParts, replayLog } from './replay.ts'
import type { Asker, Shard, TransactionalProducer, Turn } from './shard.ts'
import { ShardTimers, type TurnWork } from './shard-timers.ts'
import { type TransactionGuard, TransactionGuards } from './transaction-guards.ts'
import { WriteQueue, type WriteQueueParts } from './write-queue.ts'

/** What the hosts of one runtime share. */
export interface HostParts<S extends Shard> extends ReplayParts, TurnParts, WriteQueueParts {
  readonly clock: Clock
  readonly timers: Timers
  readonly logger: Logger
  newShard(partition: number): S
  /** Calls the host's `flush` once the work that is ready now has been done; `urgent`: whatever the linger is. */
  flushSoon(host: ShardHost<S>, urgent: boolean): void
  /** Calls the host's `load` when it is its turn to load; `first`: somebody waits for it. */
  loadSoon(host: ShardHost<S>, first: boolean): void
}

const firstRetryMs = 100
const lastRetryMs = 30_000

/**
 * The shard of one partition: loads it, runs its turns one at a time, appends what they wrote, answers when that is
 * committed. What does not go as it should ends the shard's life; the next one is made from the log.
 */
export class ShardHost<S extends Shard> {
  readonly index: number
  private readonly parts: HostParts<S>
  private partition: Partition
  private life: Life<S> | undefined
  private loading = false
  private stopped = false
  /** Of turns that came while the shard was being loaded, and are no request. */
  private waiting: ((shard: S, turn: Turn) => void)[] = []
  private readonly writes: WriteQueue
  private readonly guards = new TransactionGuards()
  private retryTimer: Timer | undefined
  private retryMs = firstRetryMs
  private turn: HostTurn<S> | undefined

  constructor(index: number, partition: Partition, parts: HostParts<S>) {
    this.index = index
    this.parts = parts
    this.partition = partition
    this.writes = new WriteQueue(parts, partition, {
      appendFailed: this.appendFailed,
      transactionEnded: ({ producerId, producerEpoch, committed }) =>
        this.life?.shard.replayTransactionEnd(producerId, producerEpoch, committed),
      committed: () => {
        this.retryMs = firstRetryMs
      },
    })
    this.follow(partition)
  }

  get isLoaded(): boolean {
    return this.life !== undefined
  }

  /** Another partition takes the place of one when its topic was deleted and made again. */
  attach(partition: Partition): void {
    if (partition === this.partition) return
    this.gone(ErrorCode.NOT_COORDINATOR)
    this.follow(partition)
  }

  private follow(partition: Partition): void {
    this.partition.onOffline = () => {}
    this.partition = partition
    this.writes.partition = partition
    partition.onOffline = code => this.gone(codeOfLogFailure(code))
  }

  private gone(code: ErrorCode): void {
    this.discard(code)
    this.retryTimer?.cancel()
    this.retryTimer = undefined
  }

  /** With a producer: what the turn writes becomes part of its transaction. */
  ask<Response>(
    ask: Ask<Response>,
    work: (shard: S, turn: Turn, asker: Asker<Response>) => void,
    producer?: TransactionalProducer,
  ): void {
    const refused = this.refusal(producer)
    if (refused !== ErrorCode.NONE) {
      ask.refuse(refused)
      return
    }
    const life = this.life
    assert(life !== undefined, 'a shard that is asked is loaded', { partition: this.index })
    life.open.add(ask as Ask<unknown>)
    this.run(turn => work(life.shard, turn, ask), ask as Ask<unknown>, producer)
  }

  /** Writes the marker behind all that was written until now; answers NONE when it is committed. */
  endTransaction(marker: TransactionMarker, ask: Ask<ErrorCode>): void {
    this.guards.ended(marker.producerId)
    const refused = this.refusal()
    if (refused !== ErrorCode.NONE) {
      ask.refuse(refused)
      return
    }
    this.writes.addMarker(marker, ask, this.parts.clock.monotonicMs())
    this.writes.flush()
  }

  /** Tells whether a transaction of the producer ends here while its coordinator is asked about it. */
  guard(producerId: bigint): TransactionGuard {
    return this.guards.begin(producerId)
  }

  /** The producer's transaction has records here already: nobody has to be asked whether they may follow. */
  isOpen({ producerId, producerEpoch }: TransactionalProducer): boolean {
    if (this.writes.pendingMarker(producerId) !== undefined) return false
    return this.partition.openTransactionOf(producerId, producerEpoch) >= 0
  }

  /** NONE: the shard is there, and takes what this producer writes. */
  private refusal(producer?: TransactionalProducer): ErrorCode {
    if (this.life === undefined) {
      const refused = this.stopped ? ErrorCode.NOT_COORDINATOR : this.beginLoad(true)
      if (refused !== ErrorCode.NONE) return refused
    }
    if (producer === undefined) return ErrorCode.NONE
    // What the log refuses would take the shard's state along.
    const { producerId, producerEpoch } = producer
    const marker = this.writes.pendingMarker(producerId)
    const newest = Math.max(marker?.producerEpoch ?? -1, this.partition.log?.producers.epochOf(producerId) ?? -1)
    return producerEpoch < newest ? ErrorCode.INVALID_PRODUCER_EPOCH : ErrorCode.NONE
  }

  /** Work that nobody waits for: done now, or when the shard is loaded, or never if it is not to be. */
  tell(work: (shard: S, turn: Turn) => void): void {
    const { life } = this
    if (life !== undefined) this.run(turn => work(life.shard, turn))
    else if (this.loading) this.waiting.push(work)
  }

  /** NONE: the shard is there now, as there was nothing to load. Else what a request is told meanwhile. */
  beginLoad(first: boolean): ErrorCode {
    if (this.life !== undefined) return ErrorCode.NONE
    if (this.stopped || this.partition.log === undefined) return codeOfLogFailure(this.partition.refusal(-1))
    if (this.retryTimer !== undefined) return ErrorCode.COORDINATOR_LOAD_IN_PROGRESS
    const { log } = this.partition
    if (!this.loading && log.logStart === log.logEnd) {
      this.live(this.newLife())
      return this.life === undefined ? ErrorCode.COORDINATOR_LOAD_IN_PROGRESS : ErrorCode.NONE
    }
    this.loading = true
    this.parts.loadSoon(this, first)
    return ErrorCode.COORDINATOR_LOAD_IN_PROGRESS
  }

  /** Makes the shard from the log. Resolves when that is over, however it went. */
  async load(): Promise<void> {
    const { parts, partition } = this
    const { log } = partition
    if (log === undefined || this.stopped) {
      this.loading = false
      this.waiting = []
      return
    }
    const beganMs = parts.clock.monotonicMs()
    const life = this.newLife()
    const gone = (): boolean => this.stopped || partition !== this.partition || partition.log !== log
    try {
      let from = log.logStart
      let records = 0
      // Nobody else writes to a coordinator's topic, but a client that may could have.
      while (from < log.logEnd && !gone()) {
        const replayed = await replayLog(parts, log.stored, from, log.logEnd, life.shard, gone)
        from = replayed.endOffset
        records += replayed.records
      }
      this.loading = false
      if (gone()) {
        life.timers.cancelAll()
        this.waiting = []
        return
      }
      parts.logger.info(
        { topic: partition.topic, partition: this.index, records, ms: Math.round(parts.clock.monotonicMs() - beganMs) },
        'the state of a coordinator was loaded',
      )
      this.live(life)
    } catch (error) {
      this.loading = false
      // They would gather for as long as the log cannot be read.
      this.waiting = []
      life.timers.cancelAll()
      if (gone()) return
      parts.logger.error(
        { topic: partition.topic, partition: this.index, error: String(error), retryMs: this.retryMs },
        'the state of a coordinator could not be loaded',
      )
      this.loadLater()
    }
  }

  /** Appends what the turns since the last time have written. */
  flush(): void {
    this.writes.flush()
  }

  /** Ends for good: what was written is appended, and whoever waits is told to ask elsewhere. */
  stop(): void {
    this.stopped = true
    this.flush()
    this.discard(ErrorCode.NOT_COORDINATOR)
    this.writes.stop(ErrorCode.NOT_COORDINATOR)
    this.partition.onOffline = () => {}
    this.retryTimer?.cancel()
  }

  private readonly appendFailed = ({ code, message }: AppendFailure): void => {
    this.parts.logger.error(
      { topic: this.partition.topic, partition: this.index, error: message, retryMs: this.retryMs },
      'the log of a coordinator did not take its records: its state is made again from the log',
    )
    this.discard(codeOfLogFailure(code))
    this.loadLater()
  }

  private newLife(): Life<S> {
    const { clock, timers } = this.parts
    const life: Life<S> = new Life(
      this.parts.newShard(this.index),
      new ShardTimers(clock, timers, work => {
        if (this.life === life) this.run(work)
      }),
    )
    return life
  }

  private live(life: Life<S>): void {
    const { partition } = this
    const { log } = partition
    assert(log !== undefined, 'a shard lives on a log')
    this.life = life
    // What was found in the log is not committed before it is durable.
    if (partition.highWatermark < log.logEnd)
      this.writes.fly(log.logEnd, new HeldAnswers(this.parts.clock.monotonicMs()))
    this.run(turn => life.shard.loaded(turn))
    const { waiting } = this
    this.waiting = []
    for (const work of waiting) this.tell(work)
  }

  private run(work: TurnWork, ask?: Ask<unknown>, producer?: TransactionalProducer): void {
    const { life, parts } = this
    assert(life !== undefined, 'a turn runs on a shard')
    assert(this.turn === undefined, 'turns do not nest', { partition: this.index })
    const turn = new HostTurn(parts, life, this.maxBatchBytes, producer)
    this.turn = turn
    try {
      work(turn)
    } catch (error) {
      this.turn = undefined
      turn.end()
      // Others are told to come back, but not who would only break it again.
      if (ask !== undefined && life.open.delete(ask)) ask.refuse(ErrorCode.UNKNOWN_SERVER_ERROR)
      this.broken(error, turn)
      return
    }
    this.turn = undefined
    turn.end()
    this.ended(turn)
  }

  private get maxBatchBytes(): number {
    return this.partition.log?.settings.maxMessageBytes ?? 0
  }

  private ended(turn: HostTurn<S>): void {
    if (this.parts.records.count > 0) {
      this.writes.addRecords(turn.nowMs, turn.producer, this.maxBatchBytes)
      this.parts.flushSoon(this, turn.producer !== undefined)
    }
    if (turn.answers.length === 0) return
    const waitsFor = this.writes.newest
    if (waitsFor === undefined) {
      for (const { asker, response } of turn.answers) asker.answered(response)
      return
    }
    waitsFor.add(turn.answers)
    // Who comes to wait for what others have been given up on is to be told as well.
    this.writes.watchAnswers()
  }

  /** A mistake in the shard's code: half a turn may be in its state, and none of it goes to the log. */
  private broken(error: unknown, turn: HostTurn<S>): void {
    this.parts.records.reset()
    this.parts.logger.error(
      {
        topic: this.partition.topic,
        partition: this.index,
        error: String(error),
        stack: error instanceof Error ? error.stack : undefined,
        retryMs: this.retryMs,
      },
      'a coordinator failed within a turn: its state is made again from the log',
    )
    refuseAll(turn.answers, ErrorCode.UNKNOWN_SERVER_ERROR)
    // What earlier turns wrote is sound, and the next life is to find it.
    this.flush()
    this.discard(ErrorCode.NOT_COORDINATOR)
    this.loadLater()
  }

  /** Ends the shard's life. */
  private discard(code: ErrorCode): void {
    const { life } = this
    this.life = undefined
    life?.timers.cancelAll()
    this.writes.dropPending(code)
    for (const ask of life?.open ?? []) ask.refuse(code)
  }

  private loadLater(): void {
    if (this.retryTimer !== undefined || this.stopped || this.partition.log === undefined) return
    this.retryTimer = this.parts.timers.after(this.retryMs, () => {
      this.retryTimer = undefined
      this.beginLoad(false)
    })
    this.retryMs = Math.min(this.retryMs * 2, lastRetryMs)
  }
}
