import type { Logger } from '../base/logger.ts'
import { type LogSettings, type OpenReport, OpenTrust, type StoredLog, type Timer, type World } from '../base/world.ts'
import { formatOffsets, formatPartitionMetadata, parseOffsets, parsePartitionMetadata } from './checkpoint-files.ts'
import { type DataDirectory, metadataLogName } from './data-directory.ts'
import { PartitionFiles } from './partition-files.ts'
import { PartitionLog } from './partition-log.ts'

const recoveryPointFile = 'recovery-point-offset-checkpoint'
const logStartFile = 'log-start-offset-checkpoint'
const checkpointIntervalMs = 1_000
/** Or this much was appended: it bounds what a start after a crash has to scan. */
const checkpointBytes = 64 << 20
const producerCheckIntervalMs = 600_000

export interface LogKey {
  topic: string
  topicId: string
  partition: number
}

/** What opening all logs cost; printed at start. */
export interface OpenTotals {
  logs: number
  recovered: number
  scannedBytes: number
}

interface OpenLog {
  readonly key: LogKey
  readonly log: PartitionLog
  readonly files: PartitionFiles
}

/** All partition logs of one data directory: opening, checkpoints, deletion. */
export class LogManager {
  private readonly world: World
  private readonly directory: DataDirectory
  private readonly logger: Logger
  private readonly producerExpirationMs: number
  private readonly open = new Map<string, OpenLog>()
  private recoveryPoints = new Map<string, number>()
  private logStarts = new Map<string, number>()
  /** By file: what it holds. */
  private readonly written = new Map<string, string>()
  private checkpointing: Promise<void> = Promise.resolve()
  private timers: Timer[] = []
  private anyFailed = false
  /** False once a log could not be opened: how its files were left is then still to be found out. */
  allOpened = true
  private bytesSinceCheckpoint = 0
  readonly totals: OpenTotals = { logs: 0, recovered: 0, scannedBytes: 0 }

  constructor(world: World, directory: DataDirectory, logger: Logger, producerExpirationMs: number) {
    this.world = world
    this.directory = directory
    this.logger = logger
    this.producerExpirationMs = producerExpirationMs
  }

  /** Reads the checkpoints and begins to write them; called once, before the first `openLog`. */
  async start(): Promise<void> {
    this.recoveryPoints = await this.readOffsets(recoveryPointFile)
    this.logStarts = await this.readOffsets(logStartFile)
    const repeat = (delayMs: number, slot: number, work: () => void) => {
      this.timers[slot] = this.world.timers.after(delayMs, () => {
        work()
        repeat(delayMs, slot, work)
      })
    }
    repeat(checkpointIntervalMs, 0, () => void this.checkpoint())
    repeat(producerCheckIntervalMs, 1, () => this.expireProducers())
  }

  pathOf(key: LogKey): string {
    return `${this.directory.path}/${directoryName(key)}`
  }

  /** Opens a partition's log, or makes a new one. Rejects when its files are damaged; other logs are not concerned. */
  async openLog(key: LogKey, settings: LogSettings): Promise<PartitionLog> {
    try {
      return await this.openFiles(key, settings)
    } catch (error) {
      // What has not been looked at must not count as cleanly closed, or the next start would believe it.
      this.allOpened = false
      throw error
    }
  }

  private async openFiles(key: LogKey, settings: LogSettings): Promise<PartitionLog> {
    const path = this.pathOf(key)
    const name = directoryName(key)
    const files = new PartitionFiles(this.world.disk, path, this.logger, bytes => this.noteAppended(bytes))
    const isNew = await this.claim(path, key)
    const { log: stored, report } = await this.world.storage.openLog(
      path,
      settings,
      isNew ? OpenTrust.clean : this.directory.trust,
      this.recoveryPoints.get(name) ?? 0,
      this.logStarts.get(name) ?? 0,
    )
    if (report.cutBytes > 0)
      this.logger.warn(
        { log: name, cutBytes: report.cutBytes, cutFromOffset: report.cutFromOffset },
        'the tail of a log was incomplete and has been cut',
      )
    const log = await this.readBeside(stored, report, files, settings).catch(async (error: unknown) => {
      await stored.close(false)
      throw error
    })
    const opened = { key, log, files }
    this.open.set(name, opened)
    this.totals.logs++
    this.totals.scannedBytes += report.scannedBytes
    if (report.scannedBytes > 0 || report.cutBytes > 0) this.totals.recovered++
    return log
  }

  /** What the files beside a log say of it, and the log itself where they are behind. */
  private async readBeside(
    stored: StoredLog,
    { logStartOffset, logEndOffset }: OpenReport,
    files: PartitionFiles,
    settings: LogSettings,
  ): Promise<PartitionLog> {
    const epochs = await files.loadEpochs(logEndOffset)
    const pause = () => new Promise<void>(resume => this.world.timers.soon(resume))
    const { producers } = await files.loadProducers(stored, logStartOffset, logEndOffset, epochs, pause)
    return new PartitionLog(stored, producers, epochs, settings, files)
  }

  /** A sync failed: the next start must not believe the page cache. */
  async noteFailure(): Promise<void> {
    this.anyFailed = true
    await this.directory.markFailed().catch((error: unknown) => {
      this.logger.error({ error: String(error) }, 'the failure marker could not be written')
    })
  }

  /** Removes a partition's log and its files. */
  async deleteLog(key: LogKey): Promise<void> {
    const name = directoryName(key)
    const opened = this.open.get(name)
    if (opened?.key.topicId !== key.topicId) {
      // A topic of the same name may have come since: only its own deletion takes its files.
      const owner = (await this.ownerOf(this.pathOf(key))) ?? key.topicId
      if (owner !== key.topicId) return
      await this.world.disk.removeTree(this.pathOf(key))
    } else {
      this.open.delete(name)
      await opened.files.close()
      await opened.log.stored.delete()
    }
    // A topic recreated under the same name must not inherit them.
    this.recoveryPoints.delete(name)
    this.logStarts.delete(name)
    await this.checkpoint()
  }

