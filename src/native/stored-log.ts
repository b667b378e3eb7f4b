import type {
  ColdRead,
  LastAppend,
  LogSettings,
  RecordFault,
  RecordFaultKind,
  SegmentFacts,
  StoredBatchHeader,
  StoredLog,
  TimestampPosition,
} from '../base/world.ts'
import { FaultField, HeaderField, type RawEngine, SearchField, SegmentField, Slot } from './addon.ts'
import { fromNative, statusError } from './errors.ts'
import { StatusCode } from './status.ts'

const argument = Slot.argument
/** Searches that find the log cut under them: nobody cuts a log that often while one looks. */
const maxLooks = 8

/** A log in native code, held by number. When nobody holds this object any more, `onGone` hears of it. */
export class NativeLog implements StoredLog {
  readonly directory: string
  readonly lastAppend: LastAppend
  readonly number: number
  readonly #raw: RawEngine
  readonly #block: Float64Array
  readonly #onGone: (number: number) => void
  readonly #onGathers: (log: NativeLog) => void
  /** Storage knows that it has gathered something. */
  gathers = false

  constructor(
    raw: RawEngine,
    directory: string,
    number: number,
    lastAppend: LastAppend,
    onGone: (number: number) => void,
    onGathers: (log: NativeLog) => void,
  ) {
    this.#raw = raw
    this.#block = raw.block
    this.directory = directory
    this.number = number
    this.lastAppend = lastAppend
    this.#onGone = onGone
    this.#onGathers = onGathers
  }

  configure(settings: LogSettings): void {
    this.#block[Slot.log] = this.number
    storeSettings(this.#block, settings)
    this.#check('configure', this.#raw.configureLog())
  }

  appendFrame(
    arena: number,
    position: number,
    length: number,
    leaderEpoch: number,
    nowMs: number,
    checkedInside = false,
    mayWait = false,
  ): number {
    this.#storeAppend(arena, position, length, leaderEpoch, nowMs, checkedInside)
    this.#block[argument + 6] = mayWait ? 1 : 0
    const status = this.#raw.appendFrame()
    if (!this.gathers && this.lastAppend.gathered) {
      this.gathers = true
      this.#onGathers(this)
    }
    return status
  }

  writeGathered(): number {
    this.#block[Slot.log] = this.number
    return this.#raw.writeGathered()
  }

  /** Why some of what it had gathered is lost, 0 if none is; it takes appends again. */
  takeLoss(): number {
    this.#block[Slot.log] = this.number
    return this.#raw.takeLoss()
  }

  appendBytes(batch: Uint8Array, leaderEpoch: number, nowMs: number): number {
    this.#storeAppend(0, 0, 0, leaderEpoch, nowMs, false)
    return this.#raw.appendBytes(batch)
  }

  validateFrame(arena: number, position: number, length: number, nowMs: number, checkedInside = false): number {
    this.#storeAppend(arena, position, length, 0, nowMs, checkedInside)
    return this.#raw.validateFrame()
  }

  checkUnfolded(arena: number, position: number, length: number, records: Uint8Array, nowMs: number): number {
    this.#storeAppend(arena, position, length, 0, nowMs, true)
    return this.#raw.checkUnfolded(records)
  }

  recordFaults(): RecordFault[] {
    const { headers: numbers } = this.#raw
    return Array.from({ length: this.#block[Slot.faultCount]! }, (_, fault) => {
      const at = fault * FaultField.count
      return {
        index: numbers[at + FaultField.index]!,
        kind: numbers[at + FaultField.kind] as RecordFaultKind,
        timestamp: numbers[at + FaultField.timestamp]!,
      }
    })
  }

  read(offset: number, maxBytes: number, limit: number, wholeFirstBatch: boolean): number {
    this.#storeRead(offset, maxBytes, limit, wholeFirstBatch)
    return this.#raw.readLog()
  }

  get lastRegion(): number {
    return this.#block[Slot.region]!
  }

  get lastRegionLength(): number {
    return this.#block[Slot.regionLength]!
  }

  get lastRegionEnd(): number {
    return this.#block[Slot.regionEnd]!
  }

  async readCold(offset: number, maxBytes: number, limit: number, wholeFirstBatch: boolean): Promise<ColdRead> {
    this.#storeRead(offset, maxBytes, limit, wholeFirstBatch)
    let found: Float64Array
    try {
      found = await this.#raw.readColdLog()
    } catch {
      return { status: StatusCode.closed, region: 0, length: 0, end: 0 } // Its arguments were right, so it is closed.
    }
    return { status: found[0]!, region: found[2]!, length: found[3]!, end: found[4]! }
  }

  async findTimestamp(timestamp: number, from: number, limit: number): Promise<TimestampPosition | undefined> {
    return await this.#search(timestamp, from, limit)
  }

  async findMaxTimestamp(from: number, limit: number): Promise<TimestampPosition | undefined> {
    return await this.#search(-1, from, limit)
  }

  async readBatch(offset: number, limit: number): Promise<Uint8Array> {
    const batch = await this.#again(
      async () => {
        this.#storeTwo(offset, limit)
        return await this.#called('read a batch of', () => this.#raw.readBatch())
      },
      answer => (typeof answer === 'number' ? answer : StatusCode.ok),
    )
    return new Uint8Array(batch as ArrayBuffer)
  }

