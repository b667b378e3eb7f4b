import type { Logger } from '../base/logger.ts'
import { SerialQueue } from '../base/serial-queue.ts'
import type { DirectoryLook, Disk, StoredBatchHeader, StoredLog } from '../base/world.ts'
import { BatchAttributes } from '../records/batch-header.ts'
import { AbortedTransactions } from './aborted-transactions.ts'
import { formatEpochs, parseEpochs } from './checkpoint-files.ts'
import { ControlType } from './control-batch.ts'
import { putFiles } from './directory-files.ts'
import { LeaderEpochs } from './leader-epochs.ts'
import type { SideFiles } from './partition-log.ts'
import { decodeInSlices, ProducerSnapshot, snapshotName, snapshotOffset } from './producer-snapshot.ts'
import { type ProducerBatch, ProducerStates } from './producer-state.ts'
import { txnIndexOffset } from './txn-index.ts'

const epochsFile = 'leader-epoch-checkpoint'
const utf8 = new TextEncoder()
/** Snapshots that stay: the newest, and one before it in case the newest is damaged. */
const retainedSnapshots = 2
/** Headers read in one slice of a rebuild; between slices other work runs. */
const headersPerSlice = 4096
const segmentsAtOnce = 256

/** What whoever keeps the log open is told and asked. */
export interface LogOwner {
  appended(bytes: number): void
  /** See SideFiles. */
  room(): Promise<void> | undefined
  diskFull(): void
  /** Of the log, while it is open. */
  durableEnd(): number
  /** Base offset of the first segment, likewise. */
  firstSegment(): number
  /** Lets others have their turn. */
  pause(): Promise<void>
}

/**
 * The files beside a log: producer snapshots, indexes of aborted transactions and the leader-epoch checkpoint. They are
 * copies of what the log itself says, written behind the appends, one at a time; a failed write costs a longer rebuild and
 * is only logged.
 */
export class PartitionFiles implements SideFiles {
  readonly aborted: AbortedTransactions
  private readonly queue = new SerialQueue()
  private readonly disk: Disk
  private readonly directory: string
  private readonly logger: Logger
  private readonly owner: LogOwner
  private closed = false
  /** The log end that the newest snapshot tells of, as far as this process knows. */
  private savedOffset = -1
  /** As the checkpoint in the directory says, as far as this process knows. */
  private savedEpochs = ''

  constructor(disk: Disk, directory: string, logger: Logger, owner: LogOwner) {
    this.disk = disk
    this.directory = directory
    this.logger = logger
    this.owner = owner
    this.aborted = new AbortedTransactions({ disk, path: directory })
  }

  appended(bytes: number): void {
    this.owner.appended(bytes)
  }

  room(): Promise<void> | undefined {
    return this.owner.room()
  }

  diskFull(): void {
    this.owner.diskFull()
  }

  saveProducers(endOffset: number, producers: ProducerStates): void {
    if (this.closed) return
    const snapshot = new ProducerSnapshot(producers)
    this.write('producer snapshot', () => this.writeSnapshot(endOffset, snapshot))
  }

  /**
   * Resolves when a restart would know these producers without the records below `endOffset`, if it finds the log that
   * long. Rejects when that could not be written.
   */
  async keepProducers(endOffset: number, producers: ProducerStates): Promise<void> {
    if (producers.size === 0) return
    const snapshot = new ProducerSnapshot(producers)
    try {
      await this.soon(async () => {
        if (this.savedOffset !== endOffset) await this.writeSnapshot(endOffset, snapshot)
      })
    } finally {
      snapshot.end()
    }
  }

  saveAborted(): void {
    this.write('index of aborted transactions', () => this.aborted.write())
  }

  /** Resolves when all that was aborted so far stands in the indexes: whoever reads these beside us is to find it. */
  async keepAborted(): Promise<void> {
    await this.soon(() => this.aborted.write())
  }

  startMoved(logStart: number): void {
    const first = this.owner.firstSegment()
    this.aborted.startMoved(first)
    this.write('list of producer snapshots', async () => {
      await this.dropOldSnapshots(logStart)
      await this.dropOldIndexes(first)
    })
  }

  saveEpochs(epochs: LeaderEpochs): void {
    const content = formatEpochs(epochs.entries)
    this.write('leader epochs', async () => {
      // Without a checkpoint the first epoch is found again in the log: a sync for each new partition would be too much.
      if (this.savedEpochs === '' && epochs.entries.length === 1)
        await putFiles(this.disk, this.directory, new Map([[epochsFile, utf8.encode(content)]]))
      else await this.disk.replace(`${this.directory}/${epochsFile}`, content)
      this.savedEpochs = content
    })
  }

