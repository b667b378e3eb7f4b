import { assert } from '../base/assert.ts'
import { type LeaderEpoch, leaderEpoch, offset, type ProducerId } from '../base/ids.ts'
import { err, type Result } from '../base/result.ts'
import type { LogSettings } from '../base/world.ts'
import { type AppendFailure, appendFailure } from '../log/append-failure.ts'
import type { EpochEnd } from '../log/leader-epochs.ts'
import { OffsetState } from '../log/offset-state.ts'
import type { Appended, FrameRecords, PartitionLog } from '../log/partition-log.ts'
import type { AbortedTransaction, TransactionMarker } from '../log/transaction-marker.ts'
import type { VerificationGuard } from '../log/verification.ts'
import { isInternalTopic, type PartitionImage } from '../metadata/image.ts'
import { StatusCode } from '../native/status.ts'
import { ErrorCode } from '../protocol/index.ts'

/** Told once: when the high watermark reaches what it waits for, or that it never will. */
export interface CommitWaiter {
  readonly endOffset: number
  onCommitted(code: ErrorCode): void
}

/** Told when the batch that ends there is not in the log, although its append has succeeded: see Partition.whenLost. */
export interface LossWaiter {
  readonly endOffset: number
  onLost(failure: AppendFailure): void
}

/** Told each time more of the partition can be read, or none of it any more. */
export interface ReadWaiter {
  onReadable(): void
}

/** What a fetch of one partition gives; `region` is pinned for the caller when `length` is not 0. */
export interface ReadOutcome {
  code: ErrorCode
  region: number
  length: number
  /** No offset of the region lies at or above it: what a reader has to know of it ends there. */
  end: number
  /** Not without waiting for the disk: `readCold` does. */
  wouldBlock: boolean
}

export interface PartitionOptions {
  readonly writeCaching: boolean
  readonly minInSyncReplicas: number
}

/**
 * One partition as its leader sees it. On one node the in-sync replicas are this one, so the high watermark is what is
 * durable here, or what is written where the topic allows that (`write.caching`, design of the acknowledgements).
 */
export class Partition {
  readonly topic: string
  readonly index: number
  readonly leader: number
  readonly epoch: LeaderEpoch
  private current: PartitionLog | undefined
  private state: OffsetState | undefined
  private readonly inSyncReplicas: number
  private options: PartitionOptions
  /** In order of arrival; a duplicate's earlier end offset waits no longer than those before it. */
  private commitWaiters: CommitWaiter[] = []
  /** Those who wait for this replica's disk alone, in order of arrival. */
  private durableWaiters: CommitWaiter[] = []
  /** flush.messages was reached below here: nothing more is committed before that is durable. 0: it is. */
  private flushUpTo = 0
  /** Everything gathered below is committed as soon as it is written. */
  private commitWhenWritten = 0
  private readonly readWaiters = new Set<ReadWaiter>()
  private lossWaiters: LossWaiter[] = []
  private gone: ErrorCode = ErrorCode.NONE
  /** For the coordinator whose state this partition holds: told after everyone who waits. */
  onOffline: (code: ErrorCode) => void = () => {}
  /** The log end when it came online. */
  private foundEnd = 0

  constructor(topic: string, index: number, image: PartitionImage, options: PartitionOptions) {
    this.topic = topic
    this.index = index
    this.leader = image.leader
    this.epoch = leaderEpoch(image.leaderEpoch)
    this.inSyncReplicas = image.isr.length
    this.options = options
  }

  /** Fewer in-sync replicas than the topic asks for: acks=all is refused before anything is appended. */
  get belowMinIsr(): boolean {
    return this.inSyncReplicas < this.options.minInSyncReplicas
  }

  /**
   * The topic's configs changed. Where writes are no longer enough, the high watermark stays where it is until what is
   * durable has caught up, which is asked for at once; where they are enough now, what is written is committed.
   */
  configure(options: PartitionOptions, settings: LogSettings): void {
    const cachedBefore = this.writeCaching
    this.options = options
    const log = this.current
    if (log === undefined) return
    log.configure(settings)
    if (this.writeCaching === cachedBefore) return
    if (this.writeCaching && this.flushUpTo === 0) this.commit(log.logEnd)
    else if (log.durableEnd < log.logEnd) log.stored.requestFlush()
  }

  /** A coordinator's own topic is always durable before it is committed: its state may have been acted upon. */
  private get writeCaching(): boolean {
    return this.options.writeCaching && !isInternalTopic(this.topic)
  }

