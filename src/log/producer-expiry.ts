import type { PartitionLog } from './partition-log.ts'

/** Producers and logs looked at before other work gets its turn: some hundred microseconds. */
const looksPerSlice = 4096

/** Forgets the producers of many logs that were silent for so long, as of `nowMs`; `pause` is awaited between slices. */
export async function expireProducers(
  logs: Iterable<{ readonly log: Pick<PartitionLog, 'producers'> }>,
  nowMs: number,
  expirationMs: number,
  pause: () => Promise<void>,
): Promise<void> {
  let left = looksPerSlice
  for (const { log } of logs) {
    for (const looks of log.producers.expire(nowMs, expirationMs)) {
      left -= looks
      if (left > 0) continue
      await pause()
      left = looksPerSlice
    }
  }
}
