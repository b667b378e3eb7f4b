/**
 * The world as the broker sees it: clock, timers, chance, disk, logs and network are parameters, so that a whole cluster
 * can run in one process from one seed. `src/app` holds the only real one.
 */

export interface Clock {
  /** Milliseconds since the Unix epoch: only for record stamps and what people read. May jump. */
  wallMs(): number
  /** Milliseconds since some fixed moment, never going back: for every timeout and session. */
  monotonicMs(): number
}

export interface Timer {
  cancel(): void
}

export interface Timers {
  /** Calls `run` once, at least `delayMs` from now. Does not keep a process alive by itself. */
  after(delayMs: number, run: () => void): Timer
  /** Calls `run` after the work that is ready now, before the loop waits. */
  soon(run: () => void): void
}

export interface Random {
  /** Uniform in [0, 1). */
  next(): number
  /** Bytes fit for identifiers. */
  bytes(count: number): Uint8Array
}

/** Small files around the logs. Paths are absolute. Failures reject with the system's error (`code` as in errno). */
export interface Disk {
  read(path: string): Promise<Uint8Array | undefined>
  /** Temporary file, fsync, rename, fsync of the directory: afterwards either the old or the new content, durably. */
  replace(path: string, content: string | Uint8Array): Promise<void>
  /** Removes a file if it is there, and fsyncs its directory. */
  remove(path: string): Promise<void>
  makeDirectory(path: string): Promise<void>
  list(path: string): Promise<string[]>
  rename(from: string, to: string): Promise<void>
  /** Removes a directory and everything in it. */
  removeTree(path: string): Promise<void>
  exists(path: string): Promise<boolean>
  /** What can still be written to the file system that holds `path`. */
  room(path: string): Promise<DiskRoom>
  /** Takes an exclusive lock that ends with the process; undefined when another process holds it. */
  lock(path: string): Promise<DirectoryLock | undefined>
  /** Changes with every boot of the kernel, not of the process. */
  bootId(): Promise<string>
  /** What `list` and `read` tell, of all small files at once; undefined where there is no such directory. */
  look?(path: string): Promise<DirectoryLook | undefined>
  /**
   * Writes files into a directory, which is made if there is none, and removes others: each file is the old or the new
   * one, but nothing is durable. For what a start makes again when it is lost.
   */
  put?(path: string, files: ReadonlyMap<string, Uint8Array>, removed: readonly string[]): Promise<void>
}

export interface DirectoryLook {
  readonly names: readonly string[]
  /** Of the files that are no log's segment or index, and no larger than 1 MB. */
  readonly contents: ReadonlyMap<string, Uint8Array>
}

export interface DiskRoom {
  readonly bytes: number
  /** Files and directories; infinite where the file system sets no limit. */
  readonly files: number
  /** Of the whole file system, used or not. */
  readonly totalBytes: number
}

export interface DirectoryLock {
  release(): void
}

export interface World {
  readonly clock: Clock
  readonly timers: Timers
  readonly random: Random
  readonly disk: Disk
  readonly storage: Storage
  readonly network: Network
  readonly threads: Threads
  /** In tests that end a broker at a certain point: called when it is reached. Nothing may be done in it but end. */
  readonly reached?: (milestone: string) => void
}

/** What a thread runs: a module of this package, which `src/app` knows by this name. */
export type ThreadName = 'cleaner'

/** Threads beside the decision thread, for long work that may not wait for its turns. */
export interface Threads {
  /** Starts one; a failure to start is its end. */
  start(name: ThreadName, listener: ThreadListener): WorkerThread
}

export interface WorkerThread {
  /** Sends a copy of `message`; what is in shared memory is shared. */
  post(message: unknown): void
  /** Ends it after the native call that it is in; resolves when it is gone. */
  end(): Promise<void>
}

/** Called in turns of the decision thread. */
export interface ThreadListener {
  onMessage(message: unknown): void
  /** Once, last. `error`: it died, and of what; undefined when it was ended. */
  onEnd(error: Error | undefined): void
}

/** How far the files of a log may be trusted when it is opened. */
export const OpenTrust = { clean: 0, sameBoot: 1, reboot: 2 } as const
export type OpenTrust = (typeof OpenTrust)[keyof typeof OpenTrust]

