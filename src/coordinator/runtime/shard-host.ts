import { assert } from '../../base/assert.ts'
import type { Logger } from '../../base/logger.ts'
import type { Clock, Timer, Timers } from '../../base/world.ts'
import { ErrorCode } from '../../protocol/index.ts'
import type { Partition } from '../../replication/partition.ts'
import { type Ask, HeldAnswers, InFlight, refuseAll } from './asks.ts'
import type { BatchPool, BatchWriter } from './batch-writer.ts'
import { codeOfLogFailure } from './coordinator-error.ts'
import { HostTurn, Life, type TurnParts } from './host-turn.ts'
import { type ReplayParts, replayLog } from './replay.ts'
import type { Asker, Shard, Turn } from './shard.ts'
import { ShardTimers, type TurnWork } from './shard-timers.ts'

/** What the hosts of one runtime share. */
export interface HostParts<S extends Shard> extends ReplayParts, TurnParts {
  readonly clock: Clock
  readonly timers: Timers
  readonly logger: Logger
  readonly batches: BatchPool
  newShard(partition: number): S
  /** How long an append may take to be committed before who waits for it is told so. */
  commitTimeoutMs(): number
  /** Calls the host's `flush` once the work that is ready now has been done. */
  flushSoon(host: ShardHost<S>): void
  /** Calls the host's `load` when it is its turn to load; `first`: somebody waits for it. */
  loadSoon(host: ShardHost<S>, first: boolean): void
}

/** Records of some turns, not appended yet, and who is answered when they are committed. */
interface Pending {
  readonly batch: BatchWriter
  readonly answers: HeldAnswers
}

const firstRetryMs = 100
const lastRetryMs = 30_000