  /** The log is open: the partition serves from now on. What survived in the log is committed on a single replica. */
  online(log: PartitionLog): void {
    assert(this.current === undefined, 'a partition comes online once', { topic: this.topic, index: this.index })
    this.current = log
    this.gone = ErrorCode.NONE
    const start = offset(log.logStart)
    const committed = this.writeCaching ? log.logEnd : Math.max(log.durableEnd, start)
    this.state = new OffsetState(start, offset(committed), offset(log.logEnd), offset(log.lastStable(committed)))
    this.foundEnd = log.logEnd
    if (committed < log.logEnd) log.stored.requestFlush()
  }

  /** Everything that was in the log when it came online is committed, as it may have been before: see ListOffsets. */
  get recovered(): boolean {
    return this.highWatermark >= this.foundEnd
  }

  /** Serves no longer, because its disk failed or its topic was deleted; everyone who waits is told `code`. */
  offline(code: ErrorCode): void {
    this.gone = code
    this.current = undefined
    const waiting = [...this.commitWaiters, ...this.durableWaiters]
    this.commitWaiters = []
    this.durableWaiters = []
    for (const waiter of waiting) waiter.onCommitted(code)
    const unwritten = this.lossWaiters
    this.lossWaiters = []
    for (const waiter of unwritten) waiter.onLost(this.unavailable())
    this.notifyReaders()
    this.onOffline(code)
  }

  get log(): PartitionLog | undefined {
    return this.current
  }
  get logStart(): number {
    return this.current === undefined ? -1 : this.state!.logStart
  }
  get highWatermark(): number {
    return this.state?.highWatermark ?? -1
  }
  get lastStable(): number {
    return this.state?.lastStable ?? -1
  }

  /** Why this partition cannot serve a client that knows it under `clientEpoch` (-1: no matter which); NONE if it can. */
  refusal(clientEpoch: number): ErrorCode {
    if (this.current === undefined) return this.gone === ErrorCode.NONE ? ErrorCode.LEADER_NOT_AVAILABLE : this.gone
    if (clientEpoch === -1 || clientEpoch === this.epoch) return ErrorCode.NONE
    return clientEpoch < this.epoch ? ErrorCode.FENCED_LEADER_EPOCH : ErrorCode.UNKNOWN_LEADER_EPOCH
  }

  /** Undefined when a batch may be appended now, else what to wait for before this is asked again. */
  room(): Promise<void> | undefined {
    return this.current?.room()
  }

  /** Appends a client's batch; nobody has been promised anything yet. For `guard` see PartitionLog. */
  append(records: FrameRecords, nowMs: number, guard?: VerificationGuard): Result<Appended, AppendFailure> {
    if (this.current === undefined) return err(this.unavailable())
    const appended = this.current.append(records, this.epoch, nowMs, guard)
    if (appended.ok) this.appended(appended.value)
    return appended
  }

  /** Appends a batch of this broker's own, whole and with its checksum; its offsets are stamped into it. */
  appendOwn(batch: Uint8Array, nowMs: number): Result<Appended, AppendFailure> {
    if (this.current === undefined) return err(this.unavailable())
    const appended = this.current.appendOwn(batch, this.epoch, nowMs)
    if (appended.ok) this.appended(appended.value)
    return appended
  }

  /** Ends a producer's transaction here; see PartitionLog. Readers of committed records see it once it is committed. */
  appendMarker(marker: TransactionMarker, nowMs: number): Result<Appended, AppendFailure> {
    if (this.current === undefined) return err(this.unavailable())
    const appended = this.current.appendMarker(marker, this.epoch, nowMs)
    if (appended.ok) this.appended(appended.value)
    return appended
  }

  private unavailable(): AppendFailure {
    return appendFailure(this.refusal(-1), 'The partition is not available on this broker.')
  }

  /** See PartitionLog; undefined too while the partition is not available, which the append then tells. */
  beginVerification(
    producerId: ProducerId,
    producerEpoch: number,
    baseSequence: number,
    supportsEpochBump = false,
  ): VerificationGuard | undefined {
    return this.current?.beginVerification(producerId, producerEpoch, baseSequence, supportsEpochBump)
  }

  /** Whether `guard` still stands: no marker of the producer has come since it was given out. */
  admits(producerId: ProducerId, guard: VerificationGuard): boolean {
    return this.current?.producers.admits(producerId, guard) === true
  }

  /** First offset of the transaction that the producer has open here under this epoch, -1 if none. */
  openTransactionOf(producerId: ProducerId, producerEpoch: number): number {
    return this.current?.producers.openTransactionOf(producerId, producerEpoch) ?? -1
  }

