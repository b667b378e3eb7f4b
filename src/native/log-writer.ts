import { CompletionField, OpenedField, Slot } from './addon.ts'
import { type DeliverySink, Engine, guarded } from './engine.ts'
import { fromNative, statusError } from './errors.ts'
import { StatusCode } from './status.ts'

const argument = Slot.argument
/** One sync at a time is under way for a log, and most apps have one log. */
const flushThreads = 1

export interface WriterSettings {
  readonly segmentBytes: number
  readonly segmentMs: number
  /** A batch is sealed before it gets larger. */
  readonly sealBytes: number
  /** What is sealed waits no longer for its flush. */
  readonly flushAgeMs: number
}

/** Hears of what becomes durable, and of the failure that ends it. */
export interface WriterListener {
  durable(offset: number): void
  failed(error: Error): void
}

/**
 * The embedded logs that this thread writes. They share an engine, which is there while any of them is open. It holds
 * them weakly: one that its user forgot is let go of, as by the end of the process, when it is collected.
 */
class WriterEngine implements DeliverySink {
  readonly engine = new Engine({ flushThreads })
  readonly writers = new Map<number, WeakRef<LogWriter>>()
  /** Being opened, or open. */
  users = 0

  constructor() {
    this.engine.onCompletions(this)
  }

  /** For the engine: `count` completions lie in its shared array. */
  deliver(count: number): void {
    const { completions } = this.engine.raw
    for (let index = 0; index < count; index++) {
      const at = index * CompletionField.count
      const writer = this.writers.get(completions[at + CompletionField.log]!)?.deref()
      const offset = completions[at + CompletionField.durableOffset]!
      const status = completions[at + CompletionField.status]!
      const systemError = completions[at + CompletionField.systemError]!
      if (writer !== undefined) guarded(() => writer.completed(offset, status, systemError))
    }
  }

  leave(): void {
    if (--this.users > 0) return
    if (current === this) current = undefined
    void this.engine.close()
  }
}

let current: WriterEngine | undefined

const abandoned = new FinalizationRegistry<{ shared: WriterEngine; number: number }>(({ shared, number }) => {
  if (!shared.writers.delete(number)) return
  shared.engine.raw.abandonWriter(number)
  shared.leave()
})

/** Opens the log in a directory for writing; makes both where they are missing. */
export async function openLogWriter(directory: string, settings: WriterSettings): Promise<LogWriter> {
  current ??= new WriterEngine()
  const shared = current
  shared.users++
  const { raw } = shared.engine
  raw.block[argument] = settings.segmentBytes
  raw.block[argument + 1] = settings.segmentMs
  raw.block[argument + 2] = settings.sealBytes
  raw.block[argument + 3] = settings.flushAgeMs
  try {
    const opened = await raw.openWriter(directory)
    const writer = new LogWriter(shared, directory, opened)
    shared.writers.set(writer.number, new WeakRef(writer))
    abandoned.register(writer, { shared, number: writer.number }, writer)
    return writer
  } catch (failure) {
    const error = fromNative(`open the log in ${directory}`, failure)
    const locked = (failure as { nativeCode?: number }).nativeCode === StatusCode.locked
    const writer = locked ? raw.writerOf(directory) : -1
    shared.leave()
    throw locked ? lockedError(directory, writer) : error
  }
}

function lockedError(directory: string, writer: number): Error {
  const error = statusError(`open the log in ${directory}`, StatusCode.locked)
  error.message =
    writer === 0
      ? `The log in ${directory} is a partition of a broker that is running: append to its topic there, or stop it ` +
        'first. To read it, open it with { readOnly: true }.'
      : writer === process.pid
        ? `The log in ${directory} is open for writing in this process already: call close() on that Log first, ` +
          'also where it is no longer used, or share it. To read it, open it with { readOnly: true }.'
        : `The log in ${directory} is open for writing in ${writer > 0 ? `process ${writer}` : 'another process'}: ` +
          'a log has one writer. Close it there first, or open it here with { readOnly: true }.'
  return error
}

/** The write side of one embedded log. After `close` every call throws. */
export class LogWriter {
  readonly directory: string
  readonly number: number
  readonly startOffset: number
  /** The offset that the next record gets. */
  endOffset: number
  durableOffset: number
  /** Below it the log was compacted: as it is noted with the log's start. */
  compactedOffset: number
  listener: WriterListener | undefined
  private readonly shared: WriterEngine
  private readonly raw: Engine['raw']
  private readonly block: Float64Array

  constructor(shared: WriterEngine, directory: string, opened: Float64Array) {
    this.shared = shared
    this.raw = shared.engine.raw
    this.block = this.raw.block
    this.directory = directory
    this.number = opened[OpenedField.number]!
    this.startOffset = opened[OpenedField.start]!
    this.endOffset = opened[OpenedField.end]!
    this.durableOffset = opened[OpenedField.durable]!
    this.compactedOffset = opened[OpenedField.compacted]!
  }

  /** Appends a record of this value, stamped with the time; returns its offset. */
  appendValue(value: Uint8Array): number {
    this.block[Slot.log] = this.number
    const status = this.raw.appendValue(value)
    if (status !== undefined) this.refuse('append to', status)
    return this.endOffset++
  }

