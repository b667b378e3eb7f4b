import type { TransactionCoordinator } from '../coordinator/transaction/transaction-coordinator.ts'
import { endTxn } from '../protocol/schema/end-txn.ts'
import type { LatestConnections } from './latest-connections.ts'
import { type ApiHandler, closeConnection, serve } from './serve.ts'
import { fencedAs } from './transaction-codes.ts'

/**
 * EndTxn v0-5: commits or aborts a transaction. When it is answered the decision is durable; its markers follow. From v5
 * the producer is told the epoch, and id, of its next transaction (KIP-890). Before, a request that comes late must not end
 * that transaction: see LatestConnections.
 */
export function serveEndTxn(transactions: TransactionCoordinator, connections: LatestConnections): ApiHandler {
  return serve(endTxn, { min: 0, max: 5 }, async (request, context) => {
    context.releaseFrame()
    const { apiVersion } = context
    const { transactionalId, producerId, producerEpoch } = request
    if (apiVersion < bumpingSince && connections.isLate(transactionalId, producerId, producerEpoch, context))
      return closeConnection
    const answer = await transactions.endTxn(request, apiVersion)
    return { ...answer, errorCode: fencedAs(answer.errorCode, apiVersion >= fencedSince) }
  })
}

const fencedSince = 2
const bumpingSince = 5