  /**
   * The aborted transactions that a reader of the committed records in [from, to) has to know, by first offset. A promise
   * when they have to be read from a file.
   */
  abortedTransactions(
    from: number,
    to: number,
  ): readonly AbortedTransaction[] | Promise<readonly AbortedTransaction[]> {
    return this.current?.abortedTransactions(from, to) ?? []
  }

  private appended({ endOffset, flushFirst, gathered }: Appended): void {
    const { current, state } = this
    assert(current !== undefined && state !== undefined, 'only an online partition is appended to')
    // A duplicate's end lies below the log's, of which more may be gathered.
    const added = endOffset > state.logEnd
    if (added) state.appended(offset(endOffset))
    if (flushFirst) this.flushUpTo = Math.max(this.flushUpTo, endOffset)
    if (this.flushUpTo > 0) current.stored.requestFlush()
    else if (this.writeCaching) {
      if (gathered) this.commitWhenWritten = endOffset
      else if (added) this.commit(state.logEnd)
    } else if (this.readWaiters.size > 0) current.stored.requestFlush()
  }

  /** What was gathered just now is committed as soon as it is written, before any answer leaves. */
  get commitsWritten(): boolean {
    return this.writeCaching && this.flushUpTo === 0
  }

  /** The waiter's append is gathered. Whatever it has promised until the turn ends it takes back when it hears of a loss. */
  whenLost(waiter: LossWaiter): void {
    this.lossWaiters.push(waiter)
  }

  /** Some of what was gathered could not be written, for this native status; nobody has been told that it is there. */
  onLost(status: number): void {
    const { current, state } = this
    if (current === undefined || state === undefined) return
    const failure = current.takeBack(status)
    const { logEnd } = current
    state.takenBack(offset(logEnd))
    if (this.flushUpTo > logEnd) this.flushUpTo = current.durableEnd < logEnd ? logEnd : 0
    const isLost = ({ endOffset }: { endOffset: number }) => endOffset > logEnd
    const waiting = [...this.commitWaiters, ...this.durableWaiters].filter(isLost)
    this.commitWaiters = this.commitWaiters.filter(waiter => !isLost(waiter))
    this.durableWaiters = this.durableWaiters.filter(waiter => !isLost(waiter))
    for (const waiter of waiting) waiter.onCommitted(failure.code)
    for (const waiter of this.lossWaiters) if (isLost(waiter)) waiter.onLost(failure)
  }

  /** What was gathered is written, but for what `onLost` has told of. */
  onWritten(): void {
    if (this.lossWaiters.length > 0) this.lossWaiters = []
    if (this.current === undefined) return
    this.current.wroteGathered()
    const committed = this.commitWhenWritten
    this.commitWhenWritten = 0
    if (committed > 0) this.commit(committed)
  }

  /** Calls the waiter once everything below its end offset is committed: at once, when it is already. */
  whenCommitted(waiter: CommitWaiter): void {
    if (this.current === undefined) {
      waiter.onCommitted(this.refusal(-1))
    } else if (this.highWatermark >= waiter.endOffset) {
      waiter.onCommitted(ErrorCode.NONE)
    } else {
      this.commitWaiters.push(waiter)
      this.current.stored.requestFlush()
    }
  }

  /** The same for being durable here, which is what acks=1 waits for where flush.messages asks for it. */
  whenDurable(waiter: CommitWaiter): void {
    if (this.current === undefined) {
      waiter.onCommitted(this.refusal(-1))
    } else if (this.current.durableEnd >= waiter.endOffset) {
      waiter.onCommitted(ErrorCode.NONE)
    } else {
      this.durableWaiters.push(waiter)
      this.current.stored.requestFlush()
    }
  }

  /** Forgets a waiter that gave up. */
  dropCommitWaiter(waiter: CommitWaiter): void {
    for (const waiters of [this.commitWaiters, this.durableWaiters]) {
      const at = waiters.indexOf(waiter)
      if (at >= 0) waiters.splice(at, 1)
    }
  }

  addReadWaiter(waiter: ReadWaiter): void {
    this.readWaiters.add(waiter)
    if (this.current !== undefined && this.highWatermark < this.current.logEnd) this.current.stored.requestFlush()
  }

  dropReadWaiter(waiter: ReadWaiter): void {
    this.readWaiters.delete(waiter)
  }

  /** The flush pool made everything below `durableOffset` durable. */
  onDurable(durableOffset: number): void {
    if (this.current === undefined) return
    if (durableOffset >= this.flushUpTo) this.flushUpTo = 0
    this.commit(this.writeCaching && this.flushUpTo === 0 ? this.current.logEnd : durableOffset)
    const done = takeReached(this.durableWaiters, durableOffset)
    for (const waiter of done) waiter.onCommitted(ErrorCode.NONE)
  }

