import type { Logger } from '../base/logger.ts'
import type { ProducerIds } from '../metadata/producer-ids.ts'
import { ErrorCode } from '../protocol/index.ts'
import { initProducerId } from '../protocol/schema/init-producer-id.ts'
import { type ApiHandler, serve } from './serve.ts'

/**
 * InitProducerId v0-5 for idempotent producers: a new id with epoch 0 each time, as Kafka answers without a
 * transactional id. With one the request is refused: there is no transaction coordinator.
 */
export function serveInitProducerId(producerIds: ProducerIds, logger: Logger): ApiHandler {
  return serve(initProducerId, { min: 0, max: 5 }, async request => {
    const refuse = (errorCode: ErrorCode) => ({ throttleTimeMs: 0, errorCode, producerId: -1n, producerEpoch: -1 })
    if (request.transactionalId !== null) return refuse(ErrorCode.INVALID_REQUEST)
    // Both or neither, as in Kafka's own check.
    if ((request.producerId === -1n) !== (request.producerEpoch === -1)) return refuse(ErrorCode.INVALID_REQUEST)
    try {
      const producerId = await producerIds.take()
      return { throttleTimeMs: 0, errorCode: ErrorCode.NONE, producerId, producerEpoch: 0 }
    } catch (error) {
      logger.error({ error: String(error) }, 'no producer id could be assigned')
      return refuse(ErrorCode.COORDINATOR_NOT_AVAILABLE)
    }
  })
}
