import type { CoordinatorLocator } from '../api/find-coordinator.ts'
import { LatestConnections } from '../api/latest-connections.ts'
import { type LazyHandler, lazily } from '../api/lazy.ts'
import type { TransactionVerifier } from '../api/produce-transaction.ts'
import type { Clock, Timers } from '../base/world.ts'
import type { EndInGroups } from '../coordinator/transaction/marker-writer.ts'
import type { TransactionCoordinator } from '../coordinator/transaction/transaction-coordinator.ts'
import type { PartitionTable } from '../replication/partition-table.ts'
import type { GroupService } from './group-handlers.ts'

/** What the APIs of transactions are served from; it comes with the first request. */
export interface TransactionService extends TransactionVerifier {
  coordinator(): Promise<TransactionCoordinator>
}

export interface TransactionHandlerParts {
  readonly transactions: TransactionService
  readonly groups: GroupService & CoordinatorLocator
  readonly endInGroups: EndInGroups
  readonly table: PartitionTable
  readonly clock: Clock
  readonly timers: Timers
}

/** The APIs of transactions, but InitProducerId and FindCoordinator. */
export function transactionHandlers({
  transactions,
  groups,
  endInGroups,
  table,
  clock,
  timers,
}: TransactionHandlerParts): LazyHandler[] {
  const connections = new LatestConnections()
  /** Clients may have one of their own to the coordinator of groups. */
  const groupConnections = new LatestConnections()
  return [
    lazily({ key: 24, min: 0, max: 5 }, async () =>
      (await import('../api/add-partitions-to-txn.ts')).serveAddPartitionsToTxn(
        await transactions.coordinator(),
        connections,
        table,
      ),
    ),
    lazily({ key: 25, min: 0, max: 4 }, async () =>
      (await import('../api/add-offsets-to-txn.ts')).serveAddOffsetsToTxn(
        await transactions.coordinator(),
        connections,
        await groups.coordinator(),
        groups,
      ),
    ),
    lazily({ key: 26, min: 0, max: 5 }, async () =>
      (await import('../api/end-txn.ts')).serveEndTxn(await transactions.coordinator(), connections),
    ),
    lazily({ key: 28, min: 0, max: 6 }, async () =>
      (await import('../api/txn-offset-commit.ts')).serveTxnOffsetCommit(
        await groups.coordinator(),
        transactions,
        groupConnections,
      ),
    ),
    lazily({ key: 27, min: 1, max: 2 }, async () =>
      (await import('../api/write-txn-markers.ts')).serveWriteTxnMarkers({ table, endInGroups, clock, timers }),
    ),
    lazily({ key: 65, min: 0, max: 0 }, async () =>
      (await import('../api/transactions.ts')).serveDescribeTransactions(await transactions.coordinator()),
    ),
    lazily({ key: 66, min: 0, max: 2 }, async () =>
      (await import('../api/transactions.ts')).serveListTransactions(await transactions.coordinator()),
    ),
  ]
}
