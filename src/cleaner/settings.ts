/** What is set for the cleaner as a whole; Kafka's broker configs of these names. */
export interface CleanerSettings {
  /** Passes at a time, each on a thread of its own. */
  readonly threads: number // log.cleaner.threads
  readonly dedupeBufferBytes: number // log.cleaner.dedupe.buffer.size
  readonly loadFactor: number // log.cleaner.io.buffer.load.factor
  readonly maxBytesPerSecond: number // log.cleaner.io.max.bytes.per.second
  readonly backoffMs: number // log.cleaner.backoff.ms
}

/** Each pass takes an equal share of what all may have, however many run. */
export interface PassShare {
  readonly mapBytes: number
  readonly bytesPerSecond: number
}

/** Less is no map worth a pass. */
const leastMapBytes = 1 << 20
/** As in Kafka: no map is larger. */
const mostMapBytes = 2 ** 31 - 1

export function shareOf({ threads, dedupeBufferBytes, loadFactor, maxBytesPerSecond }: CleanerSettings): PassShare {
  const mapBytes = Math.floor((dedupeBufferBytes / threads) * Math.min(Math.max(loadFactor, 0), 1))
  return {
    mapBytes: Math.min(Math.max(mapBytes, leastMapBytes), mostMapBytes),
    bytesPerSecond:
      maxBytesPerSecond >= Number.MAX_SAFE_INTEGER ? Number.POSITIVE_INFINITY : maxBytesPerSecond / threads,
  }
}
