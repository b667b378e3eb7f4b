import { assert } from '../../../base/assert.ts'
import { SettledClock } from '../../../log/settled-clock.ts'
import { ErrorCode, type RequestOf, type ResponseInput, zeroUuid } from '../../../protocol/index.ts'
import { legacyOffsetCommitRecord } from '../../../protocol/records-schema/legacy-offset-commit.ts'
import { offsetCommitRecord } from '../../../protocol/records-schema/offset-commit.ts'
import type { offsetCommit } from '../../../protocol/schema/offset-commit.ts'
import type { offsetDelete } from '../../../protocol/schema/offset-delete.ts'
import type { txnOffsetCommit } from '../../../protocol/schema/txn-offset-commit.ts'
import { type CoordinatorRecord, isRecordOf } from '../../runtime/record.ts'
import type { Asker, ReplayedFrom, Turn } from '../../runtime/shard.ts'
import { runInSlices, slicesOf } from '../../runtime/slices.ts'
import type { ClientInfo, CommitClaim, Group, GroupContext } from '../group.ts'
import type { TopicFacts } from '../topics-view.ts'
import { expireTimestamp, type KnownPartition, takeCommit } from './commit.ts'
import { refuseCommit } from './commit-rights.ts'
import { type CommittedOffset, offsetTombstone } from './committed-offset.ts'
import { expireOffsets, forgetTopics, type Swept } from './expiry.ts'
import { type FetchedGroup, type FetchedGroupAnswer, type FetchTerms, fetchAllTopics, fetchTopic } from './fetch.ts'
import { OffsetTable } from './offset-table.ts'
import { PendingOffsets } from './pending-offsets.ts'

export type { FetchedGroup, FetchedGroupAnswer } from './fetch.ts'

// Group ids come before a slash in the keys of other timers, so these are nobody else's.
const expiryKey = 'expire-offsets'
const forgetKey = 'forget-topics'

/** For metrics; all but the first two since the shard was loaded. */
export interface OffsetCounts {
  /** Committed offsets there are. */
  offsets: number
  /** Offsets of transactions that have not ended. */
  pending: number
  commits: number
  transactionalCommits: number
  expired: number
  /** By request, with their group, or with their topic. */
  deleted: number
}

/**
 * The committed offsets of the groups of one shard. A group is made when its first offset is replayed, if it was not
 * there: an empty classic one, which clients that commit without joining, and tools, need.
 */
export class GroupOffsets {
  private readonly context: GroupContext
  private readonly newSimpleGroup: (groupId: string) => Group
  private readonly offsets = new OffsetTable()
  private readonly pending = new PendingOffsets()
  private readonly swept: Swept
  private readonly tally = { commits: 0, transactionalCommits: 0, expired: 0, deleted: 0 }
  /** What both clocks said when they were looked at last, for the settled one. */
  private readonly seen = { wallMs: 0, nowMs: 0 }
  private clock: SettledClock | undefined
  private expiring = false
  private forgetting = false
  private fetches = 0
  private deletedTopics: TopicFacts[] = []

  /** `newSimpleGroup` makes the empty classic group that stands for a group of which only offsets are known. */
  constructor(context: GroupContext, newSimpleGroup: (groupId: string) => Group) {
    this.context = context
    this.newSimpleGroup = newSimpleGroup
    this.swept = { context, offsets: this.offsets, pending: this.pending }
  }

  get counts(): OffsetCounts {
    return { offsets: this.offsets.size, pending: this.pending.size, ...this.tally }
  }

  commit(
    request: RequestOf<typeof offsetCommit>,
    client: ClientInfo,
    asker: Asker<ResponseInput<typeof offsetCommit>>,
    turn: Turn,
  ): void {
    const claim = claimOf(request, client, false)
    const { answer, taken } = takeCommit(
      request.groupId,
      request.topics,
      {
        topics: this.context.topics,
        byTopicId: client.apiVersion >= 10,
        metadataMaxLength: this.context.settings.offsetMetadataMaxBytes,
        expireTimestamp: expireTimestamp(request.retentionTimeMs, turn.wallMs),
        refuse: partitions => this.refuse(request.groupId, claim, partitions, turn),
      },
      turn,
    )
    this.tally.commits += taken
    turn.answer(asker, { throttleTimeMs: 0, topics: answer })
  }

