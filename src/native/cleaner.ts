import { type Addon, GroupField, MapField, TaskField } from './addon.ts'
import { NativeError, statusError } from './errors.ts'
import { loadAddon } from './load-addon.ts'

/** What one pass of the cleaner does to one log: offsets are the log's, sizes bytes, times milliseconds. */
export interface CleanTask {
  readonly directory: string
  /** Sealed, durable, consecutive from the log's first on, oldest first; `sizeBytes` is the whole .log file. */
  readonly segments: readonly { readonly baseOffset: number; readonly sizeBytes: number }[]
  /** Exclusive; at most the end of the last of these segments, and where nothing may be cleaned beyond it: the LSO. */
  readonly endOffset: number
  /** Below it the log was cleaned before: keys are only looked for from here on. */
  readonly firstDirtyOffset: number
  /** What the map of keys may take at most. */
  readonly mapBytes: number
  readonly segmentBytes: number
  readonly segmentIndexBytes: number
  readonly indexIntervalBytes: number
  /** Nothing is dropped for it: it may have been lowered since. */
  readonly maxMessageBytes: number
  readonly deleteRetentionMs: number
  readonly nowMs: number
  /**
   * Every producer that the log knows. Its last batch is kept, without records if need be, since the next start learns
   * the producer's sequence, or at least its epoch, from it.
   */
  readonly producers: readonly CleanProducer[]
  /** Read and written together; `Infinity` for no limit. */
  readonly bytesPerSecond: number
  /**
   * False: every record stays, and the pass only folds. Its segments may then begin anywhere in the log, and those whose
   * first batch has the codec already are left as they are. True when absent.
   */
  readonly compacts?: boolean
  /** Of what is written, with small batches made into larger ones; absent or 0: batches keep theirs. */
  readonly codec?: number
}

export interface CleanProducer {
  readonly producerId: bigint
  readonly producerEpoch: number
  /** Of its last batch of data; -1 when only a transaction marker is left of it. */
  readonly lastDataOffset: number
}

/**
 * Compression, which native code has not: called synchronously on the thread that runs the pass, with the records of one
 * batch (without its header) and the codec of its attributes, never 0. `records` is valid until the function returns; what
 * it returns is copied. What it throws ends the pass and is thrown by the pass's function.
 */
export interface RecordCodecs {
  unfold(codec: number, records: Uint8Array): Uint8Array
  fold(codec: number, records: Uint8Array): Uint8Array
}

export interface OffsetMapFacts {
  /** Up to here (exclusive) the log is clean when all groups are in place: less than the task's end if the map is full. */
  readonly cleanEndOffset: number
  readonly keys: number
  readonly bytesRead: number
  /** Of 0 to 1: keys of those that `mapBytes` has room for. */
  readonly mapFill: number
}

export interface CleanedGroup {
  /** Base offsets of the segments that the cleaned one stands for, for `StoredLog.replaceSegments`. */
  readonly bases: number[]
  readonly bytesRead: number
  readonly bytesWritten: number
  readonly recordsRead: number
  readonly recordsKept: number
  /** Dropped because a compacted topic has no use for them. */
  readonly recordsWithoutKey: number
  readonly batchesRead: number
  readonly batchesKept: number
}

/** A pass that could not go on. `code` is MILLRACE_STOPPED, MILLRACE_CORRUPT, MILLRACE_IO_ERROR, MILLRACE_NO_SPACE… */
export class CleaningError extends NativeError {
  /** Base offset of the segment at fault; -1 when none is. */
  readonly segment: number
  /** Where in its .log file; -1 when nowhere. */
  readonly position: number

  constructor(error: NativeError, segment: number, position: number) {
    const place = segment < 0 ? '' : ` Segment ${segment}, position ${position}.`
    super(error.code, error.message + place, error.nativeCode, error.errno)
    this.segment = segment
    this.position = position
  }
}

