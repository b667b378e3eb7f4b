import assert from 'node:assert/strict'
import { isRecordOf } from '../../../src/coordinator/runtime/record.ts'
import { ErrorCode, errorName } from '../../../src/protocol/index.ts'
import { groupMetadataRecord } from '../../../src/protocol/records-schema/group-metadata.ts'
import { type CommitOptions, OffsetCalls } from '../../support/offset-calls.ts'
import { type FakeGroup, FakeTopics, type LogEntry, OffsetsShard, offsetSettings } from '../../support/offsets-shard.ts'
import { SeededRandom } from '../../support/seeded-random.ts'
import { compact } from './compacted-log.ts'
import { type Key, OffsetsReference } from './offsets-reference.ts'

const { offsetsRetentionMs: retentionMs, offsetsRetentionCheckMs: checkMs } = offsetSettings
// Few of each, so that what is done to one partition meets.
const groupIds = ['a', 'b']
const topicNames = ['orders', 'visits']
const producerIds = [7n, 8n, 9n]
const partitionCount = 2
const steps = 40

/** Random work on the offsets of some groups, compared after each step with what the reference says. Throws where they differ. */
export function runOffsetsSequence(seed: number): void {
  const sequence = new OffsetsSequence(seed)
  for (let step = 0; step < steps; step++) sequence.step()
  sequence.end()
}

class OffsetsSequence {
  private readonly random: SeededRandom
  private readonly topics = new FakeTopics()
  private readonly reference = new OffsetsReference()
  private calls = new OffsetCalls(new OffsetsShard(this.topics))
  /** Groups there are; those with members are kept by the test, as their members' records would. */
  private readonly groups = new Map<string, { members: boolean; subscribed: Set<string> }>()
  private nextCheckMs = checkMs
  private offsets = 0
  private readonly done: string[] = []

  constructor(seed: number) {
    this.random = new SeededRandom(seed)
    for (const topic of topicNames) this.topics.add(topic, partitionCount)
  }

  step(): void {
    const [name, act] = this.drawn()
    this.done.push(name)
    try {
      act()
      this.compare([this.one(groupIds)])
    } catch (error) {
      throw new Error(`after ${this.done.join(', ')}: ${error instanceof Error ? error.message : error}`, {
        cause: error,
      })
    }
  }

  end(): void {
    this.compare(groupIds)
  }

  private drawn(): [name: string, act: () => void] {
    const drawn = this.random.below(100)
    if (drawn < 30) return ['commit', () => this.commit(undefined)]
    if (drawn < 50) return ['transactional commit', () => this.commit(this.one(producerIds))]
    if (drawn < 62) return ['end of a transaction', () => this.endTransaction()]
    if (drawn < 68) return ['deleted offsets', () => this.deleteOffsets()]
    if (drawn < 71) return ['deleted group', () => this.deleteGroup()]
    if (drawn < 76) return ['deleted topic', () => this.deleteTopic()]
    if (drawn < 80) return ['members', () => this.changeMembers()]
    if (drawn < 92) return ['time', () => this.passTime()]
    if (drawn < 97) return ['restart', () => this.restart(this.calls.shard.log)]
    return ['restart from a compacted log', () => this.restart(compact(this.calls.shard.log))]
  }

  private commit(producerId: bigint | undefined): void {
    const groupId = this.one(groupIds)
    const topic = this.one(topicNames)
    const facts = this.topics.topic(topic)
    const partitions = Array.from({ length: 1 + this.random.below(2) }, () => ({
      partition: this.random.below(partitionCount + 1),
      offset: ++this.offsets,
      leaderEpoch: this.random.below(3) - 1,
      metadata: this.random.below(8) === 0 ? 'x'.repeat(17) : this.one(['', 'note']),
    }))
    const options = this.drawOptions(producerId, facts)
    const byId = options.topicId !== undefined
    const expected = partitions.map(({ partition, offset, leaderEpoch, metadata }) => {
      const where = `${byId ? '' : topic}-${partition}`
      if (facts === undefined || partition >= partitionCount) return `${where} UNKNOWN_TOPIC_OR_PARTITION`
      if (metadata.length > offsetSettings.offsetMetadataMaxBytes) return `${where} OFFSET_METADATA_TOO_LARGE`
      const wallMs = this.calls.turns.wallStartMs + this.calls.turns.nowMs
      const retained = options.retentionTimeMs
      const written = {
        groupId,
        topic,
        partition,
        offset,
        // What has an expiration of its own is written in a version without these.
        leaderEpoch: retained === undefined ? leaderEpoch : -1,
        topicId: retained === undefined ? facts.id : undefined,
        metadata,
        wallMs,
        expiresAtMs: retained === undefined ? undefined : wallMs + retained,
      }
      this.reference.write(written, producerId)
      if (!this.groups.has(groupId)) this.groups.set(groupId, { members: false, subscribed: new Set() })
      return `${where} NONE`
    })
    const codes =
      producerId === undefined
        ? this.calls.commit(groupId, topic, partitions, options)
        : this.calls.commitIn(producerId, groupId, topic, partitions, options)
    assert.deepEqual(codes, expected)
  }

