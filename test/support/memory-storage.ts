import { assert } from '../../src/base/assert.ts'
import type {
  ColdRead,
  LastAppend,
  LogSettings,
  OpenReport,
  OpenTrust,
  RecordFault,
  SegmentFacts,
  Storage,
  StoredBatchHeader,
  StoredLog,
  Timers,
  TimestampPosition,
} from '../../src/base/world.ts'
import { localArena } from '../../src/base/world.ts'
import { StatusCode } from '../../src/native/status.ts'
import { BatchAttributes } from '../../src/records/batch-header.ts'
import { crc32c } from '../../src/records/crc32c.ts'
import { readRecords } from '../../src/records/record-batch.ts'
import { type BatchVerdict, checkBatch } from './batch-check.ts'
import type { LogContent, Machine, StoredBatch } from './machine.ts'

export interface Opening {
  readonly directory: string
  readonly trust: OpenTrust
  readonly recoveryPoint: number
  readonly logStartOffset: number
}

/**
 * The contract of `Storage` over batches in memory. A flush that was asked for completes by itself, soon; with
 * `holdFlushes` it waits for `flush()`.
 */
export class MemoryStorage implements Storage {
  readonly machine: Machine
  readonly openings: Opening[] = []
  holdFlushes = false
  /** The logs, by directory, that each call of `flushTogether` asked for. */
  readonly flushedTogether: string[][] = []
  private gathering: MemoryLog[] | undefined
  /** Reads that wait for the disk wait for `turnDisk()`. */
  holdDisk = false
  private readonly diskWaiters: (() => void)[] = []
  /** What `limitOpenFiles` was last told. */
  reservedFiles = 0
  /** What `keepFree` was last told. */
  keptFree = 0
  /** What `gatherAppends` was last told. */
  gathers = false
  /** By directory: the status with which what its log gathers next is not written. */
  readonly losses = new Map<string, number>()
  /** Makes `openLog` reject, by directory. */
  damaged: (directory: string) => boolean = () => false
  private readonly timers: Timers
  private readonly frameBytes: (arena: number) => Uint8Array
  private readonly open = new Set<MemoryLog>()
  private readonly waiting = new Set<MemoryLog>()
  private readonly durableListeners: ((log: StoredLog, durableOffset: number) => void)[] = []
  private readonly gatheredListeners: ((log: StoredLog, status: number) => void)[] = []
  private readonly failedListeners: ((log: StoredLog, code: number, systemError: number) => void)[] = []
  private readonly regions = new Map<number, Uint8Array>()
  private nextRegion = 1
  private lent: Uint8Array = new Uint8Array()

  constructor(machine: Machine, timers: Timers, frameBytes: (arena: number) => Uint8Array) {
    this.machine = machine
    this.timers = timers
    this.frameBytes = frameBytes
  }

  async openLog(
    directory: string,
    settings: LogSettings,
    trust: OpenTrust,
    recoveryPoint: number,
    logStartOffset: number,
  ): Promise<{ log: StoredLog; report: OpenReport }> {
    this.openings.push({ directory, trust, recoveryPoint, logStartOffset })
    if (this.damaged(directory)) throw new Error(`${directory} is damaged`)
    assert(![...this.open].some(log => log.directory === directory), 'a log is open once', { directory })
    this.machine.makeDirectory(directory)
    let content = this.machine.logs.get(directory)
    if (content === undefined) {
      const at = logStartOffset
      content = { batches: [], segments: [at], startOffset: at, endOffset: at, durableOffset: at }
      this.machine.logs.set(directory, content)
    } else {
      const clamp = (offset: number) => Math.min(Math.max(offset, content!.startOffset), content!.endOffset)
      content.durableOffset = trust === 0 ? content.endOffset : clamp(recoveryPoint)
    }
    const log = new MemoryLog(this, directory, content, settings)
    this.open.add(log)
    const report: OpenReport = {
      logStartOffset: content.startOffset,
      logEndOffset: content.endOffset,
      segments: content.segments.length,
      scannedBytes: trust === 0 ? 0 : log.sizeBytes(),
      indexesRebuilt: 0,
      cutBytes: 0,
      cutFromOffset: -1,
    }
    return { log, report }
  }

