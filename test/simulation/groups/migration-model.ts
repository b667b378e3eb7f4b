import assert from 'node:assert/strict'
import { type ErrorCode as Code, ErrorCode, errorName, type Uuid } from '../../../src/protocol/index.ts'
import { groupShardParts, TestTopics, topicNamed } from '../../support/group-shard-parts.ts'
import { MigrationShard } from '../../support/migration-shard.ts'
import { SeededRandom } from '../../support/seeded-random.ts'
import { ClassicClient } from './classic-client.ts'
import { ConsumerClient } from './consumer-client.ts'

const membersMax = 6
const beatMs = 3_000
/** The longest that anything which was lost is waited for: a new member whose first JoinGroup was lost. */
const settleMs = 400_000

/** A member of either protocol, and how the model drives it. */
type Client =
  | { readonly kind: 'classic'; readonly client: ClassicClient }
  | { readonly kind: 'consumer'; readonly client: ConsumerClient }

/**
 * One random life of a group that moves between the two protocols, the same for the same seed: members of both come, go, crash,
 * lose responses and change their protocol; topics grow; the coordinator restarts from its log. After every step no
 * partition has two owners, epochs and generations have not gone back, and a member that the coordinator knows in its
 * generation may commit. In the end the faults stop: the group is of the kind that its members ask for, every partition has
 * one owner, and nothing that was committed is gone. Throws what it finds.
 */
export function runMigrationSequence(seed: number): void {
  const life = new Life(seed)
  for (let step = life.random.between(10, 80); step > 0; step--) {
    life.step()
    life.check()
  }
  life.settle()
}

class Life {
  readonly random: SeededRandom
  private shard: MigrationShard
  private clients: Client[] = []
  private readonly cooperative: boolean
  private joined = 0
  private generation = 0
  private commits = 0
  private readonly committed = new Map<string, number>()

  constructor(seed: number) {
    this.random = new SeededRandom(seed)
    this.cooperative = this.random.chance(0.6)
    const topics = new TestTopics([topicNamed('t', this.random.between(1, 6))])
    if (this.random.chance(0.5)) topics.put(topicNamed('u', this.random.between(1, 4)))
    const { settings } = groupShardParts(topics)
    const assignmentIntervalMs = this.random.pick([0, 0, 1_000, 5_000])
    this.shard = new MigrationShard(topics, {
      initialRebalanceDelayMs: this.random.pick([0, 3_000]),
      consumer: groupId => ({ ...settings.consumer(groupId), assignmentIntervalMs }),
    })
  }

  step(): void {
    const { random } = this
    const one = this.clients.length === 0 ? undefined : random.pick(this.clients)
    const action = random.between(0, 99)
    if (one === undefined || action < 10) this.join()
    else if (action < 20) this.visit()
    else if (action < 54) this.act(one)
    else if (action < 60) for (const each of this.clients) this.act(each)
    else if (action < 66) this.commit(one)
    else if (action < 71) this.leave(one)
    else if (action < 74) this.drop(one)
    else if (action < 80) this.changeProtocol(one)
    else if (action < 83) this.disconnect(one)
    else if (action < 86) this.subscribe(one)
    else if (action < 88) this.growTopic()
    else if (action < 91) this.restart()
    else if (action < 93) this.crash()
    else this.shard.turns.advance(random.pick([0, 1, 100, 1_000, beatMs, beatMs, 11_000, 46_000]))
  }

  check(): void {
    this.clients = this.clients.filter(each => each.kind === 'consumer' || !each.client.ended)
    const group = this.shard.group()
    if (group === undefined || group.isEmpty) this.generation = 0
    else {
      const { generation, groupEpoch } = group as unknown as { generation?: number; groupEpoch?: number }
      const now = generation ?? groupEpoch ?? 0
      assert.ok(now >= this.generation, `generation ${now} after ${this.generation}`)
      this.generation = now
    }
    if (group?.type === 'consumer') this.checkCoordinator()
    this.checkOwners()
  }

  settle(): void {
    const until = this.shard.turns.nowMs + settleMs
    while (this.shard.turns.nowMs < until) {
      for (const each of this.clients) {
        for (let turns = 0; turns < 4; turns++) this.act(each)
        this.check()
      }
      this.shard.turns.advance(beatMs)
    }
    for (const each of this.clients) this.act(each)
    this.check()
    this.checkRest()
    for (const each of this.clients) this.commit(each)
    this.checkCommitted()
  }