  /**
   * Writes what the directory does not say yet, and nothing more; not durably. With many partitions that stop, most have
   * nothing to say.
   */
  async closeWith(endOffset: number, producers: ProducerStates, epochs: LeaderEpochs): Promise<void> {
    await this.close()
    // Before a snapshot that may be there after a crash: nothing below it is looked for in the log.
    await this.aborted.write()
    const files = new Map<string, Uint8Array>()
    if (endOffset > 0 && this.savedOffset !== endOffset)
      files.set(snapshotName(endOffset), await this.encoded(new ProducerSnapshot(producers)))
    const epochLines = formatEpochs(epochs.entries)
    if (epochs.entries.length > 0 && this.savedEpochs !== epochLines) files.set(epochsFile, utf8.encode(epochLines))
    if (files.size === 0) return
    // Everything below is durable now, so that the newest of those that stay would do as well.
    const old = files.has(snapshotName(endOffset)) ? (await this.snapshots()).slice(retainedSnapshots - 1) : []
    await putFiles(this.disk, this.directory, files, old.map(snapshotName))
  }

  /** Writes nothing more; resolves when what was begun has ended. */
  async close(): Promise<void> {
    this.closed = true
    await this.queue.idle()
  }

  /** The epochs of the checkpoint, without those that begin past the end of the log. */
  loadEpochs(logEnd: number, beside: DirectoryLook | undefined): LeaderEpochs {
    const content = beside?.contents.get(epochsFile)
    this.savedEpochs = content === undefined ? '' : new TextDecoder().decode(content)
    const epochs = new LeaderEpochs(parseEpochs(this.savedEpochs) ?? [])
    if (epochs.entries.length > 1) epochs.truncate(Math.max(logEnd, 1))
    return epochs
  }

  /**
   * Producer states at `logEnd`: the newest whole snapshot, then the headers of the batches above it. `pause` is awaited
   * between slices. Returns also how many batches were replayed.
   */
  async loadProducers(
    stored: StoredLog,
    logStart: number,
    logEnd: number,
    epochs: LeaderEpochs,
    pause: () => Promise<void>,
    beside: DirectoryLook | undefined,
  ): Promise<{ producers: ProducerStates; replayed: number }> {
    const snapshot = await this.loadBesideSnapshot(logEnd, beside)
    const { producers } = snapshot
    let { offset } = snapshot
    let replayed = 0
    const producersFrom = offset
    // Without a checkpoint the log itself tells where its epochs began, from its start on.
    if (epochs.latest < 0) offset = logStart
    for (offset = Math.max(offset, logStart); offset < logEnd; ) {
      const headers = stored.readHeaders(offset, logEnd, headersPerSlice)
      if (headers.length === 0) break
      for (const header of headers) {
        if (header.leaderEpoch > epochs.latest) epochs.begin(header.leaderEpoch, header.baseOffset)
        if (header.baseOffset >= producersFrom && header.producerId >= 0n) this.replay(stored, producers, header)
        offset = header.lastOffset + 1
      }
      // Of those that ended below here nothing is to be kept in mind.
      producers.transactions.committed(Math.min(offset, stored.durableOffset()))
      replayed += headers.length
      await pause()
    }
    return { producers, replayed }
  }

  private replay(stored: StoredLog, producers: ProducerStates, header: StoredBatchHeader): void {
    const { producerId, baseOffset, lastOffset, maxTimestamp, controlType } = header
    if ((header.attributes & BatchAttributes.control) === 0) {
      producers.apply(written(header), baseOffset, maxTimestamp)
      return
    }
    // Compaction may have left a marker empty: then nothing is left of its transaction either.
    if (controlType !== ControlType.abort && controlType !== ControlType.commit) return
    const ended = producers.applyMarker(header, lastOffset, maxTimestamp)
    if (ended === undefined || controlType !== ControlType.abort) return
    this.aborted.add({ producerId, ...ended, lastOffset }, segmentOf(stored, lastOffset))
  }

  /** The newest snapshot, and what the indexes say of the transactions below it. */
  private async loadBesideSnapshot(
    logEnd: number,
    beside: DirectoryLook | undefined,
  ): Promise<{ producers: ProducerStates; offset: number }> {
    const directory = { disk: this.disk, path: this.directory }
    const all = (beside?.names ?? []).map(txnIndexOffset).filter(base => base !== undefined)
    let snapshot = await this.newestSnapshot(logEnd, logEnd, beside)
    if (all.length === 0) return snapshot
    const first = this.owner.firstSegment()
    if (all.some(base => base < first)) await this.dropOldIndexes(first)
    const bases = all.filter(base => base >= first)
    const damaged = await this.aborted.load(directory, bases, snapshot.offset)
    if (damaged !== undefined) {
      this.logger.warn({ directory: this.directory, offset: damaged }, 'an index of aborted transactions is damaged')
      // What it said is in the log, from there on.
      snapshot = await this.newestSnapshot(logEnd, damaged, beside)
      this.aborted.clear()
      await this.aborted.load(directory, bases, snapshot.offset)
    }
    return snapshot
  }

