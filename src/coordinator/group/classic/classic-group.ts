import { assert } from '../../../base/assert.ts'
import { ErrorCode } from '../../../protocol/index.ts'
import type { CoordinatorRecord } from '../../runtime/record.ts'
import type { Turn } from '../../runtime/shard.ts'
import { consumerProtocolType } from '../consumer-protocol.ts'
import type { CommitClaim, Group } from '../group.ts'
import type { ClassicGroupState, ClassicProtocol } from '../migration/migration.ts'
import { ClassicMember } from './classic-member.ts'
import { groupTombstone } from './group-record.ts'
import { Members } from './members.ts'
import { PendingIds } from './pending-ids.ts'
import { topicsOfSubscription } from './subscribed-topics.ts'

/** As the tools show them. There is no group that is Dead: it is forgotten at once. */
export type ClassicStateName = 'Empty' | 'PreparingRebalance' | 'CompletingRebalance' | 'Stable'

const previousStates: Readonly<Record<ClassicStateName, readonly ClassicStateName[]>> = {
  Empty: ['PreparingRebalance'],
  PreparingRebalance: ['Empty', 'CompletingRebalance', 'Stable'],
  CompletingRebalance: ['PreparingRebalance'],
  Stable: ['CompletingRebalance'],
}

/**
 * A classic group: members that join, elect a leader and get from it what each consumes, generation by generation. This is its
 * state and what can be asked of it; what requests and timers do to it is in the files beside (ClassicGroups lists them).
 *
 *     Empty → PreparingRebalance (members join) → CompletingRebalance (the leader assigns) → Stable
 *       ↖______________|      ↖______________________________|_________________________________|
 */
export class ClassicGroup implements Group {
  readonly id: string
  readonly type = 'classic'
  readonly members = new Members()
  readonly pendingJoins = new PendingIds()
  /** Members of this generation that have not asked for their assignment yet. */
  readonly pendingSyncs = new Set<string>()
  protocolType = ''
  /** The one chosen for this generation; null in a group without members. */
  protocolName: string | null = null
  leaderId: string | null = null
  generation = 0
  /** Whether a rebalance in preparation is the first after the group was empty. */
  isInitialRebalance = false
  /** While the first rebalance is prepared: somebody joined since its delay was set last. */
  newMemberAdded = false
  private state: ClassicStateName = 'Empty'
  private stateSince: number | undefined
  /** Undefined: the metadata do not say. Null: nobody asked yet. */
  private topics: ReadonlySet<string> | undefined | null = null

  /** A group without members. */
  constructor(id: string) {
    this.id = id
  }

  /** A group as a record or another kind of group describes it: Stable, or Empty when it has no members. */
  static of(state: ClassicGroupState, sinceMs: number | undefined): ClassicGroup {
    const group = new ClassicGroup(state.groupId)
    for (const member of state.members) {
      const taken = member.instanceId !== null && group.members.staticMemberId(member.instanceId) !== undefined
      if (!taken && !group.members.has(member.memberId)) group.addMember(new ClassicMember(member))
    }
    group.protocolType = state.protocolType
    group.protocolName = state.protocolName ?? (group.members.size > 0 ? group.members.selectProtocol() : null)
    group.leaderId = state.leaderId ?? group.leaderId
    group.generation = state.generation
    group.state = group.members.size > 0 ? 'Stable' : 'Empty'
    group.stateSince = sinceMs
    return group
  }

  /** What its record says of it, and what makes an equal group. */
  get facts(): ClassicGroupState {
    const { id, generation, protocolType, protocolName, leaderId, members } = this
    return { groupId: id, generation, protocolType, protocolName, leaderId, members: [...members] }
  }
  get stateName(): ClassicStateName {
    return this.state
  }
  /** Wall clock; undefined in records of before Kafka 2.1. */
  get stateSinceMs(): number | undefined {
    return this.stateSince
  }
  get isEmpty(): boolean {
    return this.state === 'Empty'
  }
  /** Nobody ever joined it: it only holds offsets. */
  get isSimple(): boolean {
    return this.protocolType === '' && this.isEmpty && this.pendingJoins.size === 0
  }
  get rebalanceTimeoutMs(): number {
    let longest = 0
    for (const member of this.members) longest = Math.max(longest, member.rebalanceTimeoutMs)
    return longest
  }
  get allJoined(): boolean {
    return this.members.joining === this.members.size && this.pendingJoins.size === 0
  }

  transitionTo(next: ClassicStateName, wallMs: number): void {
    assert(previousStates[next].includes(this.state), 'a group changes along its states', {
      from: this.state,
      to: next,
    })
    if (next === 'PreparingRebalance') this.isInitialRebalance = this.state === 'Empty'
    this.state = next
    this.stateSince = wallMs
  }

  addMember(member: ClassicMember): void {
    this.members.add(member)
    this.pendingJoins.delete(member.memberId)
    this.leaderId ??= member.memberId
  }