/** Sizes in bytes, times in milliseconds; Kafka's topic configs of the same names. */
export interface LogSettings {
  segmentBytes: number
  segmentMs: number
  indexIntervalBytes: number
  segmentIndexBytes: number
  maxMessageBytes: number
  timestampBeforeMaxMs: number
  timestampAfterMaxMs: number
  logAppendTime: boolean
  requireKeys: boolean
  /** An unflushed record waits no longer, and no longer than storage lets any wait. */
  flushMs: number
  /** So many unflushed records, and the next answer waits until they are flushed. */
  flushMessages: number
  /** Up to so much earlier than segmentMs a segment is rolled, by chance. */
  segmentJitterMs: number
  /** Whether retention removes anything (cleanup.policy); its bounds are -1 for none. */
  deletes: boolean
  retentionMs: number
  retentionBytes: number
  /** Appends go on in what `Storage.keepFree` keeps from other logs. */
  usesReserve?: boolean
  /** Undefined: it is not compacted (cleanup.policy). */
  compaction?: CompactionSettings | undefined
}

/** Kafka's topic configs of these names. */
export interface CompactionSettings {
  readonly minCleanableRatio: number // min.cleanable.dirty.ratio
  readonly minLagMs: number // min.compaction.lag.ms
  readonly maxLagMs: number // max.compaction.lag.ms
  readonly deleteRetentionMs: number // delete.retention.ms
}

export interface OpenReport {
  logStartOffset: number
  logEndOffset: number
  segments: number
  scannedBytes: number
  indexesRebuilt: number
  cutBytes: number
  /** First offset that was cut away, -1 when none. */
  cutFromOffset: number
  /** Its first flush has to sync what recovery found. */
  unsynced?: boolean
}

/** The arena that requests of this very process lie in, which came by no connection: see `Storage.lendLocalArena`. */
export const localArena = 0xffff_ffff

/** Log bytes that live in storage; ids are native handles. */
export interface Storage {
  openLog(
    directory: string,
    settings: LogSettings,
    trust: OpenTrust,
    recoveryPoint: number,
    logStartOffset: number,
    /** What recovery found is durable with the log's first flush, which is to be asked for before anything else is done. */
    syncWithFirstFlush?: boolean,
  ): Promise<{ log: StoredLog; report: OpenReport }>
  /** Makes durable what `closeUnsynced` has left of the logs in `directory`, and all else on its file system. */
  syncFileSystem(directory: string): Promise<void>
  /**
   * Sets how many files that nobody uses stay open: a share of what the system allows this process, less `reserved`
   * descriptors for others. Returns how many logs may be written at the same time, each of which holds a descriptor until
   * it rests.
   */
  limitOpenFiles(reserved: number): number
  /** Logs refuse appends that would leave less than this free on their disk, but those that use the reserve. */
  keepFree(bytes: number): void
  /** From now on `localArena` is these bytes, which its user may write wherever no append is under way. */
  lendLocalArena(bytes: Uint8Array): void
  /**
   * Writes what appends have left to be written together, a log's by one write, and tells whether from now on those that
   * `mayWait` may leave it so, until the next call. Meanwhile the frames that they came in stay, and no answer that tells
   * of them leaves; reads and flushes see what is written. Then the listeners of `onGathered` hear of each log that has
   * lost some, whose end is again where it was written to; then `onLost` is called, if there was any; then the listeners
   * hear of all that had gathered anything (status 0). A log that has lost some takes no append until they have.
   */
  gatherAppends(more: boolean, onLost: () => void): void
  /** A status that is not 0 tells why what the log had gathered could not all be written. */
  onGathered(listener: (log: StoredLog, status: number) => void): void
  /** Gives back a region that will not be submitted to the network. */
  releaseRegion(region: number): void
  /** Copies bytes of a region, from `from` within it; returns how many. For in-process readers, never for the wire. */
  readRegion(region: number, from: number, into: Uint8Array): number
  /** Flushes that `run` asks for begin when it is over, all at once, so that they are one pass. Calls do not nest. */
  flushTogether(run: () => void): void
  /** Flush completions since the last turn: called once per loop turn. */
  onDurable(listener: (log: StoredLog, durableOffset: number) => void): void
  /** A log failed for good (failed sync, foreign damage). */
  onFailed(listener: (log: StoredLog, code: number, systemError: number) => void): void
  close(): Promise<void>
}

/** Values of the last append or read; overwritten by the next call, so read them at once. */
export interface LastAppend {
  baseOffset: number
  lastOffset: number
  maxTimestamp: number
  firstBadRecord: number
  rolled: boolean
  /** It has its offsets, and may not be written before the next `Storage.gatherAppends`. */
  gathered: boolean
}

export const RecordFaultKind = { keyMissing: 0, timestampOutOfBounds: 1 } as const
export type RecordFaultKind = (typeof RecordFaultKind)[keyof typeof RecordFaultKind]

/** A record that its topic does not take. */
export interface RecordFault {
  /** Within its batch. */
  index: number
  kind: RecordFaultKind
  timestamp: number
}

/**
 * One partition's bytes. Every method that returns a number returns a native status code (0 is success, see
 * `src/native/status.ts`); nothing has changed when it is not 0.
 */
