import assert from 'node:assert/strict'
import { encodeAssignment, encodeSubscription } from '../../../src/coordinator/group/consumer-protocol.ts'
import type { ClientInfo } from '../../../src/coordinator/group/group.ts'
import type { FetchedGroupAnswer } from '../../../src/coordinator/group/offsets/group-offsets.ts'
import { ErrorCode, type RequestOf, type ResponseInput } from '../../../src/protocol/index.ts'
import type { consumerGroupDescribe } from '../../../src/protocol/schema/consumer-group-describe.ts'
import type { consumerGroupHeartbeat } from '../../../src/protocol/schema/consumer-group-heartbeat.ts'
import type { deleteGroups } from '../../../src/protocol/schema/delete-groups.ts'
import type { describeGroups } from '../../../src/protocol/schema/describe-groups.ts'
import type { heartbeat } from '../../../src/protocol/schema/heartbeat.ts'
import type { joinGroup } from '../../../src/protocol/schema/join-group.ts'
import type { leaveGroup } from '../../../src/protocol/schema/leave-group.ts'
import type { listGroups } from '../../../src/protocol/schema/list-groups.ts'
import type { offsetCommit } from '../../../src/protocol/schema/offset-commit.ts'
import type { syncGroup } from '../../../src/protocol/schema/sync-group.ts'
import { TestTopics, topicNamed } from '../../support/group-shard-parts.ts'
import { SeededRandom } from '../../support/seeded-random.ts'
import type { TestAsker } from '../../support/shard-turns.ts'
import { compacted, ShardLife } from './shard-life.ts'

const groupIds = ['a', 'b']
const topicNames = ['orders', 'visits']
const sessionTimeoutMs = 10_000
const steps = 60
/** Longer than any session, rebalance or delay of these groups, after one another. */
const foreverMs = 600_000

/**
 * Everything that a shard can be asked, by members of both protocols in the same groups, by tools, by topics that change, and
 * by crashes. Held to: a partition has one owner, an acknowledged commit is there until it is deleted, what was logged makes
 * the same shard again, a deleted group is gone, nobody waits for ever. What each half has to answer is its own model's.
 */
export function runShardSequence(seed: number): void {
  const sequence = new ShardSequence(seed)
  for (let step = 0; step < steps; step++) sequence.step()
  sequence.end()
}

type JoinAnswer = ResponseInput<typeof joinGroup>
type HeartbeatAnswer = ResponseInput<typeof consumerGroupHeartbeat>

/** A client of either protocol, which goes by what it was last told. */
interface Client {
  readonly name: string
  readonly groupId: string
  readonly instanceId: string | null
  protocol: 'classic' | 'consumer'
  memberId: string
  epoch: number
  owned: NonNullable<RequestOf<typeof consumerGroupHeartbeat>['topicPartitions']>
  joining: TestAsker<JoinAnswer> | undefined
}

class ShardSequence {
  private readonly random: SeededRandom
  private readonly topics = new TestTopics(topicNames.map(name => topicNamed(name, 3)))
  private readonly life = new ShardLife(this.topics)
  private readonly clients: Client[]
  /** How many of the clients speak the classic protocol. */
  private readonly classicShare: number
  /** By group, topic and partition: offsets that a fetch may tell; the last one acknowledged, and those in doubt. */
  private readonly committed = new Map<string, Set<number>>()
  private readonly waiting: { key: string; offset: number; asker: TestAsker<CommitAnswer> }[] = []
  private nextOffset = 1
  private nextTopic = 1
  private readonly done: string[] = []

  constructor(seed: number) {
    this.random = new SeededRandom(seed)
    this.classicShare = this.random.pick([0.05, 0.5, 0.95, 1])
    this.clients = Array.from({ length: 6 }, (_, at) => this.newClient(`c${at}`))
  }

  step(): void {
    const [name, act] = this.random.pick(this.actions())
    this.done.push(name)
    this.hold(() => {
      act()
      this.takeAnswers()
      this.checkOwners()
      if (this.random.chance(0.1)) this.checkReplay()
    })
  }

  end(): void {
    this.done.push('end')
    this.hold(() => {
      this.life.release()
      this.takeAnswers()
      this.checkCommits()
      this.checkReplay()
      this.life.turns.advance(foreverMs)
      assert.equal(this.life.unanswered, 0, 'nobody waits for ever')
      for (const [groupId, state] of this.list()) assert.equal(state, 'Empty', `${groupId} without members`)
      this.checkReplay()
      this.deleteGroups()
      assert.deepEqual(this.list(), [], 'all groups can be deleted')
      assert.deepEqual(compacted(this.life.turns.log), [], 'nothing is left of deleted groups')
    })
  }

