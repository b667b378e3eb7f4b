import { fromNative, statusError } from './errors.ts'
import { loadAddon } from './load-addon.ts'
import { StatusCode } from './status.ts'

/** What native/binding/embedded_read.cc exports. Positions that are negative are statuses. */
export interface RawReads {
  /** Base offset, last base offset that it has replaced or -1, and inode of each. */
  listReadSegments(directory: string): Float64Array
  openReadSegment(directory: string, base: number, swapped: number, reserve: number): number
  readSegmentBuffer(segment: number): ArrayBuffer
  readSegmentSize(segment: number): number
  verifyReadBatches(segment: number, position: number, end: number, window: number): number
  checkReadSegment(segment: number, begin: number, end: number, readable: number): number
  closeReadSegment(segment: number): void
  openReadSidecar(directory: string): number
  loadReadSidecar(sidecar: number, thorough: boolean): number
  closeReadSidecar(sidecar: number): void
  readBlock(): Float64Array
  replacedPages(): ArrayBuffer
  readWholeFile(directory: string, name: string): Uint8Array | undefined
  brokerHas(directory: string): boolean
}

export interface ListedSegment {
  readonly baseOffset: number
  /** Of a cleaned segment whose name is not right yet: the last base offset that it stands for. Else -1. */
  readonly swapped: number
  readonly inode: number
}

const raw = (): RawReads => loadAddon() as unknown as RawReads

/** The segments of the log in a directory, in the order of their offsets. */
export function listReadSegments(directory: string): ListedSegment[] {
  const numbers = guarded(`list the log in ${directory}`, () => raw().listReadSegments(directory))
  const segments: ListedSegment[] = []
  for (let at = 0; at < numbers.length; at += 3)
    segments.push({ baseOffset: numbers[at]!, swapped: numbers[at + 1]!, inode: numbers[at + 2]! })
  return segments
}

/** A copy of a small file; undefined where there is none. */
export const readWholeFile = (directory: string, name: string): Uint8Array | undefined =>
  guarded(`read ${name} in ${directory}`, () => raw().readWholeFile(directory, name))

/** Whether a broker that runs has this directory as a partition. */
export const brokerHas = (directory: string): boolean => raw().brokerHas(directory)

/**
 * A count of the mapped pages that this process lost, and reads as zeros since, in its only element. While it stands
 * still, what was read from a mapping is what the file says.
 */
export const lostPages = (): Int32Array => new Int32Array(raw().replacedPages())

/** A segment's `.log`, mapped and locked against its writer until `close`. */
export class MappedSegment {
  /** The whole mapping. Until `close`: then it is detached, and of length 0. */
  readonly buffer: ArrayBuffer
  private readonly raw: RawReads
  private readonly number: number
  private readonly action: string

  /** Undefined where the directory has to be listed anew: the segment is going, or was replaced. */
  static open(directory: string, listed: ListedSegment, reserveBytes: number): MappedSegment | undefined {
    const action = `read the segment ${listed.baseOffset} in ${directory}`
    const number = guarded(action, () =>
      raw().openReadSegment(directory, listed.baseOffset, listed.swapped, reserveBytes),
    )
    return number < 0 ? undefined : new MappedSegment(raw(), number, action)
  }

  private constructor(reads: RawReads, number: number, action: string) {
    this.raw = reads
    this.number = number
    this.action = action
    this.buffer = guarded(action, () => reads.readSegmentBuffer(number))
  }

  /** What to close when this object is gone: see `closeSegments`. */
  get id(): number {
    return this.number
  }

  fileBytes(): number {
    return this.result(this.raw.readSegmentSize(this.number))
  }

  /**
   * Checks the batch at `position` and those that begin within `windowBytes` behind it; says where the last good one
   * ends: at `position` where no batch follows any more. Throws where what begins there is none.
   */
  verify(position: number, end: number, windowBytes: number): number {
    return this.result(this.raw.verifyReadBatches(this.number, position, end, windowBytes))
  }

  /**
   * After `lostPages` moved: throws where [begin, end) cannot be had, or what was lost last is below `readable`, the end
   * of the batches.
   */
  check(begin: number, end: number, readable: number): void {
    this.result(-this.raw.checkReadSegment(this.number, begin, end, readable))
  }

  close(): void {
    this.raw.closeReadSegment(this.number)
  }

  private result(position: number): number {
    if (position < 0) throw statusError(this.action, -position)
    return position
  }
}

/** Closes segments and a sidecar by their numbers, for a reader that was not closed before it was collected. */
export function closeAbandoned(segments: Iterable<number>, sidecar: number | undefined): void {
  for (const segment of segments) raw().closeReadSegment(segment)
  if (sidecar !== undefined) raw().closeReadSidecar(sidecar)
}

/** What a log's writer tells its readers: native/core/embedded/open_batch.h. Of the last `load` that said true. */
export class MappedSidecar {
  segmentBase = 0
  /** Where the batches of the active segment end, and the open batch begins. */
  position = 0
  /** Of the open batch; the log's end while none is open. */
  batchBase = 0
  baseTimestampMs = 0
  maxTimestampMs = -1
  /** Of the open batch with its header; 0: none is open. */
  bytes = 0
  records = 0
  startOffset = 0
  durableOffset = 0
  /** Moves when files came or went. */
  fileChanges = 0
  private readonly raw: RawReads
  private readonly block: Float64Array
  private readonly number: number

  /** Undefined where no writer has the log open, nor was killed while it had. */
  static open(directory: string): MappedSidecar | undefined {
    const number = guarded(`read the log in ${directory}`, () => raw().openReadSidecar(directory))
    return number < 0 ? undefined : new MappedSidecar(raw(), number)
  }

  private constructor(reads: RawReads, number: number) {
    this.raw = reads
    this.block = reads.readBlock()
    this.number = number
  }

  get id(): number {
    return this.number
  }

  /** False: what was loaded before still holds. `gone`: the log may have another sidecar; `thorough` asks the file system. */
  load(thorough: boolean): boolean | 'gone' {
    const outcome = this.raw.loadReadSidecar(this.number, thorough)
    if (outcome !== 1) return outcome === 0 ? false : 'gone'
    const { block } = this
    this.segmentBase = block[0]!
    this.batchBase = block[1]!
    this.baseTimestampMs = block[2]!
    this.position = block[3]!
    this.bytes = block[4]!
    this.records = block[5]!
    this.maxTimestampMs = block[6]!
    this.startOffset = block[7]!
    this.durableOffset = block[8]!
    this.fileChanges = block[9]!
    return true
  }

  close(): void {
    this.raw.closeReadSidecar(this.number)
  }
}

/** Whether a failure says that there is no such directory or file. */
export const isNotFound = (failure: unknown): boolean =>
  failure instanceof Error && 'nativeCode' in failure && failure.nativeCode === StatusCode.notFound

function guarded<T>(action: string, call: () => T): T {
  try {
    return call()
  } catch (failure) {
    throw fromNative(action, failure)
  }
}
