import assert from 'node:assert/strict'
import { samePartitions, type TopicPartitionsById } from '../../../src/coordinator/group/assignor/assignment.ts'
import { assignorNamed } from '../../../src/coordinator/group/assignor/assignor.ts'
import type { ConsumerGroup } from '../../../src/coordinator/group/consumer/consumer-group.ts'
import { preferredAssignor } from '../../../src/coordinator/group/consumer/target-assignment.ts'
import type { CoordinatorRecord } from '../../../src/coordinator/runtime/record.ts'
import { ErrorCode, type Uuid } from '../../../src/protocol/index.ts'
import { ConsumerShard, limitBatches } from '../../support/consumer-shard.ts'
import { SeededRandom } from '../../support/seeded-random.ts'
import { ShardTurns } from '../../support/shard-turns.ts'
import { ConsumerClient, type Subscription } from './consumer-client.ts'

const topicNames = ['t0', 't1', 't2', 'u0']
const regexes = ['t.*', 't[01]', 'u.*', 'nothing']
const heartbeatMs = 5_000
const stepsMax = 60

/**
 * One random life of a KIP-848 group, the same for the same seed: members join, leave, crash, are slow, lose responses,
 * change their minds, are static and come back; topics come, go, grow and are made anew; the coordinator restarts from its
 * log, compacted or not. After every step what must always hold is held; in the end the faults stop, and the group must come
 * to rest as it should. Throws what it finds.
 */
export function runConsumerSequence(seed: number): void {
  const life = new Life(seed)
  for (let step = life.random.between(5, stepsMax); step > 0; step--) {
    life.step()
    life.check()
  }
  life.settle()
}

class Life {
  readonly random: SeededRandom
  private shard: ConsumerShard
  private clients: ConsumerClient[] = []
  /** Static members that left for a while. */
  private away: ConsumerClient[] = []
  private joined = 0
  /** Some lives have batches that large assignments do not fit into. */
  private readonly batchBytes: number
  private epochs = { group: 0, assignment: 0 }

  constructor(seed: number) {
    this.random = new SeededRandom(seed)
    const assignmentIntervalMs = this.random.pick([0, 0, 1_000, 7_000])
    this.shard = new ConsumerShard({
      settings: { consumerMaxSize: this.random.pick([3, 1_000]), consumerRegexRefreshMs: 600_000 },
      group: { assignmentIntervalMs, sessionTimeoutMs: 20_000 },
    })
    this.batchBytes = this.random.pick([Number.POSITIVE_INFINITY, 3_000, 2_500])
    if (Number.isFinite(this.batchBytes)) limitBatches(this.shard, this.batchBytes)
    for (const name of topicNames) if (this.random.chance(0.6)) this.shard.topics.put(name, this.random.between(1, 6))
  }

  step(): void {
    const { random } = this
    const client = this.clients.length === 0 ? undefined : random.pick(this.clients)
    const action = random.between(0, 99)
    if (client === undefined || action < 12) this.join()
    else if (action < 45) this.beat(client, random.chance(0.15))
    else if (action < 55) this.change(client)
    else if (action < 60) client.subscribe(this.subscription())
    else if (action < 62) client.prefer(random.pick(['uniform', 'range']))
    else if (action < 66) this.leave(client)
    else if (action < 70) this.crash(client)
    else if (action < 74) this.comeBack()
    else if (action < 82) this.changeTopics()
    else if (action < 85) this.restart()
    else if (action < 90) this.heartbeats(random.between(1, 4))
    else this.shard.turns.advance(random.pick([0, 1, 100, 1_000, heartbeatMs, 2 * heartbeatMs, 25_000]))
  }

  private subscription(): Subscription {
    const { random } = this
    const names = topicNames.filter(() => random.chance(0.5))
    return random.chance(0.3)
      ? { names: random.chance(0.2) ? names : [], regex: random.pick(regexes) }
      : { names, regex: '' }
  }

  private join(): void {
    const { random } = this
    if (this.clients.length + this.away.length >= 6) return
    const number = ++this.joined
    const instanceId = random.chance(0.3) ? `i${number}` : null
    const assignor = random.pick([null, null, 'uniform', 'range'])
    this.clients.push(new ConsumerClient(`m${number}`, instanceId, this.subscription(), assignor))
    this.beat(this.clients.at(-1)!, random.chance(0.1))
  }

  private beat(client: ConsumerClient, lost: boolean): void {
    const response = this.shard.heartbeat(this.random.chance(0.5) ? client.request() : client.ping())
    if (lost) client.lost()
    else if (response.errorCode === ErrorCode.GROUP_MAX_SIZE_REACHED) this.drop(client)
    else client.take(response)
  }

  private change(client: ConsumerClient): void {
    // A client says so at once, unless the network does not let it.
    if (client.change()) this.beat(client, this.random.chance(0.1))
  }

  private leave(client: ConsumerClient): void {
    const forNow = client.instanceId !== null && this.random.chance(0.6)
    this.drop(client)
    if (client.epoch === 0) return
    const { memberId, instanceId } = client
    const response = this.shard.heartbeat({ memberId, instanceId, memberEpoch: forNow ? -2 : -1 })
    if (forNow && response.errorCode === ErrorCode.NONE) this.away.push(client)
  }

