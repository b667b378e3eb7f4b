import { MillraceError } from '../base/error.ts'
import { type LogWriter, openLogWriter } from '../native/log-writer.ts'
import { isNotFound, readWholeFile } from '../native/reads.ts'
import type { LogCursor } from './cursor.ts'
import { FlushWaiters } from './flush-waiters.ts'
import { LogCheckpoint } from './log-checkpoint.ts'
import { type CleaningWorld, LogCleaning } from './log-cleaning.ts'
import { type LogOptions, type ResolvedLogOptions, resolveLogOptions } from './log-options.ts'
import { LogRetention } from './log-retention.ts'
import type { LogRecord, ReadOptions } from './read-stream.ts'
import { LogReader } from './reader.ts'
import { type AppendInput, checkPart, invalid, type RecordInput, RecordPacker } from './record-packer.ts'

/**
 * What a log needs of the world. `waits` keep the process alive: for those who wait for what another process or thread
 * appends.
 */
export type LogWorld = CleaningWorld

/** Copied together before they are handed over. */
const batchBytes = 1 << 20
const batchRecords = 4096
/** Larger values go by themselves: copying them twice costs more than a call. */
const aloneBytes = 64 << 10

/**
 * A log in a directory of its own, in this process. The files are those of a Kafka partition.
 *
 * Offsets are numbers below 2^53: the first record of a log has offset 0, and each gets the next one.
 */
export class Log implements AsyncDisposable {
  readonly directory: string
  private readonly world: LogWorld
  private readonly options: ResolvedLogOptions
  private readonly writer: LogWriter | undefined
  private readonly waiters: FlushWaiters | undefined
  private readonly checkpoint: LogCheckpoint | undefined
  private readonly retention: LogRetention | undefined
  private readonly cleaning: LogCleaning | undefined
  /** Every record has to have a key. */
  private readonly keyed: boolean
  private reader: LogReader | undefined
  private readonly packer = new RecordPacker()
  private lengths: Uint32Array | undefined
  private ticking = false
  private tickedEnd = 0
  private closing: Promise<void> | undefined

  /** For `openLog`. */
  constructor(world: LogWorld, directory: string, options: ResolvedLogOptions, writer: LogWriter | undefined) {
    this.world = world
    this.directory = directory
    this.options = options
    this.writer = writer
    this.keyed = options.compaction
    if (writer === undefined) {
      this.reader = new LogReader(directory, { timers: world.waits })
      return
    }
    const checkpoint = new LogCheckpoint(writer, world.timers)
    this.checkpoint = checkpoint
    this.waiters = new FlushWaiters(writer, this, () => checkpoint.durable())
    const filesChanged = () => this.reader?.filesChanged()
    this.retention = new LogRetention(writer, checkpoint, options, world, filesChanged)
    if (options.compaction || options.compression !== 'none')
      this.cleaning = new LogCleaning({ writer, checkpoint, options, world, waiters: this.waiters, filesChanged })
  }

  /** For `openLog`: whether there is a log in the directory. */
  get exists(): boolean {
    return this.writer !== undefined || this.reading().exists
  }

  /** The first offset that can be read. */
  get startOffset(): number {
    return this.checkpoint?.startOffset ?? this.reading().startOffset
  }

  /** The offset that the next record gets; every record below it can be read. */
  get endOffset(): number {
    return this.writer?.endOffset ?? this.reading().endOffset
  }

  /** Records below this offset are on the disk. Of a log that is open for reading only: what its writer has said. */
  get durableOffset(): number {
    return this.writer?.durableOffset ?? this.reading().durableOffset
  }

  /**
   * Appends a record and returns its offset. When it returns the record can be read, and survives the end of this
   * process, however it ends; `flushed` tells when it survives the end of the machine.
   *
   * Throws `MILLRACE_NO_SPACE` when the disk is full, `MILLRACE_IO_ERROR` and `MILLRACE_FAILED` when it failed,
   * `MILLRACE_BATCH_LARGER_THAN_SEGMENT` for a record that no segment has room for, `MILLRACE_INVALID_ARGUMENT` for what is
   * no record, or has no key where the log is compacted, `MILLRACE_CLOSED`, and `MILLRACE_READ_ONLY`: the record is then not
   * in the log.
   */
  append(record: AppendInput): number {
    const writer = this.writing()
    if (this.keyed) requireKey(record)
    let offset: number
    if (record instanceof Uint8Array) offset = writer.appendValue(record)
    else if (typeof record === 'string') offset = this.appendText(writer, record)
    else offset = this.appendParts(writer, record)
    if (!this.ticking) this.tick()
    this.reader?.appended()
    return offset
  }

