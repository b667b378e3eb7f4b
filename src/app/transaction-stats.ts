import type { Clock } from '../base/world.ts'
import type { LiveSettings } from '../config/live-settings.ts'
import type { MarkerCounts } from '../coordinator/transaction/marker-writer.ts'
import type { PartitionTable } from '../replication/partition-table.ts'
import type { RunningTransactions } from './transaction-runtime.ts'

/** For metrics. */
export interface TransactionStats {
  /** Transactional ids that are known here. */
  readonly ids: number
  /** Requests that wait for the markers of a transaction. */
  readonly parked: number
  /** Transactions that were aborted because their clients took too long. */
  readonly timedOut: number
  readonly expiredIds: number
  readonly markers: MarkerCounts
  /** Partitions with a transaction that has records in them and has not ended. */
  readonly partitionsWithOpenTransactions: number
  /**
   * Of these, where one was not written to for longer than any may last, and five minutes: its end will not come by itself,
   * and readers of committed records wait for it. Kafka's PartitionsWithLateTransactionsCount.
   */
  readonly partitionsWithLateTransactions: number
}

const lateAfterMs = 5 * 60_000
const noMarkers: MarkerCounts = { jobs: 0, oldestMs: 0, markers: 0, retries: 0, refused: 0 }

/** Partitions and open transactions looked at before other work gets its turn: some hundred microseconds. */
const looksPerSlice = 1024

/** `running`: undefined while nobody has needed the coordinator. `pause` is awaited between slices of many partitions. */
export async function transactionStats(
  running: RunningTransactions | undefined,
  table: Pick<PartitionTable, 'all'>,
  live: Pick<LiveSettings, 'current'>,
  clock: Pick<Clock, 'wallMs'>,
  pause: () => Promise<void>,
): Promise<TransactionStats> {
  const before = clock.wallMs() - live.current.transactions.maxTimeoutMs - lateAfterMs
  let open = 0
  let late = 0
  let left = looksPerSlice
  for (const { partitions } of table.all())
    for (const { log } of partitions) {
      if (--left <= 0) {
        await pause()
        left = looksPerSlice
      }
      if (log === undefined || log.producers.transactions.size === 0) continue
      open++
      for (const { lastTimestampMs } of log.producers.withTransaction()) {
        left--
        if (lastTimestampMs >= before) continue
        late++
        break
      }
    }
  const sum = { ids: 0, parked: 0, timedOut: 0, expiredIds: 0 }
  running?.runtime.tell('all', ({ counts }) => {
    sum.ids += counts.ids
    sum.parked += counts.parked
    sum.timedOut += counts.timedOut
    sum.expiredIds += counts.expiredIds
  })
  const markers = running?.markers.counts ?? noMarkers
  return { ...sum, markers, partitionsWithOpenTransactions: open, partitionsWithLateTransactions: late }
}
