import { assert } from '../base/assert.ts'
import type { LeaderEpoch, ProducerId } from '../base/ids.ts'
import { err, ok, type Result } from '../base/result.ts'
import type { LastAppend, LogSettings, StoredLog } from '../base/world.ts'
import { StatusCode } from '../native/status.ts'
import {
  attributesAt,
  BatchAttributes,
  baseSequenceAt,
  batchHeaderBytes,
  currentMagic,
  hasProducerIdAt,
  magicAt,
  producerEpochAt,
  producerIdAt,
  recordCountAt,
} from '../records/batch-header.ts'
import { AbortedTransactions } from './aborted-transactions.ts'
import { type AppendFailure, failureOfMarker, failureOfStatus, failureOfVerdict } from './append-failure.ts'
import { markerBatch } from './control-batch.ts'
import type { LeaderEpochs } from './leader-epochs.ts'
import type { AppendedBatch, ProducerBatch, ProducerStates, ProducerVerdict } from './producer-state.ts'
import type { AbortedTransaction, TransactionMarker } from './transaction-marker.ts'
import type { VerificationGuard } from './verification.ts'

/** Where one partition's records lie in a request: bytes of a network frame. */
export interface FrameRecords {
  arena: number
  view: DataView
  position: number
  length: number
  /** What the batch unfolds to, when it is compressed. */
  unfolded?: Uint8Array | undefined
  /** It may be left to be written with others of the turn: who answers hears when it is lost. */
  mayWait?: boolean
}

export interface Appended {
  readonly baseOffset: number
  /** Exclusive: what must be committed before the append may be acknowledged. */
  readonly endOffset: number
  /** -1 unless the topic stamps append time. */
  readonly logAppendTimeMs: number
  /** flush.messages asks that it be durable here before it is acknowledged, whatever acks says. */
  readonly flushFirst: boolean
  /** It is not written yet: see `PartitionLog.takeBack`. */
  readonly gathered: boolean
}

/** A producer's batch that is not written yet. */
interface GatheredBatch {
  readonly producerId: ProducerId
  readonly baseOffset: number
  /** What it has pushed out of its producer's state. */
  readonly oldest: AppendedBatch | undefined
}

/** What the log asks of the files around it; all are written behind the appends. */
export interface SideFiles {
  /** So many bytes were added since the last call: the recovery point is to follow. */
  appended(bytes: number): void
  /** Undefined when the log may be written now, else what to wait for before it is asked again. */
  room(): Promise<void> | undefined
  /** There was no room for an append. */
  diskFull(): void
  saveProducers(endOffset: number, producers: ProducerStates): void
  saveEpochs(epochs: LeaderEpochs): void
  /** Aborted transactions are to be written, as there are many in memory alone. */
  saveAborted(): void
  /** Resolves when all that was aborted so far stands in the indexes. */
  keepAborted(): Promise<void>
  /** The log begins at `logStart` now: what tells of nothing above it can go. */
  startMoved(logStart: number): void
}

/** A partition's log as the decisions see it: stored bytes, producer states, leader epochs. */
export class PartitionLog {
  readonly stored: StoredLog
  readonly producers: ProducerStates
  readonly epochs: LeaderEpochs
  readonly aborted: AbortedTransactions
  private readonly sideFiles: SideFiles
  private readonly chance: () => number
  /** Told when its settings have changed. */
  onConfigured: (before: LogSettings) => void = () => {}
  private current: LogSettings
  /** Only `advanceStart` moves it, and every answer tells it: kept here, where it costs no call into native code. */
  private start: number
  /** In the order of their appends, all within a turn. */
  private gathered: GatheredBatch[] = []

  /** `chance` draws from [0, 1): how much earlier than segment.ms a segment is rolled. */
  constructor(
    stored: StoredLog,
    producers: ProducerStates,
    epochs: LeaderEpochs,
    settings: LogSettings,
    sideFiles: SideFiles,
    chance: () => number = () => 0,
    aborted = new AbortedTransactions(),
  ) {
    this.stored = stored
    this.producers = producers
    this.epochs = epochs
    this.aborted = aborted
    this.current = settings
    this.sideFiles = sideFiles
    this.chance = chance
    this.start = stored.logStartOffset()
    this.drawJitter()
  }

