import { assert } from '../base/assert.ts'
import { MillraceError } from '../base/error.ts'
import { SerialQueue } from '../base/serial-queue.ts'
import type { LogSettings, OpenTrust, StoredLog, World } from '../base/world.ts'
import type { Durability } from '../log/durability.ts'
import { isDiskFull } from '../log/space-reserve.ts'
import { checkStatus, errorCode } from '../native/errors.ts'
import { StatusCode } from '../native/status.ts'
import { crc32c } from '../records/crc32c.ts'
import {
  batchEnd,
  batchLastOffset,
  buildBatch,
  type RecordInput,
  type RecordView,
  readRecords,
} from '../records/record-batch.ts'
import type {
  CommitOutcome,
  MetadataChange,
  MetadataEntry,
  MetadataLease,
  MetadataStore,
  MetadataTransaction,
} from './store.ts'

/**
 * The metadata of one node, in a log of its own. A transaction is one batch, so it is whole or absent after a crash;
 * record keys are metadata keys, values are JSON, a null value removes. A snapshot is a run of batches between two marks
 * and takes the place of everything before it.
 */
export const snapshotMark = { begin: '\u0000snapshot', end: '\u0000snapshot-end' }
const snapshotChunk = 1_000
const readBytes = 1 << 20
/** A log of this size, and this many times as large as what it says, is rewritten when it is opened. */
const rewriteAboveBytes = 4 << 20
const rewriteAboveRatio = 4
/** Nobody else ever leads the log. */
export const metadataLeaderEpoch = 0

const settings: LogSettings = {
  segmentBytes: 64 << 20,
  segmentMs: Number.MAX_SAFE_INTEGER,
  indexIntervalBytes: 4096,
  segmentIndexBytes: 1 << 20,
  maxMessageBytes: 32 << 20,
  timestampBeforeMaxMs: Number.MAX_SAFE_INTEGER,
  timestampAfterMaxMs: Number.MAX_SAFE_INTEGER,
  logAppendTime: false,
  requireKeys: false,
  flushMs: Number.MAX_SAFE_INTEGER,
  flushMessages: Number.MAX_SAFE_INTEGER,
  segmentJitterMs: 0,
  deletes: false,
  retentionMs: -1,
  retentionBytes: -1,
  // Deleting a topic, or giving it another retention, begins here: a full disk must not stop it.
  usesReserve: true,
}

/** Where a batch holds its CRC-32C, and where the bytes that it is of begin. */
const checksumPosition = 17
const checkedFrom = 21
const checksumAt = (bytes: Uint8Array, at: number): number =>
  new DataView(bytes.buffer, bytes.byteOffset + at).getUint32(checksumPosition)

const damagedCode = 'METADATA_DAMAGED'

/** An `open` rejected because of what the files hold; it has changed nothing in them if they were cleanly closed. */
export const isDamagedMetadata = (error: unknown): boolean =>
  error instanceof MillraceError && (error.code === damagedCode || error.code === errorCode('corrupt'))

const utf8 = new TextEncoder()
const fromUtf8 = new TextDecoder()

export interface LocalStoreOptions {
  /** Does what may be refused for want of space. */
  readonly spend?: <T>(work: () => Promise<T>) => Promise<T>
  /** The log failed for good: what is committed can be read, and nothing more be written. */
  readonly onFailed?: (error: Error) => void
  /** Its open found the end incomplete after a crash, cut it there and put the cut bytes aside. */
  readonly onCut?: (cutBytes: number, fromOffset: number) => void
}

interface Waiter {
  readonly endOffset: number
  resolve(): void
  reject(error: Error): void
}

export class LocalMetadataStore implements MetadataStore {
  private readonly world: World
  private readonly log: StoredLog
  private readonly durability: Durability
  private readonly queue = new SerialQueue()
  private entries = new Map<string, MetadataEntry>()
  private staged: Map<string, MetadataEntry> | undefined
  private readonly watchers = new Set<{ prefix: string; listener: (change: MetadataChange) => void }>()
  private waiters: Waiter[] = []
  private failure: Error | undefined
  private readonly spend: <T>(work: () => Promise<T>) => Promise<T>
  private readonly onFailed: (error: Error) => void

