import type { Logger } from '../base/logger.ts'
import type { TransactionCoordinator } from '../coordinator/transaction/transaction-coordinator.ts'
import type { ProducerIds } from '../metadata/producer-ids.ts'
import { ErrorCode } from '../protocol/index.ts'
import { initProducerId } from '../protocol/schema/init-producer-id.ts'
import { type ApiHandler, serve } from './serve.ts'
import { fencedAs } from './transaction-codes.ts'

/** The coordinator of transactions; it comes with the first request that needs it. */
export interface TransactionCoordinators {
  coordinator(): Promise<Pick<TransactionCoordinator, 'initProducerId'>>
}

/**
 * InitProducerId v0-5. Without a transactional id: a new producer id with epoch 0 each time. With one: its id with the next
 * epoch, which fences whoever had it before and aborts the transaction that was left open. Not v6, whose two-phase commit
 * Kafka does not offer clients either.
 */
export function serveInitProducerId(
  producerIds: ProducerIds,
  transactions: TransactionCoordinators,
  logger: Logger,
): ApiHandler {
  return serve(initProducerId, { min: 0, max: 5 }, async (request, context) => {
    const refuse = (errorCode: ErrorCode) => ({ throttleTimeMs: 0, errorCode, producerId: -1n, producerEpoch: -1 })
    // Both or neither, as in Kafka's own check.
    if ((request.producerId === -1n) !== (request.producerEpoch === -1)) return refuse(ErrorCode.INVALID_REQUEST)
    if (request.transactionalId !== null) {
      context.releaseFrame()
      const coordinator = await transactions.coordinator()
      const answer = await coordinator.initProducerId(request)
      return { ...answer, errorCode: fencedAs(answer.errorCode, context.apiVersion >= fencedSince) }
    }
    try {
      const producerId = await producerIds.take()
      return { throttleTimeMs: 0, errorCode: ErrorCode.NONE, producerId, producerEpoch: 0 }
    } catch (error) {
      logger.error({ error: String(error) }, 'no producer id could be assigned')
      return refuse(ErrorCode.COORDINATOR_NOT_AVAILABLE)
    }
  })
}

const fencedSince = 4
