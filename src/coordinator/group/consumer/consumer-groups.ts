import { ErrorCode, type ResponseInput, type Uuid } from '../../../protocol/index.ts'
import type { consumerGroupHeartbeat } from '../../../protocol/schema/consumer-group-heartbeat.ts'
import type { CoordinatorRecord } from '../../runtime/record.ts'
import type { Asker, Turn } from '../../runtime/shard.ts'
import { samePartitions, type TopicPartitionsById } from '../assignor/assignment.ts'
import type { ClientInfo, Group, GroupContext } from '../group.ts'
import type { ClassicJoin, ConsumerSide, Migration } from '../migration/migration.ts'
import { compileTopicRegex } from '../regex/topic-regex.ts'
import { ConsumerGroup } from './consumer-group.ts'
import { type DescribedConsumerGroup, describeConsumerGroup } from './describe.ts'
import {
  type ConsumerGroupMember,
  leaveEpoch,
  newMember,
  sameMetadata,
  samePosition,
  staticLeaveEpoch,
} from './member.ts'
import { Rebalancing } from './rebalancing.ts'
import { currentAssignmentRecord, memberRecord } from './records.ts'
import {
  type HeartbeatRequest,
  instanceFenced,
  instanceUnreleased,
  invalidRegex,
  type Refusal,
  refuse,
  refuseEpoch,
  refuseFull,
  refuseRequest,
  refuseUnknownState,
  unknownInstance,
  unknownMember,
} from './refusals.ts'
import { replayConsumerRecord } from './replay.ts'
import { Sessions } from './sessions.ts'

export type HeartbeatResponse = ResponseInput<typeof consumerGroupHeartbeat>

/** How a heartbeat finds its member. */
interface Found {
  /** The member as it is; undefined for one that joins. */
  readonly member: ConsumerGroupMember | undefined
  /** The static member whose place it takes. */
  readonly replaced?: ConsumerGroupMember
}

/**
 * The KIP-848 groups of one shard. A heartbeat does all: it makes or updates its member, bumps the group epoch when
 * subscriptions changed, has the target assignment made for a new epoch, and takes its member a step towards it.
 *
 * Where it differs from Kafka 4.4: a static member that is there and joins again under the same member id is taken on, as a
 * dynamic one is, and not told UNRELEASED_INSTANCE_ID: its response was lost. A new regular expression is resolved at once.
 */
export class ConsumerGroups implements ConsumerSide {
  private readonly context: GroupContext
  private readonly migration: Migration
  private readonly sessions: Sessions
  private readonly rebalancing: Rebalancing

  constructor(context: GroupContext, migration: Migration) {
    this.context = context
    this.migration = migration
    this.sessions = new Sessions(context, (group, memberId, turn) => this.removeMembers(group, [memberId], turn))
    this.rebalancing = new Rebalancing(context)
  }

  heartbeat(request: HeartbeatRequest, client: ClientInfo, asker: Asker<HeartbeatResponse>, turn: Turn): void {
    const refusal = refuseRequest(request, client.apiVersion, this.context.settings.consumerAssignors)
    const leaves = request.memberEpoch === leaveEpoch || request.memberEpoch === staticLeaveEpoch
    const answer = refusal ?? (leaves ? this.leave(request, turn) : this.keepUp(request, client, turn))
    turn.answer(asker, 'memberEpoch' in answer ? answer : refused(answer))
  }

  describe(groupId: string): DescribedConsumerGroup {
    return describeConsumerGroup(this.context, groupId)
  }

  /** Whether the record was one of a KIP-848 group. */
  replay(record: CoordinatorRecord): boolean {
    return replayConsumerRecord(this.context, record)
  }

  loaded(turn: Turn): void {
    for (const group of this.context.groups.values()) {
      if (!(group instanceof ConsumerGroup)) continue
      for (const member of group.members.values()) this.sessions.resume(group, member, turn)
    }
  }

  /** These topics came, went or changed; groups find out what it means to them with their next heartbeat. */
  topicsChanged(_turn: Turn, names: ReadonlySet<string>): void {
    for (const group of this.context.groups.values()) {
      if (!(group instanceof ConsumerGroup) || group.topicsMayDiffer) continue
      for (const name of names) {
        if (!group.isSubscribedTo(name)) continue
        group.topicsMayDiffer = true
        break
      }
    }
  }