export interface StoredLog {
  readonly directory: string
  configure(settings: LogSettings): void
  /**
   * Appends one batch that lies in a network frame: `arena`, `position`, `length`. Result in `lastAppend`. Inside a
   * compressed batch nothing is checked here; `checkedInside` tells that `checkUnfolded` did, so that the timestamps in
   * its header, which are its client's, do not count either. `mayWait`: see `Storage.gatherAppends`.
   */
  appendFrame(
    arena: number,
    position: number,
    length: number,
    leaderEpoch: number,
    nowMs: number,
    checkedInside?: boolean,
    mayWait?: boolean,
  ): number
  /** Writes what this log has gathered now; not 0 until all have been told that some of it is lost. */
  writeGathered(): number
  /** Appends one batch of the process's own; it is stamped in place. Control batches are allowed. */
  appendBytes(batch: Uint8Array, leaderEpoch: number, nowMs: number): number
  /** The checks of `appendFrame` alone. */
  validateFrame(arena: number, position: number, length: number, nowMs: number, checkedInside?: boolean): number
  /**
   * The checks of `appendFrame` on a compressed batch and on `records`, all that it unfolds to. When they hold, the true
   * max timestamp stands in the batch's header, in the frame.
   */
  checkUnfolded(arena: number, position: number, length: number, records: Uint8Array, nowMs: number): number
  /** The records that the last append, validation or check found at fault, the first 500 of them. Read at once. */
  recordFaults(): RecordFault[]
  readonly lastAppend: LastAppend
  /**
   * Pins a region; 0, then `lastRegion`/`lastRegionLength` (length 0: no region was made). Never waits for the disk:
   * `wouldBlock` when it had to, and then `readCold` does.
   */
  read(offset: number, maxBytes: number, limit: number, wholeFirstBatch: boolean): number
  readonly lastRegion: number
  readonly lastRegionLength: number
  /** No batch of the region holds an offset at or above it. */
  readonly lastRegionEnd: number
  /** `read` on a thread that may wait for the disk. The region is pinned; `wouldBlock`: the log was cut meanwhile. */
  readCold(offset: number, maxBytes: number, limit: number, wholeFirstBatch: boolean): Promise<ColdRead>
  /** First record of [from, limit) at or after `timestamp`, which is not negative. Rejects when it cannot be read. */
  findTimestamp(timestamp: number, from: number, limit: number): Promise<TimestampPosition | undefined>
  /** First record of [from, limit) with the largest timestamp. */
  findMaxTimestamp(from: number, limit: number): Promise<TimestampPosition | undefined>
  /** The whole batch that holds `offset`, below `limit`; empty when there is none. For who must unfold it. */
  readBatch(offset: number, limit: number): Promise<Uint8Array>
  /** Headers of the batches from `from`, below `limit`; at most `count`. */
  readHeaders(from: number, limit: number, count: number): StoredBatchHeader[]
  truncateTo(offset: number): number
  resetTo(offset: number): number
  advanceStart(offset: number): number
  roll(): number
  /**
   * Puts the cleaned segment that a `CleaningPass` left in the directory under the base offset `bases[0]` in the place of
   * these consecutive, sealed segments, durably; a crash leaves either them or it. Regions that were handed out keep
   * their bytes. `wouldBlock`: the log was cut or reset or its start has moved past them meanwhile, so nothing changed
   * and the cleaned files are gone.
   */
  replaceSegments(bases: readonly number[]): Promise<number>
  /**
   * Facts of up to `count` segments, oldest first, the active one included, behind the first `skip`; without `times` no
   * file is asked.
   */
  segments(count: number, times: boolean, skip?: number): SegmentFacts[]
  /** Lets go of what serves appending, until the next append, if everything is durable; false: ask again later. */
  rest(): boolean
  /** Somebody waits for the log's present end to become durable. */
  requestFlush(): void
  logStartOffset(): number
  logEndOffset(): number
  durableOffset(): number
  sizeBytes(): number
  activeBaseOffset(): number
  /** Flushes, trims, closes. */
  close(clean: boolean): Promise<void>
  /** A clean close that leaves what it trims, and the indexes, to `Storage.syncFileSystem`. */
  closeUnsynced(): Promise<void>
  /** Closes and removes the directory. */
  delete(): Promise<void>
}

export interface ColdRead {
  readonly status: number
  readonly region: number
  /** 0: no region was made. */
  readonly length: number
  /** As `lastRegionEnd`. */
  readonly end: number
}

export interface SegmentFacts {
  baseOffset: number
  sizeBytes: number
  /** Of its records; -1 when none has one, or times were not asked for. */
  maxTimestampMs: number
  /** Wall clock at which its file was last written. */
  modifiedMs: number
}

