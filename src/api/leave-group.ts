import type { GroupCoordinator } from '../coordinator/group/group-coordinator.ts'
import { ErrorCode } from '../protocol/index.ts'
import { leaveGroup } from '../protocol/schema/leave-group.ts'
import { groupClient } from './group-client.ts'
import { type ApiHandler, serve } from './serve.ts'
import { TurnShare } from './turn-share.ts'

/** LeaveGroup v0-5: members go at once. Before v3 it is one member, and its error is the answer's. */
export function serveLeaveGroup(groups: GroupCoordinator): ApiHandler {
  return serve(leaveGroup, { min: 0, max: 5 }, async (request, context) => {
    context.releaseFrame()
    const client = groupClient(context)
    const share = new TurnShare(context)
    if (client.apiVersion >= severalMembers) return await groups.leaveGroup(request, client, share)
    const members = [{ memberId: request.memberId, groupInstanceId: null, reason: null }]
    const { errorCode, members: left = [] } = await groups.leaveGroup({ ...request, members }, client, share)
    return { errorCode: errorCode === ErrorCode.NONE ? (left[0]?.errorCode ?? ErrorCode.NONE) : errorCode }
  })
}

const severalMembers = 3
