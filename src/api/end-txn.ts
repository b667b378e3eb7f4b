import type { TransactionCoordinator } from '../coordinator/transaction/transaction-coordinator.ts'
import { endTxn } from '../protocol/schema/end-txn.ts'
import { type ApiHandler, serve } from './serve.ts'
import { fencedAs } from './transaction-codes.ts'

/**
 * EndTxn v0-5: commits or aborts a transaction. When it is answered the decision is durable; its markers follow. From v5
 * the producer is told the epoch, and id, of its next transaction (KIP-890).
 */
export function serveEndTxn(transactions: TransactionCoordinator): ApiHandler {
  return serve(endTxn, { min: 0, max: 5 }, async (request, context) => {
    context.releaseFrame()
    const { apiVersion } = context
    const answer = await transactions.endTxn(request, apiVersion)
    return { ...answer, errorCode: fencedAs(answer.errorCode, apiVersion >= fencedSince) }
  })
}

const fencedSince = 2