  private keepUp(request: HeartbeatRequest, client: ClientInfo, turn: Turn): HeartbeatResponse | Refusal {
    const { groupId, memberEpoch } = request
    const joins = memberEpoch === 0
    const memberId = request.memberId === '' ? this.context.newMemberId() : request.memberId
    let known = this.context.groups.get(groupId)
    if (known?.type !== 'consumer' && !joins) return noSuchGroup(groupId, known)
    if (known?.type === 'classic') {
      const { refusal } = this.update(newMember(memberId), request, client, turn, undefined)
      if (refusal !== undefined) return refusal
      const errorCode = this.migration.upgrade(groupId, { memberId, instanceId: request.instanceId }, turn)
      if (errorCode !== ErrorCode.NONE) return noSuchGroup(groupId, known, errorCode)
      known = this.context.groups.get(groupId)
    }
    const group = known instanceof ConsumerGroup ? known : undefined
    const full = refuseFull(group, memberId, request.instanceId, this.context.settings.consumerMaxSize)
    if (full !== undefined) return full
    const found = this.find(group, memberId, request)
    if ('errorCode' in found) return found
    const { updated, refusal } = this.update(found.member ?? newMember(memberId), request, client, turn, group)
    if (refusal !== undefined) return refusal
    if (group !== undefined && found.replaced !== undefined && found.member !== undefined) {
      const replacing = this.rebalancing.replacing(group, found.replaced, found.member)
      const record = memberRecord(groupId, updated)
      if (!turn.fits(...replacing, record, record)) return tooLarge()
      this.forget(group, found.replaced.memberId, turn)
      this.rebalancing.replace(group, found.replaced, found.member, turn)
    }
    return this.proceed(request, found.member, updated, turn)
  }

  private proceed(
    request: HeartbeatRequest,
    before: ConsumerGroupMember | undefined,
    updated: ConsumerGroupMember,
    turn: Turn,
  ): HeartbeatResponse {
    const { groupId } = request
    const owned = request.topicPartitions === null ? undefined : toPartitions(request.topicPartitions)
    const member = this.rebalancing.settle(groupId, before, updated, owned, turn)
    const settings = this.context.settings.consumer(groupId)
    const group = this.groupOf(groupId)!
    this.sessions.start(group, member.memberId, settings.sessionTimeoutMs, turn)
    if (before === undefined || !samePosition(before, member)) this.sessions.watchRevocation(group, member, turn)
    const tellsAll =
      request.rebalanceTimeoutMs !== -1 &&
      (request.subscribedTopicNames !== null || request.subscribedTopicRegex !== null) &&
      request.topicPartitions !== null
    const showAssignment =
      request.memberEpoch === 0 || tellsAll || before === undefined || !samePartitions(before.assigned, member.assigned)
    return {
      throttleTimeMs: 0,
      errorCode: ErrorCode.NONE,
      memberId: member.memberId,
      memberEpoch: member.memberEpoch,
      heartbeatIntervalMs: settings.heartbeatIntervalMs,
      assignment: showAssignment ? { topicPartitions: fromPartitions(member.assigned) } : null,
    }
  }

  private find(group: ConsumerGroup | undefined, memberId: string, request: HeartbeatRequest): Found | Refusal {
    const { groupId, instanceId, memberEpoch } = request
    const joins = memberEpoch === 0
    if (instanceId === null) {
      const member = group?.members.get(memberId)
      if (member === undefined) return joins ? { member } : unknownMember(groupId, memberId)
      return refuseEpoch(member, request) ?? refuseUnknownState(member, request) ?? { member }
    }
    const holder = group?.staticMember(instanceId)
    if (!joins) {
      if (holder === undefined) return unknownInstance(instanceId)
      if (holder.memberId !== memberId) return instanceFenced(memberId, instanceId, holder.memberId)
      return refuseEpoch(holder, request) ?? refuseUnknownState(holder, request) ?? { member: holder }
    }
    if (holder === undefined) return { member: group?.members.get(memberId) }
    if (holder.memberEpoch !== staticLeaveEpoch && holder.classic === null) {
      return holder.memberId === memberId
        ? { member: holder }
        : instanceUnreleased(memberId, instanceId, holder.memberId)
    }
    return { member: successor(holder, memberId), replaced: holder }
  }

