import type { Timers } from '../base/world.ts'
import type { LogWriter } from '../native/log-writer.ts'

/** A log that is written has its recovery point noted so often, */
const notesEveryMs = 1000
/** and whenever so much was added to it since, so that little is to be checked after a kill. */
const notesEveryBytes = 64 << 20

/**
 * What is noted beside a log's segments: where the log begins, and its recovery point, below which it is on the disk.
 * One note at a time is on its way; the thread of the app waits for none.
 */
export class LogCheckpoint {
  startOffset: number
  private readonly writer: LogWriter
  private readonly timers: Timers
  private turn: Promise<void> = Promise.resolve()
  private notedOffset: number
  private notedBytes: number
  private waits = false
  private ended = false

  constructor(writer: LogWriter, timers: Timers) {
    this.writer = writer
    this.timers = timers
    this.startOffset = writer.startOffset
    this.notedOffset = writer.durableOffset
    this.notedBytes = writer.sizeBytes()
  }

  /** Makes `offset` the log's start, durably, unless it is at or below that. */
  advance(offset: number): Promise<void> {
    return this.next(async () => {
      if (offset <= this.startOffset) return
      this.writer.seal()
      await this.writer.advanceStart(offset)
      this.startOffset = offset
    })
  }

  /** Notes below what offset the log is compacted. */
  compacted(offset: number): Promise<void> {
    return this.next(async () => {
      this.writer.compactedOffset = offset
      await this.writer.noteStart(this.startOffset)
    })
  }

  /** More of the log has become durable. The timer keeps no log that its app forgot. */
  durable(): void {
    if (this.ended) return
    if (Math.abs(this.writer.sizeBytes() - this.notedBytes) >= notesEveryBytes) void this.note()
    else if (!this.waits) {
      this.waits = true
      const forgotten = new WeakRef(this)
      this.timers.after(notesEveryMs, () => forgotten.deref()?.waited())
    }
  }

  /** Notes nothing more; fulfilled when nothing is on its way. */
  end(): Promise<void> {
    this.ended = true
    return this.turn
  }

  private waited(): void {
    this.waits = false
    void this.note()
  }

  private async note(): Promise<void> {
    if (this.ended || this.notedOffset === this.writer.durableOffset) return
    this.notedBytes = this.writer.sizeBytes()
    try {
      await this.next(async () => {
        const { durableOffset } = this.writer
        await this.writer.noteStart(this.startOffset)
        this.notedOffset = durableOffset
      })
    } catch {
      // The note before holds, and the next flush leads to another.
    }
  }

  private next(work: () => Promise<void>): Promise<void> {
    const done = this.turn.then(work)
    this.turn = done.catch(() => undefined)
    return done
  }
}