  /** The log start was moved: who waits below it is told. */
  logStartMoved(): void {
    if (this.current === undefined) return
    this.state?.trimmed(offset(this.current.logStart))
    this.notifyReaders()
  }

  /** The largest epoch that is not above `asked`, and where it ended (KIP-101, KIP-279); see LeaderEpochs.endOf. */
  endOfEpoch(asked: number): EpochEnd {
    assert(this.current !== undefined, 'only a partition that serves is asked for its epochs')
    return this.current.epochs.endOf(asked, this.epoch, this.current.logEnd)
  }

  /** The end of what a reader may see: the last stable offset for committed reads. */
  readLimit(readCommitted: boolean): number {
    return readCommitted ? this.lastStable : this.highWatermark
  }

  /**
   * Pins the bytes from the batch around `fetchOffset` up to the reader's limit, at most `maxBytes` (see StoredLog.read).
   * Never waits for the disk.
   */
  read(fetchOffset: number, maxBytes: number, readCommitted: boolean, wholeFirstBatch: boolean): ReadOutcome {
    const { current, state } = this
    if (current === undefined || state === undefined) return refused(this.refusal(-1))
    // Between the limit and the log end there is nothing to read yet; past the end there never was.
    if (fetchOffset < state.logStart || fetchOffset > state.logEnd) return refused(ErrorCode.OFFSET_OUT_OF_RANGE)
    const limit = this.readLimit(readCommitted)
    if (fetchOffset >= limit) return nothingRead
    const { stored } = current
    const status = stored.read(fetchOffset, maxBytes, limit, wholeFirstBatch)
    return readOutcome(status, stored.lastRegion, stored.lastRegionLength, stored.lastRegionEnd)
  }

  /** The same on a thread that may wait for the disk. The region is pinned whatever has become of the partition. */
  async readCold(
    fetchOffset: number,
    maxBytes: number,
    readCommitted: boolean,
    wholeFirstBatch: boolean,
  ): Promise<ReadOutcome> {
    const limit = this.readLimit(readCommitted)
    if (this.current === undefined) return refused(this.refusal(-1))
    if (fetchOffset >= limit) return nothingRead
    const { stored } = this.current
    const { status, region, length, end } = await stored.readCold(fetchOffset, maxBytes, limit, wholeFirstBatch)
    if (this.current === undefined && length === 0) return refused(this.refusal(-1))
    return readOutcome(status, region, length, end)
  }

  /** Whether `fetchOffset` lies in a segment that is no longer written. */
  belowActiveSegment(fetchOffset: number): boolean {
    return this.current !== undefined && fetchOffset < this.current.stored.activeBaseOffset()
  }

  private commit(endOffset: number): void {
    assert(this.state !== undefined && this.current !== undefined, 'only an online partition commits')
    const highWatermark = offset(Math.min(endOffset, this.state.logEnd))
    if (highWatermark < this.state.highWatermark) return
    if (!this.state.committed(highWatermark, offset(this.current.lastStable(highWatermark)))) return
    for (const waiter of takeReached(this.commitWaiters, highWatermark)) waiter.onCommitted(ErrorCode.NONE)
    this.notifyReaders()
  }

  private notifyReaders(): void {
    if (this.readWaiters.size === 0) return
    for (const waiter of [...this.readWaiters]) waiter.onReadable()
  }
}

const nothingRead: ReadOutcome = { code: ErrorCode.NONE, region: 0, length: 0, end: 0, wouldBlock: false }

const refused = (code: ErrorCode): ReadOutcome => ({ code, region: 0, length: 0, end: 0, wouldBlock: false })

function readOutcome(status: number, region: number, length: number, end: number): ReadOutcome {
  if (status === StatusCode.ok) return { code: ErrorCode.NONE, region, length, end, wouldBlock: false }
  if (status === StatusCode.wouldBlock) return { code: ErrorCode.NONE, region: 0, length: 0, end: 0, wouldBlock: true }
  return refused(status === StatusCode.offsetOutOfRange ? ErrorCode.OFFSET_OUT_OF_RANGE : ErrorCode.KAFKA_STORAGE_ERROR)
}
/** Takes out the first waiters, as many as wait for no more than `endOffset`. */
function takeReached(waiters: CommitWaiter[], endOffset: number): readonly CommitWaiter[] {
  let reached = 0
  while (reached < waiters.length && waiters[reached]!.endOffset <= endOffset) reached++
  return reached === 0 ? nobody : waiters.splice(0, reached)
}

const nobody: readonly CommitWaiter[] = []