  /** The member with what it tells of itself now, or why it may not tell that. Changes nothing. */
  private update(
    member: ConsumerGroupMember,
    request: HeartbeatRequest,
    client: ClientInfo,
    turn: Turn,
    group: ConsumerGroup | undefined,
  ): { readonly updated: ConsumerGroupMember; readonly refusal?: Refusal | undefined } {
    const { instanceId, rackId, rebalanceTimeoutMs, serverAssignor, subscribedTopicNames, subscribedTopicRegex } =
      request
    const updated: ConsumerGroupMember = {
      ...member,
      instanceId: instanceId ?? member.instanceId,
      rackId: rackId ?? member.rackId,
      rebalanceTimeoutMs: rebalanceTimeoutMs === -1 ? member.rebalanceTimeoutMs : rebalanceTimeoutMs,
      serverAssignor: serverAssignor ?? member.serverAssignor,
      subscribedTopicNames: subscribedTopicNames === null ? member.subscribedTopicNames : new Set(subscribedTopicNames),
      subscribedTopicRegex: subscribedTopicRegex ?? member.subscribedTopicRegex,
      clientId: client.clientId,
      clientHost: client.clientHost,
      classic: null,
    }
    const regex = updated.subscribedTopicRegex
    if (regex !== '' && regex !== member.subscribedTopicRegex && !group?.subscriptions.regexes.has(regex)) {
      const compiled = compileTopicRegex(regex)
      if (!compiled.ok) return { updated, refusal: invalidRegex(regex, compiled.error) }
    }
    if (sameMetadata(member, updated)) return { updated }
    // A third of a batch: a turn may write it twice, and what else it decides.
    const record = memberRecord(request.groupId, updated)
    return turn.fits(record, record, record) ? { updated } : { updated, refusal: tooLarge() }
  }

  private leave(request: HeartbeatRequest, turn: Turn): HeartbeatResponse | Refusal {
    const { groupId, memberId, memberEpoch, instanceId } = request
    const group = this.groupOf(groupId)
    if (group === undefined) return noSuchGroup(groupId, this.context.groups.get(groupId))
    if (instanceId === null) {
      if (!group.members.has(memberId)) return unknownMember(groupId, memberId)
    } else {
      const holder = group.staticMember(instanceId)
      if (holder === undefined) return unknownInstance(instanceId)
      if (holder.memberId !== memberId) return instanceFenced(memberId, instanceId, holder.memberId)
      if (memberEpoch === staticLeaveEpoch) {
        this.leaveForNow(group, holder, turn)
        return left(memberId, memberEpoch)
      }
    }
    this.removeMembers(group, [memberId], turn)
    return left(memberId, memberEpoch)
  }

  /** It keeps its place and its partitions until its session ends; what it was giving up it no longer owns. */
  private leaveForNow(group: ConsumerGroup, member: ConsumerGroupMember, turn: Turn): void {
    const away = {
      ...successor(member, member.memberId),
      memberEpoch: staticLeaveEpoch,
      previousMemberEpoch: member.previousMemberEpoch,
    }
    turn.append(currentAssignmentRecord(group.id, away))
    this.sessions.watchRevocation(group, away, turn)
  }

  /** A member no longer counts: its timers, and what waits for it in the classic protocol. */
  private forget(group: ConsumerGroup, memberId: string, turn: Turn): void {
    this.sessions.end(group.id, memberId, turn)
    this.migration.forget(group.id, memberId, turn)
  }

  // For the classic members of KIP-848 groups.

  groupOf(groupId: string): ConsumerGroup | undefined {
    const group = this.context.groups.get(groupId)
    return group instanceof ConsumerGroup ? group : undefined
  }

  refuseClassicJoin(
    group: ConsumerGroup,
    { memberId, instanceId, replacesStatic }: Pick<ClassicJoin, 'memberId' | 'instanceId' | 'replacesStatic'>,
  ): ErrorCode {
    const full = refuseFull(group, memberId, instanceId, this.context.settings.consumerMaxSize)
    if (full !== undefined) return full.errorCode
    if (instanceId === null || replacesStatic) return ErrorCode.NONE
    const holder = group.staticMember(instanceId)
    if (holder === undefined) return ErrorCode.UNKNOWN_MEMBER_ID
    return holder.memberId === memberId ? ErrorCode.NONE : ErrorCode.FENCED_INSTANCE_ID
  }

  replacing(
    group: ConsumerGroup,
    join: Pick<ClassicJoin, 'memberId' | 'instanceId' | 'replacesStatic'>,
  ): readonly CoordinatorRecord[] {
    const replaced = replacedBy(group, join)
    return replaced === undefined ? [] : this.rebalancing.replacing(group, replaced, successor(replaced, join.memberId))
  }