  onDurable(listener: (log: StoredLog, durableOffset: number) => void): void {
    this.durableListeners.push(listener)
  }

  onFailed(listener: (log: StoredLog, code: number, systemError: number) => void): void {
    this.failedListeners.push(listener)
  }

  async syncFileSystem(): Promise<void> {}

  flushTogether(run: () => void): void {
    const logs: MemoryLog[] = []
    this.gathering = logs
    try {
      run()
    } finally {
      this.gathering = undefined
      this.flushedTogether.push(logs.map(({ directory }) => directory))
      for (const log of logs) this.askFlush(log)
    }
  }

  limitOpenFiles(reserved: number): number {
    this.reservedFiles = reserved
    return 1_000
  }

  keepFree(bytes: number): void {
    this.keptFree = bytes
  }

  gatherAppends(more: boolean, onLost: () => void): void {
    this.gathers = more
    const logs = [...this.open].filter(log => log.writtenEnd !== undefined)
    if (logs.length === 0) return
    for (const log of logs) log.endGathering()
    const lost = logs.filter(({ directory }) => this.losses.has(directory))
    for (const log of lost) this.tellGathered(log, this.losses.get(log.directory)!)
    for (const { directory } of lost) this.losses.delete(directory)
    if (lost.length > 0) onLost()
    for (const log of logs) this.tellGathered(log, StatusCode.ok)
  }

  onGathered(listener: (log: StoredLog, status: number) => void): void {
    this.gatheredListeners.push(listener)
  }

  private tellGathered(log: StoredLog, status: number): void {
    for (const listener of this.gatheredListeners) listener(log, status)
  }

  lendLocalArena(bytes: Uint8Array): void {
    this.lent = bytes
  }

  releaseRegion(region: number): void {
    assert(this.regions.delete(region), 'a region is released once', { region })
  }

  readRegion(region: number, from: number, into: Uint8Array): number {
    const bytes = this.regions.get(region)
    assert(bytes !== undefined, 'a region is read while it is held', { region })
    const part = bytes.subarray(from, from + into.length)
    into.set(part)
    return part.length
  }

  async close(): Promise<void> {
    this.waiting.clear()
  }

  /** Regions that nobody gave back. */
  get regionsHeld(): number {
    return this.regions.size
  }

  /** The open log of a directory. */
  log(directory: string): MemoryLog {
    const found = [...this.open].find(log => log.directory === directory)
    assert(found !== undefined, 'the log is open', { directory })
    return found
  }

  /** Completes every flush that was asked for. */
  flush(): void {
    const logs = [...this.waiting]
    this.waiting.clear()
    for (const log of logs) {
      log.content.durableOffset = log.content.endOffset
      for (const listener of this.durableListeners) listener(log, log.content.durableOffset)
    }
  }

  get flushesWaiting(): number {
    return this.waiting.size
  }

  /** The log's disk fails: nothing more is written, everyone is told. */
  fail(directory: string): void {
    const log = this.log(directory)
    log.failed = true
    this.waiting.delete(log)
    for (const listener of this.failedListeners) listener(log, StatusCode.ioError, 5)
  }

  /** Lets everybody go on who waits for the disk (`holdDisk`). */
  turnDisk(): void {
    const waiting = this.diskWaiters.splice(0)
    for (const go of waiting) go()
  }

  get diskWaiting(): number {
    return this.diskWaiters.length
  }

  // What follows is called by the logs.

  /** Fulfilled when the disk has answered. */
  async disk(): Promise<void> {
    if (this.holdDisk) await new Promise<void>(resolve => this.diskWaiters.push(resolve))
  }

  askFlush(log: MemoryLog): void {
    if (this.gathering !== undefined) {
      this.gathering.push(log)
      return
    }
    this.waiting.add(log)
    if (!this.holdFlushes) this.timers.soon(() => this.holdFlushes || this.flush())
  }

