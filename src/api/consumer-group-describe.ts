import type { GroupCoordinator } from '../coordinator/group/group-coordinator.ts'
import { ErrorCode } from '../protocol/index.ts'
import { consumerGroupDescribe } from '../protocol/schema/consumer-group-describe.ts'
import { groupOperations } from './authorized-operations.ts'
import { type ApiHandler, serve } from './serve.ts'
import { TurnShare } from './turn-share.ts'

/** ConsumerGroupDescribe v0-1: KIP-848 groups, from v1 with the protocol that each member talks. */
export function serveConsumerGroupDescribe(groups: GroupCoordinator, isEnabled: () => boolean): ApiHandler {
  return serve(consumerGroupDescribe, { min: 0, max: 1, wide: true }, async (request, context) => {
    context.releaseFrame()
    const { groupIds, includeAuthorizedOperations } = request
    if (!isEnabled()) return { throttleTimeMs: 0, groups: groupIds.map(unsupported) }
    const described = await groups.describeConsumerGroups(groupIds, new TurnShare(context))
    const authorizedOperations = groupOperations
    return {
      throttleTimeMs: 0,
      groups: described.map(group =>
        includeAuthorizedOperations && group.errorCode === ErrorCode.NONE ? { ...group, authorizedOperations } : group,
      ),
    }
  })
}

const unsupported = (groupId: string) => ({
  errorCode: ErrorCode.UNSUPPORTED_VERSION,
  groupId,
  groupState: '',
  groupEpoch: 0,
  assignmentEpoch: 0,
  assignorName: '',
  members: [],
})
