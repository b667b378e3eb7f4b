import type { RecordHeader } from '../records/record-batch.ts'
import { LogCursor } from './cursor.ts'
import type { ReadableLog } from './read-log.ts'

export interface ReadOptions {
  /** The first offset to read: the log's start when absent. */
  readonly from?: number
  /** Where to stop, exclusive. */
  readonly to?: number
  /** Ends the reading with its reason as the error. */
  readonly signal?: AbortSignal
  /** Go on with what is appended, instead of stopping at the end. */
  readonly live?: boolean
}

/** One record, copied out of the log: it is good for as long as anybody keeps it. */
export interface LogRecord {
  readonly offset: number
  /** Milliseconds since the Unix epoch. */
  readonly timestamp: number
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly headers: readonly RecordHeader[]
}

/** A log whose end can be waited for. */
export interface TailedLog extends ReadableLog {
  waitFor(offset: number, signal: AbortSignal | undefined): Promise<void>
  pause(): Promise<void>
}

/** So many bytes are read before others have their turn. */
const turnBytes = 256 << 10
/** What a record costs beside its bytes, in these terms. */
const recordBytes = 128
const noHeaders: readonly RecordHeader[] = []

/** The records from `from` on. Closing the log ends a live reading, and is an error in any other. */
export async function* readRecords(log: TailedLog, options: ReadOptions): AsyncGenerator<LogRecord, void, undefined> {
  const { to = Number.POSITIVE_INFINITY, signal, live = false } = options
  signal?.throwIfAborted()
  log.refresh()
  const cursor = new LogCursor(log, options.from ?? log.knownStart)
  cursor.lends = false
  let next = options.from ?? log.knownStart
  let leftOfTurn = turnBytes
  while (next < to) {
    if (live && log.closed) return
    if (leftOfTurn <= 0) {
      await log.pause()
      leftOfTurn = turnBytes
    } else if (cursor.next()) {
      if (cursor.offset >= to) return
      next = cursor.offset + 1
      leftOfTurn -= recordBytes + Math.max(cursor.keyLength, 0) + Math.max(cursor.valueLength, 0)
      yield copyOf(cursor)
    } else if (live) {
      await log.waitFor(next, signal)
      leftOfTurn = turnBytes
    } else return
    signal?.throwIfAborted()
  }
}

function copyOf(cursor: LogCursor): LogRecord {
  const { key, value, hasHeaders } = cursor
  const record = {
    offset: cursor.offset,
    timestamp: cursor.timestamp,
    key: key && Buffer.from(key),
    value: value && Buffer.from(value),
    headers: hasHeaders ? cursor.headers.map(copyOfHeader) : noHeaders,
  }
  // Before anybody believes what was copied.
  cursor.recheck()
  return record
}

const copyOfHeader = ({ key, value }: RecordHeader): RecordHeader => ({ key, value: value && Buffer.from(value) })