  hold(bytes: Uint8Array): number {
    const region = this.nextRegion++
    this.regions.set(region, bytes)
    return region
  }

  frame(arena: number, position: number, length: number): Uint8Array {
    return (arena === localArena ? this.lent : this.frameBytes(arena)).subarray(position, position + length)
  }

  gone(log: MemoryLog): void {
    this.open.delete(log)
    this.waiting.delete(log)
  }
}

export class MemoryLog implements StoredLog {
  readonly directory: string
  readonly content: LogContent
  readonly lastAppend: LastAppend = {
    baseOffset: -1,
    lastOffset: -1,
    maxTimestamp: -1,
    firstBadRecord: -1,
    rolled: false,
    gathered: false,
  }
  /** The log end before what is gathered. */
  writtenEnd: number | undefined
  lastRegion = 0
  lastRegionLength = 0
  lastRegionEnd = 0
  failed = false
  /** Whether a lookup of `offset` would have to wait for the disk. */
  cold: (content: LogContent, offset: number) => boolean = () => false
  /** What reads that wait for the disk answer instead. */
  coldStatus: number | undefined
  /** The next appends answer with this status, and change nothing. */
  refuseAppends: number = StatusCode.ok
  /** By base offset: the times of segment files. */
  readonly modifiedMs = new Map<number, number>()
  rests = 0
  private readonly storage: MemoryStorage
  private settings: LogSettings
  private closed = false

  /** What it was last told. */
  get configured(): LogSettings {
    return this.settings
  }
  private faults: RecordFault[] = []

  constructor(storage: MemoryStorage, directory: string, content: LogContent, settings: LogSettings) {
    this.storage = storage
    this.directory = directory
    this.content = content
    this.settings = settings
  }

  configure(settings: LogSettings): void {
    this.settings = settings
  }

  appendFrame(
    arena: number,
    position: number,
    length: number,
    leaderEpoch: number,
    nowMs: number,
    _checkedInside = false,
    mayWait = false,
  ): number {
    const gathers = mayWait && this.storage.gathers && arena !== localArena
    const { endOffset } = this.content
    const status = this.append(this.storage.frame(arena, position, length), leaderEpoch, nowMs, false)
    if (status !== StatusCode.ok) return status
    this.lastAppend.gathered = gathers
    if (gathers) this.writtenEnd ??= endOffset
    return status
  }

  writeGathered(): number {
    if (this.writtenEnd === undefined) return StatusCode.ok
    const loss = this.storage.losses.get(this.directory)
    if (loss === undefined) this.writtenEnd = this.content.endOffset
    return loss ?? StatusCode.ok
  }

  /** For the storage. */
  endGathering(): void {
    const end = this.writtenEnd!
    this.writtenEnd = undefined
    if (!this.storage.losses.has(this.directory)) return
    this.content.batches = this.content.batches.filter(({ baseOffset }) => baseOffset < end)
    this.content.endOffset = end
  }

  appendBytes(batch: Uint8Array, leaderEpoch: number, nowMs: number): number {
    const written = this.writeGathered()
    if (written !== StatusCode.ok) return written
    return this.append(batch, leaderEpoch, nowMs, true)
  }

  validateFrame(arena: number, position: number, length: number, nowMs: number): number {
    return this.noted(checkBatch(this.storage.frame(arena, position, length), this.settings, nowMs, false))
  }

  checkUnfolded(arena: number, position: number, length: number, records: Uint8Array, nowMs: number): number {
    const batch = this.storage.frame(arena, position, length)
    const status = this.noted(checkBatch(batch, this.settings, nowMs, false, records))
    if (status !== StatusCode.ok) return status
    const view = viewOf(batch)
    view.setBigInt64(35, BigInt(Math.max(...readRecords(batch, 0, records).map(({ timestampMs }) => timestampMs), -1)))
    view.setUint32(17, crc32c(batch.subarray(21)))
    return status
  }