export interface TimestampPosition {
  offset: number
  timestamp: number
  leaderEpoch: number
  /** `offset` is that of the compressed batch and `timestamp` its largest: unfolding it tells the record. */
  inCompressedBatch: boolean
}

export interface StoredBatchHeader {
  baseOffset: number
  lastOffset: number
  baseTimestamp: number
  maxTimestamp: number
  producerId: bigint
  producerEpoch: number
  baseSequence: number
  recordCount: number
  leaderEpoch: number
  attributes: number
  sizeBytes: number
  /** Of a control batch: 0 aborts a transaction, 1 commits it; -1 when its record is gone, and for all other batches. */
  controlType: number
  /** Of the coordinator that wrote the control batch, else -1. */
  coordinatorEpoch: number
}

export interface NetworkSettings {
  maxFrameBytes: number
  frameBudgetBytes: number
  connectionInflightBytes: number
  connectionUnsentBytes: number
  /** Further connections wait until one goes. */
  maxConnections: number
  /** Further connections of one address are closed at once. Without it there is no limit. */
  maxConnectionsPerIp?: number
  idleTimeoutMs: number
  senderThreads: number
}

/** What happens on sockets; all calls of one loop turn come together, then `onTurnEnd`. */
export interface NetworkListener {
  onOpen(connection: number, listener: number): void
  /** A whole frame without its size field. Its bytes are `arenaView(arena)` from `position`, until `releaseFrame`. */
  onFrame(connection: number, arena: number, position: number, length: number): void
  /** `systemError` is an errno; where the reason is a frame's size, it is that size. */
  onClose(connection: number, reason: CloseReason, systemError: number): void
  /** The client takes no replies any more. Frames that it had sent before may follow, then `onClose`. */
  onGone(connection: number): void
  /** The client leaves a megabyte of replies unread (`true`), or has taken them all by now. */
  onCongestion(connection: number, congested: boolean): void
  /** Clients were turned away; at most once a second for each reason. `peer` is the last one, if it is known. */
  onRefused(reason: RefuseReason, count: number, peer: string): void
  onTurnEnd(): void
}

export const RefuseReason = { maxConnections: 1, maxConnectionsPerIp: 2, noDescriptor: 3 } as const
export type RefuseReason = (typeof RefuseReason)[keyof typeof RefuseReason]

export const CloseReason = {
  peer: 0,
  requested: 1,
  frameTooLarge: 2,
  frameInvalid: 3,
  idle: 4,
  stalledBody: 5,
  unsentLimit: 6,
  regionInvalid: 7,
  ioError: 8,
  shutdown: 9,
} as const
export type CloseReason = (typeof CloseReason)[keyof typeof CloseReason]

/** A file region inside a reply: it goes out at `position` of the reply's bytes. */
export interface RegionSplit {
  position: number
  region: number
  length: number
}

export interface Network {
  start(settings: NetworkSettings, listener: NetworkListener): void
  /** Returns the bound address; throws a MillraceError that names the address when it cannot. */
  listen(host: string, port: number): { listener: number; host: string; port: number }
  stopListening(): void
  /** Takes the place of the settings of these names. Connections that are there stay. */
  limitConnections(maxConnections: number, maxPerIp: number): void
  arenaView(arena: number): DataView
  arenaBytes(arena: number): Uint8Array
  releaseFrame(arena: number, position: number): void
  /**
   * Queues one reply: `bytes[from, to)` with file regions in between (`splits[splitFrom, splitTo)`, positions absolute in
   * `bytes`). `bytes` must stay unchanged until `flush`. Regions are consumed whatever happens.
   */
  reply(
    connection: number,
    bytes: Uint8Array,
    from: number,
    to: number,
    splits: readonly RegionSplit[],
    splitFrom: number,
    splitTo: number,
  ): void
  /** Hands all queued replies to the kernel, in one crossing. */
  flush(): void
  /** Forgets them instead; their regions are their owners' again. */
  dropReplies(): void
  pause(connection: number): void
  resume(connection: number): void
  /** What a patient connection sends may wait some milliseconds, so that what many of them send comes in one turn. */
  setPatient(connection: number, patient: boolean): void
  close(connection: number, afterReplies: boolean): void
  peerAddress(connection: number): string
  stats(): NetworkStats
  stop(): void
}

export interface NetworkStats {
  connections: number
  frames: number
  frameBytesHeld: number
  arenaBytes: number
  repliesQueuedBytes: number
  bytesIn: number
  bytesOut: number
  parked: number
  /** Of `bytesOut`: what went out of files by sendfile, without a copy. */
  sendfileBytes: number
}
