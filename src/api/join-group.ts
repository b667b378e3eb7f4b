import type { GroupCoordinator } from '../coordinator/group/group-coordinator.ts'
import { joinGroup } from '../protocol/schema/join-group.ts'
import { groupClient } from './group-client.ts'
import { type ApiHandler, serve } from './serve.ts'

/**
 * JoinGroup v0-9: enters a classic group, answered when its rebalance is over. Until then the connection starts no other
 * request, as in Kafka; nothing of the frame is kept meanwhile. Before v7 no protocol is an empty name.
 */
export function serveJoinGroup(groups: GroupCoordinator): ApiHandler {
  return serve(joinGroup, { min: 0, max: 9 }, async (request, context) => {
    context.releaseFrame()
    const client = groupClient(context)
    const answer = await groups.joinGroup(request, client)
    if (client.apiVersion >= nullableProtocol || answer.protocolName !== null) return answer
    return { ...answer, protocolName: '' }
  })
}

const nullableProtocol = 7
