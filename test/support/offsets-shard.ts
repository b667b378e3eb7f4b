import { silentLogger } from '../../src/base/logger.ts'
import type { CommitClaim, Group, GroupContext } from '../../src/coordinator/group/group.ts'
import type { GroupSettings } from '../../src/coordinator/group/group-settings.ts'
import { GroupOffsets } from '../../src/coordinator/group/offsets/group-offsets.ts'
import type { TopicFacts, TopicsView } from '../../src/coordinator/group/topics-view.ts'
import { type CoordinatorRecord, coordinatorRecord, isRecordOf } from '../../src/coordinator/runtime/record.ts'
import type { ReplayedFrom, Shard, Turn } from '../../src/coordinator/runtime/shard.ts'
import { ErrorCode, type Uuid, uuidFromBytes } from '../../src/protocol/index.ts'
import { groupMetadataRecord } from '../../src/protocol/records-schema/group-metadata.ts'
import { fromLog } from './record-bytes.ts'

/** A group that does as the test says; without a word, one that only has offsets. */
export class FakeGroup implements Group {
  readonly id: string
  type: 'classic' | 'consumer' = 'classic'
  stateName = 'Empty'
  protocolType = ''
  isEmpty = true
  readonly subscribed = new Set<string>()
  refusal: ErrorCode = ErrorCode.NONE
  fetchRefusal: ErrorCode = ErrorCode.NONE
  deleteRefusal: ErrorCode = ErrorCode.NONE
  acceptsStaleCommit?: (claim: CommitClaim, topic: string, partition: number) => boolean
  ages: (topic: string, committedAtMs: number) => number | undefined = (_topic, committedAtMs) => committedAtMs
  readonly claims: CommitClaim[] = []
  readonly committers: string[] = []

  constructor(id: string) {
    this.id = id
  }
  isSubscribedTo(topic: string): boolean {
    return this.subscribed.has(topic)
  }
  refuseCommit(claim: CommitClaim): ErrorCode {
    this.claims.push(claim)
    return this.refusal
  }
  committed(memberId: string): void {
    this.committers.push(memberId)
  }
  refuseFetch(): ErrorCode {
    return this.fetchRefusal
  }
  refuseOffsetDelete(): ErrorCode {
    return this.deleteRefusal
  }
  refuseDelete(): ErrorCode {
    return ErrorCode.NONE
  }
  tombstones(): CoordinatorRecord[] {
    return [coordinatorRecord(groupMetadataRecord, { group: this.id }, null)]
  }
  offsetAgesFrom(topic: string, committedAtMs: number): number | undefined {
    return this.ages(topic, committedAtMs)
  }
}

/** Topics that come and go as the test says. */
export class FakeTopics implements TopicsView {
  version = 0
  private readonly byName = new Map<string, TopicFacts>()
  private made = 0

  /** With an id that no topic had before. */
  add(name: string, partitions = 4): TopicFacts {
    const bytes = new Uint8Array(16)
    new DataView(bytes.buffer).setUint32(12, ++this.made)
    const facts = { name, id: uuidFromBytes(bytes), partitions }
    this.byName.set(name, facts)
    this.version++
    return facts
  }
  remove(name: string): TopicFacts {
    const facts = this.byName.get(name)!
    this.byName.delete(name)
    this.version++
    return facts
  }
  topic(name: string): TopicFacts | undefined {
    return this.byName.get(name)
  }
  topicById(id: Uuid): TopicFacts | undefined {
    return [...this.byName.values()].find(facts => facts.id === id)
  }
  topics(): Iterable<TopicFacts> {
    return this.byName.values()
  }
}

/** What a log says, with who wrote it: a record, or the end of a transaction. */
export type LogEntry =
  | { readonly record: CoordinatorRecord; readonly producerId: bigint }
  | { readonly endedId: bigint; readonly committed: boolean }

export const offsetSettings = {
  offsetMetadataMaxBytes: 16,
  offsetsRetentionMs: 24 * 3_600_000,
  offsetsRetentionCheckMs: 600_000,
}

/** A shard of nothing but offsets, and groups that do as they are told. */
export class OffsetsShard implements Shard {
  readonly topics: FakeTopics
  readonly groups = new Map<string, Group>()
  readonly settings: { -readonly [K in keyof typeof offsetSettings]: number } = { ...offsetSettings }
  readonly offsets: GroupOffsets
  readonly log: LogEntry[] = []
  private producerId = -1n

  constructor(topics = new FakeTopics()) {
    this.topics = topics
    const context: GroupContext = {
      groups: this.groups,
      topics,
      settings: this.settings as unknown as GroupSettings,
      logger: silentLogger,
      newMemberId: () => 'member',
    }
    this.offsets = new GroupOffsets(context, groupId => new FakeGroup(groupId))
  }

  group(groupId: string): FakeGroup {
    const group = this.groups.get(groupId) ?? new FakeGroup(groupId)
    this.groups.set(groupId, group)
    return group as FakeGroup
  }

  /** What `work` appends is part of a transaction of this producer, as the runtime would make it. */
  inTransaction(producerId: bigint, work: () => void): void {
    this.producerId = producerId
    work()
    this.producerId = -1n
  }

  endTransaction(producerId: bigint, committed: boolean): void {
    this.log.push({ endedId: producerId, committed })
    this.offsets.replayTransactionEnd(producerId, 0, committed)
  }

  replay(record: CoordinatorRecord, from: ReplayedFrom): void {
    const producerId = from.producerId === -1n ? this.producerId : from.producerId
    this.log.push({ record, producerId })
    if (this.offsets.replay(record, { ...from, producerId })) return
    if (isRecordOf(record, groupMetadataRecord)) this.groups.delete(record.key.group)
  }

  replayTransactionEnd(producerId: bigint, _producerEpoch: number, committed: boolean): void {
    this.endTransaction(producerId, committed)
  }

  /** Takes what another one wrote, as it would read it. */
  replayAll(log: readonly LogEntry[]): void {
    for (const [offset, entry] of log.entries()) {
      if ('record' in entry)
        this.replay(fromLog(entry.record), { offset, producerId: entry.producerId, producerEpoch: 0 })
      else this.endTransaction(entry.endedId, entry.committed)
    }
  }

  loaded(turn: Turn): void {
    this.offsets.loaded(turn)
  }
}