  /** Key, value (-1 bytes: null) and encoded headers lie in `bytes` one behind the other. NaN: now. */
  appendParts(bytes: Uint8Array, keyBytes: number, valueBytes: number, headerBytes: number, timestamp: number): number {
    this.block[Slot.log] = this.number
    this.block[argument] = timestamp
    this.block[argument + 1] = keyBytes
    this.block[argument + 2] = valueBytes
    this.block[argument + 3] = headerBytes
    const status = this.raw.appendParts(bytes)
    if (status !== 0) this.refuse('append to', status)
    return this.endOffset++
  }

  /** A record for each of the first `count` lengths; the values lie in `bytes`. Throws after those that fitted. */
  appendValues(bytes: Uint8Array, lengths: Uint32Array, count: number): number {
    const first = this.endOffset
    this.block[Slot.log] = this.number
    this.block[argument] = count
    const status = this.raw.appendValues(bytes, lengths)
    if (status === 0) {
      this.endOffset += count
    } else {
      if (status !== StatusCode.closed) this.endOffset += this.block[argument]!
      this.refuse('append to', status)
    }
    return first
  }

  /** The open batch becomes one of the log's, and is flushed in time, or by the `requestFlush` that follows. */
  seal(forFlush = false): void {
    this.block[Slot.log] = this.number
    this.block[argument] = forFlush ? 1 : 0
    this.check('write to', this.raw.sealBatch())
  }

  /** There will be a call of the listener once everything that is sealed is durable. False: it is already. */
  requestFlush(): boolean {
    this.state()
    this.durableOffset = this.block[Slot.durable]!
    if (this.durableOffset >= this.block[Slot.logEnd]!) return false
    this.check('flush', this.raw.requestFlush())
    return true
  }

  /** Of batches that are sealed. */
  sizeBytes(): number {
    this.state()
    return this.block[Slot.sizeBytes]!
  }

  /** For the engine. */
  completed(durableOffset: number, status: number, systemError: number): void {
    if (status !== 0) {
      this.listener?.failed(statusError(`flush the log in ${this.directory}`, status, systemError))
      return
    }
    this.durableOffset = durableOffset
    this.tellReaders(false)
    this.listener?.durable(durableOffset)
  }

  /** Makes `offset` the first of the log, durably; whole segments below it go. One call, or of `noteStart`, at a time. */
  async advanceStart(offset: number): Promise<void> {
    await this.noteStart(offset)
    this.block[Slot.log] = this.number
    this.block[argument] = offset
    this.check('move the start of', this.raw.advanceLogStart())
    this.tellReaders(true)
  }

  /**
   * When it is fulfilled, whoever opens the log knows that it begins at `offset`, is durable as far as it is now, and
   * compacted below `compactedOffset`.
   */
  async noteStart(offset: number): Promise<void> {
    try {
      await this.raw.noteStart(this.number, offset, this.compactedOffset)
    } catch (failure) {
      throw fromNative(`note the start of the log in ${this.directory}`, failure)
    }
  }

  /** As `StoredLog.replaceSegments`; never rejects. */
  async replaceSegments(bases: readonly number[]): Promise<number> {
    try {
      const status = await this.raw.replaceSegments(this.number, Float64Array.from(bases))
      if (status !== StatusCode.ok) return status
      this.tellReaders(true)
      const finished = await this.raw.finishRemovals(this.number)
      // The names have changed once more.
      this.tellReaders(true)
      return finished
    } catch (failure) {
      return (failure as { nativeCode?: number }).nativeCode ?? StatusCode.invalidArgument
    }
  }

  /** As `StoredLog.segments`. */
  segments(
    count: number,
    times: boolean,
    skip = 0,
  ): { baseOffset: number; sizeBytes: number; maxTimestampMs: number }[] {
    this.check('list the segments of', this.raw.listSegments(this.number, count, times, skip))
    const numbers = this.raw.headers
    return Array.from({ length: this.block[Slot.headerCount]! }, (_, index) => ({
      baseOffset: numbers[index * 4]!,
      sizeBytes: numbers[index * 4 + 1]!,
      maxTimestampMs: numbers[index * 4 + 2]!,
    }))
  }

  /** Seals, flushes and lets go: when it is fulfilled, another writer may open the log. */
  async close(): Promise<void> {
    if (!this.shared.writers.delete(this.number)) return
    abandoned.unregister(this)
    try {
      await this.raw.closeWriter(this.number)
    } catch (failure) {
      throw fromNative(`close the log in ${this.directory}`, failure)
    } finally {
      this.shared.leave()
    }
  }

  private tellReaders(filesChanged: boolean): void {
    this.block[Slot.log] = this.number
    this.block[argument] = filesChanged ? 1 : 0
    this.raw.tellReaders()
  }

  private state(): void {
    this.block[Slot.log] = this.number
    this.check('look at', this.raw.logState())
  }

  private check(action: string, status: number): void {
    if (status !== 0) this.refuse(action, status)
  }

  private refuse(action: string, status: number): never {
    const error = statusError(`${action} the log in ${this.directory}`, status, this.block[Slot.systemError])
    if (status === StatusCode.batchLargerThanSegment)
      error.message =
        `A record is larger than a segment of the log in ${this.directory}: append smaller ones, or open it with a larger ` +
        '{ segmentBytes }.'
    throw error
  }
}
