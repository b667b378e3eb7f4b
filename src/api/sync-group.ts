import type { GroupCoordinator } from '../coordinator/group/group-coordinator.ts'
import { syncGroup } from '../protocol/schema/sync-group.ts'
import { groupClient } from './group-client.ts'
import { type ApiHandler, serve } from './serve.ts'

/** SyncGroup v0-5: a member's assignment, answered when the leader of the classic group has given all of them. */
export function serveSyncGroup(groups: GroupCoordinator): ApiHandler {
  return serve(syncGroup, { min: 0, max: 5 }, (request, context) => {
    context.releaseFrame()
    return groups.syncGroup(request, groupClient(context))
  })
}