/**
 * One pass over a log: first the map of the last offset of each key, then group by group a cleaned segment for some
 * segments. Its functions are synchronous and long, so it runs on a worker thread; `stop[0]`, in shared memory, other than
 * 0 ends it soon with MILLRACE_STOPPED. The log itself may be used meanwhile; what takes away its data (truncation, log
 * start, deletion) makes `replaceSegments` refuse, or the pass fail.
 *
 * Groups come in the order of their offsets, and each has to be put in place before the next begins to matter: the log is
 * right after any number of them, but clean up to `cleanEndOffset` only after the last.
 */
export class CleaningPass {
  readonly #addon: Addon = loadAddon()
  readonly #pass: number
  readonly #directory: string

  constructor(task: CleanTask, codecs: RecordCodecs, stop: Int32Array) {
    this.#directory = task.directory
    const numbers = new Float64Array(TaskField.count)
    for (const name of taskNumbers) numbers[TaskField[name]] = task[name]
    numbers[TaskField.compacts] = task.compacts === false ? 0 : 1
    numbers[TaskField.codec] = task.codec ?? 0
    const segments = Float64Array.from(task.segments.flatMap(({ baseOffset, sizeBytes }) => [baseOffset, sizeBytes]))
    const producers = BigInt64Array.from(
      task.producers.flatMap(({ producerId, producerEpoch, lastDataOffset }) => [
        producerId,
        BigInt(producerEpoch),
        BigInt(lastDataOffset),
      ]),
    )
    const codec = (fold: boolean, codec: number, records: Uint8Array) =>
      fold ? codecs.fold(codec, records) : codecs.unfold(codec, records)
    this.#pass = this.#called(() =>
      this.#addon.openCleaningPass(task.directory, numbers, segments, producers, stop, codec),
    )
  }

  /** Reads the segments from `firstDirtyOffset` on. Once, before the first group. */
  buildMap(): OffsetMapFacts {
    const facts = this.#called(() => this.#addon.buildCleaningMap(this.#pass))
    return {
      cleanEndOffset: facts[MapField.cleanEndOffset]!,
      keys: facts[MapField.keys]!,
      bytesRead: facts[MapField.bytesRead]!,
      mapFill: facts[MapField.mapFill]!,
    }
  }

  /** Writes the next cleaned segment, durable under names that no reader looks at; undefined when all are written. */
  nextGroup(): CleanedGroup | undefined {
    const group = this.#called(() => this.#addon.nextCleanedGroup(this.#pass))
    if (group === undefined) return undefined
    return {
      bases: Array.from(group.subarray(GroupField.count)),
      bytesRead: group[GroupField.bytesRead]!,
      bytesWritten: group[GroupField.bytesWritten]!,
      recordsRead: group[GroupField.recordsRead]!,
      recordsKept: group[GroupField.recordsKept]!,
      recordsWithoutKey: group[GroupField.recordsWithoutKey]!,
      batchesRead: group[GroupField.batchesRead]!,
      batchesKept: group[GroupField.batchesKept]!,
    }
  }

  /** Gives back memory and files. What was written of a group that was not finished is removed. */
  close(): void {
    this.#addon.closeCleaningPass(this.#pass)
  }

  #called<T>(call: () => T): T {
    try {
      return call()
    } catch (failure) {
      const { nativeCode, errno, segment, position } = failure as Partial<CleaningError>
      if (nativeCode === undefined || failure instanceof NativeError) throw failure
      const error = statusError(`clean the log in ${this.#directory}`, nativeCode, errno)
      throw new CleaningError(error, segment ?? -1, position ?? -1)
    }
  }
}

const taskNumbers = [
  'endOffset',
  'firstDirtyOffset',
  'mapBytes',
  'segmentBytes',
  'segmentIndexBytes',
  'indexIntervalBytes',
  'deleteRetentionMs',
  'nowMs',
  'bytesPerSecond',
] as const