  readHeaders(from: number, limit: number, count: number): StoredBatchHeader[] {
    const { headers: numbers, producerIds } = this.#raw
    const headers: StoredBatchHeader[] = []
    // Native code fills at most one shared array at a time.
    for (let next = from; headers.length < count && next < limit; ) {
      this.#storeTwo(next, limit)
      this.#block[argument + 2] = count - headers.length
      this.#check('read batch headers of', this.#raw.readHeaders())
      const read = this.#block[Slot.headerCount]!
      if (read === 0) break
      for (let index = 0; index < read; index++) headers.push(unpackHeader(numbers, producerIds, index))
      next = headers[headers.length - 1]!.lastOffset + 1
    }
    return headers
  }

  truncateTo(offset: number): number {
    this.#storeTwo(offset, 0)
    return this.#raw.truncateLog()
  }

  resetTo(offset: number): number {
    this.#storeTwo(offset, 0)
    return this.#raw.resetLog()
  }

  advanceStart(offset: number): number {
    this.#storeTwo(offset, 0)
    return this.#raw.advanceLogStart()
  }

  roll(): number {
    this.#block[Slot.log] = this.number
    return this.#raw.rollLog()
  }

  async replaceSegments(bases: readonly number[]): Promise<number> {
    try {
      const status = await this.#raw.replaceSegments(this.number, Float64Array.from(bases))
      // A log that is closed by now has finished them, or its next opening does.
      return status === StatusCode.ok ? await this.#raw.finishRemovals(this.number) : status
    } catch (failure) {
      return (failure as { nativeCode?: number }).nativeCode ?? StatusCode.invalidArgument
    }
  }

  segments(count: number, times: boolean, skip = 0): SegmentFacts[] {
    this.#check('list the segments of', this.#raw.listSegments(this.number, count, times, skip))
    const numbers = this.#raw.headers
    return Array.from({ length: this.#block[Slot.headerCount]! }, (_, index) => {
      const at = index * SegmentField.count
      return {
        baseOffset: numbers[at + SegmentField.baseOffset]!,
        sizeBytes: numbers[at + SegmentField.sizeBytes]!,
        maxTimestampMs: numbers[at + SegmentField.maxTimestamp]!,
        modifiedMs: numbers[at + SegmentField.modifiedMs]!,
      }
    })
  }

  rest(): boolean {
    return this.#raw.restLog(this.number)
  }

  /** Of a log that failed or was closed nothing is announced any more: `onFailed` has told, or nobody listens. */
  requestFlush(): void {
    this.#block[Slot.log] = this.number
    this.#raw.requestFlush()
  }

  logStartOffset(): number {
    return this.#state(Slot.logStart)
  }

  logEndOffset(): number {
    return this.#state(Slot.logEnd)
  }

  durableOffset(): number {
    return this.#state(Slot.durable)
  }

  sizeBytes(): number {
    return this.#state(Slot.sizeBytes)
  }

  activeBaseOffset(): number {
    return this.#state(Slot.activeBase)
  }

  async close(clean: boolean): Promise<void> {
    await this.#end('close', () => this.#raw.closeLog(this.number, clean, false))
  }

  async closeUnsynced(): Promise<void> {
    await this.#end('close', () => this.#raw.closeLog(this.number, true, true))
  }

  async delete(): Promise<void> {
    await this.#end('delete', () => this.#raw.deleteLog(this.number))
  }