  private drawOptions(producerId: bigint | undefined, facts: ReturnType<FakeTopics['topic']>): CommitOptions {
    if (facts !== undefined && this.random.below(3) === 0)
      return { version: producerId === undefined ? 10 : 6, topicId: facts.id }
    if (producerId === undefined && this.random.below(5) === 0)
      return { version: 4, retentionTimeMs: this.random.below(4) * checkMs }
    return {}
  }

  private endTransaction(): void {
    const producerId = this.one(producerIds)
    const committed = this.random.below(3) > 0
    this.calls.shard.endTransaction(producerId, committed)
    this.reference.end(producerId, committed)
  }

  private deleteOffsets(): void {
    const groupId = this.one(groupIds)
    const topic = this.one(topicNames)
    const partitions = [this.random.below(partitionCount + 1), this.random.below(partitionCount)]
    const group = this.groups.get(groupId)
    const codes = this.calls.deleteOffsets(groupId, topic, partitions)
    if (group === undefined) {
      assert.deepEqual(codes, ['GROUP_ID_NOT_FOUND'])
      return
    }
    const decide = (partition: number): string => {
      if (this.topics.topic(topic) === undefined || partition >= partitionCount) return 'UNKNOWN_TOPIC_OR_PARTITION'
      if (group.subscribed.has(topic)) return 'GROUP_SUBSCRIBED_TO_TOPIC'
      this.reference.takeBack({ groupId, topic, partition })
      return 'NONE'
    }
    assert.deepEqual(
      codes,
      partitions.map(partition => `${topic}-${partition} ${decide(partition)}`),
    )
  }

  private deleteGroup(): void {
    const groupId = this.one(groupIds)
    const group = this.groups.get(groupId)
    if (group === undefined || group.members) return
    this.calls.run(turn => {
      this.calls.shard.offsets.deleteAllOf(groupId, turn)
      turn.append(...this.calls.shard.group(groupId).tombstones())
    })
    for (const key of this.reference.keys()) if (key.groupId === groupId) this.reference.takeBack(key)
    this.groups.delete(groupId)
  }

  private deleteTopic(): void {
    const name = this.one(topicNames)
    const facts = this.topics.topic(name)
    if (facts === undefined) {
      this.topics.add(name, partitionCount)
      return
    }
    this.topics.remove(name)
    if (this.random.below(2) === 0) this.topics.add(name, partitionCount)
    for (const key of this.reference.keys()) {
      const known = [this.reference.committed(key), ...this.reference.pending(key)]
      const goes = known.every(written => written?.topicId === undefined || written.topicId === facts.id)
      if (key.topic === name && goes) this.reference.takeBack(key)
    }
    this.calls.run(turn => this.calls.shard.offsets.topicsDeleted([facts], turn))
    this.calls.turns.advance(0)
  }

  private changeMembers(): void {
    const groupId = this.one(groupIds)
    const group = this.groups.get(groupId)
    if (group === undefined) return
    group.members = this.random.below(2) === 0
    group.subscribed = new Set(group.members ? topicNames.filter(() => this.random.below(2) === 0) : [])
    this.setMembers(groupId)
  }

  private passTime(): void {
    const ms = this.random.below(3) === 0 ? this.random.below(retentionMs) : this.random.below(3 * checkMs)
    const until = this.calls.turns.nowMs + ms
    for (; this.nextCheckMs <= until; this.nextCheckMs += checkMs) this.expire(this.nextCheckMs)
    this.calls.turns.advance(ms)
  }