  /** Opens `directory` and replays it. Rejects when the log is damaged: nothing can be served without it. */
  static async open(
    world: World,
    durability: Durability,
    directory: string,
    trust: OpenTrust,
    options: LocalStoreOptions = {},
  ): Promise<LocalMetadataStore> {
    const { spend = work => work() } = options
    const { log, report } = await spend(() => world.storage.openLog(directory, settings, trust, 0, 0))
    if (report.cutBytes > 0) options.onCut?.(report.cutBytes, report.cutFromOffset)
    const store = new LocalMetadataStore(world, durability, log, spend, options.onFailed ?? (() => {}))
    try {
      await store.replay()
      // A killed process may have left a transaction that only the page cache holds: it is seen once it is durable.
      await store.flushed(log.logEndOffset())
      if (store.isMostlyPast()) await store.queue.run(() => store.rewriteIfThereIsRoom())
    } catch (error) {
      durability.unwatch(log)
      await log.close(false)
      throw error
    }
    return store
  }

  private constructor(
    world: World,
    durability: Durability,
    log: StoredLog,
    spend: <T>(work: () => Promise<T>) => Promise<T>,
    onFailed: (error: Error) => void,
  ) {
    this.world = world
    this.log = log
    this.spend = spend
    this.onFailed = onFailed
    this.durability = durability
    durability.watch(log, {
      onDurable: durableOffset => this.wake(durableOffset),
      onFailed: status => this.fail(status),
    })
  }

  get logEndOffset(): number {
    return this.log.logEndOffset()
  }

  get highWatermark(): number {
    return this.log.durableOffset()
  }

  get(key: string): MetadataEntry | undefined {
    return this.entries.get(key)
  }

  list(prefix: string): [string, MetadataEntry][] {
    return [...this.entries].filter(([key]) => key.startsWith(prefix)).sort(([a], [b]) => (a < b ? -1 : 1))
  }

  commit(transaction: MetadataTransaction): Promise<CommitOutcome> {
    return this.queue.run(async () => {
      for (const { key, revision } of transaction.compare)
        if ((this.entries.get(key)?.revision ?? 0) !== revision) return { committed: false }
      const records = [
        ...transaction.put.map(({ key, value }) => ({
          key: utf8.encode(key),
          value: utf8.encode(JSON.stringify(value)),
        })),
        ...transaction.remove.map(key => ({ key: utf8.encode(key), value: null })),
      ]
      assert(records.length > 0, 'a metadata transaction changes something')
      const baseOffset = await this.append(records)
      const revision = baseOffset + 1
      const changes: MetadataChange[] = [
        ...transaction.put.map(({ key, value }) => ({ key, entry: { value, revision } })),
        ...transaction.remove.map(key => ({ key, entry: undefined })),
      ]
      for (const { key, entry } of changes) {
        if (entry === undefined) this.entries.delete(key)
        else this.entries.set(key, entry)
      }
      for (const change of changes)
        for (const watcher of this.watchers) if (change.key.startsWith(watcher.prefix)) watcher.listener(change)
      return { committed: true, revision }
    })
  }

  watch(prefix: string, listener: (change: MetadataChange) => void): () => void {
    const watcher = { prefix, listener }
    this.watchers.add(watcher)
    return () => this.watchers.delete(watcher)
  }

  // The lock on the data directory makes this process the only one.
  async lease(_key: string): Promise<MetadataLease> {
    let held = true
    return {
      held: () => held && this.failure === undefined,
      release: async () => {
        held = false
      },
    }
  }

  async close(): Promise<void> {
    await this.queue.idle()
    this.durability.unwatch(this.log)
    await this.log.close(this.failure === undefined)
  }

  /** Appends one batch and waits until it is durable; returns its base offset. */
  private async append(records: readonly RecordInput[]): Promise<number> {
    if (this.failure !== undefined) throw this.failure
    const nowMs = this.world.clock.wallMs()
    await this.spend(async () => {
      const status = this.log.appendBytes(buildBatch({ records, timestampMs: nowMs }), metadataLeaderEpoch, nowMs)
      checkStatus('write the cluster metadata', status)
    })
    const { baseOffset, lastOffset } = this.log.lastAppend
    await this.flushed(lastOffset + 1)
    return baseOffset
  }

  /** Waits until everything below `endOffset` is durable. */
  private async flushed(endOffset: number): Promise<void> {
    if (this.log.durableOffset() >= endOffset) return
    await new Promise<void>((resolve, reject) => {
      this.waiters.push({ endOffset, resolve, reject })
      this.log.requestFlush()
    })
  }

  private wake(durableOffset: number): void {
    const ready = this.waiters.filter(waiter => waiter.endOffset <= durableOffset)
    this.waiters = this.waiters.filter(waiter => waiter.endOffset > durableOffset)
    for (const waiter of ready) waiter.resolve()
  }

