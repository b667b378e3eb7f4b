import { MillraceError } from '../base/error.ts'
import type { Timers } from '../base/world.ts'
import {
  brokerHas,
  closeAbandoned,
  type ListedSegment,
  listReadSegments,
  lostPages,
  MappedSidecar,
  readWholeFile,
} from '../native/reads.ts'
import { LogCursor } from './cursor.ts'
import { closedError } from './read-log.ts'
import { lastOffsetAt, ReadSegment, type SegmentHome } from './read-segment.ts'
import { type LogRecord, type ReadOptions, readRecords, type TailedLog } from './read-stream.ts'
import { offsetForTimestamp } from './read-time.ts'
import { TailWaiters } from './read-waiters.ts'
import { MarksBudget } from './record-marks.ts'

export interface ReaderOptions {
  /** Looks for what other processes and threads append; each `after` has to keep the process alive. */
  readonly timers: Timers
  /** The writer is in this thread, and calls `appended` and `filesChanged`. */
  readonly writerCalls?: boolean
  /** The largest size of a segment, where it is known: the active one is then mapped once. */
  readonly segmentBytes?: number
}

/** How much of the active segment is mapped, though its file may not be as long yet. */
const activeBytesMin = 128 << 20
/** Segments that are mapped at a time, beside those of which the app holds views. */
const mappedMax = 256
/** A segment that is being replaced or removed is there again, or gone, after this many looks. */
const openTries = 100
const checkpointName = 'embedded-log'
/** The file system is asked whether the sidecar is still the log's with one in so many looks at it. */
const thoroughEvery = 64

/**
 * The log in a directory as its readers see it: who writes, if anybody, may be in this thread, in another one or in
 * another process. Everything happens synchronously on this thread and may wait for the disk where a page is not in
 * the page cache.
 *
 * Segments are mapped when they are first read, one ArrayBuffer each. Views of them (`LogCursor.key` and `value`) live
 * until the log is closed or their segment is no longer the log's; from then on their length is 0. What was handed on
 * beyond the reach of that (to a thread pool, or by moving the buffer) reads as zeros, or later as other bytes of a log.
 */
export class LogReader implements TailedLog, SegmentHome {
  readonly directory: string
  /** Moves when mapped pages were lost: see `lostPages`. */
  readonly lost: Int32Array
  readonly marksBudget = new MarksBudget()
  closed = false
  /** The active segment, where batches end in it and the open batch begins. */
  activeBase = -1
  sealedEnd = 0
  /** The open batch; `openBytes` is 0 while there is none. */
  openBase = 0
  openBytes = 0
  openRecords = 0
  openTimestampMs = 0
  openMaxTimestampMs = -1
  private readonly options: ReaderOptions
  private readonly waiters: TailWaiters
  private segments: ListedSegment[] = []
  private readonly mapped = new Map<number, ReadSegment>()
  /** Mappings that are too short by now, of which the app has views. */
  private readonly outgrown = new Set<ReadSegment>()
  private sidecar: MappedSidecar | undefined
  private fileChanges = -1
  private restingBytes = -1
  /** What the last writer noted when it opened or closed the log: native/core/embedded/checkpoint.h. */
  private noted = ''
  private broken: MillraceError | undefined
  private start = 0
  private end = 0
  private looks = 0
  /** What has to be closed when this reader is collected; it does not refer to the reader. */
  private readonly held: Held = { segments: new Set(), sidecar: undefined }

  /** Throws where there is no such directory. */
  constructor(directory: string, options: ReaderOptions) {
    this.directory = directory
    this.options = options
    this.lost = lostPages()
    this.waiters = new TailWaiters(options.timers, options.writerCalls === true, () => this.grew())
    abandoned.register(this, this.held, this)
    try {
      this.list()
      this.refresh(true)
    } catch (failure) {
      this.close() // What was opened by then is not left to the collector.
      throw failure
    }
  }

