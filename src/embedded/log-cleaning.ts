import type { Timers } from '../base/world.ts'
import type { CleanedGroup, CleanTask } from '../native/cleaner.ts'
import type { LogWriter } from '../native/log-writer.ts'
import { StatusCode } from '../native/status.ts'
import { Codec } from '../records/batch-header.ts'
import type { FlushWaiters } from './flush-waiters.ts'
import type { LogCheckpoint } from './log-checkpoint.ts'
import type { ResolvedLogOptions } from './log-options.ts'

/** Rewrites segments, on a thread of its own. */
export interface SegmentCleaner {
  /**
   * One pass; never rejects. `place` is called with each segment that is written, and says whether the pass goes on. Other
   * than 0, `stop[0]` ends it soon, and `signal` ends its waiting for the passes of other logs.
   */
  run(
    task: CleanTask,
    stop: Int32Array,
    signal: AbortSignal,
    place: (group: CleanedGroup) => Promise<boolean>,
  ): Promise<PassEnd>
}

export type PassEnd =
  /** Below the offset the log is what the task asked for. */
  | { readonly kind: 'done'; readonly cleanEndOffset: number }
  | { readonly kind: 'stopped' }
  | { readonly kind: 'failed'; readonly code: string; readonly message: string }

/** What this needs of the world. */
export interface CleaningWorld {
  readonly timers: Timers
  /** Keep the process alive. */
  readonly waits: Timers
  readonly clock: { wallMs(): number }
  /** Called when there is something to do. */
  segmentCleaner(): Promise<SegmentCleaner>
  /** Of what goes on in the background, where no call of the app's can tell. */
  warn(code: string, message: string): void
}

const looksEveryMs = 5_000
/** A pass that failed for want of something that may come back is tried again after so long. */
const retryMs = 60_000
const retried = new Set(['MILLRACE_NO_SPACE', 'MILLRACE_TOO_MANY_FILES', 'MILLRACE_NO_MEMORY', 'MILLRACE_LOCKED'])
const segmentsAtOnce = 512
/** Of the bytes below the segment that is written: so much has to be new for compaction to be worth its reading. */
const dirtyShareMin = 0.5
const mapBytes = 32 << 20
/** How long a tombstone stays once its key is gone: who reads from the start meanwhile learns of it. A day, as in Kafka. */
const deleteRetentionMs = 86_400_000
/** Kafka's, and what the files have already. */
const segmentIndexBytes = 10 << 20
const indexIntervalBytes = 4096
const foreverMs = 2 ** 31 - 1

export interface CleaningParts {
  readonly writer: LogWriter
  readonly checkpoint: LogCheckpoint
  readonly options: ResolvedLogOptions
  readonly world: CleaningWorld
  readonly waiters: FlushWaiters
  /** Called after segments were replaced. */
  filesChanged(): void
}

interface SealedSegment {
  readonly baseOffset: number
  readonly sizeBytes: number
}

/**
 * Compaction and compression of a log: sealed segments are rewritten, and the new files take the place of the old ones
 * (decision 20), of which whoever reads them keeps what he has. The segment that is written stays as it is. Offsets and
 * timestamps stay what they are.
 *
 * Below what offset a log is compacted its checkpoint remembers. Whether a segment is compressed its first batch tells.
 */
