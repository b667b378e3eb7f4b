import type { GroupCoordinator } from '../coordinator/group/group-coordinator.ts'
import { offsetDelete } from '../protocol/schema/offset-delete.ts'
import { type ApiHandler, serve } from './serve.ts'
import { TurnShare } from './turn-share.ts'

/** OffsetDelete v0: forgets offsets of topics that no member of the group is subscribed to (KIP-496). */
export function serveOffsetDelete(groups: GroupCoordinator): ApiHandler {
  return serve(offsetDelete, { min: 0, max: 0, wide: true }, (request, context) => {
    context.releaseFrame()
    return groups.deleteOffsets(request, new TurnShare(context))
  })
}