  /**
   * Appends a record for each value, in order, and returns the offset of the first; the others follow it. Cheaper than
   * as many calls of `append`, and not more atomic: where it throws, `endOffset` tells how many were appended.
   */
  appendBatch(values: readonly (Uint8Array | string)[]): number {
    const writer = this.writing()
    if (this.keyed) throw invalid(keyMissing)
    const first = writer.endOffset
    const { packer } = this
    this.lengths ??= new Uint32Array(batchRecords)
    const { lengths } = this
    let count = 0
    packer.begin()
    const flush = (): void => {
      if (count > 0) writer.appendValues(packer.bytes, lengths, count)
      count = 0
      packer.begin()
    }
    for (const value of values) {
      if (typeof value !== 'string' && !(value instanceof Uint8Array)) {
        throw invalid('The values of a batch are Uint8Arrays and strings; append records with more, one by one.')
      }
      if (typeof value !== 'string' && value.length > aloneBytes) {
        flush()
        writer.appendValue(value)
        continue
      }
      lengths[count++] = packer.put(value)
      if (count === batchRecords || packer.at > batchBytes) flush()
    }
    flush()
    if (!this.ticking) this.tick()
    this.reader?.appended()
    return first
  }

  /**
   * Resolves when the record at `offset`, and every one before it, is on the disk; without an offset, when all that
   * were appended so far are. Whoever waits at the same time shares one flush. Rejects when the disk fails: then nothing
   * that was not on the disk before is certain to get there.
   */
  async flushed(offset?: number): Promise<void> {
    const writer = this.writing()
    const last = offset ?? writer.endOffset - 1
    if (!(Number.isSafeInteger(last) && last < writer.endOffset)) {
      throw new MillraceError(
        'MILLRACE_OFFSET_OUT_OF_RANGE',
        `The offset ${last} was not appended yet: the log in ${this.directory} ends at ${writer.endOffset}.`,
      )
    }
    await this.waiters!.wait(last + 1)
  }

  /** Copies of the records, in order; with `live`, also of those to come. */
  read(options: ReadOptions = {}): AsyncGenerator<LogRecord, void, undefined> {
    return this.reading().read(options)
  }

  /** Before the first record at or above `from`: the log's start when absent. Throws where it is outside the log. */
  cursor(from?: number): LogCursor {
    return this.reading().cursor(from)
  }

  /** The offset of the first record at or after a time in milliseconds; the end offset where there is none. */
  offsetForTimestamp(timestampMs: number): number {
    return this.reading().offsetForTimestamp(timestampMs)
  }

  /**
   * Makes `offset` the first that can be read. When it is fulfilled that is durable, and segments wholly below it are
   * gone, or go once nobody reads them. An offset at or below the start changes nothing.
   */
  async truncateBefore(offset: number): Promise<void> {
    const writer = this.writing()
    if (!(Number.isSafeInteger(offset) && offset >= 0 && offset <= writer.endOffset)) {
      throw new MillraceError(
        'MILLRACE_OFFSET_OUT_OF_RANGE',
        `The log in ${this.directory} ends at ${writer.endOffset}: nothing can be removed before ${offset}.`,
      )
    }
    await this.checkpoint!.advance(offset)
    this.reader?.filesChanged()
  }