  /** Before an append: see SideFiles. */
  room(): Promise<void> | undefined {
    return this.sideFiles.room()
  }

  get settings(): LogSettings {
    return this.current
  }

  get logStart(): number {
    return this.start
  }
  get logEnd(): number {
    return this.stored.logEndOffset()
  }
  get durableEnd(): number {
    return this.stored.durableOffset()
  }

  configure(settings: LogSettings): void {
    const before = this.current
    this.current = settings
    this.stored.configure(settings)
    this.drawJitter()
    this.onConfigured(before)
  }

  /** Begins a new segment, unless the one being written is empty. Returns a native status. */
  roll(): number {
    const before = this.stored.activeBaseOffset()
    const status = this.stored.roll()
    if (status === StatusCode.ok && this.stored.activeBaseOffset() !== before) this.rolled(this.logEnd)
    return status
  }

  /**
   * Moves the log start, which is durable in its checkpoint, and drops what lies below: whole segments, epochs that
   * ended there. Producers stay known: their state outlives their records. Returns a native status.
   */
  advanceStart(offset: number): number {
    const status = this.stored.advanceStart(offset)
    if (status !== StatusCode.ok) return status
    this.start = this.stored.logStartOffset()
    if (this.epochs.truncateStart(offset)) this.sideFiles.saveEpochs(this.epochs)
    this.sideFiles.startMoved(offset)
    return status
  }

  /**
   * Leader append of a client's batch: checks it, assigns offsets, copies it once into the page cache. Waits for neither
   * disk nor followers. A failure has changed nothing; a duplicate answers with its original offsets and is a success.
   * A batch that opens a transaction needs a `guard`: that of `beginVerification`, or `withoutVerification`.
   */
  append(
    records: FrameRecords,
    leaderEpoch: LeaderEpoch,
    nowMs: number,
    guard?: VerificationGuard,
  ): Result<Appended, AppendFailure> {
    const { view, position } = records
    if (records.length < batchHeaderBytes || magicAt(view, position) !== currentMagic)
      return this.refuse(records, nowMs)
    const attributes = attributesAt(view, position)
    const compressed = (attributes & BatchAttributes.codecMask) !== 0
    if (compressed) {
      const failure = this.checkInside(records, nowMs)
      if (failure !== undefined) return err(failure)
    }
    const producer = hasProducerIdAt(view, position) ? producerBatchAt(view, position) : undefined
    if (producer !== undefined) {
      const verdict = this.producers.check(producer, guard)
      if (verdict.kind !== 'accept') return this.answerVerdict(verdict, records, nowMs)
    }
    const { arena, length } = records
    const mayWait = records.mayWait === true && this.canTakeBack(leaderEpoch, producer)
    const status = this.stored.appendFrame(arena, position, length, leaderEpoch, nowMs, compressed, mayWait)
    if (status !== StatusCode.ok) return err(this.failure(status, nowMs))
    return ok(this.appended(this.stored.lastAppend, length, leaderEpoch, producer, nowMs))
  }

  /** What only adds to what is known can be taken back. */
  private canTakeBack(leaderEpoch: LeaderEpoch, producer: ProducerBatch | undefined): boolean {
    return this.epochs.latest === leaderEpoch && (producer === undefined || this.producers.onlyAdds(producer))
  }

  /** All that was gathered is written. */
  wroteGathered(): void {
    if (this.gathered.length > 0) this.gathered = []
  }

  /**
   * Some of what was gathered could not be written, for the native `status`: what is known of producers is again what the
   * log tells, up to its end. Returns what those are told whose batches would lie behind it.
   */
  takeBack(status: number): AppendFailure {
    const { logEnd, gathered } = this
    while (gathered.length > 0 && gathered[gathered.length - 1]!.baseOffset >= logEnd) {
      const { producerId, oldest } = gathered.pop()!
      this.producers.takeBack(producerId, oldest)
    }
    return this.failure(status, 0) // No record is at fault, and so no time.
  }

