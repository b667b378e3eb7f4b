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

/** `running`: undefined while nobody has needed the coordinator. */
export function transactionStats(
  running: RunningTransactions | undefined,
  table: PartitionTable,
  live: Pick<LiveSettings, 'current'>,
  clock: Clock,
): TransactionStats {
  const sum = { ids: 0, parked: 0, timedOut: 0, expiredIds: 0 }
  running?.runtime.tell('all', ({ counts }) => {
    sum.ids += counts.ids
    sum.parked += counts.parked
    sum.timedOut += counts.timedOut
    sum.expiredIds += counts.expiredIds
  })
  const before = clock.wallMs() - live.current.transactions.maxTimeoutMs - lateAfterMs
  let open = 0
  let late = 0
  for (const { partitions } of table.all())
    for (const { log } of partitions) {
      if (log === undefined || log.producers.transactions.size === 0) continue
      open++
      for (const { lastTimestampMs } of log.producers.withTransaction()) {
        if (lastTimestampMs >= before) continue
        late++
        break
      }
    }
  const markers = running?.markers.counts ?? noMarkers
  return { ...sum, markers, partitionsWithOpenTransactions: open, partitionsWithLateTransactions: late }
}
