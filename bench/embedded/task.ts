/** What is measured of a log: so many records of a size, done in one of these ways. */
export type Task =
  | 'append-one'
  | 'append-batch'
  | 'durable'
  | 'durable-crowd'
  | 'scan'
  | 'scan-in-place'
  | 'scan-views'
  | 'scan-copies'
  | 'random'

/**
 * What a scan does with each value: asks for its length; reads a byte of it where it lies, without an object for it; has it
 * as an object, lent or not, and reads a byte of that; copies all of it into one buffer that is there.
 */
export type ScanWay = 'lengths' | 'in-place' | 'views' | 'copies'

export const batchRecords = 64
/** Who wait for the disk at once in `durable-crowd`. */
export const crowd = 64

/** One log, as a task drives it. What takes no time of others returns no promise. */
export interface LogSide {
  appendOne(value: Uint8Array): void | Promise<void>
  /** `values` are one batch, transaction or write. */
  appendBatch(values: readonly Uint8Array[]): void | Promise<void>
  /** The same; when it is done, power may go. */
  appendDurably?(values: readonly Uint8Array[]): void | Promise<void>
  /** Where an append returns before it can be read: waits for those that were made. */
  settle?(): Promise<void>
  /** All records from the first on; how many there were. */
  scan(way: ScanWay): number | Promise<number>
  /** The records at these places, each with its value. */
  random(places: Uint32Array): void | Promise<void>
  close(): void | Promise<void>
}

export interface Measured {
  readonly records: number
  readonly seconds: number
}

export interface TaskSpec {
  readonly side: string
  readonly task: Task
  readonly directory: string
  readonly peers: string
  readonly recordBytes: number
  /** That are there to be read. */
  readonly records: number
  readonly seconds: number
}
