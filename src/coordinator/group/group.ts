import type { Logger } from '../../base/logger.ts'
import type { ErrorCode } from '../../protocol/index.ts'
import type { CoordinatorRecord } from '../runtime/record.ts'
import type { Turn } from '../runtime/shard.ts'
import type { GroupSettings } from './group-settings.ts'
import type { TopicsView } from './topics-view.ts'

/** As ListGroups and the tools name them. */
export type GroupType = 'classic' | 'consumer'

/** Who sent a request. */
export interface ClientInfo {
  readonly clientId: string
  /** As the tools show it: `/127.0.0.1`. */
  readonly clientHost: string
  readonly apiVersion: number
}

/** What a commit says of who commits. */
export interface CommitClaim {
  readonly memberId: string
  readonly instanceId: string | null
  /** The generation of a classic group, the member epoch of a KIP-848 group; -1: not as a member. */
  readonly generation: number
  readonly transactional: boolean
  readonly apiVersion: number
}

/** What offsets, administration and both protocols of membership ask of any group. */
export interface Group {
  readonly id: string
  readonly type: GroupType
  /** `Empty`, `Stable`, … as the tools show it. */
  readonly stateName: string
  /** `consumer`, `connect`, …; empty when only offsets were ever committed. */
  readonly protocolType: string
  readonly isEmpty: boolean
  isSubscribedTo(topic: string): boolean
  /** NONE when the commit may be taken. */
  refuseCommit(claim: CommitClaim): ErrorCode
  /**
   * Whether a commit for this partition may be taken although `refuseCommit` says that its epoch is stale: the member owned
   * the partition at that epoch already, and still does (KIP-1251). Absent: never.
   */
  acceptsStaleCommit?(claim: CommitClaim, topic: string, partition: number): boolean
  /** A commit of this member was taken: a sign of life where the protocol counts it as one. */
  committed(memberId: string, turn: Turn): void
  /** NONE when the offsets may be shown to who claims to be this member (OffsetFetch v9+). */
  refuseFetch(memberId: string | null, memberEpoch: number): ErrorCode
  /** NONE when offsets of topics that it is not subscribed to may be deleted. */
  refuseOffsetDelete(): ErrorCode
  /** NONE when the group may be deleted. */
  refuseDelete(): ErrorCode
  /** What takes back all that the log says of the group but its offsets. */
  tombstones(): CoordinatorRecord[]
  /** From when the age of an offset committed at `committedAtMs` (wall clock) counts (KIP-211); undefined: it does not age now. */
  offsetAgesFrom(topic: string, committedAtMs: number): number | undefined
}

/** What the parts of one shard share. */
export interface GroupContext {
  /** Classic and KIP-848 groups; a group of which only offsets are known is a classic one that is empty. */
  readonly groups: Map<string, Group>
  readonly topics: TopicsView
  readonly settings: GroupSettings
  readonly logger: Logger
  /** A new id for a member: `<prefix>-<uuid>`, or the uuid alone. */
  newMemberId(prefix?: string): string
}
