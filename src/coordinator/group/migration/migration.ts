// How the two protocols of membership meet. The classic half (ClassicGroups) and the KIP-848 half (ConsumerGroups) know
// this file and not each other; GroupMigration (group-migration.ts) knows both through it.

import type { ErrorCode, RequestOf, ResponseInput } from '../../../protocol/index.ts'
import type { heartbeat } from '../../../protocol/schema/heartbeat.ts'
import type { joinGroup } from '../../../protocol/schema/join-group.ts'
import type { leaveGroup } from '../../../protocol/schema/leave-group.ts'
import type { syncGroup } from '../../../protocol/schema/sync-group.ts'
import type { CoordinatorRecord } from '../../runtime/record.ts'
import type { Asker, Turn } from '../../runtime/shard.ts'
import type { TopicPartitionsById } from '../assignor/assignment.ts'
import type { ClientInfo, Group } from '../group.ts'

export interface ClassicProtocol {
  readonly name: string
  readonly metadata: Uint8Array
}

/** What the record of a KIP-848 group's member keeps of a member that talks the classic protocol. */
export interface ClassicMemberMetadata {
  readonly sessionTimeoutMs: number
  /** In the order in which the member prefers them; never empty. */
  readonly supportedProtocols: readonly ClassicProtocol[]
}

/** A member of a classic group, as it moves between the two kinds of group. */
export interface ClassicMemberState {
  readonly memberId: string
  readonly instanceId: string | null
  readonly clientId: string
  readonly clientHost: string
  readonly rebalanceTimeoutMs: number
  readonly sessionTimeoutMs: number
  readonly protocols: readonly ClassicProtocol[]
  /** As its leader gave it; empty when it has none yet. */
  readonly assignment: Uint8Array
}

export interface ClassicGroupState {
  readonly groupId: string
  readonly generation: number
  readonly protocolType: string
  /** The one chosen among the members' protocols; null before the first generation. */
  readonly protocolName: string | null
  readonly leaderId: string | null
  readonly members: readonly ClassicMemberState[]
}

type Serve<Request, Response> = (request: Request, client: ClientInfo, asker: Asker<Response>, turn: Turn) => void

/** The APIs of the classic protocol. */
export interface ClassicApis {
  readonly join: Serve<RequestOf<typeof joinGroup>, ResponseInput<typeof joinGroup>>
  readonly sync: Serve<RequestOf<typeof syncGroup>, ResponseInput<typeof syncGroup>>
  readonly heartbeat: Serve<RequestOf<typeof heartbeat>, ResponseInput<typeof heartbeat>>
  readonly leave: Serve<RequestOf<typeof leaveGroup>, ResponseInput<typeof leaveGroup>>
}

/** What conversion asks of ClassicGroups. */
export interface ClassicSide extends ClassicApis {
  /** The group as it is, whatever its state; undefined when `groupId` is no classic group. Changes nothing. */
  stateOf(groupId: string): ClassicGroupState | undefined
  /**
   * The group is about to be a KIP-848 one: answers every JoinGroup and SyncGroup that waits with REBALANCE_IN_PROGRESS and
   * cancels every timer of the group. The caller appends the tombstone, whose replay removes the group.
   */
  release(groupId: string, turn: Turn): void
  /**
   * A KIP-848 group has become this classic one, Stable in `state.generation`: puts it into `GroupContext.groups`, writes its
   * record (appendApplied) and starts its members' sessions; with `rebalance`, begins one. The KIP-848 group is gone.
   */
  adopt(state: ClassicGroupState, rebalance: boolean, turn: Turn): void
}

export type MemberStateName = 'stable' | 'unrevoked' | 'unreleased' | 'unknown'

/** What the classic members' half sees of a KIP-848 group's member. */
export interface MixedMember {
  readonly memberId: string
  readonly instanceId: string | null
  readonly clientId: string
  readonly clientHost: string
  readonly rebalanceTimeoutMs: number
  readonly memberEpoch: number
  readonly state: MemberStateName
  readonly assigned: TopicPartitionsById
  /** What it was told to give up: its own until it says that it did. */
  readonly pendingRevocation: TopicPartitionsById
  /** Not null: the member talks the classic protocol. */
  readonly classic: ClassicMemberMetadata | null
}