  private join(): void {
    if (this.clients.length < membersMax) this.clients.push(this.newClient(this.random.chance(0.5), null))
  }

  private newClient(classic: boolean, instanceId: string | null): Client {
    const number = ++this.joined
    const instance = instanceId ?? (this.random.chance(0.3) ? `i${number}` : null)
    if (!classic) {
      return {
        kind: 'consumer',
        client: new ConsumerClient(`k${number}`, instance, { names: this.topics(), regex: '' }, null),
      }
    }
    const protocols = this.cooperative
      ? ['cooperative-sticky']
      : this.random.pick([
          ['range', 'roundrobin'],
          ['roundrobin', 'range'],
        ])
    return { kind: 'classic', client: new ClassicClient(instance, this.cooperative, protocols, this.topics()) }
  }

  private topics(): string[] {
    return this.random.chance(0.8) ? ['t', 'u'] : ['t']
  }

  private act(one: Client): void {
    if (one.kind === 'classic') one.client.act(this.shard)
    else if (one.client.change() || this.random.chance(0.5)) this.beat(one.client)
    else this.beat(one.client, true)
  }

  private beat(client: ConsumerClient, ping = false): void {
    client.take(this.shard.consumerHeartbeat(ping ? client.ping() : client.request()))
  }

  private commit(one: Client): void {
    const [memberId, generation] = identityOf(one)
    const partition = [...this.ownedBy(one)].sort()[0]
    if (partition === undefined) return
    const [topic, index] = [partition.slice(0, 1), Number(partition.slice(2))]
    const expected = this.expectedOf(memberId, generation)
    const offset = ++this.commits
    const code = this.shard.commit(memberId, generation, topic, index, offset)
    if (expected !== undefined) {
      assert.equal(errorName(code), errorName(expected), `a commit of ${memberId} in ${generation}`)
    }
    if (code === ErrorCode.NONE) this.committed.set(partition, offset)
  }

  /** A member that the coordinator knows in this generation may commit, unless it waits for its assignment. */
  private expectedOf(memberId: string, generation: number): Code | undefined {
    const group = this.shard.group()
    if (group === undefined) return undefined
    if (group.type === 'consumer') {
      return this.shard.consumerGroup().members.get(memberId)?.memberEpoch === generation ? ErrorCode.NONE : undefined
    }
    const classic = group as unknown as { generation: number; members: { has(id: string): boolean } }
    if (classic.generation !== generation || !classic.members.has(memberId)) return undefined
    return group.stateName === 'CompletingRebalance' ? ErrorCode.REBALANCE_IN_PROGRESS : ErrorCode.NONE
  }

  private leave(one: Client): void {
    this.drop(one)
    const [memberId, generation] = identityOf(one)
    const { instanceId } = one.client
    if (one.kind === 'classic') {
      if (memberId !== '') this.shard.leave([{ memberId }])
    } else if (generation > 0) {
      const forNow = instanceId !== null && this.random.chance(0.5)
      this.shard.consumerHeartbeat({ memberId, instanceId, memberEpoch: forNow ? -2 : -1 })
      if (this.random.chance(0.2)) this.restart()
    }
  }

  /** The last member of the newer protocol goes, or the first comes: the group changes, whatever its members are doing. */
  private visit(): void {
    const consumers = this.clients.filter(({ kind }) => kind === 'consumer')
    if (consumers.length === 0) this.clients.push(this.newClient(false, null))
    for (const each of consumers) this.leave(each)
    for (const each of this.clients) if (each.kind === 'consumer') this.act(each)
  }

  private drop(one: Client): void {
    this.clients = this.clients.filter(each => each !== one)
  }

  /** A rolling restart: the member goes, for a while if it is static, and comes back with the other protocol. */
  private changeProtocol(one: Client): void {
    const { instanceId } = one.client
    this.drop(one)
    if (one.kind === 'consumer' && one.client.epoch > 0) {
      this.shard.consumerHeartbeat({
        memberId: one.client.memberId,
        instanceId,
        memberEpoch: instanceId === null ? -1 : -2,
      })
    } else if (instanceId === null && identityOf(one)[0] !== '') this.shard.leave([{ memberId: identityOf(one)[0] }])
    this.check()
    const next = this.newClient(one.kind === 'consumer', instanceId)
    this.clients.push(next)
    this.act(next)
  }

