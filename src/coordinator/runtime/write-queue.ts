import { assert } from '../../base/assert.ts'
import type { Clock, Timer, Timers } from '../../base/world.ts'
import type { AppendFailure } from '../../log/append-failure.ts'
import type { TransactionMarker } from '../../log/transaction-marker.ts'
import { ErrorCode } from '../../protocol/index.ts'
import type { Partition } from '../../replication/partition.ts'
import { type Ask, HeldAnswers, InFlight } from './asks.ts'
import type { BatchPool, BatchWriter, TurnRecords } from './batch-writer.ts'
import { codeOfLogFailure } from './coordinator-error.ts'
import type { TransactionalProducer } from './shard.ts'

export interface WriteQueueParts {
  readonly clock: Clock
  readonly timers: Timers
  readonly batches: BatchPool
  /** What a turn has written lies here when it is over. */
  readonly records: TurnRecords
  /** How long an append may take to be committed before who waits for it is told so. */
  commitTimeoutMs(): number
  /** For tests: what a partition's turns wrote is in its log. */
  appended?(partition: number): void
}

/** Whose writes they are. */
export interface WriteOwner {
  /** The log did not take what the shard's state has already. */
  appendFailed(failure: AppendFailure): void
  /** The marker is in the log, behind all that was written before it. */
  transactionEnded(marker: TransactionMarker): void
  committed(): void
}

/** Not appended yet: records of some turns, or the end of a transaction; and who is answered when it is committed. */
type Pending = PendingBatch | PendingMarker

interface PendingBatch {
  readonly kind: 'batch'
  readonly batch: BatchWriter
  readonly producer: TransactionalProducer | undefined
  readonly answers: HeldAnswers
}

interface PendingMarker {
  readonly kind: 'marker'
  readonly marker: TransactionMarker
  /** Who wants it written; `answers` holds this one's as well. */
  readonly ask: Ask<ErrorCode>
  readonly answers: HeldAnswers
}

const waitedFor = ({ answers }: { readonly answers: HeldAnswers }): boolean => answers.waitedFor

const sameProducer = (one: TransactionalProducer | undefined, other: TransactionalProducer | undefined): boolean =>
  one?.producerId === other?.producerId && one?.producerEpoch === other?.producerEpoch

/** What one shard writes to its partition, in order, and the answers that wait for it to be committed. */
export class WriteQueue {
  partition: Partition
  private readonly parts: WriteQueueParts
  private readonly owner: WriteOwner
  private pending: Pending[] = []
  /** In the order of their end offsets. */
  private readonly inFlight: InFlight[] = []
  private watchTimer: Timer | undefined
  private waitsForRoom = false

  constructor(parts: WriteQueueParts, partition: Partition, owner: WriteOwner) {
    this.parts = parts
    this.partition = partition
    this.owner = owner
  }

  /** The records of a turn join those of the turns before it, where a batch takes them all. */
  addRecords(nowMs: number, producer: TransactionalProducer | undefined, maxBatchBytes: number): void {
    const { records, batches } = this.parts
    let last = this.pending.at(-1)
    if (
      last?.kind !== 'batch' ||
      last.batch.bytes + records.bytes > maxBatchBytes ||
      !sameProducer(last.producer, producer)
    ) {
      last = { kind: 'batch', batch: batches.take(), producer, answers: new HeldAnswers(nowMs) }
      this.pending.push(last)
    }
    last.batch.add(records)
    records.reset()
  }

  /** `ask` is answered NONE when the marker is committed. */
  addMarker(marker: TransactionMarker, ask: Ask<ErrorCode>, nowMs: number): void {
    const answers = new HeldAnswers(nowMs)
    answers.add([{ asker: ask as Ask<unknown>, response: ErrorCode.NONE }])
    this.pending.push({ kind: 'marker', marker, ask, answers })
    this.watchAnswers()
  }

  /** What an answer waits for that has seen all that was written until now; undefined: nothing. */
  get newest(): HeldAnswers | undefined {
    return this.pending.at(-1)?.answers ?? this.inFlight.at(-1)?.answers
  }

  /** The last marker of the producer that waits to be appended. */
  pendingMarker(producerId: bigint): TransactionMarker | undefined {
    for (let at = this.pending.length - 1; at >= 0; at--) {
      const each = this.pending[at]!
      if (each.kind === 'marker' && each.marker.producerId === producerId) return each.marker
    }
    return undefined
  }

  /** Appends what was written since the last time. */
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
      const next = this.pending.shift()!
      if (next.kind === 'marker') this.appendMarker(next)
      else this.append(next)
    }
  }

  /** Answers wait until everything below `endOffset` is committed. */
  fly(endOffset: number, answers: HeldAnswers): void {
    const flight = new InFlight(endOffset, answers, this.landed)
    this.inFlight.push(flight)
    this.partition.whenCommitted(flight)
  }

  /** One timer for all who wait, for room or to be committed: it looks whether the first of them has waited too long. */
  watchAnswers(): void {
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
        if (answers.sinceMs <= late) answers.refuseAsked(codeOfLogFailure(ErrorCode.REQUEST_TIMED_OUT))
      this.watchAnswers()
    })
  }

  /** What was not appended never will be. Answers whose records are in the log still wait for them. */
  dropPending(code: ErrorCode): void {
    for (const dropped of this.pending.splice(0)) {
      dropped.answers.refuse(code)
      if (dropped.kind === 'batch') this.parts.batches.give(dropped.batch)
    }
  }

  /** Nobody waits any more. */
  stop(code: ErrorCode): void {
    for (const { answers } of this.inFlight) answers.refuse(code)
    this.watchTimer?.cancel()
  }

  private append({ batch, producer, answers }: PendingBatch): void {
    const { clock, batches } = this.parts
    const nowMs = clock.wallMs()
    const appended = this.partition.appendOwn(batch.seal(nowMs, producer), nowMs)
    batches.give(batch)
    if (appended.ok) {
      this.parts.appended?.(this.partition.index)
      this.fly(appended.value.endOffset, answers)
      return
    }
    answers.refuse(codeOfLogFailure(appended.error.code))
    this.owner.appendFailed(appended.error)
  }

  /** One that the log refuses has changed nothing, neither there nor in the shard: others who wait wait for what was before. */
  private appendMarker({ marker, ask, answers }: PendingMarker): void {
    const appended = this.partition.appendMarker(marker, this.parts.clock.wallMs())
    if (!appended.ok) {
      answers.drop(ask as Ask<unknown>)
      ask.refuse(appended.error.code)
      const before = this.inFlight.at(-1)?.answers
      if (before === undefined) answers.give()
      else answers.moveTo(before)
      return
    }
    this.fly(appended.value.endOffset, answers)
    this.owner.transactionEnded(marker)
  }

  private readonly landed = (flight: InFlight, code: ErrorCode): void => {
    const at = this.inFlight.indexOf(flight)
    assert(at >= 0, 'an append is committed once', { topic: this.partition.topic, endOffset: flight.endOffset })
    this.inFlight.splice(at, 1)
    if (code === ErrorCode.NONE) {
      this.owner.committed()
      flight.answers.give()
    } else flight.answers.refuse(codeOfLogFailure(code))
  }
}
