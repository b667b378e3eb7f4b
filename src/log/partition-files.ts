import type { Logger } from '../base/logger.ts'
import { SerialQueue } from '../base/serial-queue.ts'
import type { Disk, StoredBatchHeader, StoredLog } from '../base/world.ts'
import { BatchAttributes } from '../records/batch-header.ts'
import { formatEpochs, parseEpochs } from './checkpoint-files.ts'
import { LeaderEpochs } from './leader-epochs.ts'
import type { SideFiles } from './partition-log.ts'
import { decodeProducerSnapshot, encodeProducerSnapshot, snapshotName, snapshotOffset } from './producer-snapshot.ts'
import { type ProducerBatch, ProducerStates } from './producer-state.ts'

/** Snapshots that stay: the newest, and one before it in case the newest is damaged. */
const retainedSnapshots = 2
/** Headers read in one slice of a rebuild; between slices other work runs. */
const headersPerSlice = 4096

/**
 * The files beside a log: producer snapshots and the leader-epoch checkpoint. They are copies of what the log itself
 * says, written behind the appends, one at a time; a failed write costs a longer rebuild and is only logged.
 */
export class PartitionFiles implements SideFiles {
  private readonly queue = new SerialQueue()
  private readonly disk: Disk
  private readonly directory: string
  private readonly logger: Logger
  private readonly onAppended: (bytes: number) => void
  private readonly durableEnd: () => number
  private closed = false
  /** The log end that the newest snapshot tells of, as far as this process knows. */
  private savedOffset = -1

  /** `durableEnd`: of the log, while it is open. */
  constructor(
    disk: Disk,
    directory: string,
    logger: Logger,
    onAppended: (bytes: number) => void,
    durableEnd: () => number,
  ) {
    this.disk = disk
    this.directory = directory
    this.logger = logger
    this.onAppended = onAppended
    this.durableEnd = durableEnd
  }

  appended(bytes: number): void {
    this.onAppended(bytes)
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
    this.write('leader epochs', () => this.disk.replace(`${this.directory}/leader-epoch-checkpoint`, content))
  }

  /** Writes nothing more; resolves when what was begun has ended. */
  async close(): Promise<void> {
    this.closed = true
    await this.queue.idle()
  }

  /** The epochs of the checkpoint, without those that begin past the end of the log. */
  async loadEpochs(logEnd: number): Promise<LeaderEpochs> {
    const content = await this.disk.read(`${this.directory}/leader-epoch-checkpoint`)
    const epochs = new LeaderEpochs(content === undefined ? [] : (parseEpochs(new TextDecoder().decode(content)) ?? []))
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
  ): Promise<{ producers: ProducerStates; replayed: number }> {
    let { producers, offset } = await this.newestSnapshot(logEnd)
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

  private async newestSnapshot(logEnd: number): Promise<{ producers: ProducerStates; offset: number }> {
    for (const offset of await this.snapshots()) {
      if (offset > logEnd) {
        // It tells of records that the log lost: never to be believed.
        await this.disk.remove(`${this.directory}/${snapshotName(offset)}`)
        continue
      }
      const content = await this.disk.read(`${this.directory}/${snapshotName(offset)}`)
      const producers = content === undefined ? undefined : decodeProducerSnapshot(content)
      if (producers !== undefined) return { producers, offset }
      this.logger.warn({ directory: this.directory, offset }, 'a producer snapshot is damaged; an older one is used')
    }
    return { producers: new ProducerStates(), offset: 0 }
  }

  /** Offsets of the snapshots, newest first. */
  private async snapshots(): Promise<number[]> {
    const names = await this.disk.list(this.directory)
    const offsets = names.map(snapshotOffset).filter(offset => offset !== undefined)
    return offsets.sort((a, b) => b - a)
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
    const durableEnd = this.durableEnd()
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

/** Control batches carry a producer id too, and no sequence of its. */
const isProducers = ({ producerId, attributes }: StoredBatchHeader): boolean =>
  producerId >= 0n && (attributes & BatchAttributes.control) === 0

/** The batch as it was written: compaction takes records out of a batch and leaves its offsets and sequences. */
const written = (header: StoredBatchHeader): ProducerBatch => ({
  ...header,
  recordCount: header.lastOffset - header.baseOffset + 1,
})