  private crash(client: ConsumerClient): void {
    this.drop(client)
  }

  private drop(client: ConsumerClient): void {
    this.clients = this.clients.filter(other => other !== client)
  }

  /** A static member starts again, most often as another member. */
  private comeBack(): void {
    const before = this.away.pop()
    if (before === undefined) return
    const memberId = this.random.chance(0.8) ? `m${++this.joined}` : before.memberId
    const subscription = this.random.chance(0.8) ? before.subscription : this.subscription()
    const client = new ConsumerClient(memberId, before.instanceId, subscription, before.assignor)
    this.clients.push(client)
    const group = this.shard.group()
    const known = group.members.get(before.memberId)
    const sameNames = [...(known?.subscribedTopicNames ?? [])].sort().join() === [...subscription.names].sort().join()
    const sameAssignor = known?.serverAssignor === before.assignor
    const quiet =
      !group.topicsMayDiffer && sameNames && sameAssignor && known?.subscribedTopicRegex === subscription.regex
    const { groupEpoch, assignmentEpoch } = group
    const target = group.targetOf(before.memberId)
    this.beat(client, false)
    if (!quiet) return
    assert.equal(group.groupEpoch, groupEpoch, 'a static member that comes back as it was causes no rebalance')
    if (assignmentEpoch === groupEpoch) {
      assert.ok(samePartitions(group.targetOf(memberId), target), 'it is meant to have what it had')
    }
  }

  private changeTopics(): void {
    const { random } = this
    const { topics } = this.shard
    const name = random.pick(topicNames)
    const topic = topics.topic(name)
    if (topic === undefined) topics.put(name, random.between(1, 6))
    else if (random.chance(0.5)) topics.put(name, topic.partitions + random.between(1, 3))
    else {
      topics.remove(name)
      if (random.chance(0.5)) topics.put(name, random.chance(0.5) ? topic.partitions : random.between(1, 6))
    }
    // The news comes in a turn of its own, and somebody may be first.
    if (random.chance(0.2) && this.clients.length > 0) this.beat(random.pick(this.clients), false)
    this.shard.topicsChanged(name)
  }

  private restart(): void {
    const { turns } = this.shard
    const log = this.random.chance(0.5) ? turns.log : compacted(turns.log, this.random.between(0, turns.log.length))
    const next = new ConsumerShard(this.shard.options, this.shard.topics)
    next.turns = ShardTurns.replaying(next, log, turns.nowMs)
    if (Number.isFinite(this.batchBytes)) limitBatches(next, this.batchBytes)
    assert.deepEqual(
      snapshot(next.group()),
      snapshot(this.shard.group()),
      'what replay makes of the log is what was there',
    )
    this.shard = next
  }

  /** Some rounds in which everybody is as quick as it should be. */
  private heartbeats(rounds: number, stuck: readonly ConsumerClient[] = []): void {
    for (; rounds > 0; rounds--) {
      for (const client of [...this.clients]) {
        this.beat(client, false)
        if (!stuck.includes(client)) while (client.change()) this.beat(client, false)
      }
      this.shard.turns.advance(heartbeatMs)
      this.check()
    }
  }

  /** What holds after every step. */
  check(): void {
    const group = this.shard.group()
    if (group === undefined) return
    const owners = new Map<string, string>()
    for (const member of group.members.values()) {
      assert.ok(member.memberEpoch <= group.groupEpoch, 'no member is ahead of its group')
      for (const partitionsOf of [member.assigned, member.pendingRevocation]) {
        for (const key of keysOf(partitionsOf)) {
          assert.equal(owners.get(key), undefined, `${key} has two owners`)
          owners.set(key, member.memberId)
        }
      }
    }
    for (const client of this.clients) {
      // One that the coordinator has put out may still use what it had; it finds out when it speaks.
      const member = group.members.get(client.memberId)
      if (member === undefined || client.epoch === 0) continue
      for (const key of keysOf(client.owned)) {
        assert.equal(owners.get(key), client.memberId, `${client.memberId} uses ${key}, which is not its own`)
      }
    }
    const regexes = new Set([...group.members.values()].map(member => member.subscribedTopicRegex))
    for (const regex of group.subscriptions.resolved.keys()) assert.ok(regexes.has(regex), `${regex} is nobody's`)
    assert.ok(group.groupEpoch >= this.epochs.group, 'group epochs rise')
    assert.ok(group.assignmentEpoch >= this.epochs.assignment, 'assignment epochs rise')
    assert.ok(group.assignmentEpoch <= group.groupEpoch, 'no assignment is ahead of its group')
    this.epochs = { group: group.groupEpoch, assignment: group.assignmentEpoch }
  }

