import type { GroupCoordinator } from '../coordinator/group/group-coordinator.ts'
import { ErrorCode } from '../protocol/index.ts'
import { consumerGroupHeartbeat } from '../protocol/schema/consumer-group-heartbeat.ts'
import { groupClient } from './group-client.ts'
import { type ApiHandler, serve } from './serve.ts'

/**
 * ConsumerGroupHeartbeat v0-1: joins, keeps up with and leaves a KIP-848 group. UNSUPPORTED_VERSION where the cluster
 * works without that protocol, so that clients may fall back to the classic one.
 */
export function serveConsumerGroupHeartbeat(groups: GroupCoordinator, isEnabled: () => boolean): ApiHandler {
  return serve(consumerGroupHeartbeat, { min: 0, max: 1 }, async (request, context) => {
    context.releaseFrame()
    if (isEnabled()) return await groups.consumerGroupHeartbeat(request, groupClient(context))
    return { throttleTimeMs: 0, errorCode: ErrorCode.UNSUPPORTED_VERSION, memberEpoch: 0, heartbeatIntervalMs: 0 }
  })
}
