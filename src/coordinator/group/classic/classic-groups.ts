import { ErrorCode, type RequestOf, type ResponseInput } from '../../../protocol/index.ts'
import { groupMetadataRecord } from '../../../protocol/records-schema/group-metadata.ts'
import type { heartbeat } from '../../../protocol/schema/heartbeat.ts'
import type { joinGroup } from '../../../protocol/schema/join-group.ts'
import type { leaveGroup } from '../../../protocol/schema/leave-group.ts'
import type { syncGroup } from '../../../protocol/schema/sync-group.ts'
import { type CoordinatorRecord, isRecordOf } from '../../runtime/record.ts'
import type { Asker, Turn } from '../../runtime/shard.ts'
import type { ClientInfo, GroupContext } from '../group.ts'
import type { ClassicGroupState, ClassicSide } from '../migration/migration.ts'
import { refuseJoin, refuseSync, refuseWaiting } from './answers.ts'
import { ClassicGroup } from './classic-group.ts'
import { Departures, type Leaving } from './departures.ts'
import { type DescribedGroup, describeGroup, describeUnknown } from './describe.ts'
import { groupRecord, groupStateOf } from './group-record.ts'
import { Joins } from './join.ts'
import { hasUsualProtocols, joinOf } from './join-request.ts'
import { Rebalance } from './rebalance.ts'
import { Sessions } from './sessions.ts'
import { StaticMembers } from './static-members.ts'
import { Syncs } from './sync.ts'

type HeartbeatRequest = RequestOf<typeof heartbeat>

/** From this version on SyncGroup has to name the protocol. */
const syncNamesProtocolSince = 5
/** From this version on LeaveGroup takes out several members, each with its own code. */
const leaveInBatchesSince = 3

/**
 * The classic groups of one shard: JoinGroup, SyncGroup, Heartbeat, LeaveGroup and DescribeGroups as Kafka 4 answers them. What
 * they change lives in memory until a generation has its assignments, or the group is empty: that is when a record is written,
 * and what a start goes on from. Waiting requests and timers are lost with the shard; members come back by themselves.
 */
export class ClassicGroups implements ClassicSide {
  private readonly context: GroupContext
  private readonly sessions: Sessions
  private readonly rebalance: Rebalance
  private readonly joins: Joins
  private readonly syncs: Syncs
  private readonly departures: Departures
  /** While the log is replayed: groups that were KIP-848 ones until the end of the log, and did not get to a generation since. */
  private readonly unled = new Set<string>()

  constructor(context: GroupContext) {
    this.context = context
    this.sessions = new Sessions(context.groups, (group, memberId, turn) =>
      this.departures.sessionEnded(group, memberId, turn),
    )
    this.rebalance = new Rebalance(context, this.sessions)
    this.joins = new Joins(
      context,
      this.sessions,
      this.rebalance,
      new StaticMembers(context, this.sessions, this.rebalance),
    )
    this.syncs = new Syncs(context, this.sessions, this.rebalance)
    this.departures = new Departures(context, this.sessions, this.rebalance)
  }

  join(
    request: RequestOf<typeof joinGroup>,
    client: ClientInfo,
    asker: Asker<ResponseInput<typeof joinGroup>>,
    turn: Turn,
  ): void {
    if (!hasUsualProtocols(request)) {
      const { apiVersion } = client
      refuseJoin({ asker, apiVersion }, request.memberId, ErrorCode.INCONSISTENT_GROUP_PROTOCOL, turn)
      return
    }
    const join = joinOf(request, client, asker)
    const { minSessionTimeoutMs, maxSessionTimeoutMs } = this.context.settings
    const isInRange = join.sessionTimeoutMs >= minSessionTimeoutMs && join.sessionTimeoutMs <= maxSessionTimeoutMs
    if (join.groupId === '') refuseJoin(join.asker, join.memberId, ErrorCode.INVALID_GROUP_ID, turn)
    else if (!isInRange) refuseJoin(join.asker, join.memberId, ErrorCode.INVALID_SESSION_TIMEOUT, turn)
    else this.joins.join(join, turn)
  }

  sync(
    request: RequestOf<typeof syncGroup>,
    client: ClientInfo,
    asker: Asker<ResponseInput<typeof syncGroup>>,
    turn: Turn,
  ): void {
    const namesProtocol = request.protocolType !== null && request.protocolName !== null
    const group = this.find(request.groupId)
    if (client.apiVersion >= syncNamesProtocolSince && !namesProtocol) {
      refuseSync(asker, ErrorCode.INCONSISTENT_GROUP_PROTOCOL, turn)
    } else if (request.groupId === '') refuseSync(asker, ErrorCode.INVALID_GROUP_ID, turn)
    else if (group === undefined) refuseSync(asker, ErrorCode.UNKNOWN_MEMBER_ID, turn)
    else this.syncs.sync(group, request, asker, turn)
  }