  /** Whether there is a log, or at least somebody who makes one. */
  get exists(): boolean {
    return this.segments.length > 0 || this.sidecar !== undefined || this.noted !== ''
  }

  /** The first offset that can be read. */
  get startOffset(): number {
    this.refresh()
    return this.start
  }

  /** The offset of the next record: every record below it can be read. */
  get endOffset(): number {
    this.refresh()
    return this.end
  }

  /** Records below were on the disk when their writer, who may be elsewhere or gone, last said so. */
  get durableOffset(): number {
    this.refresh()
    if (this.sidecar !== undefined) return this.sidecar.durableOffset
    return Math.min(this.notedNumber(this.notedNumber('clean') === 1 ? 'end' : 'recovery'), this.end)
  }

  /** As of the last look. */
  get knownStart(): number {
    return this.start
  }

  get knownEnd(): number {
    return this.end
  }

  /** What is wrong behind the last good batch, where nobody writes who could mend it. */
  get damage(): MillraceError | undefined {
    return this.broken
  }

  /** Before the first record at or above `from`: the log's start when absent. Throws where `from` is outside the log. */
  cursor(from?: number): LogCursor {
    return new LogCursor(this, from ?? this.startOffset)
  }

  /** Copies of the records, in order; with `live`, also of those to come. */
  read(options: ReadOptions = {}): AsyncGenerator<LogRecord, void, undefined> {
    return readRecords(this, options)
  }

  /** The offset of the first record at or after a time; the end offset where there is none. */
  offsetForTimestamp(timestampMs: number): number {
    this.refresh()
    return offsetForTimestamp(this, timestampMs)
  }

  /** The writer of this thread has appended. */
  appended(): void {
    this.waiters.wake()
  }

  /** The writer of this thread has made, removed or replaced segments: views of those that are gone end here. */
  filesChanged(): void {
    if (!this.closed) this.refresh(true)
    this.waiters.wake()
  }

  /** Resolves once there may be records at or above `offset`, the log is closed, or `signal` says so. */
  async waitFor(offset: number, signal: AbortSignal | undefined): Promise<void> {
    if (!this.closed && this.endOffset <= offset) await this.waiters.wait(signal)
  }

  /** Lets others have their turn. */
  async pause(): Promise<void> {
    await new Promise<void>(resolve => this.options.timers.soon(resolve))
  }

  /** Views end here, and so do cursors and whoever waits. */
  close(): void {
    if (this.closed) return
    this.closed = true
    abandoned.unregister(this)
    for (const segment of [...this.mapped.values(), ...this.outgrown]) segment.close()
    this.mapped.clear()
    this.outgrown.clear()
    this.sidecar?.close()
    this.sidecar = undefined
    this.waiters.wake()
  }

  /** Looks at what the writer has published. */
  refresh(thorough = false): void {
    if (this.closed) throw closedError(this.directory)
    this.looks++
    for (let again = 0; again < 2; again++) {
      this.sidecar ??= this.openSidecar()
      if (this.sidecar === undefined) {
        this.rest()
        return
      }
      const loaded = this.sidecar.load(thorough || this.looks % thoroughEvery === 0)
      if (loaded === 'gone') this.dropSidecar()
      else if (loaded) this.follow(this.sidecar)
      if (loaded !== 'gone') return
    }
  }

  /** The segment that holds `offset`, or the one before the gap that it lies in; undefined where there is none. */
  segmentOf(offset: number): ReadSegment | undefined {
    for (let tries = 0; tries < openTries; tries++) {
      const listed = this.segments[this.placeOf(offset)]
      if (listed === undefined) return undefined
      const segment = this.map(listed)
      if (segment !== undefined) return segment
      this.list()
    }
    throw new MillraceError('MILLRACE_LOCKED', `A segment of ${this.directory} is being changed; try again.`)
  }

  /** The base offset of the segment behind `segment`; undefined for the last. */
  baseBehind(segment: ReadSegment): number | undefined {
    return this.segments[this.placeOf(segment.baseOffset) + 1]?.baseOffset
  }

