import type { GroupCoordinator } from '../coordinator/group/group-coordinator.ts'
import { deleteGroups } from '../protocol/schema/delete-groups.ts'
import { type ApiHandler, serve } from './serve.ts'
import { TurnShare } from './turn-share.ts'

/** DeleteGroups v0-3: groups without members, with all their offsets, answered when that is durable. */
export function serveDeleteGroups(groups: GroupCoordinator): ApiHandler {
  return serve(deleteGroups, { min: 0, max: 3, wide: true }, async (request, context) => {
    context.releaseFrame()
    return { throttleTimeMs: 0, results: await groups.deleteGroups(request.groupsNames, new TurnShare(context)) }
  })
}