  recordFaults(): RecordFault[] {
    return this.faults
  }

  read(offset: number, maxBytes: number, limit: number, wholeFirstBatch: boolean): number {
    this.checkOpen()
    return this.cold(this.content, offset)
      ? StatusCode.wouldBlock
      : this.readNow(offset, maxBytes, limit, wholeFirstBatch)
  }

  async readCold(offset: number, maxBytes: number, limit: number, wholeFirstBatch: boolean): Promise<ColdRead> {
    await this.storage.disk()
    if (this.closed) return { status: StatusCode.closed, region: 0, length: 0, end: 0 }
    const status = this.coldStatus ?? this.readNow(offset, maxBytes, limit, wholeFirstBatch)
    const length = status === StatusCode.ok ? this.lastRegionLength : 0
    return { status, region: this.lastRegion, length, end: this.lastRegionEnd }
  }

  async readBatch(offset: number, limit: number): Promise<Uint8Array> {
    await this.storage.disk()
    const batch = this.content.batches.find(each => each.lastOffset >= offset && each.baseOffset < limit)
    return batch?.bytes.slice() ?? new Uint8Array(0)
  }

  private readNow(offset: number, maxBytes: number, limit: number, wholeFirstBatch: boolean): number {
    const { content } = this
    this.lastRegion = 0
    this.lastRegionLength = 0
    if (offset < content.startOffset || offset > content.endOffset) return StatusCode.offsetOutOfRange
    const readable = content.batches.filter(batch => batch.lastOffset >= offset && batch.baseOffset < limit)
    if (readable.length === 0 || offset >= limit) return StatusCode.ok
    const segment = this.segmentOf(readable[0]!)
    const taken: StoredBatch[] = []
    let size = 0
    for (const batch of readable) {
      if (this.segmentOf(batch) !== segment) break
      const fits = size + batch.bytes.length <= maxBytes || (taken.length === 0 && wholeFirstBatch)
      if (!fits) break
      taken.push(batch)
      size += batch.bytes.length
    }
    if (size === 0) return StatusCode.ok
    this.lastRegion = this.storage.hold(Buffer.concat(taken.map(batch => batch.bytes)))
    this.lastRegionLength = size
    this.lastRegionEnd = taken[taken.length - 1]!.lastOffset + 1
    return StatusCode.ok
  }

  async findTimestamp(timestamp: number, from: number, limit: number): Promise<TimestampPosition | undefined> {
    await this.storage.disk()
    for (const batch of this.content.batches) {
      if (batch.baseOffset >= limit) return undefined
      if (batch.lastOffset < from || batch.maxTimestamp < timestamp) continue
      const found = this.within(batch, from, limit, timestamp)
      if (found !== undefined) return found
    }
    return undefined
  }

  async findMaxTimestamp(from: number, limit: number): Promise<TimestampPosition | undefined> {
    await this.storage.disk()
    let largest: TimestampPosition | undefined
    for (const batch of this.content.batches) {
      if (batch.baseOffset >= limit || batch.lastOffset < from) continue
      const times = readTimes(batch, from, limit)
      const found = this.within(batch, from, limit, Math.max(...times))
      if (found !== undefined && (largest === undefined || found.timestamp > largest.timestamp)) largest = found
    }
    return largest
  }

  readHeaders(from: number, limit: number, count: number): StoredBatchHeader[] {
    return this.content.batches
      .filter(batch => batch.lastOffset >= from && batch.baseOffset < limit)
      .slice(0, count)
      .map(headerOf)
  }

  truncateTo(offset: number): number {
    const { content } = this
    content.batches = content.batches.filter(batch => batch.lastOffset < offset)
    content.endOffset = Math.min(content.endOffset, offset)
    content.durableOffset = Math.min(content.durableOffset, content.endOffset)
    return StatusCode.ok
  }

  resetTo(offset: number): number {
    Object.assign(this.content, { batches: [], segments: [offset], startOffset: offset, endOffset: offset })
    this.content.durableOffset = offset
    return StatusCode.ok
  }