  removeMember(memberId: string): ClassicMember | undefined {
    const member = this.members.remove(memberId)
    this.pendingJoins.delete(memberId)
    this.pendingSyncs.delete(memberId)
    if (this.leaderId === memberId) this.leaderId = firstOf(this.members)?.memberId ?? null
    return member
  }

  /** The same static member, restarted under another id: it takes over its place and its role. */
  replaceMember(old: ClassicMember, fresh: ClassicMember): void {
    this.members.remove(old.memberId)
    this.members.add(fresh)
    if (this.leaderId === old.memberId) this.leaderId = fresh.memberId
    if (this.pendingSyncs.delete(old.memberId)) this.pendingSyncs.add(fresh.memberId)
  }

  /** The next generation of those who are in the group now. */
  beginGeneration(wallMs: number): void {
    this.generation++
    this.protocolName = this.members.size > 0 ? this.members.selectProtocol() : null
    this.topics = this.readTopics()
    this.pendingSyncs.clear()
    this.transitionTo(this.members.size > 0 ? 'CompletingRebalance' : 'Empty', wallMs)
  }

  /** Whether a member with these protocols fits those that are in the group. */
  accepts(protocolType: string, protocols: readonly ClassicProtocol[]): boolean {
    if (this.isEmpty) return protocolType !== '' && protocols.length > 0
    return protocolType === this.protocolType && this.members.supportOneOf(protocols)
  }

  /** NONE when the member is in the group, and is the one that has this instance id, if it names one. */
  refuseMember(memberId: string, instanceId: string | null): ErrorCode {
    if (instanceId !== null) {
      const owner = this.members.staticMemberId(instanceId)
      if (owner === undefined) return ErrorCode.UNKNOWN_MEMBER_ID
      if (owner !== memberId) return ErrorCode.FENCED_INSTANCE_ID
    }
    return this.members.has(memberId) ? ErrorCode.NONE : ErrorCode.UNKNOWN_MEMBER_ID
  }

  /** What the members of this generation consume; undefined when their metadata do not say. */
  subscribedTopics(): ReadonlySet<string> | undefined {
    if (this.topics === null) this.topics = this.readTopics()
    return this.topics
  }

  isSubscribedTo(topic: string): boolean {
    return this.subscribedTopics()?.has(topic) ?? this.protocolType === consumerProtocolType
  }

  refuseCommit({ memberId, instanceId, generation, transactional }: CommitClaim): ErrorCode {
    // Administration, and consumers that assign partitions to themselves.
    if (generation < 0 && this.isEmpty) return ErrorCode.NONE
    if (generation >= 0 || memberId !== '' || instanceId !== null) {
      const refused = this.refuseMember(memberId, instanceId)
      if (refused !== ErrorCode.NONE) return refused
      if (generation !== this.generation) return ErrorCode.ILLEGAL_GENERATION
    } else if (!transactional && !this.isEmpty) {
      return ErrorCode.UNKNOWN_MEMBER_ID // A transaction need not say whose offsets it commits: old producers do not know.
    }
    // The member has seen this generation and not its assignment.
    if (!transactional && this.state === 'CompletingRebalance') return ErrorCode.REBALANCE_IN_PROGRESS
    return ErrorCode.NONE
  }

  committed(memberId: string, turn: Turn): void {
    if (this.state !== 'Stable' && this.state !== 'PreparingRebalance') return
    const member = this.members.get(memberId)
    if (member === undefined) return
    member.sessionEndsMs = Math.max(member.sessionEndsMs, turn.nowMs + member.sessionTimeoutMs)
  }

  refuseFetch(): ErrorCode {
    return ErrorCode.NONE
  }
  refuseOffsetDelete(): ErrorCode {
    return this.isEmpty || this.protocolType === consumerProtocolType ? ErrorCode.NONE : ErrorCode.NON_EMPTY_GROUP
  }
  refuseDelete(): ErrorCode {
    return this.isEmpty ? ErrorCode.NONE : ErrorCode.NON_EMPTY_GROUP
  }
  tombstones(): CoordinatorRecord[] {
    return [groupTombstone(this.id)]
  }

  offsetAgesFrom(topic: string, committedAtMs: number): number | undefined {
    if (this.protocolType === '') return committedAtMs
    // An offset that an operator sets while the group is empty is not as old as the emptiness.
    if (this.isEmpty) return Math.max(this.stateSince ?? committedAtMs, committedAtMs)
    const known = this.protocolType === consumerProtocolType && this.subscribedTopics() !== undefined
    return known && this.state === 'Stable' && !this.isSubscribedTo(topic) ? committedAtMs : undefined
  }

  private readTopics(): ReadonlySet<string> | undefined {
    if (this.protocolType !== consumerProtocolType) return undefined
    const all = new Set<string>()
    for (const member of this.members) {
      const topics = topicsOfSubscription(member.metadataOf(this.protocolName))
      if (topics === undefined) return undefined
      for (const topic of topics) all.add(topic)
    }
    return all
  }
}

function firstOf<T>(things: Iterable<T>): T | undefined {
  for (const thing of things) return thing
  return undefined
}
