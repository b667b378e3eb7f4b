/** What is measured of a log: so many records of a size, done in one of these ways. */
export type Task = 'append-one' | 'append-batch' | 'durable' | 'durable-crowd' | 'scan' | 'scan-values' | 'random'

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
  /** All records from the first on, with their values or without; how many there were. */
  scan(values: boolean): number | Promise<number>
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