  private hold(check: () => void): void {
    try {
      check()
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error)
      throw new Error(`after ${this.done.join(', ')}: ${message}`, { cause: error })
    }
  }

  private actions(): [name: string, act: () => void][] {
    const client = this.random.pick(this.clients)
    const of = (what: string): string => `${what} ${client.name}`
    const act = (): [string, () => void] => [of('turn'), () => this.turn(client)]
    return [
      act(),
      act(),
      act(),
      act(),
      ['round', () => this.round()],
      ['round', () => this.round()],
      ['round', () => this.round()],
      [of('commit'), () => this.commit(client)],
      [of('commit'), () => this.commit(client)],
      [of('leave'), () => this.leave(client)],
      [of('forget'), () => this.forget(client)],
      ['pass', () => this.life.turns.advance(this.random.below(3_000))],
      ['pass', () => this.life.turns.advance(this.random.below(3_000))],
      ['wait', () => this.life.turns.advance(this.random.below(60_000))],
      ['topics', () => this.changeTopics()],
      ['delete', () => this.deleteGroups()],
      ['hold', () => this.life.hold()],
      ['release', () => this.life.release()],
      ['release', () => this.life.release()],
      ['release', () => this.life.release()],
      ['crash', () => this.crash()],
      ['fetch', () => this.checkCommits()],
    ]
  }

  private newClient(name: string): Client {
    const { random } = this
    return {
      name,
      groupId: random.pick(groupIds),
      instanceId: random.chance(0.3) ? name : null,
      protocol: random.chance(this.classicShare) ? 'classic' : 'consumer',
      memberId: '',
      epoch: -1,
      owned: [],
      joining: undefined,
    }
  }

  /** A client starts anew, maybe with the other protocol, as after an upgrade of its application. */
  private forget(client: Client): void {
    client.protocol = this.random.chance(this.classicShare) ? 'classic' : 'consumer'
    Object.assign(client, { memberId: '', epoch: -1, owned: [], joining: undefined })
  }

  private turn(client: Client): void {
    if (client.protocol === 'classic') this.classicTurn(client)
    else this.consumerHeartbeat(client)
  }

  /** All clients go on for some seconds. */
  private round(): void {
    for (let n = 0; n < 3; n++) {
      for (const client of this.clients) this.turn(client)
      this.life.turns.advance(2_000)
    }
  }

  private classicTurn(client: Client): void {
    if (client.joining !== undefined) {
      if (!client.joining.done) return
      const { answer } = client.joining
      client.joining = undefined
      this.joined(client, answer)
    } else if (client.epoch < 0) this.join(client)
    else this.classicHeartbeat(client)
  }

  private join(client: Client): void {
    const { groupId, memberId, instanceId } = client
    const request: RequestOf<typeof joinGroup> = {
      groupId,
      sessionTimeoutMs,
      rebalanceTimeoutMs: 20_000,
      memberId,
      groupInstanceId: instanceId,
      protocolType: 'consumer',
      protocols: [{ name: 'range', metadata: encodeSubscription(1, { topics: topicNames, userData: null }) }],
      reason: null,
    }
    client.joining = this.life.ask((shard, turn, asker) => shard.join(request, info(5), asker, turn))
  }

  private joined(client: Client, { errorCode, memberId, generationId, leader, members }: JoinAnswer): void {
    if (errorCode === ErrorCode.MEMBER_ID_REQUIRED) {
      client.memberId = memberId
      this.join(client)
    }
    if (errorCode !== ErrorCode.NONE) {
      if (errorCode !== ErrorCode.MEMBER_ID_REQUIRED) client.memberId = ''
      return
    }
    client.memberId = memberId
    client.epoch = generationId!
    const all = leader === memberId ? members : []
    const assignments = all.map((member, at) => ({
      memberId: member.memberId,
      assignment: encodeAssignment(
        1,
        topicNames.map(topic => ({ topic, partitions: [0, 1, 2].filter(partition => partition % all.length === at) })),
      ),
    }))
    const request: RequestOf<typeof syncGroup> = {
      ...this.claim(client),
      protocolType: null,
      protocolName: null,
      assignments,
    }
    this.life.ask<ResponseInput<typeof syncGroup>>((shard, turn, asker) => shard.sync(request, info(3), asker, turn))
  }

  private classicHeartbeat(client: Client): void {
    const asker = this.life.ask<ResponseInput<typeof heartbeat>>((shard, turn, each) =>
      shard.heartbeat(this.claim(client), info(4), each, turn),
    )
    if (!asker.done || asker.answer.errorCode === ErrorCode.NONE) return
    if (asker.answer.errorCode !== ErrorCode.REBALANCE_IN_PROGRESS) client.memberId = ''
    client.epoch = -1
  }

  private claim({ groupId, memberId, epoch, instanceId }: Client): RequestOf<typeof heartbeat> {
    return { groupId, memberId, generationId: epoch, groupInstanceId: instanceId }
  }

  private consumerHeartbeat(client: Client): void {
    if (client.memberId === '')
      Object.assign(client, { memberId: `${client.name}-${this.random.below(1_000)}`, epoch: 0 })
    const joins = client.epoch <= 0
    const request: RequestOf<typeof consumerGroupHeartbeat> = {
      groupId: client.groupId,
      memberId: client.memberId,
      memberEpoch: joins ? 0 : client.epoch,
      instanceId: client.instanceId,
      rackId: null,
      rebalanceTimeoutMs: joins ? 20_000 : -1,
      subscribedTopicNames: joins ? this.subscription() : null,
      subscribedTopicRegex: joins ? '' : null,
      serverAssignor: null,
      topicPartitions: joins ? [] : client.owned,
    }
    const asker = this.life.ask<HeartbeatAnswer>((shard, turn, each) =>
      shard.consumerHeartbeat(request, info(1), each, turn),
    )
    if (!asker.done) return
    const { errorCode, memberEpoch, assignment } = asker.answer
    if (errorCode !== ErrorCode.NONE) Object.assign(client, { memberId: '', epoch: -1, owned: [] })
    else {
      client.epoch = memberEpoch
      if (assignment)
        client.owned = assignment.topicPartitions.map(each => ({ ...each, partitions: [...each.partitions] }))
    }
  }

  private subscription(): string[] {
    return this.random.chance(0.7) ? [...topicNames] : [this.random.pick(topicNames)]
  }

  private leave(client: Client): void {
    const { groupId, memberId, instanceId } = client
    if (memberId === '') return
    if (client.protocol === 'classic') {
      const request = { groupId, memberId: '', members: [{ memberId, groupInstanceId: instanceId, reason: null }] }
      this.life.ask<ResponseInput<typeof leaveGroup>>((shard, turn, asker) =>
        shard.leave(request, info(5), asker, turn),
      )
    } else {
      const epoch = instanceId !== null && this.random.chance(0.5) ? -2 : -1
      const request = {
        groupId,
        memberId,
        memberEpoch: epoch,
        instanceId,
        rackId: null,
        rebalanceTimeoutMs: -1,
        subscribedTopicNames: null,
        subscribedTopicRegex: null,
        serverAssignor: null,
        topicPartitions: null,
      }
      this.life.ask<HeartbeatAnswer>((shard, turn, asker) => shard.consumerHeartbeat(request, info(1), asker, turn))
    }
    Object.assign(client, { memberId: '', epoch: -1, owned: [], joining: undefined })
  }

  private commit(client: Client): void {
    const topic = this.random.pick(topicNames)
    const partitionIndex = this.random.below(3)
    const committedOffset = this.nextOffset++
    const partitions = [{ partitionIndex, committedOffset, committedLeaderEpoch: -1, committedMetadata: '' }]
    const request: RequestOf<typeof offsetCommit> = {
      groupId: client.groupId,
      generationIdOrMemberEpoch: client.epoch,
      memberId: client.epoch < 0 ? '' : client.memberId,
      groupInstanceId: null,
      retentionTimeMs: -1,
      topics: [{ name: topic, topicId: topicNamed(topic, 1).id, partitions }],
    }
    const key = `${client.groupId} ${topic} ${partitionIndex}`
    const asker = this.life.ask<CommitAnswer>((shard, turn, each) => shard.commitOffsets(request, info(9), each, turn))
    this.waiting.push({ key, offset: committedOffset, asker })
  }

  /** What was acknowledged since takes the place of what was; what is not answered may count or not. */
  private takeAnswers(): void {
    for (const { key, offset, asker } of this.waiting.splice(0)) {
      if (!asker.done) this.waiting.push({ key, offset, asker })
      else if (asker.answer.topics[0]!.partitions[0]!.errorCode === ErrorCode.NONE)
        this.committed.set(key, new Set([offset]))
    }
  }

  private crash(): void {
    // Nobody was told of what is in doubt: it may be in the log, or not.
    for (const { key, offset } of this.waiting.splice(0)) {
      const known = this.committed.get(key) ?? new Set([-1])
      this.committed.set(key, known.add(offset))
    }
    this.life.crash(this.random.next(), log => (this.random.chance(0.5) ? compacted(log) : log))
    for (const client of this.clients) client.joining = undefined
  }

  private checkCommits(): void {
    if (this.life.turns.holdCommits) return
    for (const groupId of groupIds) {
      const topics = topicNames.map(name => ({ name, topicId: topicNamed(name, 1).id, partitionIndexes: [0, 1, 2] }))
      const group = { groupId, memberId: null, memberEpoch: -1, topics }
      const { answer } = this.life.ask<FetchedGroupAnswer>((shard, turn, asker) =>
        shard.fetchOffsets(group, false, info(9), asker, turn),
      )
      for (const { name, partitions } of answer.topics!)
        for (const { partitionIndex, committedOffset } of partitions!) {
          const key = `${groupId} ${name} ${partitionIndex}`
          const known = this.committed.get(key) ?? new Set([-1])
          assert.ok(known.has(committedOffset!), `${key} is ${committedOffset}, not one of ${[...known].join(' ')}`)
          this.committed.set(key, new Set([committedOffset!]))
        }
    }
  }

  private changeTopics(): void {
    const name = this.random.pick(topicNames)
    const topic = this.topics.topic(name)!
    if (this.random.chance(0.5)) {
      this.topics.put({ ...topic, partitions: topic.partitions + 1 })
      this.tell([name], [])
      return
    }
    // Deleted and made again: another topic of the same name.
    this.topics.remove(name)
    this.topics.put({ ...topicNamed(`${name}${this.nextTopic++}`, 3), name })
    if (this.life.turns.holdCommits) this.life.release()
    this.takeAnswers()
    this.tell([name], [topic])
    this.life.turns.advance(1_000)
    for (const key of this.committed.keys()) if (key.split(' ')[1] === name) this.committed.delete(key)
  }

  private tell(changed: string[], deleted: ReturnType<typeof topicNamed>[]): void {
    this.life.turns.run(turn => this.life.shard.topicsChanged({ changed: new Set(changed), deleted }, turn))
  }

  private deleteGroups(): void {
    if (this.life.turns.holdCommits) this.life.release()
    this.takeAnswers()
    const { answer } = this.life.ask<ResponseInput<typeof deleteGroups>['results']>((shard, turn, asker) =>
      shard.deleteGroups(groupIds, asker as never, turn),
    )
    for (const { groupId, errorCode } of answer)
      if (errorCode === ErrorCode.NONE)
        for (const key of this.committed.keys()) if (key.startsWith(`${groupId} `)) this.committed.delete(key)
    const left = new Set(this.list().map(([groupId]) => groupId))
    for (const { groupId, errorCode } of answer)
      assert.equal(left.has(groupId!), errorCode === ErrorCode.NON_EMPTY_GROUP, `${groupId} after it was deleted`)
  }

  private list(life = this.life): [groupId: string, state: string, type: string][] {
    const { answer } = life.ask<ResponseInput<typeof listGroups>['groups']>((shard, turn, asker) =>
      shard.list({ statesFilter: [], typesFilter: [] }, asker as never, turn),
    )
    return answer.map(({ groupId, groupState, groupType }) => [groupId, groupState!, groupType!])
  }

  private describedConsumer(life: ShardLife) {
    const { answer } = life.ask<ResponseInput<typeof consumerGroupDescribe>['groups']>((shard, turn, asker) =>
      shard.describeConsumer(groupIds, asker as never, turn),
    )
    return answer
  }

  /** No partition of a KIP-848 group is two members', whichever protocol they speak. */
  private checkOwners(): void {
    if (this.life.turns.holdCommits) return
    for (const { groupId, members } of this.describedConsumer(this.life)) {
      const owners = new Map<string, string>()
      for (const { memberId, assignment } of members)
        for (const { topicId, partitions } of assignment.topicPartitions)
          for (const partition of partitions) {
            const key = `${groupId} ${topicId} ${partition}`
            assert.equal(owners.get(key), undefined, `${key} is ${memberId}'s and another's`)
            owners.set(key, memberId)
          }
    }
  }

  /** What the log says makes the same groups; what classic groups are about to do is not in it. */
  private checkReplay(): void {
    if (this.life.turns.holdCommits) return
    const again = this.life.replayed()
    assert.deepEqual(this.describedConsumer(again), this.describedConsumer(this.life))
    const types = (life: ShardLife) =>
      this.list(life)
        .filter(([, , type]) => type === 'consumer')
        .sort()
    assert.deepEqual(types(again), types(this.life))
    const described = again.ask<ResponseInput<typeof describeGroups>['groups']>((shard, turn, asker) =>
      shard.describe(groupIds, info(5), asker as never, turn),
    )
    assert.equal(described.answer.length, groupIds.length)
  }
}

type CommitAnswer = ResponseInput<typeof offsetCommit>

const info = (apiVersion: number): ClientInfo => ({ clientId: 'c', clientHost: '/127.0.0.1', apiVersion })