  /** What the rules of expiry take at this time. */
  private expire(nowMs: number): void {
    const wallMs = this.calls.turns.wallStartMs + nowMs
    for (const key of this.reference.keys()) {
      const written = this.reference.committed(key)
      if (written === undefined || this.reference.pending(key).length > 0) continue
      if (this.groups.get(key.groupId)!.subscribed.has(key.topic)) continue
      if (wallMs >= (written.expiresAtMs ?? written.wallMs + retentionMs)) this.reference.takeBack(key)
    }
    const used = new Set(this.reference.keys().map(({ groupId }) => groupId))
    for (const [groupId, { members }] of this.groups) if (!members && !used.has(groupId)) this.groups.delete(groupId)
  }

  private restart(log: readonly LogEntry[]): void {
    const { nowMs } = this.calls.turns
    const shard = new OffsetsShard(this.topics)
    shard.replayAll(log)
    const withOffsets = groupsIn(log)
    for (const [groupId, { members }] of this.groups)
      if (!members && !withOffsets.has(groupId)) this.groups.delete(groupId)
    this.calls = new OffsetCalls(shard, nowMs)
    for (const groupId of this.groups.keys()) this.setMembers(groupId)
    this.nextCheckMs = nowMs + checkMs
  }

  private setMembers(groupId: string): void {
    const { members, subscribed } = this.groups.get(groupId)!
    const group: FakeGroup = this.calls.shard.group(groupId)
    group.isEmpty = !members
    group.subscribed.clear()
    for (const topic of subscribed) group.subscribed.add(topic)
  }

  private compare(asked: readonly string[]): void {
    assert.deepEqual([...this.calls.shard.groups.keys()].sort(), [...this.groups.keys()].sort(), 'groups')
    const { offsets, pending } = this.calls.shard.offsets.counts
    const keys = this.reference.keys()
    assert.equal(offsets, keys.filter(key => this.reference.committed(key) !== undefined).length, 'committed offsets')
    assert.equal(
      pending,
      keys.reduce((sum, key) => sum + this.reference.pending(key).length, 0),
      'pending offsets',
    )
    for (const groupId of asked) {
      for (const requireStable of [false, true]) {
        const shown = topicNames.flatMap(topic => this.shown(groupId, topic, requireStable))
        for (const topic of topicNames) {
          const partitions = Array.from({ length: partitionCount }, (_, partition) => partition)
          const expected = partitions.map(
            partition => shown.find(at => at.startsWith(`${topic}-${partition} `)) ?? `${topic}-${partition} -1`,
          )
          assert.deepEqual(this.calls.fetch(groupId, topic, partitions, { requireStable }), expected)
        }
        const onlyPending = (at: string): boolean => {
          const [, topic, partition] = /^(\w+)-(\d+) /.exec(at)!
          return this.reference.committed({ groupId, topic: topic!, partition: Number(partition) }) === undefined
        }
        const all = shown.filter(at => !onlyPending(at))
        assert.deepEqual(this.calls.fetchAll(groupId, { requireStable }).sort(), all.sort())
      }
    }
  }

  /** What is answered of a topic besides nothing. */
  private shown(groupId: string, topic: string, requireStable: boolean): string[] {
    const now = this.topics.topic(topic)?.id
    const answers: string[] = []
    for (let partition = 0; partition < partitionCount; partition++) {
      const key: Key = { groupId, topic, partition }
      const where = `${topic}-${partition}`
      const written = this.reference.committed(key)
      if (requireStable && this.reference.pending(key).length > 0)
        answers.push(`${where} ${errorName(ErrorCode.UNSTABLE_OFFSET_COMMIT)}`)
      else if (written !== undefined && (written.topicId ?? now) === (now ?? written.topicId))
        answers.push(
          `${where} ${written.offset}${written.leaderEpoch === -1 ? '' : `@${written.leaderEpoch}`}${written.metadata === '' ? '' : ` ${written.metadata}`}`,
        )
    }
    return answers
  }

  private one<T>(of: readonly T[]): T {
    return of[this.random.below(of.length)]!
  }
}

/** Groups that the offsets in a log make, and that it does not take back. */
function groupsIn(log: readonly LogEntry[]): Set<string> {
  const groups = new Set<string>()
  for (const entry of log) {
    if (!('record' in entry)) continue
    const { record } = entry
    const { group } = record.key as { group: string }
    if (isRecordOf(record, groupMetadataRecord)) groups.delete(group)
    else if (record.value !== null) groups.add(group)
  }
  return groups
}
