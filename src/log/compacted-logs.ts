import type { Logger } from '../base/logger.ts'
import type { LogSettings } from '../base/world.ts'
import type { LogKey } from './log-key.ts'
import type { OffsetCheckpoint } from './offset-checkpoint.ts'
import type { PartitionLog } from './partition-log.ts'

export interface CompactedLog {
  readonly key: LogKey
  readonly log: PartitionLog
}

/** Who works on a log beside the decision thread, and lets go of it when it is to be cut, trimmed or deleted. */
export interface LogKeeper {
  /** Resolves when nobody works on the log; nobody begins to until what it resolves with is called. */
  hold(log: PartitionLog): Promise<() => void>
  /** The log is compacted from now on, or by other settings, or no more. */
  changed(compacted: CompactedLog): void
}

/**
 * The open logs with `compact` in their cleanup.policy, how far each was cleaned (`cleaner-offset-checkpoint`), and who
 * cleans them. A log whose policy loses `compact` keeps its checkpoint, as in Kafka: it may come back.
 */
export class CompactedLogs {
  keeper: LogKeeper | undefined
  private readonly logs = new Map<PartitionLog, CompactedLog>()
  private readonly checkpoint: OffsetCheckpoint
  private changed = false

  constructor(checkpoint: OffsetCheckpoint) {
    this.checkpoint = checkpoint
  }

  async load(logger: Logger): Promise<void> {
    await this.checkpoint.load(logger)
  }

  get size(): number {
    return this.logs.size
  }

  /** Those that come or go meanwhile may or may not be among them. */
  [Symbol.iterator](): IterableIterator<CompactedLog> {
    return this.logs.values()
  }

  has(log: PartitionLog): boolean {
    return this.logs.has(log)
  }

  opened(key: LogKey, log: PartitionLog): void {
    const compacted = { key, log }
    log.onConfigured = before => this.follow(compacted, before)
    if (log.settings.compaction !== undefined) this.follow(compacted, undefined)
  }

  /** Resolves when nobody works on the log any more, nor ever will. */
  async closed(log: PartitionLog): Promise<void> {
    log.onConfigured = () => {}
    this.logs.delete(log)
    await this.keeper?.hold(log)
  }

  /** See LogKeeper. */
  async hold(log: PartitionLog): Promise<() => void> {
    return (await this.keeper?.hold(log)) ?? (() => {})
  }

  /** By directory name. Undefined: never. */
  cleanedTo(name: string): number | undefined {
    return this.checkpoint.get(name)
  }

  /** Resolves when it is durable. */
  async noteCleaned(name: string, offset: number): Promise<void> {
    this.checkpoint.set(name, offset)
    await this.checkpoint.write()
  }

  /** The log of that name is gone; `write` makes it durable. */
  forget(name: string): void {
    if (this.checkpoint.get(name) === undefined) return
    this.checkpoint.delete(name)
    this.changed = true
  }

  async write(): Promise<void> {
    if (!this.changed) return
    this.changed = false
    await this.checkpoint.write()
  }

  private follow(compacted: CompactedLog, before: LogSettings | undefined): void {
    const { log } = compacted
    const is = log.settings.compaction !== undefined
    if (is) this.logs.set(log, this.logs.get(log) ?? compacted)
    else this.logs.delete(log)
    if (!is && before?.compaction === undefined) return
    // A change of the broker's configs comes to every log, whether it means anything there or not.
    if (JSON.stringify(before) !== JSON.stringify(log.settings)) this.keeper?.changed(compacted)
  }
}