  /** Some members do nothing of what they are told, for longer than they may: nobody waits for them. */
  private putOutStuck(): void {
    const stuck = this.clients.filter(() => this.random.chance(0.3))
    let waitedFor: Set<string> | undefined
    for (let round = 0; round < 9; round++) {
      this.heartbeats(1, stuck)
      const now = new Set<string>()
      for (const { memberId, memberEpoch, state, pendingRevocation } of this.shard.group()?.members.values() ?? []) {
        if (state !== 'unrevoked' || memberEpoch === -2) continue
        const key = `${memberId} at ${memberEpoch} with ${keysOf(pendingRevocation)}`
        if (waitedFor === undefined || waitedFor.has(key)) now.add(key)
      }
      waitedFor = now
    }
    assert.deepEqual([...waitedFor!], [], 'nobody is waited for, for more than its time')
  }

  /** The faults are over. */
  settle(): void {
    this.putOutStuck()
    this.heartbeats(24)
    const group = this.shard.group()
    if (group === undefined) return
    if (this.clients.length === 0) {
      assert.equal(group.stateName, 'Empty')
      return
    }
    assert.equal(group.stateName, 'Stable')
    assert.deepEqual([...group.members.keys()].sort(), this.clients.map(({ memberId }) => memberId).sort())
    for (const client of this.clients) {
      assert.equal(client.epoch, group.groupEpoch, 'everybody is at the epoch of the group')
      assert.ok(samePartitions(client.owned, group.targetOf(client.memberId)), 'everybody has what it is meant to have')
    }
    this.checkTarget(group)
    const { groupEpoch } = group
    this.heartbeats(3)
    assert.equal(this.shard.group().groupEpoch, groupEpoch, 'a group that is left alone stays as it is')
    this.restart()
  }

  /** Every partition of a topic with subscribers is one's who is subscribed to it, and the assignor has nothing to add. */
  private checkTarget(group: ConsumerGroup): void {
    const { topics, options } = this.shard
    const subscribed = new Map<string, ReadonlySet<Uuid>>()
    for (const { memberId, subscription } of this.clients) {
      const regex = subscription.regex === '' ? undefined : new RegExp(`^(?:${subscription.regex})$`)
      const ids = [...topics.topics()].filter(({ name }) => subscription.names.includes(name) || regex?.test(name))
      subscribed.set(memberId, new Set(ids.map(({ id }) => id)))
    }
    const owners = new Map<string, string>()
    for (const { memberId, owned } of this.clients) {
      for (const [topicId, partitions] of owned) {
        assert.ok(subscribed.get(memberId)!.has(topicId), 'nobody has what it is not subscribed to')
        for (const partition of partitions) owners.set(`${topicId}-${partition}`, memberId)
      }
    }
    let expected = 0
    for (const { id, partitions } of topics.topics()) {
      if (![...subscribed.values()].some(ids => ids.has(id))) continue
      expected += partitions
      for (let p = 0; p < partitions; p++) assert.ok(owners.has(`${id}-${p}`), `partition ${p} of ${id} has no owner`)
    }
    assert.equal(owners.size, expected, 'nobody has what is not there')
    const settings = { consumerAssignors: ['uniform', 'range'], ...options.settings }
    const assignor = assignorNamed(preferredAssignor(group, settings as Parameters<typeof preferredAssignor>[1]))!
    const members = new Map(
      [...group.members.values()].map(({ memberId, rackId, instanceId }) => [
        memberId,
        { subscribedTopicIds: subscribed.get(memberId)!, rackId, instanceId, assigned: group.targetOf(memberId) },
      ]),
    )
    const distinct = new Set([...subscribed.values()].map(ids => [...ids].sort().join()))
    const partitionCount = (id: Uuid) => topics.topicById(id)?.partitions ?? 0
    for (const [memberId, target] of assignor.assign({ members, homogeneous: distinct.size <= 1, partitionCount })) {
      assert.ok(samePartitions(target, group.targetOf(memberId)), 'the target assignment is what the assignor says')
    }
  }
}

const keysOf = (partitionsOf: TopicPartitionsById): string[] =>
  [...partitionsOf].flatMap(([topicId, partitions]) => [...partitions].map(partition => `${topicId}-${partition}`))

/** The log with only the last record of each key up to `end`, and without the tombstones there. */
function compacted(log: readonly CoordinatorRecord[], end: number): CoordinatorRecord[] {
  const last = new Map<string, number>()
  const keyOf = ({ schema, key }: CoordinatorRecord) => `${schema.type} ${JSON.stringify(key)}`
  for (let at = 0; at < end; at++) last.set(keyOf(log[at]!), at)
  return log.filter((record, at) => at >= end || (last.get(keyOf(record)) === at && record.value !== null))
}

/** All that the log tells of a group. */
function snapshot(group: ConsumerGroup | undefined): unknown {
  if (group === undefined) return undefined
  const { groupEpoch, metadataHash, assignmentEpoch, assignmentStampMs } = group
  const byId = <T>(entries: Iterable<readonly [string, T]>) => [...entries].sort(([a], [b]) => (a < b ? -1 : 1))
  return {
    groupEpoch,
    metadataHash,
    assignmentEpoch,
    assignmentStampMs,
    members: byId(group.members),
    targets: byId([...group.members.keys()].map(memberId => [memberId, group.targetOf(memberId)] as const)),
    regexes: byId(group.subscriptions.resolved),
  }
}