  private disconnect(one: Client): void {
    if (one.kind === 'classic') one.client.disconnect()
    else {
      this.shard.consumerHeartbeat(one.client.request())
      one.client.lost()
    }
  }

  private subscribe(one: Client): void {
    if (one.kind === 'classic') one.client.subscribe(this.topics())
    else one.client.subscribe({ names: this.topics(), regex: '' })
  }

  private growTopic(): void {
    const topic = this.shard.topics.topic(this.random.pick(['t', 'u']))
    if (topic === undefined || topic.partitions >= 8) return
    this.shard.topics.put({ ...topic, partitions: topic.partitions + 1 })
    this.shard.turns.run(turn => this.shard.shard.topicsChanged({ changed: new Set([topic.name]), deleted: [] }, turn))
  }

  /** The coordinator goes down with what it did last: not committed, so never answered. */
  private crash(): void {
    const { turns } = this.shard
    const committed = turns.log.length
    turns.holdCommits = true
    for (const { kind, client } of this.clients) {
      if (this.random.chance(0.5)) continue
      if (kind === 'consumer') {
        assert.throws(() => this.shard.consumerHeartbeat(client.request()), /no answer yet/)
        client.lost()
      } else if (client.phase !== 'stable') client.act(this.shard)
    }
    this.restart(committed)
  }

  private restart(records?: number): void {
    this.shard = this.shard.restarted(records)
    // A classic group's generation that got no assignments is not in the log.
    this.generation = 0
    for (const each of this.clients) if (each.kind === 'classic') each.client.disconnect()
    this.checkCommitted()
  }

  private ownedBy(one: Client): Set<string> {
    if (one.kind === 'classic') return one.client.owned
    const names = [...one.client.owned].flatMap(([id, partitions]) =>
      [...partitions].map(each => `${this.shard.topics.topicById(id)?.name}-${each}`),
    )
    return new Set(names)
  }

  /** What the coordinator holds: whom it assigned a partition to, or asked to give it up, is alone with it. */
  private checkCoordinator(): void {
    const owners = new Map<string, string>()
    for (const [memberId, { assigned, pendingRevocation }] of this.shard.consumerGroup().members) {
      for (const partitionsOf of [assigned, pendingRevocation]) {
        for (const [id, partitions] of partitionsOf as ReadonlyMap<Uuid, ReadonlySet<number>>) {
          for (const each of partitions) {
            assert.equal(owners.get(`${id}-${each}`), undefined, `partition ${each} of ${id} has two owners`)
            owners.set(`${id}-${each}`, memberId)
          }
        }
      }
    }
  }

  /** What the members themselves hold. One that was removed may not know it yet. */
  private checkOwners(): void {
    const group = this.shard.group() as unknown as { members: { has(id: string): boolean } } | undefined
    const owners = new Map<string, string>()
    for (const one of this.clients) {
      const [memberId] = identityOf(one)
      if (group === undefined || !group.members.has(memberId)) continue
      for (const partition of this.ownedBy(one)) {
        assert.equal(owners.get(partition), undefined, `${memberId} uses ${partition} as well as another`)
        owners.set(partition, memberId)
      }
    }
  }

  private checkRest(): void {
    if (this.clients.length === 0) return
    const group = this.shard.group()
    const consumers = this.clients.filter(({ kind }) => kind === 'consumer')
    assert.equal(group?.type, consumers.length > 0 ? 'consumer' : 'classic')
    assert.equal(group?.stateName, 'Stable')
    const owned = this.clients.flatMap(each => [...this.ownedBy(each)]).sort()
    const wanted = [...this.shard.topics.topics()]
      .filter(({ name }) => group.isSubscribedTo(name))
      .flatMap(({ name, partitions }) => Array.from({ length: partitions }, (_, each) => `${name}-${each}`))
    assert.deepEqual(owned, wanted.sort(), 'every partition has an owner')
  }

  private checkCommitted(): void {
    assert.deepEqual(new Map([...this.shard.committed()].sort()), new Map([...this.committed].sort()))
  }
}

function identityOf(one: Client): readonly [memberId: string, generation: number] {
  return [one.client.memberId, one.kind === 'classic' ? one.client.generation : one.client.epoch]
}