  /**
   * The same for a batch of this broker's own, which is stamped in place. Without a producer, or part of a producer's
   * transaction: it has none of its sequences, and whoever writes it knows that the transaction has this partition.
   */
  appendOwn(batch: Uint8Array, leaderEpoch: LeaderEpoch, nowMs: number): Result<Appended, AppendFailure> {
    const view = new DataView(batch.buffer, batch.byteOffset, batch.byteLength)
    const producer = hasProducerIdAt(view, 0) ? producerBatchAt(view, 0) : undefined
    if (producer !== undefined) {
      const verdict = this.producers.checkOwn(producer)
      if (verdict.kind !== 'accept') return err(failureOfVerdict(verdict))
    }
    const status = this.stored.appendBytes(batch, leaderEpoch, nowMs)
    if (status !== StatusCode.ok) return err(this.failure(status, nowMs))
    return ok(this.appended(this.stored.lastAppend, batch.length, leaderEpoch, producer, nowMs))
  }

  /**
   * Ends a producer's transaction. A marker is written whether or not anything was: it fences who wrote under an earlier
   * epoch. One that comes again is written again, and ends nothing.
   */
  appendMarker(marker: TransactionMarker, leaderEpoch: LeaderEpoch, nowMs: number): Result<Appended, AppendFailure> {
    const verdict = this.producers.checkMarker(marker)
    if (verdict !== 'accept') return err(failureOfMarker(verdict))
    const batch = markerBatch(marker, nowMs)
    const status = this.stored.appendBytes(batch, leaderEpoch, nowMs)
    if (status !== StatusCode.ok) return err(this.failure(status, nowMs))
    const appended = this.appended(this.stored.lastAppend, batch.length, leaderEpoch, undefined, nowMs)
    const { producerId, committed } = marker
    const { baseOffset: lastOffset } = appended
    const ended = this.producers.applyMarker(marker, lastOffset, nowMs)
    if (ended !== undefined && !committed) {
      const due = this.aborted.add({ producerId, ...ended, lastOffset }, this.stored.activeBaseOffset())
      if (due) this.sideFiles.saveAborted()
    }
    return ok(appended)
  }

  /** Before the coordinator is asked about a batch that would open a transaction; see ProducerStates. */
  beginVerification(
    producerId: ProducerId,
    producerEpoch: number,
    baseSequence: number,
    supportsEpochBump: boolean,
  ): VerificationGuard | undefined {
    return this.producers.beginVerification(producerId, producerEpoch, baseSequence, supportsEpochBump)
  }

  /** Where everything below `highWatermark` is committed. */
  lastStable(highWatermark: number): number {
    const firstUnstable = this.producers.transactions.firstUnstable(highWatermark)
    // What was deleted holds nobody back.
    return firstUnstable === undefined ? highWatermark : Math.min(highWatermark, Math.max(firstUnstable, this.start))
  }

  /**
   * What a reader of committed records has to know of [from, to), by first offset: whose batches from which offset on
   * are to be left out, until the abort marker of the same producer.
   */
  abortedTransactions(
    from: number,
    to: number,
  ): readonly AbortedTransaction[] | Promise<readonly AbortedTransaction[]> {
    return this.aborted.between(from, to)
  }

  /** Before compaction: it reads the indexes, and takes what none of them names for committed. */
  keepAborted(): Promise<void> {
    return this.sideFiles.keepAborted()
  }

  /** See StoredLog. */
  replaceSegments(bases: readonly number[]): Promise<number> {
    return this.aborted.replaced(bases[0]!, bases[bases.length - 1]!, this.stored.replaceSegments(bases))
  }

  private appended(
    last: LastAppend,
    length: number,
    leaderEpoch: LeaderEpoch,
    producer: ProducerBatch | undefined,
    nowMs: number,
  ): Appended {
    const { baseOffset, lastOffset } = last
    // The snapshot of a new segment tells the state below it, so it is taken before this batch is applied.
    if (last.rolled) this.rolled(baseOffset)
    if (producer !== undefined) {
      const oldest = this.producers.apply(producer, baseOffset, nowMs)
      if (last.gathered) this.gathered.push({ producerId: producer.producerId, baseOffset, oldest })
    }
    if (this.epochs.begin(leaderEpoch, baseOffset)) this.sideFiles.saveEpochs(this.epochs)
    this.sideFiles.appended(length)
    const logAppendTimeMs = this.settings.logAppendTime ? nowMs : -1
    const endOffset = lastOffset + 1
    return { baseOffset, endOffset, logAppendTimeMs, flushFirst: this.flushFirst(endOffset), gathered: last.gathered }
  }

