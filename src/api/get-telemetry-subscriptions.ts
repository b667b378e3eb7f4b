import { ErrorCode, type Uuid, zeroUuid } from '../protocol/index.ts'
import { getTelemetrySubscriptions } from '../protocol/schema/get-telemetry-subscriptions.ts'
import { type ApiHandler, serve } from './serve.ts'
import { attributesOf } from './telemetry/client-attributes.ts'
import { acceptedCompressions, type ClientTelemetry } from './telemetry/client-telemetry.ts'

/**
 * GetTelemetrySubscriptions v0 (KIP-714): which metrics this client is to push, by the subscriptions (configs of client
 * metrics) that match it, and how often; a client without an id gets one. Before its interval is over, and its
 * subscription still the same, it is THROTTLING_QUOTA_EXCEEDED.
 */
export function serveGetTelemetrySubscriptions(telemetry: ClientTelemetry, newId: () => Uuid): ApiHandler {
  return serve(getTelemetrySubscriptions, { min: 0, max: 0 }, ({ clientInstanceId }, context) => {
    const id = clientInstanceId === zeroUuid ? newId() : clientInstanceId
    const { code, subscriptionId, wanted } = telemetry.subscribe(id, () => attributesOf(id, context))
    if (code !== ErrorCode.NONE) return { ...nothing, errorCode: code }
    return {
      throttleTimeMs: 0,
      errorCode: ErrorCode.NONE,
      clientInstanceId: id,
      subscriptionId,
      acceptedCompressionTypes: acceptedCompressions,
      pushIntervalMs: wanted.intervalMs,
      telemetryMaxBytes: telemetry.maxBytes,
      deltaTemporality: true,
      requestedMetrics: wanted.metrics,
    }
  })
}

const nothing = {
  throttleTimeMs: 0,
  clientInstanceId: zeroUuid,
  subscriptionId: 0,
  acceptedCompressionTypes: [],
  pushIntervalMs: 0,
  telemetryMaxBytes: 0,
  deltaTemporality: false,
  requestedMetrics: [],
}