  joinClassic(group: ConsumerGroup, join: ClassicJoin, turn: Turn): ConsumerGroupMember {
    const { memberId, instanceId } = join
    const replaced = replacedBy(group, join)
    const before = replaced === undefined ? group.members.get(memberId) : successor(replaced, memberId)
    if (replaced !== undefined) {
      this.forget(group, replaced.memberId, turn)
      this.rebalancing.replace(group, replaced, before!, turn)
    }
    const updated: ConsumerGroupMember = {
      ...(before ?? newMember(memberId)),
      instanceId,
      rackId: join.rackId ?? before?.rackId ?? null,
      rebalanceTimeoutMs: join.rebalanceTimeoutMs,
      clientId: join.clientId,
      clientHost: join.clientHost,
      subscribedTopicNames: new Set(join.subscribedTopicNames),
      // Classic members match regular expressions themselves.
      subscribedTopicRegex: '',
      classic: join.classic,
    }
    return this.rebalancing.settle(group.id, before, updated, join.owned, turn)
  }

  removeMembers(group: ConsumerGroup, memberIds: readonly string[], turn: Turn): void {
    if (memberIds.length === 0 || this.migration.downgradeIfDue(group, memberIds, turn)) return
    for (const memberId of memberIds) this.forget(group, memberId, turn)
    const others = this.rebalancing.remove(group, memberIds, turn)
    if (others.length === 0) return
    turn.after(`${group.id}/leaving/${group.id.length}/${others[0]}`, 0, later => {
      const now = this.groupOf(group.id)
      if (now !== undefined)
        this.removeMembers(
          now,
          others.filter(memberId => now.members.has(memberId)),
          later,
        )
    })
  }

  startSession(group: ConsumerGroup, memberId: string, timeoutMs: number, turn: Turn): void {
    this.sessions.start(group, memberId, timeoutMs, turn)
  }

  releaseTimers(group: ConsumerGroup, turn: Turn): void {
    for (const memberId of group.members.keys()) this.sessions.end(group.id, memberId, turn)
  }
}

function replacedBy(
  group: ConsumerGroup,
  { memberId, instanceId, replacesStatic }: Pick<ClassicJoin, 'memberId' | 'instanceId' | 'replacesStatic'>,
): ConsumerGroupMember | undefined {
  const holder = instanceId === null ? undefined : group.staticMember(instanceId)
  return replacesStatic && holder?.memberId !== memberId ? holder : undefined
}

/** A static member in the place of `holder`: at the beginning again, with the partitions that are not being given up. */
function successor(holder: ConsumerGroupMember, memberId: string): ConsumerGroupMember {
  const epochs = new Map<Uuid, ReadonlyMap<number, number>>()
  // It starts from epoch 0, at which it has all of them.
  for (const [topicId, partitions] of holder.assigned) epochs.set(topicId, new Map([...partitions].map(p => [p, 0])))
  return { ...holder, memberId, memberEpoch: 0, previousMemberEpoch: 0, pendingRevocation: new Map(), epochs }
}

function noSuchGroup(
  groupId: string,
  group: Group | undefined,
  errorCode: ErrorCode = ErrorCode.GROUP_ID_NOT_FOUND,
): Refusal {
  return refuse(
    errorCode,
    group === undefined ? `Consumer group ${groupId} not found.` : `Group ${groupId} is not a consumer group.`,
  )
}

function tooLarge(): Refusal {
  return refuse(ErrorCode.UNKNOWN_SERVER_ERROR, 'What the member tells of itself is too large for a record.')
}

function refused({ errorCode, errorMessage }: Refusal): HeartbeatResponse {
  return { throttleTimeMs: 0, errorCode, errorMessage, memberEpoch: 0, heartbeatIntervalMs: 0 }
}

function left(memberId: string, memberEpoch: number): HeartbeatResponse {
  return { throttleTimeMs: 0, errorCode: ErrorCode.NONE, memberId, memberEpoch, heartbeatIntervalMs: 0 }
}

function toPartitions(listed: NonNullable<HeartbeatRequest['topicPartitions']>): TopicPartitionsById {
  const partitionsOf = new Map<Uuid, Set<number>>()
  for (const { topicId, partitions } of listed) {
    const known = partitionsOf.get(topicId)
    if (known === undefined) partitionsOf.set(topicId, new Set(partitions))
    else for (const partition of partitions) known.add(partition)
  }
  return partitionsOf
}

function fromPartitions(partitionsOf: TopicPartitionsById): { topicId: Uuid; partitions: number[] }[] {
  return [...partitionsOf].map(([topicId, partitions]) => ({
    topicId,
    partitions: [...partitions].sort((a, b) => a - b),
  }))
}