  heartbeat(
    request: HeartbeatRequest,
    _client: ClientInfo,
    asker: Asker<ResponseInput<typeof heartbeat>>,
    turn: Turn,
  ): void {
    turn.answer(asker, { errorCode: this.heard(request, turn) })
  }

  leave(
    request: RequestOf<typeof leaveGroup>,
    client: ClientInfo,
    asker: Asker<ResponseInput<typeof leaveGroup>>,
    turn: Turn,
  ): void {
    const { groupId, memberId } = request
    if (groupId === '') {
      turn.answer(asker, { errorCode: ErrorCode.INVALID_GROUP_ID })
      return
    }
    const inBatches = client.apiVersion >= leaveInBatchesSince
    const leaving: Leaving[] = inBatches ? request.members : [{ memberId, groupInstanceId: null, reason: null }]
    const group = this.find(groupId)
    const codes = group ? this.departures.leave(group, leaving, turn) : leaving.map(() => ErrorCode.UNKNOWN_MEMBER_ID)
    const members = leaving.map((member, at) => ({
      memberId: member.memberId,
      groupInstanceId: member.groupInstanceId,
      errorCode: codes[at]!,
    }))
    turn.answer(asker, inBatches ? { errorCode: ErrorCode.NONE, members } : { errorCode: codes[0]! })
  }

  /** The group's entry in the answer to DescribeGroups of this version. */
  describe(groupId: string, apiVersion: number): DescribedGroup {
    const group = this.find(groupId)
    return group ? describeGroup(group) : describeUnknown(groupId, this.context.groups.has(groupId), apiVersion)
  }

  /** Returns whether the record is about classic groups. */
  replay(record: CoordinatorRecord): boolean {
    if (!isRecordOf(record, groupMetadataRecord)) return false
    const groupId = record.key.group
    if (record.value?.leader === null && record.value.members.length > 0) this.unled.add(groupId)
    else this.unled.delete(groupId)
    if (record.value !== null) {
      const sinceMs = record.value.currentStateTimestamp
      const group = ClassicGroup.of(groupStateOf(groupId, record.value), sinceMs === -1 ? undefined : sinceMs)
      this.context.groups.set(groupId, group)
    } else if (this.find(groupId) !== undefined) this.context.groups.delete(groupId)
    return true
  }

  /** Everybody has a session's time to show that they are there, static members too. */
  loaded(turn: Turn): void {
    for (const group of this.context.groups.values()) {
      if (!(group instanceof ClassicGroup)) continue
      for (const member of group.members) this.sessions.start(group, member, turn)
      const { maxSize } = this.context.settings
      if (this.unled.has(group.id)) this.rebalance.begin(group, 'its last member of the newer protocol left', turn)
      else if (group.members.size > maxSize) this.rebalance.begin(group, `it has more than ${maxSize} members`, turn)
    }
    this.unled.clear()
  }

  stateOf(groupId: string): ClassicGroupState | undefined {
    return this.find(groupId)?.facts
  }

  release(groupId: string, turn: Turn): void {
    const group = this.find(groupId)
    if (group === undefined) return
    for (const member of group.members)
      refuseWaiting(group, member, member.memberId, ErrorCode.REBALANCE_IN_PROGRESS, turn)
    this.rebalance.cancelTimers(group, turn)
  }

  adopt(state: ClassicGroupState, rebalance: boolean, turn: Turn): void {
    const group = ClassicGroup.of(state, turn.wallMs)
    this.context.groups.set(group.id, group)
    // Without a leader, so that a start in the middle of the rebalance begins it again.
    const record = groupRecord(rebalance ? { ...group.facts, leaderId: null } : group.facts, group.stateSinceMs)
    const fits = turn.fits(record)
    if (fits) turn.appendApplied(record)
    else this.context.logger.warn({ group: group.id }, 'The group as a classic one is larger than its topic allows.')
    for (const member of group.members) this.sessions.start(group, member, turn)
    if (group.members.size > 0 && (rebalance || !fits)) {
      this.rebalance.begin(group, 'its last member of the newer protocol left', turn)
    }
  }

  private heard({ groupId, memberId, groupInstanceId, generationId }: HeartbeatRequest, turn: Turn): ErrorCode {
    if (groupId === '') return ErrorCode.INVALID_GROUP_ID
    const group = this.find(groupId)
    if (group === undefined) return ErrorCode.UNKNOWN_MEMBER_ID
    const refused = group.refuseMember(memberId, groupInstanceId)
    if (refused !== ErrorCode.NONE) return refused
    if (generationId !== group.generation) return ErrorCode.ILLEGAL_GENERATION
    // Members send heartbeats from the answer to JoinGroup on; those that come while a rebalance is prepared count as well.
    this.sessions.start(group, group.members.get(memberId)!, turn)
    return group.stateName === 'PreparingRebalance' ? ErrorCode.REBALANCE_IN_PROGRESS : ErrorCode.NONE
  }

  private find(groupId: string): ClassicGroup | undefined {
    const group = this.context.groups.get(groupId)
    return group instanceof ClassicGroup ? group : undefined
  }
}
