import type { GroupCoordinator } from '../coordinator/group/group-coordinator.ts'
import type { TransactionCoordinator } from '../coordinator/transaction/transaction-coordinator.ts'
import { consumerOffsetsTopic } from '../metadata/image.ts'
import { ErrorCode } from '../protocol/index.ts'
import { addOffsetsToTxn } from '../protocol/schema/add-offsets-to-txn.ts'
import type { CoordinatorLocator } from './find-coordinator.ts'
import type { LatestConnections } from './latest-connections.ts'
import { type ApiHandler, closeConnection, serve } from './serve.ts'
import { fencedAs } from './transaction-codes.ts'

/** AddOffsetsToTxn v0-4: puts the partition that holds a group's offsets into a transaction. */
export function serveAddOffsetsToTxn(
  transactions: TransactionCoordinator,
  connections: LatestConnections,
  groups: GroupCoordinator,
  locator: CoordinatorLocator,
): ApiHandler {
  return serve(addOffsetsToTxn, { min: 0, max: 4 }, async (request, context) => {
    context.releaseFrame()
    const { transactionalId, producerId, producerEpoch, groupId } = request
    if (connections.isLate(transactionalId, producerId, producerEpoch, context)) return closeConnection
    if (groups.partitionFor(groupId) < 0) {
      // A client looks for the group only after this, and some would not ask again.
      const code = await locator.locate(groupId)
      if (code !== ErrorCode.NONE) return { throttleTimeMs: 0, errorCode: code }
    }
    const [code] = await transactions.addPartitions({
      transactionalId,
      producerId,
      producerEpoch,
      verifyOnly: false,
      transactionVersion: 0,
      partitions: [{ topic: consumerOffsetsTopic, partition: groups.partitionFor(groupId) }],
    })
    return { throttleTimeMs: 0, errorCode: fencedAs(code!, context.apiVersion >= fencedSince) }
  })
}

const fencedSince = 2
