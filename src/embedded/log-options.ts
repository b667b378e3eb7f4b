import { MillraceError } from '../base/error.ts'
import { Codec } from '../records/batch-header.ts'

/** How a log is opened. Sizes in bytes, times in milliseconds. */
export interface LogOptions {
  /** Only read: any number of these may be open, in this process, its threads and others, beside one writer. */
  readonly readOnly?: boolean
  /** A segment is a file of at most this size; retention removes whole ones, and a record has to fit into one. 128 MiB. */
  readonly segmentBytes?: number
  /**
   * A record that comes so long after the first one of its segment begins a new segment, also where this one has room:
   * what is written little gets old enough to be compressed, compacted or removed. By default, and at most, `retentionMs`.
   */
  readonly segmentMs?: number
  /** The oldest segments go while the log is larger than this without them. Default: they stay. */
  readonly retentionBytes?: number
  /** Segments go when their newest record is older than this, but for the one that is written. Default: they stay. */
  readonly retentionMs?: number
  /**
   * Keep the last record of each key: those before it go from sealed segments, in the background, each time when half of
   * what these hold is new. Offsets stay what they are, with holes between them. A record whose value is null is the end
   * of its key, and goes itself with a pass that comes a day after. Every record needs a key: `append` takes objects only,
   * `appendBatch` throws, and what was appended before without a key goes, too. The segment that is written stays whole:
   * with few records, make `segmentBytes` smaller. Default: false.
   */
  readonly compaction?: boolean
  /**
   * Compress sealed segments, in the background: records are stored as they are in the segment that is written, and some
   * seconds after that was full they are brought together in batches of 64 KiB, which are compressed. So `append` costs and
   * promises the same. Reading needs no option; to read one record, its batch is decompressed. Views of a segment end when
   * it is replaced. Segments that another codec has compressed are compressed anew; with 'none' they stay as they are.
   * Before Node 22.15 'zstd' compresses some 50 MB/s. Default: 'none'.
   */
  readonly compression?: LogCompression
  /** A batch is sealed before it grows beyond this; readers of single records read whole batches. 4,096. */
  readonly sealBytes?: number
  /** A record waits no longer for its batch to be sealed. 100. */
  readonly sealAgeMs?: number
  /** A sealed batch waits no longer to be written to the disk, where nobody waits for it sooner. 1,000. */
  readonly flushAgeMs?: number
}

export type LogCompression = 'none' | 'gzip' | 'snappy' | 'lz4' | 'zstd'

export type ResolvedLogOptions = Required<LogOptions>

const maxInt32 = 2 ** 31 - 1

const defaults: ResolvedLogOptions = {
  readOnly: false,
  segmentBytes: 128 << 20,
  segmentMs: Number.POSITIVE_INFINITY,
  retentionBytes: Number.POSITIVE_INFINITY,
  retentionMs: Number.POSITIVE_INFINITY,
  compaction: false,
  compression: 'none',
  sealBytes: 4096,
  sealAgeMs: 100,
  flushAgeMs: 1000,
}

const ranges: Partial<Record<keyof LogOptions, readonly [min: number, max: number]>> = {
  segmentBytes: [4096, maxInt32],
  segmentMs: [1, Number.POSITIVE_INFINITY],
  retentionBytes: [0, Number.POSITIVE_INFINITY],
  retentionMs: [0, Number.POSITIVE_INFINITY],
  sealBytes: [64, 1 << 20],
  sealAgeMs: [1, maxInt32],
  flushAgeMs: [1, maxInt32],
}

const choices: Partial<Record<keyof LogOptions, readonly unknown[]>> = {
  readOnly: [true, false],
  compaction: [true, false],
  compression: Object.keys(Codec),
}

/** Throws for a name or a value that means nothing. */
export function resolveLogOptions(options: LogOptions): ResolvedLogOptions {
  for (const [name, value] of Object.entries(options)) {
    if (!Object.hasOwn(defaults, name))
      throw invalid(`There is no option ${name}; there are ${Object.keys(defaults).join(', ')}.`)
    const choice = choices[name as keyof LogOptions]
    if (value !== undefined && choice !== undefined && !choice.includes(value))
      throw invalid(`The option ${name} is ${String(value)}; it has to be ${choice.map(String).join(', ')}.`)
    const range = ranges[name as keyof LogOptions]
    if (value === undefined || range === undefined) continue
    const [min, max] = range
    if (typeof value !== 'number' || !(value >= min && value <= max)) {
      throw invalid(`The option ${name} is ${String(value)}; it has to be a number from ${min} to ${max}.`)
    }
  }
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))
  return { ...defaults, ...given }
}

const invalid = (message: string): MillraceError => new MillraceError('MILLRACE_INVALID_ARGUMENT', message)
