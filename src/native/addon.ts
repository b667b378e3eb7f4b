/**
 * The addon as it is: numbers in, numbers out. Only `src/native` uses it. Hot calls take their arguments from `block` and
 * leave their results there, since a store costs a nanosecond and an argument several; see native/binding/call_block.h.
 */
export interface Addon {
  readonly abi: number
  /** native/binding/status_to_js.cc, by name; a test compares it with `StatusCode`. */
  readonly statuses: Readonly<Record<string, number>>
  createEngine(flushThreads: number, maxAgeMs: number, maxUnflushedBytes: number, awakeMs: number): RawEngine
  crc32c(bytes: Uint8Array): number
  /** See `Storage.limitOpenFiles`. */
  limitOpenFiles(reserved: number): number
  /** Undefined: there is none. Names, then of each small file its name and its content. */
  lookAtDirectory(directory: string): Promise<[string[], ...(string | Uint8Array)[]] | undefined>
  /** `files` are names and contents in turn. */
  putFiles(directory: string, files: readonly (string | Uint8Array)[], removed: readonly string[]): Promise<void>
  /** The lock's number, or -1 when it is taken. */
  lockFile(path: string): number
  unlockFile(lock: number): void
  /** Milliseconds since the kernel made this process, too long by at most 10; -1 when it cannot be told. */
  processAgeMs(): number
  /**
   * The number of a cleaning pass. `numbers` are `TaskField`s, `segments` base offset and size of each, `producers` id,
   * epoch and last data offset of each. `codec(fold, codec, records)` returns the other form of a batch's records; it is
   * called on this thread, within the pass's functions. What fails in these throws an error with `nativeCode`, `segment`
   * and `position`.
   */
  openCleaningPass(
    directory: string,
    numbers: Float64Array,
    segments: Float64Array,
    producers: BigInt64Array,
    stop: Int32Array,
    codec: (fold: boolean, codec: number, records: Uint8Array) => Uint8Array,
  ): number
  /** `MapField`s. */
  buildCleaningMap(pass: number): Float64Array
  /** `GroupField`s, then the base offsets; undefined after the last. */
  nextCleanedGroup(pass: number): Float64Array | undefined
  closeCleaningPass(pass: number): void
}

/** Raised with every change to what the addon exports (native/binding/addon.cc). */
export const addonAbi = 11

/** Functions without a comment take all arguments from `block` and return a status. */
export interface RawEngine {
  readonly block: Float64Array
  readonly events: Float64Array
  readonly completions: Float64Array
  readonly headers: Float64Array
  readonly producerIds: BigInt64Array
  /** `events` and `completions` hold that many new entries. One callback at a time. */
  onDeliver(deliver: (events: number, completions: number) => void): void
  /** Fulfilled when files, threads and sockets are gone. Open logs are let go without a clean close. */
  close(): Promise<void>
  /** A new array, see `EngineStat`. */
  stats(): Float64Array

  /** Settings and trust in `block`. Fulfilled with the log's number and the fields of `OpenReport` in order. */
  openLog(directory: string): Promise<Float64Array>
  closeLog(log: number, clean: boolean, unsynced: boolean): Promise<void>
  syncFileSystem(directory: string): Promise<void>
  deleteLog(log: number): Promise<void>
  configureLog(): number
  /** What `localArena` is from now on; held until the transport stops. */
  lendLocalArena(bytes: Uint8Array): void
  gatherAppends(more: boolean): number
  writeGathered(): number
  /** Why appends of the log were lost, 0 if none were; from now on it takes some again. */
  takeLoss(): number
  appendFrame(): number
  appendBytes(batch: Uint8Array): number
  validateFrame(): number
  /** `records` are what the compressed batch that `block` tells of unfolds to. */
  checkUnfolded(records: Uint8Array): number
  readLog(): number
  /** Arguments as `readLog`. Fulfilled with status, errno, region, its length. */
  readColdLog(): Promise<Float64Array>
  /** Timestamp (negative: the largest), from, limit. Fulfilled with `SearchField`s. */
  searchLog(): Promise<Float64Array>
  /** Offset, limit. Fulfilled with the batch that holds the offset, empty when there is none, or with a status. */
  readBatch(): Promise<ArrayBuffer | number>
  readHeaders(): number
  truncateLog(): number
  resetLog(): number
  advanceLogStart(): number
  rollLog(): number
  /** Fulfilled with a status; where that is 0, `finishRemovals` has to follow. */
  replaceSegments(log: number, bases: Float64Array): Promise<number>
  /** Fulfilled with a status, when files that are no longer the log's are gone. */
  finishRemovals(log: number): Promise<number>
  requestFlush(): number
  /** While it is on, `requestFlush` only notes the log. */
  gatherFlushes(on: boolean): void
  /** `SegmentField.count` numbers a segment in `headers`, how many in `block`. */
  listSegments(log: number, count: number, times: boolean, skip: number): number
  /** False: there is something left to let go of. */
  restLog(log: number): boolean
  keepFree(bytes: number): void
  logState(): number
  /** Returns how many bytes were copied. */
  readRegion(region: number, from: number, into: Uint8Array): number
  releaseRegion(region: number): void

