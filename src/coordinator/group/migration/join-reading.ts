import { ErrorCode, type RequestOf } from '../../../protocol/index.ts'
import type { joinGroup } from '../../../protocol/schema/join-group.ts'
import type { Turn } from '../../runtime/shard.ts'
import { newMember } from '../consumer/member.ts'
import { memberRecord } from '../consumer/records.ts'
import { consumerProtocolType, decodeSubscription } from '../consumer-protocol.ts'
import type { ClientInfo, GroupContext } from '../group.ts'
import type { ClassicJoin, ClassicProtocol, ConsumerSide, MixedGroup } from './migration.ts'
import { partitionsById } from './partitions.ts'

/** From this version on a dynamic member learns its id first and joins with it. */
const memberIdRequiredSince = 4

/** All metadata of one group's classic members: beyond it nobody is let in. */
const groupMetadataBytesMax = 64 * 1024 * 1024

export type JoinRead =
  | { readonly join: ClassicJoin }
  | { readonly join: undefined; readonly errorCode: ErrorCode; readonly memberId: string }

/**
 * A JoinGroup to a KIP-848 group, or why it is refused; the member id of a refusal is the one asked with, or the one to ask
 * with next. Changes nothing.
 */
export function readJoin(
  context: GroupContext,
  consumer: ConsumerSide,
  group: MixedGroup,
  request: RequestOf<typeof joinGroup>,
  client: ClientInfo,
  turn: Turn,
): JoinRead {
  const { settings, topics } = context
  const { groupInstanceId: instanceId, sessionTimeoutMs, protocolType } = request
  const refused = (errorCode: ErrorCode, memberId = request.memberId): JoinRead => ({
    join: undefined,
    errorCode,
    memberId,
  })
  if (sessionTimeoutMs < settings.minSessionTimeoutMs || sessionTimeoutMs > settings.maxSessionTimeoutMs) {
    return refused(ErrorCode.INVALID_SESSION_TIMEOUT)
  }
  const isUnknown = request.memberId === ''
  const memberId = isUnknown ? context.newMemberId(instanceId ?? client.clientId) : request.memberId
  const replacesStatic = isUnknown && instanceId !== null
  const noRoom = consumer.refuseClassicJoin(group, { memberId, instanceId, replacesStatic })
  if (noRoom !== ErrorCode.NONE) return refused(noRoom)
  const protocols = withEachNameOnce(request.protocols)
  const subscription = protocols[0] && decodeSubscription(protocols[0].metadata)
  if (!subscription?.ok || protocolType !== consumerProtocolType || !haveOneInCommon(group, protocols)) {
    return refused(ErrorCode.INCONSISTENT_GROUP_PROTOCOL)
  }
  if (isUnknown && instanceId === null && client.apiVersion >= memberIdRequiredSince) {
    return refused(ErrorCode.MEMBER_ID_REQUIRED, memberId)
  }
  const owned = partitionsById(subscription.value.ownedPartitions, topics)
  // It was removed and does not know: what it owns is others' by now, and this is how it hears of that.
  if (!isUnknown && owned.size > 0 && !group.members.has(memberId)) return refused(ErrorCode.UNKNOWN_MEMBER_ID)
  const join: ClassicJoin = {
    memberId,
    instanceId,
    replacesStatic,
    rackId: subscription.value.rackId,
    rebalanceTimeoutMs: client.apiVersion === 0 ? sessionTimeoutMs : Math.max(request.rebalanceTimeoutMs, 0),
    clientId: client.clientId,
    clientHost: client.clientHost,
    subscribedTopicNames: subscription.value.topics,
    classic: { sessionTimeoutMs, supportedProtocols: protocols },
    owned,
  }
  if (othersMetadataBytes(group, memberId) + bytesOf(protocols) > groupMetadataBytesMax) {
    return refused(ErrorCode.GROUP_MAX_SIZE_REACHED)
  }
  return fits(consumer, group, join, turn) ? { join } : refused(ErrorCode.UNKNOWN_SERVER_ERROR)
}

function withEachNameOnce(protocols: readonly ClassicProtocol[]): ClassicProtocol[] {
  const byName = new Map<string, ClassicProtocol>()
  for (const { name, metadata } of protocols) if (!byName.has(name)) byName.set(name, { name, metadata })
  return [...byName.values()]
}

/** Whether one of the protocols is one that all members of the classic protocol know: the group may have to go back to it. */
function haveOneInCommon(group: MixedGroup, protocols: readonly ClassicProtocol[]): boolean {
  let common = new Set(protocols.map(({ name }) => name))
  for (const { classic } of group.members.values()) {
    if (classic === null) continue
    common = new Set(classic.supportedProtocols.map(({ name }) => name).filter(name => common.has(name)))
  }
  return common.size > 0
}

function othersMetadataBytes(group: MixedGroup, memberId: string): number {
  let bytes = 0
  for (const member of group.members.values()) {
    if (member.classic !== null && member.memberId !== memberId) bytes += bytesOf(member.classic.supportedProtocols)
  }
  return bytes
}

function bytesOf(protocols: readonly ClassicProtocol[]): number {
  return protocols.reduce((sum, { metadata }) => sum + metadata.byteLength, 0)
}

/** Whether what it tells of itself can be written, beside what is written of the member whose place it takes. */
function fits(consumer: ConsumerSide, group: MixedGroup, join: ClassicJoin, turn: Turn): boolean {
  const { subscribedTopicNames, ...told } = join
  const record = memberRecord(group.id, {
    ...newMember(join.memberId),
    ...told,
    subscribedTopicNames: new Set(subscribedTopicNames),
  })
  return turn.fits(...consumer.replacing(group, join), record, record)
}
