import type { GroupCoordinator } from '../coordinator/group/group-coordinator.ts'
import { listGroups } from '../protocol/schema/list-groups.ts'
import { type ApiHandler, serve } from './serve.ts'
import { TurnShare } from './turn-share.ts'

/** ListGroups v0-5: all groups of this broker, or those in the states (v4) and of the types (v5) that are named. */
export function serveListGroups(groups: GroupCoordinator): ApiHandler {
  return serve(listGroups, { min: 0, max: 5, wide: true }, (request, context) => {
    context.releaseFrame()
    return groups.listGroups(request, new TurnShare(context))
  })
}