  /** What `turn` appends must become part of the producer's transaction: the runtime gives such a turn. */
  transactionalCommit(
    request: RequestOf<typeof txnOffsetCommit>,
    client: ClientInfo,
    asker: Asker<ResponseInput<typeof txnOffsetCommit>>,
    turn: Turn,
  ): void {
    const claim = claimOf(request, client, true)
    const { answer, taken } = takeCommit(
      request.groupId,
      request.topics,
      {
        topics: this.context.topics,
        byTopicId: client.apiVersion >= 6,
        metadataMaxLength: this.context.settings.offsetMetadataMaxBytes,
        expireTimestamp: -1,
        refuse: partitions => this.refuse(request.groupId, claim, partitions, turn),
      },
      turn,
    )
    this.tally.transactionalCommits += taken
    turn.answer(asker, { throttleTimeMs: 0, topics: answer })
  }

  /** `client.apiVersion` decides whether topics are named by id (from 10 on) or by name. */
  fetch(
    asked: FetchedGroup,
    requireStable: boolean,
    client: ClientInfo,
    asker: Asker<FetchedGroupAnswer>,
    turn: Turn,
  ): void {
    const { groupId, topics } = asked
    const group = this.context.groups.get(groupId)
    const refusal = group?.refuseFetch(asked.memberId, asked.memberEpoch) ?? ErrorCode.NONE
    // A group that is not there has committed nothing, which is no error.
    if (refusal !== ErrorCode.NONE && refusal !== ErrorCode.GROUP_ID_NOT_FOUND) {
      turn.answer(asker, { groupId, topics: [], errorCode: refusal })
      return
    }
    const terms: FetchTerms = {
      offsets: this.offsets,
      pending: this.pending,
      topics: this.context.topics,
      byTopicId: client.apiVersion >= 10,
      requireStable,
    }
    let answers: FetchedGroupAnswer['topics'] = topics?.map(topic => fetchTopic(groupId, topic, terms))
    const answer = (last: Turn) => last.answer(asker, { groupId, topics: answers, errorCode: ErrorCode.NONE })
    if (topics !== null) {
      answer(turn)
      return
    }
    const steps = slicesOf(fetchAllTopics(groupId, terms), all => {
      answers = all
    })
    runInSlices(`fetch-offsets ${this.fetches++}`, steps, turn, answer)
  }