/** What the classic members' half sees of a KIP-848 group. */
export interface MixedGroup extends Group {
  readonly groupEpoch: number
  /** The group epoch that the target assignment was made for. */
  readonly assignmentEpoch: number
  readonly members: ReadonlyMap<string, MixedMember>
  staticMemberId(instanceId: string): string | undefined
  /** What the member is meant to own. */
  targetOf(memberId: string): TopicPartitionsById
  /** Whether something that the member is meant to own, and does not own yet, is still another member's. */
  waitsForOthers(memberId: string): boolean
}

/** What a JoinGroup says of its member, ready for a KIP-848 group. */
export interface ClassicJoin {
  readonly memberId: string
  readonly instanceId: string | null
  /** A static member without an id: new, or in the place of the one that has its instance id. */
  readonly replacesStatic: boolean
  readonly rackId: string | null
  readonly rebalanceTimeoutMs: number
  readonly clientId: string
  readonly clientHost: string
  readonly subscribedTopicNames: readonly string[]
  readonly classic: ClassicMemberMetadata
  /** What it says it owns. */
  readonly owned: TopicPartitionsById
}

/** What the classic members' half and conversion ask of ConsumerGroups. */
export interface ConsumerSide {
  /** The KIP-848 group of this id, if there is one. */
  groupOf(groupId: string): MixedGroup | undefined
  /** GROUP_MAX_SIZE_REACHED, UNKNOWN_MEMBER_ID, FENCED_INSTANCE_ID …; NONE when `joinClassic` may be called. */
  refuseClassicJoin(group: MixedGroup, join: Pick<ClassicJoin, 'memberId' | 'instanceId' | 'replacesStatic'>): ErrorCode
  /** What `joinClassic` writes first where the join takes the place of a static member: all of that one under its new id. */
  replacing(
    group: MixedGroup,
    join: Pick<ClassicJoin, 'memberId' | 'instanceId' | 'replacesStatic'>,
  ): readonly CoordinatorRecord[]
  /**
   * The middle of a heartbeat, for a member that talks the classic protocol: makes or updates the member (in the place of the
   * static member it replaces), bumps the group epoch where its subscription changed, makes the target assignment where that is
   * due, and takes the member as near to it as `owned` allows. Schedules no timers. Returns the member as it then is.
   */
  joinClassic(group: MixedGroup, join: ClassicJoin, turn: Turn): MixedMember
  /**
   * Members left or were lost: forgets them, bumps the group epoch and cancels their timers; or, where that makes the group
   * ready for it, has it converted (`Migration.downgradeIfDue`).
   */
  removeMembers(group: MixedGroup, memberIds: readonly string[], turn: Turn): void
  /** A session of this length begins anew; the member is removed at its end. */
  startSession(group: MixedGroup, memberId: string, timeoutMs: number, turn: Turn): void
  /** The group is about to be a classic one: cancels all timers of its members that ConsumerGroups started. */
  releaseTimers(group: MixedGroup, turn: Turn): void
}

export type JoiningMember = Pick<ClassicMemberState, 'memberId' | 'instanceId'>

/** What ConsumerGroups asks of conversion. A session of a classic member lasts `classic.sessionTimeoutMs`, after loading too. */
export interface Migration {
  /**
   * A KIP-848 member (heartbeat of epoch 0) came to a classic group. NONE: there is no classic group of this id any more. If
   * it had members there is a KIP-848 group of them, stable at their generation, else no group at all. Called when nothing but
   * the group is left that could refuse the heartbeat; with any other code nothing has changed, and that is the answer.
   */
  upgrade(groupId: string, joining: JoiningMember, turn: Turn): ErrorCode
  /**
   * These members are to go. True: those that stay all talk the classic protocol, and the group is a classic one now, without
   * the ones that went, rebalancing; there is nothing left to do for them.
   */
  downgradeIfDue(group: MixedGroup, leavingMemberIds: readonly string[], turn: Turn): boolean
  /** The member is gone: cancels what waits for its JoinGroup or SyncGroup. */
  forget(groupId: string, memberId: string, turn: Turn): void
}
