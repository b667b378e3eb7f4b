import { ErrorCode, type Uuid, uuidFromBytes, zeroUuid } from '../protocol/index.ts'
import { pushTelemetry } from '../protocol/schema/push-telemetry.ts'
import { type ApiHandler, serve } from './serve.ts'
import { attributesOf } from './telemetry/client-attributes.ts'
import type { ClientTelemetry } from './telemetry/client-telemetry.ts'

/**
 * PushTelemetry v0 (KIP-714): a client's metrics, which are counted and not read. An id that nobody can have or a client
 * that said goodbye is INVALID_REQUEST; a subscription that is not the client's any more UNKNOWN_SUBSCRIPTION_ID; more
 * than `telemetry.max.bytes` TELEMETRY_TOO_LARGE; too early THROTTLING_QUOTA_EXCEEDED, unless it is the goodbye.
 */
export function servePushTelemetry(telemetry: ClientTelemetry): ApiHandler {
  return serve(pushTelemetry, { min: 0, max: 0 }, (request, context) => {
    const { clientInstanceId: id, subscriptionId, terminating, compressionType, metrics } = request
    const push = { subscriptionId, terminating, compressionType, bytes: metrics.length }
    const errorCode = reservedIds.has(id)
      ? ErrorCode.INVALID_REQUEST
      : telemetry.push(id, () => attributesOf(id, context), push)
    return { throttleTimeMs: 0, errorCode }
  })
}

/** Kafka gives them other meanings. */
const reservedIds: ReadonlySet<Uuid> = new Set([zeroUuid, uuidFromBytes(Uint8Array.of(...Array(15).fill(0), 1), 0)])