  /** As in Kafka, the append with which so many records are unflushed waits for them. */
  private flushFirst(endOffset: number): boolean {
    const { flushMessages } = this.settings
    return flushMessages <= endOffset && endOffset - this.durableEnd >= flushMessages
  }

  private rolled(baseOffset: number): void {
    this.sideFiles.saveProducers(baseOffset, this.producers)
    this.drawJitter()
  }

  /** Each segment has its own, so that logs made together do not roll together. */
  private drawJitter(): void {
    const { settings } = this
    if (settings.segmentJitterMs <= 0) return
    const jitterMs = Math.floor(this.chance() * Math.min(settings.segmentJitterMs, settings.segmentMs))
    this.stored.configure({ ...settings, segmentMs: settings.segmentMs - jitterMs })
  }

  private answerVerdict(
    verdict: ProducerVerdict,
    records: FrameRecords,
    nowMs: number,
  ): Result<Appended, AppendFailure> {
    if (verdict.kind !== 'duplicate') return this.refuse(records, nowMs, failureOfVerdict(verdict))
    const status = this.validate(records, nowMs)
    if (status !== StatusCode.ok) return err(this.failure(status, nowMs))
    const { baseOffset, lastOffset, timestampMs } = verdict.original
    if (this.gathered.length > 0 && baseOffset >= this.gathered[0]!.baseOffset) {
      const written = this.stored.writeGathered()
      if (written !== StatusCode.ok) return err(this.failure(written, nowMs))
    }
    const logAppendTimeMs = this.settings.logAppendTime ? timestampMs : -1
    const endOffset = lastOffset + 1
    return ok({ baseOffset, endOffset, logAppendTimeMs, flushFirst: this.flushFirst(endOffset), gathered: false })
  }

  /** A batch whose bytes are wrong is told so first; only then what is wrong with its place. */
  private refuse(records: FrameRecords, nowMs: number, otherwise?: AppendFailure): Result<Appended, AppendFailure> {
    const status = this.validate(records, nowMs)
    if (status !== StatusCode.ok) return err(this.failure(status, nowMs))
    assert(otherwise !== undefined, 'bytes that are no batch fail validation')
    return err(otherwise)
  }

  /**
   * What is wrong with a compressed batch from the outside: `append` takes it only with what it unfolds to, and only a
   * batch that is sound so far is worth unfolding.
   */
  checkOutside({ arena, position, length }: FrameRecords, nowMs: number): AppendFailure | undefined {
    const status = this.stored.validateFrame(arena, position, length, nowMs, true)
    return status === StatusCode.ok ? undefined : this.failure(status, nowMs)
  }

  private checkInside({ arena, position, length, unfolded }: FrameRecords, nowMs: number): AppendFailure | undefined {
    assert(unfolded !== undefined, 'a compressed batch is appended with what it unfolds to')
    const status = this.stored.checkUnfolded(arena, position, length, unfolded, nowMs)
    return status === StatusCode.ok ? undefined : this.failure(status, nowMs)
  }

  private validate({ arena, position, length, unfolded }: FrameRecords, nowMs: number): number {
    return this.stored.validateFrame(arena, position, length, nowMs, unfolded !== undefined)
  }

  /** Of the last call on the stored log. */
  private failure(status: number, nowMs: number): AppendFailure {
    const { stored, settings } = this
    const { firstBadRecord } = stored.lastAppend
    if (status === StatusCode.noSpace) this.sideFiles.diskFull()
    return failureOfStatus(status, { firstBadRecord, faults: stored.recordFaults(), settings, nowMs })
  }
}

function producerBatchAt(view: DataView, at: number): ProducerBatch {
  return {
    producerId: producerIdAt(view, at),
    producerEpoch: producerEpochAt(view, at),
    baseSequence: baseSequenceAt(view, at),
    recordCount: recordCountAt(view, at),
    transactional: (attributesAt(view, at) & BatchAttributes.transactional) !== 0,
  }
}