  deleteOffsets(
    request: RequestOf<typeof offsetDelete>,
    asker: Asker<ResponseInput<typeof offsetDelete>>,
    turn: Turn,
  ): void {
    const { groupId } = request
    const group = this.context.groups.get(groupId)
    const refusal = group === undefined ? ErrorCode.GROUP_ID_NOT_FOUND : group.refuseOffsetDelete()
    if (group === undefined || refusal !== ErrorCode.NONE) {
      turn.answer(asker, { errorCode: refusal, throttleTimeMs: 0, topics: [] })
      return
    }
    const topics = request.topics.map(({ name, partitions }) => {
      const count = this.context.topics.topic(name)?.partitions ?? 0
      const subscribed = group.isSubscribedTo(name)
      const decide = (index: number): ErrorCode => {
        if (index < 0 || index >= count) return ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        if (subscribed) return ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC
        if (!this.offsets.has(groupId, name, index) && !this.pending.has(groupId, name, index)) return ErrorCode.NONE
        return this.takeBack(groupId, name, index, turn) ? ErrorCode.NONE : ErrorCode.UNKNOWN_SERVER_ERROR
      }
      return {
        name,
        partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode: decide(partitionIndex) })),
      }
    })
    turn.answer(asker, { errorCode: ErrorCode.NONE, throttleTimeMs: 0, topics })
  }

  /**
   * Takes back the offsets of a group that is being deleted, pending ones too: false if there are more of them than `room` has
   * left of what one turn should take, and it is to be called again in the next.
   */
  deleteAllOf(groupId: string, turn: Turn, room = new DeletionRoom()): boolean {
    for (const source of [this.offsets, this.pending])
      for (const topic of source.topics(groupId))
        for (const partition of source.partitions(groupId, topic)) {
          if (room.left === 0 || !this.takeBack(groupId, topic, partition, turn)) return false
          room.left--
        }
    return true
  }

  topicsDeleted(topics: readonly TopicFacts[], turn: Turn): void {
    this.deletedTopics.push(...topics)
    if (!this.forgetting) this.forgetDeleted(turn)
  }

  /** Looks for what has expired, now; otherwise it happens every offsets.retention.check.interval.ms. */
  expire(turn: Turn): void {
    if (this.expiring) return
    assert(this.clock !== undefined, 'a shard expires offsets once it is loaded')
    this.look(turn)
    this.expiring = true
    const before = this.tally.expired
    const steps = expireOffsets(this.swept, this.clock.nowMs(), () => this.tally.expired++)
    runInSlices(expiryKey, steps, turn, last => {
      this.expiring = false
      const expired = this.tally.expired - before
      if (expired > 0) this.context.logger.info({ expired }, 'committed offsets have expired')
      this.scheduleExpiry(last)
    })
  }

  /** True if it was a record of an offset. */
  replay(record: CoordinatorRecord, from: ReplayedFrom): boolean {
    if (isRecordOf(record, offsetCommitRecord)) {
      const { group, topic, partition } = record.key
      if (record.value === null) this.replayTombstone(group, topic, partition)
      else this.replayCommit(group, topic, partition, record.value, from.producerId)
      return true
    }
    if (isRecordOf(record, legacyOffsetCommitRecord)) {
      const { group, topic, partition } = record.key
      if (record.value === null) this.replayTombstone(group, topic, partition)
      else this.replayCommit(group, topic, partition, { ...sinceLegacy, ...record.value }, from.producerId)
      return true
    }
    return false
  }

  /** What the producer wrote counts now, where nothing later does, or never did. */
  replayTransactionEnd(producerId: bigint, _producerEpoch: number, committed: boolean): void {
    for (const { groupId, topic, partition, order, committed: offset, superseded } of this.pending.end(producerId)) {
      if (!committed || superseded) continue
      this.offsets.put(groupId, topic, partition, offset)
      this.pending.supersede(groupId, topic, partition, order)
    }
  }

  loaded(turn: Turn): void {
    this.look(turn)
    this.clock = new SettledClock({ wallMs: () => this.seen.wallMs, monotonicMs: () => this.seen.nowMs }, aheadMs =>
      this.context.logger.warn({ aheadMs }, 'the wall clock jumped ahead: offsets expire by it after an hour'),
    )
    this.scheduleExpiry(turn)
  }

  /** Asks the group about a commit, and tells it of one that it takes. */
  private refuse(groupId: string, claim: CommitClaim, partitions: Iterable<KnownPartition>, turn: Turn): ErrorCode {
    const group = this.context.groups.get(groupId)
    const refusal = refuseCommit(group, claim, partitions)
    if (refusal === ErrorCode.NONE && !claim.transactional && claim.memberId !== '')
      group?.committed(claim.memberId, turn)
    return refusal
  }

  /** False if the turn's batch is full. */
  private takeBack(groupId: string, topic: string, partition: number, turn: Turn): boolean {
    const tombstone = offsetTombstone(groupId, topic, partition)
    if (!turn.fits(tombstone)) return false
    turn.append(tombstone)
    this.tally.deleted++
    return true
  }

  private replayCommit(
    groupId: string,
    topic: string,
    partition: number,
    committed: CommittedOffset,
    producerId: bigint,
  ): void {
    const { groups } = this.context
    if (!groups.has(groupId)) groups.set(groupId, this.newSimpleGroup(groupId))
    if (producerId !== noProducer) {
      this.pending.add(producerId, groupId, topic, partition, committed)
      return
    }
    this.offsets.put(groupId, topic, partition, committed)
    if (this.pending.size > 0) this.pending.supersede(groupId, topic, partition)
  }

  private replayTombstone(groupId: string, topic: string, partition: number): void {
    this.offsets.remove(groupId, topic, partition)
    this.pending.drop(groupId, topic, partition)
  }

  private forgetDeleted(turn: Turn): void {
    const topics = this.deletedTopics
    this.deletedTopics = []
    this.forgetting = true
    const steps = forgetTopics(this.swept, topics, () => this.tally.deleted++)
    runInSlices(forgetKey, steps, turn, last => {
      this.forgetting = false
      if (this.deletedTopics.length > 0) this.forgetDeleted(last)
    })
  }

  private scheduleExpiry(turn: Turn): void {
    turn.after(expiryKey, this.context.settings.offsetsRetentionCheckMs, due => this.expire(due))
  }

  private look({ wallMs, nowMs }: Turn): void {
    this.seen.wallMs = wallMs
    this.seen.nowMs = nowMs
  }
}

/** What one turn may still delete, of however many groups. */
export class DeletionRoom {
  left = 500
}

const noProducer = -1n
/** What the first brokers did not write. */
const sinceLegacy = { leaderEpoch: -1, expireTimestamp: -1, topicId: zeroUuid }

const claimOf = (
  request: RequestOf<typeof offsetCommit> | RequestOf<typeof txnOffsetCommit>,
  { apiVersion }: ClientInfo,
  transactional: boolean,
): CommitClaim => ({
  memberId: request.memberId,
  instanceId: request.groupInstanceId,
  generation: request.generationIdOrMemberEpoch,
  transactional,
  apiVersion,
})