export class LogCleaning {
  private readonly parts: CleaningParts
  private readonly stop = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT))
  private readonly abort = new AbortController()
  private readonly codec: Codec
  private running: Promise<void> | undefined
  private foldedTo = 0

  constructor(parts: CleaningParts) {
    this.parts = parts
    this.codec = Codec[parts.options.compression]
    this.lookIn(looksEveryMs)
  }

  /** Fulfilled when no pass runs, and none will. */
  async end(): Promise<void> {
    Atomics.store(this.stop, 0, 1)
    this.abort.abort()
    if (this.running === undefined) return
    // The thread does not keep the process alive, and whoever closes a log waits for it.
    const kept = this.parts.world.waits.after(foreverMs, () => undefined)
    await this.running
    kept.cancel()
  }

  private get ended(): boolean {
    return Atomics.load(this.stop, 0) !== 0
  }

  /** The timer keeps no log that its app forgot. */
  private lookIn(delayMs: number): void {
    const forgotten = new WeakRef(this)
    this.parts.world.timers.after(delayMs, () => forgotten.deref()?.look())
  }

  private look(): void {
    if (this.ended) return
    this.running = this.work().then(nextMs => {
      this.running = undefined
      if (!this.ended && nextMs !== undefined) this.lookIn(nextMs)
    })
  }

  /** Does what is due; in how long to look again, undefined for never. */
  private async work(): Promise<number | undefined> {
    try {
      for (let task = this.taskDue(); task !== undefined && !this.ended; task = this.taskDue()) {
        const end = await this.pass(task)
        if (end.kind === 'failed') return this.failed(task, end.code, end.message)
        if (end.kind === 'stopped') break
        await this.note(task, end.cleanEndOffset)
      }
      return looksEveryMs
    } catch (error) {
      // The log's own failure: the app meets it, with what it says, at its next append.
      const { code = '' } = error as { code?: string }
      return code === 'MILLRACE_CLOSED' ? undefined : retryMs
    }
  }

  private async pass(task: CleanTask): Promise<PassEnd> {
    // Replaced segments go for good, so what takes their place may not rest on what the power could take.
    await this.parts.waiters.wait(task.endOffset)
    const cleaner = await this.parts.world.segmentCleaner()
    return await cleaner.run(task, this.stop, this.abort.signal, group => this.place(group))
  }

  private async place({ bases }: CleanedGroup): Promise<boolean> {
    if (this.ended) return false
    const status = await this.parts.writer.replaceSegments(bases)
    if (status !== StatusCode.ok) return false
    try {
      this.parts.filesChanged()
    } catch {
      // Whoever reads meets it.
    }
    return true
  }

  private async note(task: CleanTask, cleanEndOffset: number): Promise<void> {
    if (this.codec !== Codec.none) this.foldedTo = cleanEndOffset
    if (task.compacts) await this.parts.checkpoint.compacted(cleanEndOffset)
  }

  private failed(task: CleanTask, code: string, message: string): number | undefined {
    const { checkpoint, world, writer } = this.parts
    // What it read was taken from under it: the log begins elsewhere now, or ends.
    if (this.ended || checkpoint.startOffset > task.segments[0]!.baseOffset) return looksEveryMs
    if (retried.has(code)) return retryMs
    world.warn(
      code,
      `The log in ${writer.directory} is no longer ${task.compacts ? 'compacted' : 'compressed'} until it is opened ` +
        `again: ${message}`,
    )
    return undefined
  }

  private taskDue(): CleanTask | undefined {
    const sealed = this.allSegments()
    const endOffset = sealed.pop()?.baseOffset ?? 0
    if (sealed.length === 0) return undefined
    if (this.parts.options.compaction && this.compactionIsDue(sealed)) return this.taskOf(sealed, endOffset, true)
    if (this.codec === Codec.none) return undefined
    const unfolded = sealed.filter(({ baseOffset }) => baseOffset >= this.foldedTo)
    return unfolded.length === 0 ? undefined : this.taskOf(unfolded, endOffset, false)
  }

  private compactionIsDue(sealed: readonly SealedSegment[]): boolean {
    const { compactedOffset } = this.parts.writer
    let clean = 0
    let dirty = 0
    for (const { baseOffset, sizeBytes } of sealed) {
      if (baseOffset >= compactedOffset) dirty += sizeBytes
      else clean += sizeBytes
    }
    return dirty > 0 && dirty >= dirtyShareMin * (clean + dirty)
  }

  private taskOf(segments: readonly SealedSegment[], endOffset: number, compacts: boolean): CleanTask {
    return {
      directory: this.parts.writer.directory,
      segments: segments.map(({ baseOffset, sizeBytes }) => ({ baseOffset, sizeBytes })),
      endOffset,
      firstDirtyOffset: Math.max(compacts ? this.parts.writer.compactedOffset : 0, segments[0]!.baseOffset),
      mapBytes,
      segmentBytes: this.parts.options.segmentBytes,
      segmentIndexBytes,
      indexIntervalBytes,
      maxMessageBytes: this.parts.options.segmentBytes,
      deleteRetentionMs,
      nowMs: this.parts.world.clock.wallMs(),
      producers: [],
      bytesPerSecond: Number.POSITIVE_INFINITY,
      compacts,
      codec: this.codec,
    }
  }

  private allSegments(): SealedSegment[] {
    const all: SealedSegment[] = []
    for (;;) {
      const some = this.parts.writer.segments(segmentsAtOnce, false, all.length)
      all.push(...some)
      if (some.length < segmentsAtOnce) return all
    }
  }
}