const waitedFor = ({ answers }: { readonly answers: HeldAnswers }): boolean => answers.waitedFor

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
  private pending: Pending[] = []
  /** In the order of their end offsets. */
  private readonly inFlight: InFlight[] = []
  private watchTimer: Timer | undefined
  private retryTimer: Timer | undefined
  private retryMs = firstRetryMs
  private turn: HostTurn<S> | undefined
  private waitsForRoom = false

  constructor(index: number, partition: Partition, parts: HostParts<S>) {
    this.index = index
    this.parts = parts
    this.partition = partition
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
    partition.onOffline = code => this.gone(codeOfLogFailure(code))
  }

  private gone(code: ErrorCode): void {
    this.discard(code)
    this.retryTimer?.cancel()
    this.retryTimer = undefined
  }

  ask<Response>(ask: Ask<Response>, work: (shard: S, turn: Turn, asker: Asker<Response>) => void): void {
    if (this.life === undefined) {
      const refused = this.stopped ? ErrorCode.NOT_COORDINATOR : this.beginLoad(true)
      if (refused !== ErrorCode.NONE) {
        ask.refuse(refused)
        return
      }
    }
    const life = this.life
    assert(life !== undefined, 'a shard that is asked is loaded', { partition: this.index })
    life.open.add(ask as Ask<unknown>)
    this.run(turn => work(life.shard, turn, ask), ask as Ask<unknown>)
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
    if (this.waitsForRoom) return
    while (this.pending.length > 0) {
      const room = this.partition.room()
      if (room !== undefined) {
        this.waitsForRoom = true
        const again = (): void => {
          this.waitsForRoom = false
          this.flush()
        }
        void room.then(again, again)
        return
      }
      this.append(this.pending.shift()!)
    }
  }

  /** Ends for good: what was written is appended, and whoever waits is told to ask elsewhere. */
  stop(): void {
    this.stopped = true
    this.flush()
    this.discard(ErrorCode.NOT_COORDINATOR)
    for (const { answers } of this.inFlight) answers.refuse(ErrorCode.NOT_COORDINATOR)
    this.partition.onOffline = () => {}
    this.retryTimer?.cancel()
    this.watchTimer?.cancel()
  }

  private append({ batch, answers }: Pending): void {
    const { clock, batches, logger } = this.parts
    const nowMs = clock.wallMs()
    const appended = this.partition.appendOwn(batch.seal(nowMs), nowMs)
    batches.give(batch)
    if (appended.ok) {
      this.fly(appended.value.endOffset, answers)
      return
    }
    const { code, message } = appended.error
    logger.error(
      { topic: this.partition.topic, partition: this.index, error: message, retryMs: this.retryMs },
      'the log of a coordinator did not take its records: its state is made again from the log',
    )
    const told = codeOfLogFailure(code)
    answers.refuse(told)
    this.discard(told)
    this.loadLater()
  }

  /** Answers wait until everything below `endOffset` is committed. */
  private fly(endOffset: number, answers: HeldAnswers): void {
    const flight = new InFlight(endOffset, answers, this.landed)
    this.inFlight.push(flight)
    this.partition.whenCommitted(flight)
  }

  private readonly landed = (flight: InFlight, code: ErrorCode): void => {
    const at = this.inFlight.indexOf(flight)
    assert(at >= 0, 'an append is committed once', { partition: this.index, endOffset: flight.endOffset })
    this.inFlight.splice(at, 1)
    if (code === ErrorCode.NONE) {
      this.retryMs = firstRetryMs
      flight.answers.give()
    } else flight.answers.refuse(codeOfLogFailure(code))
  }

  /** One timer for all who wait, for room or to be committed: it looks whether the first of them has waited too long. */
  private watchAnswers(): void {
    if (this.watchTimer !== undefined) return
    const first = this.inFlight.find(waitedFor) ?? this.pending.find(waitedFor)
    if (first === undefined) return
    const { clock, timers } = this.parts
    const timeoutMs = this.parts.commitTimeoutMs()
    const waitMs = Math.max(first.answers.sinceMs + timeoutMs - clock.monotonicMs(), 1)
    this.watchTimer = timers.after(waitMs, () => {
      this.watchTimer = undefined
      const late = clock.monotonicMs() - timeoutMs
      for (const { answers } of [...this.inFlight, ...this.pending])
        if (answers.sinceMs <= late) answers.refuse(codeOfLogFailure(ErrorCode.REQUEST_TIMED_OUT))
      this.watchAnswers()
    })
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
    if (partition.highWatermark < log.logEnd) this.fly(log.logEnd, new HeldAnswers(this.parts.clock.monotonicMs()))
    this.run(turn => life.shard.loaded(turn))
    const { waiting } = this
    this.waiting = []
    for (const work of waiting) this.tell(work)
  }

  private run(work: TurnWork, ask?: Ask<unknown>): void {
    const { life, parts } = this
    assert(life !== undefined, 'a turn runs on a shard')
    assert(this.turn === undefined, 'turns do not nest', { partition: this.index })
    const turn = new HostTurn(parts, life, this.maxBatchBytes)
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

  /** Its records join those of the turns before it, where a batch takes them all. */
  private ended(turn: HostTurn<S>): void {
    const { records, batches } = this.parts
    if (records.count > 0) {
      let last = this.pending.at(-1)
      if (last === undefined || last.batch.bytes + records.bytes > this.maxBatchBytes) {
        last = { batch: batches.take(), answers: new HeldAnswers(turn.nowMs) }
        this.pending.push(last)
      }
      last.batch.add(records)
      records.reset()
      this.parts.flushSoon(this)
    }
    if (turn.answers.length === 0) return
    const waitsFor = this.pending.at(-1)?.answers ?? this.inFlight.at(-1)?.answers
    if (waitsFor === undefined) {
      for (const { asker, response } of turn.answers) asker.answered(response)
      return
    }
    waitsFor.add(turn.answers)
    // Who comes to wait for what others have been given up on is to be told as well.
    this.watchAnswers()
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

  /** Ends the shard's life. Answers whose records are in the log still wait for them. */
  private discard(code: ErrorCode): void {
    const { life } = this
    this.life = undefined
    life?.timers.cancelAll()
    for (const { answers, batch } of this.pending.splice(0)) {
      answers.refuse(code)
      this.parts.batches.give(batch)
    }
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
