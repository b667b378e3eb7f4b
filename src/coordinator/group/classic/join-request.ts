import type { RequestOf } from '../../../protocol/index.ts'
import type { joinGroup } from '../../../protocol/schema/join-group.ts'
import type { ClientInfo } from '../group.ts'
import type { ClassicProtocol } from '../migration/migration.ts'
import type { JoinAsker } from './classic-member.ts'

/** A JoinGroup as the group sees it: whatever its version, with each protocol named once. */
export interface Join {
  readonly groupId: string
  readonly memberId: string
  readonly instanceId: string | null
  readonly sessionTimeoutMs: number
  readonly rebalanceTimeoutMs: number
  readonly protocolType: string
  readonly protocols: readonly ClassicProtocol[]
  readonly reason: string
  readonly client: ClientInfo
  readonly asker: JoinAsker
}

/** As Kafka's own clients keep to: it is only for the log. */
export const reasonCharsMax = 255

/** A client has a handful of assignors; more, or with longer names, would only cost time to compare. */
const protocolsMax = 64
const protocolNameCharsMax = 255

/** Whether the protocols are as many and as named as protocols are. */
export function hasUsualProtocols({ protocols }: RequestOf<typeof joinGroup>): boolean {
  return protocols.length <= protocolsMax && protocols.every(({ name }) => name.length <= protocolNameCharsMax)
}

/** Version 0 has no rebalance timeout: it is the session's. */
export function joinOf(request: RequestOf<typeof joinGroup>, client: ClientInfo, asker: JoinAsker['asker']): Join {
  const { groupId, memberId, groupInstanceId, sessionTimeoutMs, protocolType, protocols } = request
  const rebalanceTimeoutMs = client.apiVersion === 0 ? sessionTimeoutMs : Math.max(request.rebalanceTimeoutMs, 0)
  const byName = new Map<string, ClassicProtocol>()
  for (const protocol of protocols) if (!byName.has(protocol.name)) byName.set(protocol.name, protocol)
  return {
    groupId,
    memberId,
    instanceId: groupInstanceId,
    sessionTimeoutMs,
    rebalanceTimeoutMs,
    protocolType,
    protocols: [...byName.values()],
    reason: request.reason?.slice(0, reasonCharsMax) || 'no reason given',
    client,
    asker: { asker, apiVersion: client.apiVersion },
  }
}