  /**
   * Directories that no topic owns: `-delete` ones are removed, others renamed to `-stray` and reported, never deleted:
   * they may be the only copy of something. `owner` tells the topic id that should own a directory.
   */
  async sweep(owner: (name: string) => string | undefined): Promise<void> {
    const { disk } = this.world
    for (const name of await disk.list(this.directory.path)) {
      const path = `${this.directory.path}/${name}`
      if (name.endsWith('-delete')) {
        await disk.removeTree(path)
        continue
      }
      if (name === metadataLogName || name.endsWith('-stray') || !/-\d+$/.test(name)) continue
      const topicId = await this.ownerOf(path)
      const expected = owner(name)
      if (expected !== undefined && (topicId === undefined || topicId === expected)) continue
      await this.setAside(path, topicId)
    }
  }

  /** Makes a partition's directory its own; returns whether there was none before. */
  private async claim(path: string, key: LogKey): Promise<boolean> {
    const { disk } = this.world
    const owner = await this.ownerOf(path)
    // What a deletion could not remove must not come back as another topic's records.
    if (owner !== undefined && owner !== key.topicId) await this.setAside(path, owner)
    const isNew = !(await disk.exists(path))
    if (isNew) await disk.makeDirectory(path)
    if (owner !== key.topicId) await disk.replace(`${path}/partition.metadata`, formatPartitionMetadata(key.topicId))
    return isNew
  }

  /** The id of the topic that a directory belongs to, where it says so. */
  private async ownerOf(path: string): Promise<string | undefined> {
    const metadata = await this.world.disk.read(`${path}/partition.metadata`)
    return metadata === undefined ? undefined : parsePartitionMetadata(new TextDecoder().decode(metadata))
  }

  private async setAside(path: string, topicId: string | undefined): Promise<void> {
    const stray = `${path}.${topicId ?? 'unknown'}-stray`
    this.logger.warn({ directory: path, renamedTo: stray }, 'a directory belongs to no topic and was set aside')
    await this.world.disk.rename(path, stray)
  }

  /** Writes recovery points and log starts where they have changed. */
  checkpoint(): Promise<void> {
    this.checkpointing = this.checkpointing
      .then(() => this.writeCheckpoints())
      .catch((error: unknown) => this.logger.warn({ error: String(error) }, 'the checkpoints could not be written'))
    return this.checkpointing
  }

  /** Lets go of everything as it is, for a start that fails: the next one finds what this one found. */
  async abandon(): Promise<void> {
    for (const timer of this.timers) timer.cancel()
    await this.checkpointing
    for (const { log, files } of this.open.values()) {
      await files.close()
      await log.stored.close(false)
    }
    this.open.clear()
  }

  /** Flushes and closes everything; the directory is marked clean when nothing failed and nothing was left out. */
  async close(): Promise<void> {
    for (const timer of this.timers) timer.cancel()
    for (const [name, opened] of [...this.open]) {
      try {
        opened.files.saveProducers(opened.log.logEnd, opened.log.producers)
        opened.files.saveEpochs(opened.log.epochs)
        await opened.files.close()
        const logEnd = opened.log.logEnd
        await opened.log.stored.close(true)
        this.open.delete(name)
        this.recoveryPoints.set(name, logEnd)
      } catch (error) {
        this.anyFailed = true
        this.logger.error({ log: name, error: String(error) }, 'a log could not be closed cleanly')
      }
    }
    await this.checkpoint()
    if (!this.anyFailed && this.allOpened) await this.directory.markClean()
    this.directory.release()
  }

  private noteAppended(bytes: number): void {
    this.bytesSinceCheckpoint += bytes
    if (this.bytesSinceCheckpoint < checkpointBytes) return
    this.bytesSinceCheckpoint = 0
    void this.checkpoint()
  }

  private expireProducers(): void {
    const nowMs = this.world.clock.wallMs()
    for (const { log } of this.open.values()) log.producers.expire(nowMs, this.producerExpirationMs)
  }

  private async writeCheckpoints(): Promise<void> {
    for (const [name, { log }] of this.open) {
      this.recoveryPoints.set(name, log.durableEnd)
      if (log.logStart > 0) this.logStarts.set(name, log.logStart)
    }
    await this.writeOffsets(recoveryPointFile, this.recoveryPoints)
    await this.writeOffsets(logStartFile, this.logStarts)
  }

  private async writeOffsets(name: string, offsets: ReadonlyMap<string, number>): Promise<void> {
    const content = formatOffsets([...offsets].map(toEntry))
    if (this.written.get(name) === content) return
    await this.world.disk.replace(`${this.directory.path}/${name}`, content)
    this.written.set(name, content)
  }

  private async readOffsets(name: string): Promise<Map<string, number>> {
    const content = await this.world.disk.read(`${this.directory.path}/${name}`)
    const entries = content === undefined ? [] : parseOffsets(new TextDecoder().decode(content))
    if (entries === undefined)
      this.logger.warn({ file: name }, 'a checkpoint is damaged: every log is verified from its start')
    return new Map((entries ?? []).map(entry => [`${entry.topic}-${entry.partition}`, entry.offset]))
  }
}

export const directoryName = (key: { topic: string; partition: number }): string => `${key.topic}-${key.partition}`

function toEntry([name, offset]: [string, number]): { topic: string; partition: number; offset: number } {
  const dash = name.lastIndexOf('-')
  return { topic: name.slice(0, dash), partition: Number(name.slice(dash + 1)), offset }
}