  async #end(verb: string, call: () => Promise<void>): Promise<void> {
    try {
      const ended = call()
      this.#onGone(this.number) // It began: from here on the number finds nothing.
      await ended
    } catch (failure) {
      throw fromNative(`${verb} the log in ${this.directory}`, failure)
    }
  }

  #storeAppend(
    arena: number,
    position: number,
    length: number,
    leaderEpoch: number,
    nowMs: number,
    checkedInside: boolean,
  ): void {
    const block = this.#block
    block[Slot.log] = this.number
    block[argument] = arena
    block[argument + 1] = position
    block[argument + 2] = length
    block[argument + 3] = leaderEpoch
    block[argument + 4] = nowMs
    block[argument + 5] = checkedInside ? 1 : 0
  }

  #storeRead(offset: number, maxBytes: number, limit: number, wholeFirstBatch: boolean): void {
    const block = this.#block
    block[Slot.log] = this.number
    block[argument] = offset
    block[argument + 1] = maxBytes
    block[argument + 2] = limit
    block[argument + 3] = wholeFirstBatch ? 1 : 0
  }

  #storeTwo(first: number, second: number): void {
    const block = this.#block
    block[Slot.log] = this.number
    block[argument] = first
    block[argument + 1] = second
  }

  async #search(timestamp: number, from: number, limit: number): Promise<TimestampPosition | undefined> {
    const found = await this.#again(
      async () => {
        this.#storeTwo(timestamp, from)
        this.#block[argument + 2] = limit
        return await this.#called('search', () => this.#raw.searchLog())
      },
      answer => answer[SearchField.status]!,
    )
    const offset = found[SearchField.offset]!
    if (offset < 0) return undefined
    return {
      offset,
      timestamp: found[SearchField.timestamp]!,
      leaderEpoch: found[SearchField.leaderEpoch]!,
      inCompressedBatch: found[SearchField.inCompressedBatch] !== 0,
    }
  }

  /** Looks again where the log was cut meanwhile, some times; throws what else went wrong. */
  async #again<Found>(look: () => Promise<Found>, statusOf: (found: Found) => number): Promise<Found> {
    for (let looks = 1; ; looks++) {
      const found = await look()
      const status = statusOf(found)
      if (status === StatusCode.ok) return found
      if (status !== StatusCode.wouldBlock || looks === maxLooks)
        throw statusError(`search the log in ${this.directory}`, status)
    }
  }

  async #called<Found>(verb: string, call: () => Promise<Found>): Promise<Found> {
    try {
      return await call()
    } catch (failure) {
      throw fromNative(`${verb} the log in ${this.directory}`, failure)
    }
  }

  #state(slot: number): number {
    this.#block[Slot.log] = this.number
    this.#check('look at', this.#raw.logState())
    return this.#block[slot]!
  }

  #check(verb: string, status: number): void {
    if (status === StatusCode.ok) return
    throw statusError(`${verb} the log in ${this.directory}`, status, this.#block[Slot.systemError])
  }
}

/** Where `openLog` and `configureLog` look for the settings (native/binding/log_lifecycle.cc). */
export const settingsCount = 11

export function storeSettings(block: Float64Array, settings: LogSettings): void {
  block[argument] = settings.segmentBytes
  block[argument + 1] = settings.segmentMs
  block[argument + 2] = settings.indexIntervalBytes
  block[argument + 3] = settings.segmentIndexBytes
  block[argument + 4] = settings.maxMessageBytes
  block[argument + 5] = settings.timestampBeforeMaxMs
  block[argument + 6] = settings.timestampAfterMaxMs
  block[argument + 7] = settings.logAppendTime ? 1 : 0
  block[argument + 8] = settings.requireKeys ? 1 : 0
  block[argument + 9] = settings.flushMs
  block[argument + 10] = settings.usesReserve === true ? 1 : 0
}

function unpackHeader(numbers: Float64Array, producerIds: BigInt64Array, index: number): StoredBatchHeader {
  const at = index * HeaderField.count
  return {
    baseOffset: numbers[at + HeaderField.baseOffset]!,
    lastOffset: numbers[at + HeaderField.lastOffset]!,
    baseTimestamp: numbers[at + HeaderField.baseTimestamp]!,
    maxTimestamp: numbers[at + HeaderField.maxTimestamp]!,
    producerId: producerIds[index]!,
    producerEpoch: numbers[at + HeaderField.producerEpoch]!,
    baseSequence: numbers[at + HeaderField.baseSequence]!,
    recordCount: numbers[at + HeaderField.recordCount]!,
    leaderEpoch: numbers[at + HeaderField.leaderEpoch]!,
    attributes: numbers[at + HeaderField.attributes]!,
    sizeBytes: numbers[at + HeaderField.sizeBytes]!,
    controlType: numbers[at + HeaderField.controlType]!,
    coordinatorEpoch: numbers[at + HeaderField.coordinatorEpoch]!,
  }
}