  private async newestSnapshot(
    logEnd: number,
    newest: number,
    beside: DirectoryLook | undefined,
  ): Promise<{ producers: ProducerStates; offset: number }> {
    for (const offset of snapshotOffsets(beside?.names ?? [])) {
      if (offset > logEnd) {
        // It tells of records that the log lost: never to be believed.
        await this.disk.remove(`${this.directory}/${snapshotName(offset)}`)
        continue
      }
      if (offset > newest) continue
      const name = snapshotName(offset)
      const content = beside?.contents.get(name) ?? (await this.disk.read(`${this.directory}/${name}`))
      const producers = content === undefined ? undefined : await decodeInSlices(content, () => this.owner.pause())
      if (producers !== undefined) {
        this.savedOffset = offset
        return { producers, offset }
      }
      this.logger.warn({ directory: this.directory, offset }, 'a producer snapshot is damaged; an older one is used')
    }
    return { producers: new ProducerStates(), offset: 0 }
  }

  /** Offsets of the snapshots, newest first. */
  private async snapshots(): Promise<number[]> {
    return snapshotOffsets(await this.disk.list(this.directory))
  }

  private encoded(snapshot: ProducerSnapshot): Promise<Uint8Array> {
    return snapshot.encoded(() => this.owner.pause())
  }

  private async writeSnapshot(endOffset: number, snapshot: ProducerSnapshot): Promise<void> {
    const content = await this.encoded(snapshot)
    // The next start looks for nothing below it in the log.
    await this.aborted.write()
    await this.disk.replace(`${this.directory}/${snapshotName(endOffset)}`, content)
    this.savedOffset = endOffset
    await this.dropOldSnapshots(0)
  }

  /**
   * Those below `logStart` go too, but the newest stays: producers outlive their records. So does the newest that tells of
   * nothing but what is durable: a crash may leave a log that ends before all others.
   */
  private async dropOldSnapshots(logStart: number): Promise<void> {
    const durableEnd = this.owner.durableEnd()
    const all = await this.snapshots()
    const durable = all.find(offset => offset <= durableEnd)
    for (const [age, offset] of all.entries()) {
      const kept = age === 0 || offset === durable || (age < retainedSnapshots && offset >= logStart)
      if (!kept) await this.disk.remove(`${this.directory}/${snapshotName(offset)}`)
    }
  }

  /** Those of segments before `first`, which are gone. */
  private async dropOldIndexes(first: number): Promise<void> {
    for (const name of await this.disk.list(this.directory)) {
      const base = txnIndexOffset(name)
      if (base !== undefined && base < first) await this.disk.remove(`${this.directory}/${name}`)
    }
  }

  private soon(work: () => Promise<void>): Promise<void> {
    return this.queue.run(async () => {
      if (this.closed) throw new Error(`the log in ${this.directory} is being closed`)
      await work()
    })
  }

  private write(what: string, work: () => Promise<void>): void {
    if (this.closed) return
    this.queue.run(work).catch((error: unknown) => {
      this.logger.warn({ directory: this.directory, error: String(error) }, `the ${what} could not be written`)
    })
  }
}

const snapshotOffsets = (names: readonly string[]): number[] =>
  names
    .map(snapshotOffset)
    .filter(offset => offset !== undefined)
    .sort((a, b) => b - a)

/** The base offset of the segment that holds `offset`. */
function segmentOf(stored: StoredLog, offset: number): number {
  let base = stored.activeBaseOffset()
  if (offset >= base) return base
  for (let skip = 0; ; ) {
    const segments = stored.segments(segmentsAtOnce, false, skip)
    for (const { baseOffset } of segments) {
      if (baseOffset > offset) return base
      base = baseOffset
    }
    if (segments.length === 0) return base
    skip += segments.length
  }
}

/** The batch as it was written: compaction takes records out of a batch and leaves its offsets and sequences. */
const written = (header: StoredBatchHeader): ProducerBatch => ({
  ...header,
  recordCount: header.lastOffset - header.baseOffset + 1,
  transactional: (header.attributes & BatchAttributes.transactional) !== 0,
})
