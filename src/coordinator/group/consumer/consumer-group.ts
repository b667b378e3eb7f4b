import { ErrorCode, type Uuid } from '../../../protocol/index.ts'
import type { CoordinatorRecord } from '../../runtime/record.ts'
import { noPartitions, type TopicPartitionsById } from '../assignor/assignment.ts'
import type { CommitClaim } from '../group.ts'
import type { MixedGroup } from '../migration/migration.ts'
import type { TopicsView } from '../topics-view.ts'
import { type ConsumerGroupMember, isReconciledTo, ofTopic } from './member.ts'
import type { ResolvedRegex } from './records.ts'
import * as records from './records.ts'
import { Subscriptions } from './subscriptions.ts'

/**
 * A KIP-848 group as the log tells of it. Only replay changes it, but for what is marked as not logged.
 */
export class ConsumerGroup implements MixedGroup {
  readonly id: string
  readonly type = 'consumer'
  readonly protocolType = 'consumer'
  groupEpoch = 0
  /** Of the topics that its members are subscribed to, as they were at this epoch; 0: of none. */
  metadataHash = 0n
  /** The group epoch that the target assignment was made for. */
  assignmentEpoch = 0
  /** Wall clock: when the target assignment was made, or the last member left. */
  assignmentStampMs = 0
  /** The log holds what an older broker wrote of partitions. */
  hasPartitionMetadata = false
  /** Not logged: topics may have changed since the hash was taken. True after loading, when nobody can say. */
  topicsMayDiffer = true
  /** Not logged: `TopicsView.version` for which all regular expressions were resolved; -1 after loading. */
  regexesResolvedAt = -1
  /** Not logged: when that last began, monotonic. */
  regexesRefreshedMs = Number.NEGATIVE_INFINITY
  /** Not logged: those that stand for more topics than a record can name. */
  readonly regexesTooLarge = new Set<string>()

  private readonly byId = new Map<string, ConsumerGroupMember>()
  private readonly byInstanceId = new Map<string, string>()
  private readonly targets = new Map<string, TopicPartitionsById>()
  /**
   * Who owns each partition: to whom it is assigned, or who has not given it up. The invariant of reconciliation is that a
   * partition goes to nobody while it is in here.
   */
  private readonly owners = new Map<Uuid, Map<number, string>>()
  readonly subscriptions = new Subscriptions()
  private readonly topics: TopicsView

  constructor(id: string, topics: TopicsView) {
    this.id = id
    this.topics = topics
  }

  get members(): ReadonlyMap<string, ConsumerGroupMember> {
    return this.byId
  }

  get isEmpty(): boolean {
    return this.byId.size === 0
  }

  get stateName(): 'Empty' | 'Assigning' | 'Reconciling' | 'Stable' {
    if (this.isEmpty) return 'Empty'
    if (this.groupEpoch > this.assignmentEpoch) return 'Assigning'
    for (const member of this.byId.values()) if (!isReconciledTo(member, this.assignmentEpoch)) return 'Reconciling'
    return 'Stable'
  }

  staticMemberId(instanceId: string): string | undefined {
    return this.byInstanceId.get(instanceId)
  }

  staticMember(instanceId: string): ConsumerGroupMember | undefined {
    const memberId = this.byInstanceId.get(instanceId)
    return memberId === undefined ? undefined : this.byId.get(memberId)
  }

  targetOf(memberId: string): TopicPartitionsById {
    return this.targets.get(memberId) ?? noPartitions
  }

  hasTarget(memberId: string): boolean {
    return this.targets.has(memberId)
  }

  get hasTargets(): boolean {
    return this.targets.size > 0
  }

  /** Whose the partition is at present. */
  ownerOf(topicId: Uuid, partition: number): string | undefined {
    return this.owners.get(topicId)?.get(partition)
  }

  waitsForOthers(memberId: string): boolean {
    const member = this.byId.get(memberId)
    if (member?.state !== 'unreleased') return false
    for (const [topicId, partitions] of this.targetOf(memberId)) {
      for (const partition of partitions) {
        const owner = this.ownerOf(topicId, partition)
        if (owner !== undefined && owner !== memberId) return true
      }
    }
    return false
  }

  isSubscribedTo(topic: string): boolean {
    return this.subscriptions.includes(topic)
  }

  /** Whether `member` is subscribed to a topic of this id that exists. */
  subscribes(member: ConsumerGroupMember, topicId: Uuid): boolean {
    const name = this.topics.topicById(topicId)?.name
    if (name === undefined) return false
    const { subscribedTopicNames, subscribedTopicRegex } = member
    return subscribedTopicNames.has(name) || !!this.subscriptions.resolved.get(subscribedTopicRegex)?.topics.has(name)
  }