  /** Seals and flushes what was appended, and lets go of everything; views that were lent end. Repeated calls wait, too. */
  close(): Promise<void> {
    this.closing ??= this.end()
    return this.closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  private async end(): Promise<void> {
    this.reader?.close()
    if (this.writer === undefined) return
    this.retention!.end()
    await this.cleaning?.end()
    await this.checkpoint!.end()
    try {
      await this.writer.close()
      this.waiters!.resolveAll()
    } catch (error) {
      this.waiters!.failed(error as Error)
      throw error
    }
  }

  private appendText(writer: LogWriter, text: string): number {
    const { packer } = this
    packer.begin()
    const length = packer.put(text)
    return writer.appendParts(packer.bytes, -1, length, 0, Number.NaN)
  }

  private appendParts(writer: LogWriter, record: RecordInput): number {
    if (record === null) throw invalid('A record is a Uint8Array, a string or an object with a value.')
    const { key, value, headers, timestamp } = record
    checkPart('value of a record', value)
    if (key !== undefined) checkPart('key of a record', key)
    if (timestamp !== undefined && !(Number.isSafeInteger(timestamp) && timestamp >= 0))
      throw invalid(`The timestamp ${timestamp} is no number of milliseconds.`)
    const { packer } = this
    packer.begin()
    const keyBytes = packer.put(key)
    const valueBytes = packer.put(value)
    const headerBytes = packer.putHeaders(headers)
    return writer.appendParts(packer.bytes, keyBytes, valueBytes, headerBytes, timestamp ?? Number.NaN)
  }

  /** Seals what waits in the open batch, in time. The timer keeps no log that its app forgot. */
  private tick(): void {
    this.ticking = true
    this.tickedEnd = this.writer!.endOffset
    const forgotten = new WeakRef(this)
    this.world.timers.after(this.options.sealAgeMs, () => forgotten.deref()?.ticked())
  }

  private ticked(): void {
    this.ticking = false
    if (this.closing !== undefined) return
    const { writer } = this
    try {
      writer!.seal()
    } catch {
      return // The next append says why.
    }
    if (writer!.endOffset !== this.tickedEnd) this.tick()
  }

  private writing(): LogWriter {
    if (this.closing !== undefined) {
      throw new MillraceError('MILLRACE_CLOSED', `The log in ${this.directory} was closed; open it again to use it.`)
    }
    if (this.writer === undefined) {
      throw new MillraceError('MILLRACE_READ_ONLY', `The log in ${this.directory} is open for reading only.`)
    }
    return this.writer
  }

  private reading(): LogReader {
    if (this.reader === undefined) {
      this.writing()
      this.reader = new LogReader(this.directory, {
        timers: this.world.timers,
        writerCalls: true,
        segmentBytes: this.options.segmentBytes,
      })
    }
    return this.reader
  }
}

const keyMissing = 'A log that is compacted needs records with keys: append each as { key, value }.'

function requireKey(record: AppendInput): void {
  const key = record instanceof Uint8Array || typeof record === 'string' ? undefined : record?.key
  if (key === undefined || key === null) throw invalid(keyMissing)
}

/**
 * Opens the log in a directory, and makes both where they are missing. A log that was not closed is recovered: every
 * record whose `append` had returned is there.
 */
export async function openLog(world: LogWorld, directory: string, options: LogOptions = {}): Promise<Log> {
  const resolved = resolveLogOptions(options)
  refuseDataDirectory(directory)
  if (resolved.readOnly) return openForReading(world, directory, resolved)
  const { segmentBytes, sealBytes, flushAgeMs } = resolved
  // A segment that is too young to hold anything that retention by age could remove need not be closed by age.
  const segmentMs = Math.min(resolved.segmentMs, resolved.retentionMs, Number.MAX_VALUE)
  const writer = await openLogWriter(directory, { segmentBytes, segmentMs, sealBytes, flushAgeMs })
  return new Log(world, directory, resolved, writer)
}

function openForReading(world: LogWorld, directory: string, options: ResolvedLogOptions): Log {
  try {
    const log = new Log(world, directory, options, undefined)
    if (log.exists) return log
    void log.close()
  } catch (failure) {
    if (!isNotFound(failure)) throw failure
  }
  throw new MillraceError(
    'MILLRACE_NOT_FOUND',
    `There is no log in ${directory}: check the path, or open it without { readOnly: true }, which makes one there.`,
  )
}

/** Where a broker keeps its partitions a log would lie among them, behind the same lock. */
function refuseDataDirectory(directory: string): void {
  let properties: Uint8Array | undefined
  try {
    properties = readWholeFile(directory, 'meta.properties')
  } catch {
    return // Whoever opens the log meets it, and says it.
  }
  if (properties === undefined) return
  throw invalid(
    `${directory} is the data directory of a broker, and no log: open one of the directories in it (topic-partition), ` +
      'or choose another directory.',
  )
}