  get segmentBases(): number[] {
    return this.segments.map(listed => listed.baseOffset)
  }

  outOfRange(offset: number): MillraceError {
    return new MillraceError(
      'MILLRACE_OFFSET_OUT_OF_RANGE',
      `The offset ${offset} is outside the log in ${this.directory}, which has ${this.start} to ${this.end}.`,
    )
  }

  private placeOf(offset: number): number {
    let low = 0
    let high = this.segments.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.segments[middle]!.baseOffset <= offset) low = middle + 1
      else high = middle
    }
    return Math.max(low - 1, 0)
  }

  private map(listed: ListedSegment): ReadSegment | undefined {
    const known = this.mapped.get(listed.baseOffset)
    if (known !== undefined && known.bytes.length > 0) return known
    // Somebody has moved the buffer that was lent to another owner.
    if (known !== undefined) this.unmap(known)
    const active = listed.baseOffset === this.activeBase
    const reserve = active ? Math.max(this.options.segmentBytes ?? activeBytesMin, 2 * this.sealedEnd) : 0
    const segment = ReadSegment.open(this, listed, reserve)
    if (segment === undefined) return undefined
    if (active) segment.end = this.sealedEnd
    this.mapped.set(listed.baseOffset, segment)
    this.held.segments.add(segment.mapped.id)
    owners.set(segment.mapped.buffer, this)
    this.unmapSome(segment)
    return segment
  }

  private unmapSome(kept: ReadSegment): void {
    if (this.mapped.size <= mappedMax) return
    for (const segment of this.mapped.values()) {
      if (segment === kept || segment.lent || segment.baseOffset === this.activeBase) continue
      this.unmap(segment)
      return
    }
  }

  private unmap(segment: ReadSegment): void {
    if (!this.outgrown.delete(segment)) this.mapped.delete(segment.baseOffset)
    this.held.segments.delete(segment.mapped.id)
    segment.close()
  }

  /**
   * Lists the directory; segments that are gone, or are others now, are unmapped. So are those wholly below `startOffset`,
   * which are still listed while the writer's background thread gets to them: nobody may look again, and a file that is
   * mapped keeps its room on the disk.
   */
  private list(startOffset = 0): void {
    this.segments = listReadSegments(this.directory)
    const first = this.segments[this.placeOf(startOffset)]?.baseOffset ?? 0
    const inodes = new Map(this.segments.map(listed => [listed.baseOffset, listed.inode]))
    for (const segment of [...this.mapped.values(), ...this.outgrown])
      if (segment.baseOffset < first || inodes.get(segment.baseOffset) !== segment.listed.inode) this.unmap(segment)
  }

  private follow(sidecar: MappedSidecar): void {
    if (sidecar.segmentBase !== this.activeBase) this.endActive(sidecar.segmentBase)
    if (sidecar.fileChanges !== this.fileChanges) {
      this.list(sidecar.startOffset)
      // Only once it is listed, since the page may tell of it a little earlier.
      if (this.segments[this.placeOf(sidecar.segmentBase)]?.baseOffset === sidecar.segmentBase)
        this.fileChanges = sidecar.fileChanges
    }
    this.broken = undefined
    this.sealedEnd = sidecar.position
    this.openBase = sidecar.batchBase
    this.openBytes = sidecar.bytes
    this.openRecords = sidecar.records
    this.openTimestampMs = sidecar.baseTimestampMs
    this.openMaxTimestampMs = sidecar.maxTimestampMs
    this.end = sidecar.batchBase + sidecar.records
    this.start = sidecar.startOffset
    const active = this.mapped.get(sidecar.segmentBase)
    if (active === undefined) return
    if (sidecar.position + sidecar.bytes > active.bytes.length) this.outgrow(active)
    else active.end = sidecar.position
  }

  /** The segment that was active is written no more. */
  private endActive(activeBase: number): void {
    const segment = this.mapped.get(this.activeBase)
    this.activeBase = activeBase
    this.fileChanges = -1
    if (segment === undefined) return
    const fileBytes = segment.mapped.fileBytes()
    if (fileBytes > segment.bytes.length) this.outgrow(segment)
    else segment.end = fileBytes
  }

  /** The file has become longer than its mapping. Views stay; cursors go on in the next one. */
  private outgrow(segment: ReadSegment): void {
    if (segment.lent) {
      this.mapped.delete(segment.baseOffset)
      this.outgrown.add(segment)
      segment.retired = true
    } else this.unmap(segment)
  }

  private openSidecar(): MappedSidecar | undefined {
    const sidecar = MappedSidecar.open(this.directory)
    this.held.sidecar = sidecar?.id
    if (sidecar !== undefined) this.fileChanges = -1
    return sidecar
  }

  private dropSidecar(): void {
    this.sidecar?.close()
    this.sidecar = undefined
    this.held.sidecar = undefined
    this.restingBytes = -1
  }

  /** Nobody has the log open for writing: it ends where the last segment does. */
  private rest(): void {
    const known = this.mapped.get(this.activeBase)
    const noted = new TextDecoder().decode(readWholeFile(this.directory, checkpointName))
    // A writer may have come and gone since the last look, and have left the file as it was: its records did not fit.
    const same = noted === this.noted && this.looks % thoroughEvery !== 0
    if (same && this.restingBytes >= 0 && known?.mapped.fileBytes() === this.restingBytes) {
      this.walkOn(known)
      return
    }
    this.noted = noted
    this.endActive(-1)
    this.list()
    this.openBytes = 0
    this.openRecords = 0
    this.openMaxTimestampMs = -1
    this.broken = undefined
    const last = this.segmentOf(Number.POSITIVE_INFINITY)
    this.start = Math.max(this.notedNumber('start'), this.segments[0]?.baseOffset ?? 0)
    this.end = Math.max(this.start, last?.baseOffset ?? 0)
    if (last === undefined) return
    this.activeBase = last.baseOffset
    this.restingBytes = last.mapped.fileBytes()
    last.end = Math.min(this.restingBytes, last.bytes.length)
    this.walkToEnd(last, last.find(last.index.last < 0 ? -1 : last.index.lastOffsetOf(last.index.last)))
  }

  /** A broker that has the log as a partition has no sidecar, and its file has more room than batches. */
  private walkOn(segment: ReadSegment): void {
    segment.end = Math.min(this.restingBytes, segment.bytes.length)
    this.walkToEnd(segment, this.sealedEnd)
  }

  private notedNumber(name: string): number {
    return Number(new RegExp(`^${name}=(\\d+)$`, 'm').exec(this.noted)?.[1] ?? 0)
  }

  private walkToEnd(segment: ReadSegment, from: number): void {
    let position = from
    this.broken = undefined
    try {
      for (let end = position; ; position = end) {
        end = segment.batchEnd(position, true)
        if (end === position) break
        this.end = Math.max(this.end, lastOffsetAt(segment.view, position) + 1)
      }
    } catch (failure) {
      // Half a batch that a broker is writing is whole at a later look.
      if (!brokerHas(this.directory)) this.broken = failure as MillraceError
    }
    segment.end = this.sealedEnd = position
    this.openBase = this.end
  }

  /** For whoever waits: whether there is more than when they last looked. */
  private grew(): boolean {
    const before = this.end
    this.refresh(true)
    return this.end !== before
  }
}

interface Held {
  readonly segments: Set<number>
  sidecar: number | undefined
}

const abandoned = new FinalizationRegistry<Held>(held => closeAbandoned(held.segments, held.sidecar))
/** Whoever holds a view holds its buffer, and with that the reader: a log that nobody closed stays open meanwhile. */
const owners = new WeakMap<ArrayBuffer, LogReader>()
