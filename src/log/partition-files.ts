import type { Logger } from '../base/logger.ts'
import { SerialQueue } from '../base/serial-queue.ts'
import type { DirectoryLook, Disk, StoredBatchHeader, StoredLog } from '../base/world.ts'
import { BatchAttributes } from '../records/batch-header.ts'
import { formatEpochs, parseEpochs } from './checkpoint-files.ts'
import { putFiles } from './directory-files.ts'
import { LeaderEpochs } from './leader-epochs.ts'
import type { SideFiles } from './partition-log.ts'
import { decodeProducerSnapshot, encodeProducerSnapshot, snapshotName, snapshotOffset } from './producer-snapshot.ts'
import { type ProducerBatch, ProducerStates } from './producer-state.ts'

const epochsFile = 'leader-epoch-checkpoint'
const utf8 = new TextEncoder()
/** Snapshots that stay: the newest, and one before it in case the newest is damaged. */
const retainedSnapshots = 2
/** Headers read in one slice of a rebuild; between slices other work runs. */
const headersPerSlice = 4096

/** What whoever keeps the log open is told and asked. */
export interface LogOwner {
  appended(bytes: number): void
  /** See SideFiles. */
  room(): Promise<void> | undefined
  diskFull(): void
  /** Of the log, while it is open. */
  durableEnd(): number
}

/**
 * The files beside a log: producer snapshots and the leader-epoch checkpoint. They are copies of what the log itself
 * says, written behind the appends, one at a time; a failed write costs a longer rebuild and is only logged.
 */
export class PartitionFiles implements SideFiles {
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
    const content = encodeProducerSnapshot(producers)
    this.write('producer snapshot', () => this.writeSnapshot(endOffset, content))
  }

  /**
   * Resolves when a restart would know these producers without the records below `endOffset`, if it finds the log that
   * long. Rejects when that could not be written.
   */
  async keepProducers(endOffset: number, producers: ProducerStates): Promise<void> {
    if (producers.size === 0) return
    const content = encodeProducerSnapshot(producers)
    await this.queue.run(async () => {
      if (this.closed) throw new Error(`the log in ${this.directory} is being closed`)
      if (this.savedOffset !== endOffset) await this.writeSnapshot(endOffset, content)
    })
  }

  startMoved(logStart: number): void {
    this.write('list of producer snapshots', () => this.dropOldSnapshots(logStart))
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
    const files = new Map<string, Uint8Array>()
    if (endOffset > 0 && this.savedOffset !== endOffset)
      files.set(snapshotName(endOffset), encodeProducerSnapshot(producers))
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
    let { producers, offset } = await this.newestSnapshot(logEnd, beside)
    let replayed = 0
    const producersFrom = offset
    // Without a checkpoint the log itself tells where its epochs began, from its start on.
    if (epochs.latest < 0) offset = logStart
    for (offset = Math.max(offset, logStart); offset < logEnd; ) {
      const headers = stored.readHeaders(offset, logEnd, headersPerSlice)
      if (headers.length === 0) break
      for (const header of headers) {
        if (header.leaderEpoch > epochs.latest) epochs.begin(header.leaderEpoch, header.baseOffset)
        if (header.baseOffset >= producersFrom && isProducers(header))
          producers.apply(written(header), header.baseOffset, header.maxTimestamp)
        offset = header.lastOffset + 1
      }
      replayed += headers.length
      await pause()
    }
    return { producers, replayed }
  }

  private async newestSnapshot(
    logEnd: number,
    beside: DirectoryLook | undefined,
  ): Promise<{ producers: ProducerStates; offset: number }> {
    for (const offset of snapshotOffsets(beside?.names ?? [])) {
      if (offset > logEnd) {
        // It tells of records that the log lost: never to be believed.
        await this.disk.remove(`${this.directory}/${snapshotName(offset)}`)
        continue
      }
      const name = snapshotName(offset)
      const content = beside?.contents.get(name) ?? (await this.disk.read(`${this.directory}/${name}`))
      const producers = content === undefined ? undefined : decodeProducerSnapshot(content)
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

  private async writeSnapshot(endOffset: number, content: Uint8Array): Promise<void> {
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

/** Control batches carry a producer id too, and no sequence of its. */
const isProducers = ({ producerId, attributes }: StoredBatchHeader): boolean =>
  producerId >= 0n && (attributes & BatchAttributes.control) === 0

/** The batch as it was written: compaction takes records out of a batch and leaves its offsets and sequences. */
const written = (header: StoredBatchHeader): ProducerBatch => ({
  ...header,
  recordCount: header.lastOffset - header.baseOffset + 1,
  transactional: (header.attributes & BatchAttributes.transactional) !== 0,
})