  /** An embedded log for writing: segment bytes, segment ms, seal bytes, flush ms. Fulfilled with `OpenedField`s. */
  openWriter(directory: string): Promise<Float64Array>
  /** At the clock's time. Undefined when it was appended. */
  appendValue(value: Uint8Array): number | undefined
  /** Timestamp or NaN, then the lengths of key and value (-1: null) and headers, which lie in `bytes` in this order. */
  appendParts(bytes: Uint8Array): number
  /** Count; how many were appended replaces it. */
  appendValues(bytes: Uint8Array, lengths: Uint32Array): number
  /** 1: a flush follows. */
  sealBatch(): number
  /** 1: segments came or went, or the start moved. */
  tellReaders(): number
  /** Makes durable where the log begins, and below what offset it is compacted. */
  noteStart(log: number, offset: number, compactedOffset: number): Promise<void>
  closeWriter(log: number): Promise<void>
  /** Lets go of everything before it returns. */
  abandonWriter(log: number): void
  /** The process that has or had the log open for writing, or -1. */
  writerOf(directory: string): number

  startTransport(): number
  stopTransport(): void
  listen(address: string, port: number, backlog: number): number
  listenerAddress(listener: number): string
  stopListening(): void
  limitConnections(most: number, mostPerIp: number): number
  /** The same ArrayBuffer each time, until the transport stops: then it is detached. */
  arena(arena: number): ArrayBuffer | undefined
  releaseFrame(): void
  /** `PartField.count` numbers a part. Takes the regions; copies or sends the bytes before it returns. */
  submit(parts: Float64Array, count: number, buffers: readonly Uint8Array[]): void
  pause(connection: number): void
  setPatient(connection: number, patient: boolean): void
  resume(connection: number): void
  closeConnection(connection: number, afterReplies: boolean): void
  peerAddress(connection: number): string | undefined
}

/** Slots of `block`: native/binding/call_block.h, number for number. */
export const Slot = {
  log: 0,
  argument: 1,
  baseOffset: 16,
  lastOffset: 17,
  maxTimestamp: 18,
  firstBadRecord: 19,
  rolled: 20,
  region: 21,
  regionLength: 22,
  regionEnd: 23,
  headerCount: 26,
  logStart: 27,
  logEnd: 28,
  durable: 29,
  sizeBytes: 30,
  activeBase: 31,
  listener: 32,
  port: 33,
  systemError: 34,
  faultCount: 36,
  gathered: 37,
} as const

/** Numbers of an entry in `events`. */
export const EventField = { kind: 0, connection: 1, a: 2, b: 3, c: 4, count: 6 } as const
export const EventKind = { opened: 1, frame: 2, closed: 3, drained: 4, congested: 5, refused: 6, gone: 7 } as const
/** Numbers of an entry in `completions`. */
export const CompletionField = { log: 0, durableOffset: 1, status: 2, systemError: 3, count: 4 } as const
/** Numbers that `searchLog` answers. */
export const SearchField = {
  status: 0,
  systemError: 1,
  offset: 2,
  timestamp: 3,
  leaderEpoch: 4,
  inCompressedBatch: 5,
} as const
/** Numbers of a reply part; `buffer` is -1 for a region, whose number then stands in `position`. */
export const PartField = { connection: 0, buffer: 1, position: 2, length: 3, last: 4, count: 5 } as const
/** Numbers of an entry in `headers`. */
export const HeaderField = {
  baseOffset: 0,
  lastOffset: 1,
  baseTimestamp: 2,
  maxTimestamp: 3,
  producerEpoch: 4,
  baseSequence: 5,
  recordCount: 6,
  leaderEpoch: 7,
  attributes: 8,
  sizeBytes: 9,
  controlType: 10,
  coordinatorEpoch: 11,
  count: 12,
} as const
/** Numbers of a record fault, which stand where headers do. */
export const FaultField = { index: 0, kind: 1, timestamp: 2, count: 3 } as const
/** Numbers of a segment in `headers`. */
export const SegmentField = { baseOffset: 0, sizeBytes: 1, maxTimestamp: 2, modifiedMs: 3, count: 4 } as const
/** Places in what `stats` returns. */
export const EngineStat = {
  liveRegions: 0,
  openLogs: 1,
  connections: 2,
  frames: 3,
  frameBytesHeld: 4,
  arenaBytes: 5,
  repliesQueuedBytes: 6,
  bytesIn: 7,
  bytesOut: 8,
  parked: 9,
  sendfileBytes: 10,
} as const
/** Numbers of a cleaning pass's task, of its map and of a cleaned group: native/binding/cleaning_pass.cc. */
export const TaskField = {
  endOffset: 0,
  firstDirtyOffset: 1,
  mapBytes: 2,
  segmentBytes: 3,
  segmentIndexBytes: 4,
  indexIntervalBytes: 5,
  deleteRetentionMs: 6,
  nowMs: 7,
  bytesPerSecond: 8,
  compacts: 9,
  codec: 10,
  count: 11,
} as const
export const OpenedField = { number: 0, start: 1, end: 2, durable: 3, compacted: 6 } as const
export const MapField = { cleanEndOffset: 0, keys: 1, bytesRead: 2, mapFill: 3, count: 4 } as const
export const GroupField = {
  bytesRead: 0,
  bytesWritten: 1,
  recordsRead: 2,
  recordsKept: 3,
  recordsWithoutKey: 4,
  batchesRead: 5,
  batchesKept: 6,
  count: 7,
} as const
