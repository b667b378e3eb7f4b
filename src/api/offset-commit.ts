import type { GroupCoordinator } from '../coordinator/group/group-coordinator.ts'
import { offsetCommit } from '../protocol/schema/offset-commit.ts'
import { groupClient } from './group-client.ts'
import { type ApiHandler, serve } from './serve.ts'
import { TurnShare } from './turn-share.ts'

/** OffsetCommit v2-10: offsets of a group, answered when they are durable. From v10 topics are named by id (KIP-848). */
export function serveOffsetCommit(groups: GroupCoordinator): ApiHandler {
  return serve(offsetCommit, { min: 2, max: 10, wide: true }, (request, context) => {
    context.releaseFrame()
    return groups.commitOffsets(request, groupClient(context), new TurnShare(context))
  })
}