  advanceStart(offset: number): number {
    const { content } = this
    content.startOffset = Math.max(content.startOffset, offset)
    while (content.segments.length > 1 && content.segments[1]! <= content.startOffset) content.segments.shift()
    content.batches = content.batches.filter(batch => batch.baseOffset >= content.segments[0]!)
    return StatusCode.ok
  }

  roll(): number {
    if (this.activeBaseOffset() !== this.content.endOffset) this.content.segments.push(this.content.endOffset)
    return StatusCode.ok
  }

  /** Records stay as they are: only the boundaries between the segments go, as where all of them were kept. */
  async replaceSegments(bases: readonly number[]): Promise<number> {
    await this.storage.disk()
    if (this.closed) return StatusCode.closed
    if (this.failed) return StatusCode.failed
    const { segments } = this.content
    const first = segments.indexOf(bases[0]!)
    const there = first >= 0 && bases.every((base, index) => segments[first + index] === base)
    if (!there || first + bases.length >= segments.length) return StatusCode.wouldBlock
    segments.splice(first + 1, bases.length - 1)
    return StatusCode.ok
  }

  segments(count: number, times: boolean, skip = 0): SegmentFacts[] {
    this.checkOpen()
    const { segments, batches, endOffset } = this.content
    return segments.slice(skip, skip + count).map((baseOffset, index) => {
      const end = segments[skip + index + 1] ?? endOffset
      const inside = batches.filter(batch => batch.baseOffset >= baseOffset && batch.baseOffset < end)
      return {
        baseOffset,
        sizeBytes: inside.reduce((sum, batch) => sum + batch.bytes.length, 0),
        maxTimestampMs: times ? Math.max(-1, ...inside.map(batch => batch.maxTimestamp)) : -1,
        modifiedMs: times ? (this.modifiedMs.get(baseOffset) ?? 0) : 0,
      }
    })
  }

  /** Counts calls; like the real one it rests only when all is durable. */
  rest(): boolean {
    this.checkOpen()
    this.rests++
    return this.content.durableOffset === this.content.endOffset
  }

  requestFlush(): void {
    this.checkOpen()
    if (!this.failed && this.content.durableOffset < this.content.endOffset) this.storage.askFlush(this)
  }

  logStartOffset(): number {
    return this.content.startOffset
  }
  logEndOffset(): number {
    return this.content.endOffset
  }
  durableOffset(): number {
    return this.content.durableOffset
  }
  sizeBytes(): number {
    return this.content.batches.reduce((sum, batch) => sum + batch.bytes.length, 0)
  }
  activeBaseOffset(): number {
    return this.content.segments[this.content.segments.length - 1]!
  }

  async close(clean: boolean): Promise<void> {
    this.checkOpen()
    this.closed = true
    this.storage.gone(this)
    if (this.failed) throw new Error('a failed log cannot be closed cleanly')
    if (clean) this.content.durableOffset = this.content.endOffset
  }

  closeUnsynced(): Promise<void> {
    return this.close(true)
  }

  async delete(): Promise<void> {
    this.checkOpen()
    this.closed = true
    this.storage.gone(this)
    this.storage.machine.removeTree(this.directory)
  }

  private append(bytes: Uint8Array, leaderEpoch: number, nowMs: number, internal: boolean): number {
    this.checkOpen()
    if (this.failed) return StatusCode.failed
    if (this.refuseAppends !== StatusCode.ok) return this.refuseAppends
    const status = this.noted(checkBatch(bytes, this.settings, nowMs, internal))
    if (status !== StatusCode.ok) return status
    const { content } = this
    const rolled = this.activeBytes() > 0 && this.activeBytes() + bytes.length > this.settings.segmentBytes
    if (rolled) content.segments.push(content.endOffset)
    const batch = stamp(bytes.slice(), content.endOffset, leaderEpoch, this.settings.logAppendTime ? nowMs : undefined)
    content.batches.push(batch)
    this.modifiedMs.set(this.activeBaseOffset(), nowMs)
    content.endOffset = batch.lastOffset + 1
    const { baseOffset, lastOffset, maxTimestamp } = batch
    Object.assign(this.lastAppend, { baseOffset, lastOffset, maxTimestamp, rolled, gathered: false })
    return StatusCode.ok
  }