  private fail(status: number): void {
    if (this.failure !== undefined) return
    this.failure = new MillraceError(
      'METADATA_FAILED',
      `The cluster metadata could not be made durable (status ${status}): check the disk, then restart.`,
    )
    const waiting = this.waiters
    this.waiters = []
    for (const waiter of waiting) waiter.reject(this.failure)
    this.onFailed(this.failure)
  }

  /** After a reboot nothing of the log is in the page cache: it is looked up on a thread that may wait for the disk. */
  private async replay(): Promise<void> {
    const end = this.log.logEndOffset()
    for (let offset = this.log.logStartOffset(); offset < end; ) {
      const { status, region, length } = await this.log.readCold(offset, readBytes, end, true)
      if (status === 0 && length === 0) throw this.damagedAt(offset)
      checkStatus(`read the cluster metadata in ${this.log.directory} at offset ${offset}`, status)
      const bytes = new Uint8Array(length)
      const got = this.world.storage.readRegion(region, 0, bytes)
      this.world.storage.releaseRegion(region)
      assert(got === bytes.length, 'a region is read whole', { got, length: bytes.length })
      const before = offset
      for (let at = 0; ; ) {
        const next = batchEnd(bytes, at)
        if (next === undefined) break
        // After a clean stop nobody else has looked.
        if (checksumAt(bytes, at) !== crc32c(bytes.subarray(at + checkedFrom, next))) throw this.damagedAt(offset)
        const batch = readRecords(bytes, at)
        // All records of a transaction carry its revision, which is the batch's.
        for (const record of batch) this.replayRecord(record, batch[0]!.offset + 1)
        // Of an empty batch too, as a repair leaves one in the place of another.
        offset = batchLastOffset(bytes, at) + 1
        at = next
      }
      assert(offset > before, 'each read of the metadata log makes progress', { offset })
    }
    // A snapshot that was not finished counts for nothing: what it would have replaced is still there.
    this.staged = undefined
  }

  private damagedAt(offset: number): MillraceError {
    return new MillraceError(
      damagedCode,
      `The cluster metadata in ${this.log.directory} are damaged at offset ${offset}, so it is not known which topics ` +
        'there are: restore that directory from a backup. The files of the topics are as they were.',
    )
  }

  private replayRecord(record: RecordView, revision: number): void {
    assert(record.key !== null, 'metadata records have keys', { offset: record.offset })
    const key = fromUtf8.decode(record.key)
    if (key === snapshotMark.begin) {
      this.staged = new Map()
      return
    }
    if (key === snapshotMark.end) {
      assert(this.staged !== undefined, 'a snapshot ends only after it began', { offset: record.offset })
      this.entries = this.staged
      this.staged = undefined
      return
    }
    const into = this.staged ?? this.entries
    if (record.value === null) {
      into.delete(key)
      return
    }
    const kept = record.headers.find(header => header.key === 'revision')?.value
    into.set(key, {
      value: JSON.parse(fromUtf8.decode(record.value)) as unknown,
      revision: kept === undefined || kept === null ? revision : Number(fromUtf8.decode(kept)),
    })
  }

  private isMostlyPast(): boolean {
    const logBytes = this.log.sizeBytes()
    if (logBytes <= rewriteAboveBytes) return false
    let liveBytes = 0
    for (const [key, { value }] of this.entries) liveBytes += key.length + JSON.stringify(value).length
    return logBytes > liveBytes * rewriteAboveRatio
  }

  /** A full disk puts it off. What was written of the snapshot goes: transactions behind it would count as its own. */
  private async rewriteIfThereIsRoom(): Promise<void> {
    if (this.log.roll() !== StatusCode.ok) return
    const start = this.log.logEndOffset()
    try {
      await this.rewrite(start)
    } catch (error) {
      if (!isDiskFull(error)) throw error
      checkStatus(`take back a snapshot in ${this.log.directory}`, this.log.truncateTo(start))
    }
  }

  /** Writes a snapshot from `start` on, where a segment begins, and drops the segments before it. */
  private async rewrite(start: number): Promise<void> {
    const entries = [...this.entries]
    await this.append([{ key: utf8.encode(snapshotMark.begin), value: new Uint8Array() }])
    for (let i = 0; i < entries.length; i += snapshotChunk) {
      const chunk = entries.slice(i, i + snapshotChunk).map(([key, { value, revision }]) => ({
        key: utf8.encode(key),
        value: utf8.encode(JSON.stringify(value)),
        headers: [{ key: 'revision', value: utf8.encode(String(revision)) }],
      }))
      await this.append(chunk)
    }
    await this.append([{ key: utf8.encode(snapshotMark.end), value: new Uint8Array() }])
    this.log.advanceStart(start)
  }
}
