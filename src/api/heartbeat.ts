import type { GroupCoordinator } from '../coordinator/group/group-coordinator.ts'
import { heartbeat } from '../protocol/schema/heartbeat.ts'
import { groupClient } from './group-client.ts'
import { type ApiHandler, serve } from './serve.ts'

/** Heartbeat v0-4: keeps a member of a classic group, and tells it of a rebalance. */
export function serveHeartbeat(groups: GroupCoordinator): ApiHandler {
  return serve(heartbeat, { min: 0, max: 4 }, (request, context) => {
    context.releaseFrame()
    return groups.heartbeat(request, groupClient(context))
  })
}