  private noted({ status, firstBadRecord, faults }: BatchVerdict): number {
    this.lastAppend.firstBadRecord = firstBadRecord
    this.faults = faults
    return status
  }

  private activeBytes(): number {
    const base = this.activeBaseOffset()
    return this.content.batches.reduce((sum, each) => (each.baseOffset >= base ? sum + each.bytes.length : sum), 0)
  }

  private segmentOf(batch: StoredBatch): number {
    return this.content.segments.findLast(base => base <= batch.baseOffset) ?? 0
  }

  private within(batch: StoredBatch, from: number, limit: number, timestamp: number): TimestampPosition | undefined {
    const view = viewOf(batch.bytes)
    const leaderEpoch = view.getInt32(12)
    if ((view.getInt16(21) & BatchAttributes.codecMask) !== 0)
      return { offset: batch.baseOffset, timestamp: batch.maxTimestamp, leaderEpoch, inCompressedBatch: true }
    const record = readRecords(batch.bytes, 0).find(
      each => each.timestampMs >= timestamp && each.offset >= from && each.offset < limit,
    )
    if (record === undefined) return undefined
    return { offset: record.offset, timestamp: record.timestampMs, leaderEpoch, inCompressedBatch: false }
  }

  private checkOpen(): void {
    assert(!this.closed, 'a closed log is not used', { directory: this.directory })
  }
}

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)

function stamp(bytes: Uint8Array, baseOffset: number, leaderEpoch: number, appendMs: number | undefined): StoredBatch {
  const view = viewOf(bytes)
  view.setBigInt64(0, BigInt(baseOffset))
  view.setInt32(12, leaderEpoch)
  if (appendMs !== undefined) {
    view.setInt16(21, view.getInt16(21) | BatchAttributes.logAppendTime)
    view.setBigInt64(35, BigInt(appendMs))
    view.setUint32(17, crc32c(bytes.subarray(21)))
  }
  const lastOffset = baseOffset + view.getInt32(23)
  return { bytes, baseOffset, lastOffset, maxTimestamp: Number(view.getBigInt64(35)) }
}

function headerOf({ bytes, baseOffset, lastOffset, maxTimestamp }: StoredBatch): StoredBatchHeader {
  const view = viewOf(bytes)
  return {
    baseOffset,
    lastOffset,
    maxTimestamp,
    baseTimestamp: Number(view.getBigInt64(27)),
    producerId: view.getBigInt64(43),
    producerEpoch: view.getInt16(51),
    baseSequence: view.getInt32(53),
    recordCount: view.getInt32(57),
    leaderEpoch: view.getInt32(12),
    attributes: view.getInt16(21),
    sizeBytes: bytes.length,
    ...controlOf(bytes),
  }
}

function controlOf(bytes: Uint8Array): { controlType: number; coordinatorEpoch: number } {
  const isControl = (viewOf(bytes).getInt16(21) & BatchAttributes.control) !== 0
  const [record] = isControl ? readRecords(bytes, 0) : []
  if (record?.key == null || record.value === null) return { controlType: -1, coordinatorEpoch: -1 }
  return { controlType: viewOf(record.key).getInt16(2), coordinatorEpoch: viewOf(record.value).getInt32(2) }
}

/** The timestamps of a batch's records in [from, limit); its largest where they cannot be read. */
function readTimes({ bytes, maxTimestamp }: StoredBatch, from: number, limit: number): number[] {
  if ((viewOf(bytes).getInt16(21) & BatchAttributes.codecMask) !== 0) return [maxTimestamp]
  return readRecords(bytes, 0)
    .filter(({ offset }) => offset >= from && offset < limit)
    .map(({ timestampMs }) => timestampMs)
}