  refuseCommit(claim: CommitClaim): ErrorCode {
    // An administrator, or a consumer that assigns itself its partitions, may commit for a group that nobody is in.
    if (claim.generation < 0 && this.isEmpty) return ErrorCode.NONE
    if (claim.transactional && claim.generation === -1 && claim.memberId === '' && claim.instanceId === null) {
      return ErrorCode.NONE
    }
    const member = this.byId.get(claim.memberId)
    if (member === undefined) return ErrorCode.UNKNOWN_MEMBER_ID
    if (!claim.transactional && member.classic === null && claim.apiVersion < 9) return ErrorCode.UNSUPPORTED_VERSION
    return claim.generation === member.memberEpoch ? ErrorCode.NONE : staleEpochOf(member)
  }

  acceptsStaleCommit(claim: CommitClaim, topic: string, partition: number): boolean {
    const member = this.byId.get(claim.memberId)
    const topicId = this.topics.topic(topic)?.id
    if (member === undefined || topicId === undefined || claim.generation > member.memberEpoch) return false
    const assignedAt = member.epochs.get(topicId)?.get(partition)
    return assignedAt !== undefined && claim.generation >= assignedAt
  }

  committed(): void {
    // Only heartbeats are signs of life.
  }

  refuseFetch(memberId: string | null, memberEpoch: number): ErrorCode {
    if (memberId === null && memberEpoch < 0) return ErrorCode.NONE
    const member = this.byId.get(memberId ?? '')
    if (member === undefined) return ErrorCode.UNKNOWN_MEMBER_ID
    return memberEpoch === member.memberEpoch ? ErrorCode.NONE : staleEpochOf(member)
  }

  refuseOffsetDelete(): ErrorCode {
    return ErrorCode.NONE
  }

  refuseDelete(): ErrorCode {
    return this.isEmpty ? ErrorCode.NONE : ErrorCode.NON_EMPTY_GROUP
  }

  tombstones(): CoordinatorRecord[] {
    const memberIds = [...this.byId.keys()]
    return [
      ...memberIds.map(memberId => records.currentAssignmentTombstone(this.id, memberId)),
      ...memberIds.map(memberId => records.targetTombstone(this.id, memberId)),
      records.targetEpochTombstone(this.id),
      ...memberIds.map(memberId => records.memberTombstone(this.id, memberId)),
      ...[...this.subscriptions.resolved.keys()].map(regex => records.regexTombstone(this.id, regex)),
      ...(this.hasPartitionMetadata ? [records.partitionMetadataTombstone(this.id)] : []),
      records.groupEpochTombstone(this.id),
    ]
  }

  /**
   * Nobody's offsets age from when the last member left, others' from their commit. Kafka takes the commit for both, and so
   * takes a group's offsets as soon as it stops if its topics were idle for the retention time.
   */
  offsetAgesFrom(topic: string, committedAtMs: number): number | undefined {
    if (this.isEmpty) return Math.max(committedAtMs, this.assignmentStampMs)
    return this.isSubscribedTo(topic) ? undefined : committedAtMs
  }

  // For replay.

  put(member: ConsumerGroupMember): void {
    const before = this.byId.get(member.memberId)
    const next = this.subscriptions.replace(before, member)
    this.disown(before)
    this.byId.set(member.memberId, next)
    this.own(next)
    if (before !== undefined) this.forgetInstance(before)
    if (next.instanceId !== null) this.byInstanceId.set(next.instanceId, next.memberId)
  }

  remove(memberId: string): void {
    const before = this.byId.get(memberId)
    if (before === undefined) return
    this.subscriptions.replace(before, undefined)
    this.disown(before)
    this.forgetInstance(before)
    this.byId.delete(memberId)
  }

  setTarget(memberId: string, target: TopicPartitionsById): void {
    this.targets.set(memberId, target)
  }

  removeTarget(memberId: string): void {
    this.targets.delete(memberId)
  }

  setRegex(regex: string, resolved: ResolvedRegex | undefined): void {
    this.subscriptions.resolve(regex, resolved)
  }

  private own({ memberId, assigned, pendingRevocation }: ConsumerGroupMember): void {
    for (const partitionsOf of [assigned, pendingRevocation]) {
      for (const [topicId, partitions] of partitionsOf) {
        const owners = ofTopic(this.owners, topicId)
        for (const partition of partitions) owners.set(partition, memberId)
      }
    }
  }

  private disown(member: ConsumerGroupMember | undefined): void {
    if (member === undefined) return
    for (const partitionsOf of [member.assigned, member.pendingRevocation]) {
      for (const [topicId, partitions] of partitionsOf) {
        const owners = this.owners.get(topicId)
        if (owners === undefined) continue
        for (const partition of partitions) if (owners.get(partition) === member.memberId) owners.delete(partition)
        if (owners.size === 0) this.owners.delete(topicId)
      }
    }
  }

  private forgetInstance({ memberId, instanceId }: ConsumerGroupMember): void {
    if (instanceId !== null && this.byInstanceId.get(instanceId) === memberId) this.byInstanceId.delete(instanceId)
  }
}

function staleEpochOf(member: ConsumerGroupMember): ErrorCode {
  return member.classic === null ? ErrorCode.STALE_MEMBER_EPOCH : ErrorCode.ILLEGAL_GENERATION
}
