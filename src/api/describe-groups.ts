import type { GroupCoordinator } from '../coordinator/group/group-coordinator.ts'
import { ErrorCode } from '../protocol/index.ts'
import { describeGroups } from '../protocol/schema/describe-groups.ts'
import { groupOperations } from './authorized-operations.ts'
import { groupClient } from './group-client.ts'
import { type ApiHandler, serve } from './serve.ts'
import { TurnShare } from './turn-share.ts'

/**
 * DescribeGroups v0-6: classic groups with their members. What is no classic group is Dead and without an error before
 * v6, GROUP_ID_NOT_FOUND with a message from then on (KIP-1043).
 */
export function serveDescribeGroups(groups: GroupCoordinator): ApiHandler {
  return serve(describeGroups, { min: 0, max: 6, wide: true }, async (request, context) => {
    context.releaseFrame()
    const described = await groups.describeGroups(request.groups, groupClient(context), new TurnShare(context))
    if (!request.includeAuthorizedOperations) return { groups: described }
    const authorizedOperations = groupOperations
    return {
      groups: described.map(group => (group.errorCode === ErrorCode.NONE ? { ...group, authorizedOperations } : group)),
    }
  })
}
