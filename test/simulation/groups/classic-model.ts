// One random life of a classic group: clients that join, crash, restart, change their minds, are slow or talk nonsense, and a
// coordinator that starts again in between. After every step the group is compared with the rules (classic-oracle.ts), every
// answer with what the rules say, and the log with what a start has to find in it.

import assert from 'node:assert/strict'
import type { ClassicGroup } from '../../../src/coordinator/group/classic/classic-group.ts'
import { ErrorCode } from '../../../src/protocol/index.ts'
import { ClassicShard, type JoinAnswer, type SyncAnswer, subscription, text } from '../../support/classic-shard.ts'
import { SeededRandom } from '../../support/seeded-random.ts'
import type { TestAsker } from '../../support/shard-turns.ts'
import {
  drawProtocols,
  forgetIfUnknown,
  joinRequest,
  newClient,
  readAnswer,
  type SimClient,
} from './classic-clients.ts'
import { type Ask, ClassicOracle, type OracleJoin } from './classic-oracle.ts'

interface JoinAsk extends Ask {
  readonly kind: 'join'
  readonly memberId: string
  readonly version: number
  readonly asker: TestAsker<JoinAnswer>
}
interface SyncAsk extends Ask {
  readonly kind: 'sync'
  readonly memberId: string
  readonly asker: TestAsker<SyncAnswer>
}

/** Nobody waits longer: a new member's join, then the longest rebalance, session and delay that are drawn. */
const longestWaitMs = 300_000 + 30_000 + 26_000 + 3_000
const largeAssignment = `large${'.'.repeat(2_000)}`

const metadataOf = new Map<string, Uint8Array>()
function metadata(topics: string): Uint8Array {
  const made = metadataOf.get(topics) ?? subscription(...topics.split(','))
  metadataOf.set(topics, made)
  return made
}

export interface ClassicRun {
  readonly rebalances: number
  readonly generations: number
  readonly steps: number
}

/** Throws with the seed and the last steps when the group breaks a rule. */
export function runClassicSequence(seed: number): ClassicRun {
  const life = new ClassicLife(seed)
  try {
    return life.live()
  } catch (error) {
    const told = life.trace.slice(-40).join('\n  ')
    throw new Error(`seed ${seed}: ${(error as Error).message}\n  ${told}`, { cause: error })
  }
}

class ClassicLife {
  readonly trace: string[] = []
  private readonly random: SeededRandom
  private shard: ClassicShard
  private readonly oracle: ClassicOracle
  private readonly clients: SimClient[]
  private readonly bystander: string
  private asks: (JoinAsk | SyncAsk)[] = []
  /** Who led a generation and what each member was assigned in it, by instance or, without one, by id. */
  private readonly leaders = new Map<number, string>()
  private readonly assigned = new Map<string, string>()
  private readonly instances = new Map<string, string>()
  private generation = 0
  private generations = 0
  private loggedLeader: string | null = null
  private checkedLog = 0

  constructor(seed: number) {
    this.random = new SeededRandom(seed)
    const delay = [0, 500, 3_000][this.below(3)]!
    const maxSize = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY, 2, 3][this.below(4)]!
    this.shard = new ClassicShard({ initialRebalanceDelayMs: delay, maxSize })
    this.shard.turns.sizeOf = ({ value }) => {
      const members = (value as { members?: { assignment: Uint8Array }[] } | null)?.members ?? []
      return members.reduce((sum, { assignment }) => sum + assignment.byteLength, 0)
    }
    this.shard.turns.maxRecordBytes = largeAssignment.length - 1
    const [bystander] = this.shard.stable([{ groupId: 'other', sessionTimeoutMs: 1_800_000 }])
    this.bystander = bystander!
    this.oracle = new ClassicOracle(delay, maxSize)
    this.oracle.now = this.shard.turns.nowMs
    this.clients = Array.from({ length: 2 + this.below(5) }, (_, at) => newClient(this.random, at))
  }

  live(): ClassicRun {
    const steps = 40 + this.below(120)
    let taken = 0
    while (taken < steps && this.step()) taken++
    if (taken === steps) this.windDown()
    return { rebalances: this.oracle.rebalances, generations: this.generations, steps: taken }
  }

  /** False: what happens next is left open by the rules, so the life ends here. */
  private step(): boolean {
    const client = this.clients[this.below(this.clients.length)]!
    const drawn = this.below(100)
    if (drawn < 52) this.proceed(client)
    else if (drawn < 74) return this.tick([10, 400, 3_000, 9_000, 40_000][this.below(5)]!)
    else if (drawn < 78) this.crash(client)
    else if (drawn < 82) this.joinAnyway(client, client.protocols)
    else if (drawn < 86) this.joinAnyway(client, drawProtocols(this.random))
    else if (drawn < 89) this.restartClient(client)
    else if (drawn < 92) this.leave(client)
    else if (drawn < 94) this.commit(client)
    else if (drawn < 98) this.talkNonsense(client)
    else this.restartCoordinator()
    return true
  }

  /** What a proper client does next; nothing while it waits. */
  private proceed(client: SimClient): void {
    if (client.open?.done) readAnswer(client)
    if (client.open !== undefined) return
    if (client.phase === 'out') this.join(client, joinRequest(client))
    else if (client.phase === 'joined') this.sync(client)
    else this.heartbeat(client, client.memberId, client.generation)
  }

  private join(client: SimClient | undefined, join: OracleJoin): void {
    const { memberId, instance, version, protocols } = join
    this.told(`join ${memberId || 'new'} ${instance ?? ''} v${version} ${JSON.stringify(protocols)}`)
    const newId = `${instance ?? 'client'}-${this.shard.lastId + 1}`
    const asker = this.shard.join({
      memberId,
      groupInstanceId: instance,
      sessionTimeoutMs: join.session,
      rebalanceTimeoutMs: version === 0 ? -1 : join.rebalance,
      protocolType: join.type,
      protocols: protocols.map(({ name, topics }) => ({ name, metadata: metadata(topics) })),
      version,
    })
    const named = this.shard.lastId >= Number(newId.slice(newId.lastIndexOf('-') + 1)) ? newId : memberId
    if (instance !== null && named === newId) this.instances.set(named, instance)
    const ask: JoinAsk = { kind: 'join', memberId: named, version, asker, sentMs: this.oracle.now, expected: undefined }
    this.asks.push(ask)
    if (client) client.open = asker
    this.oracle.join(join, newId, ask)
    this.verify()
  }

  private sync(client: SimClient, generation = client.generation, memberId = client.memberId): void {
    const assignments = new Map<string, string>()
    // A leader forgets somebody now and then, or brings more than a record holds.
    for (const id of client.members) {
      if (this.below(20) > 0) assignments.set(id, `${id}@${generation}#${this.below(1_000)}`)
    }
    if (client.members.length > 0 && this.below(25) === 0) assignments.set(memberId, largeAssignment)
    this.told(`sync ${memberId} ${generation} ${[...assignments.keys()]}`)
    const asker = this.shard.sync({
      memberId,
      groupInstanceId: client.instance,
      generationId: generation,
      version: 4,
      assignments: [...assignments].map(([id, content]) => ({ memberId: id, assignment: text(content) })),
    })
    const ask: SyncAsk = { kind: 'sync', memberId, asker, sentMs: this.oracle.now, expected: undefined }
    this.asks.push(ask)
    client.open = asker
    this.oracle.sync(memberId, client.instance, generation, assignments, ask)
    this.verify()
  }

  private heartbeat(client: SimClient, memberId: string, generation: number): void {
    this.told(`heartbeat ${memberId} ${generation}`)
    const named = { memberId, groupInstanceId: client.instance, generationId: generation }
    const code = this.shard.heartbeat(named) as ErrorCode
    assert.equal(
      code,
      this.oracle.heartbeat(memberId, client.instance, generation),
      'a heartbeat is answered by the rules',
    )
    if (code !== ErrorCode.NONE) client.phase = 'out'
    if (code !== ErrorCode.NONE) forgetIfUnknown(client, code)
    this.verify()
  }

  private commit({ memberId }: SimClient): void {
    const group = this.group()
    if (group === undefined) return
    this.told(`commit ${memberId}`)
    this.shard.turns.run(turn => group.committed(memberId, turn))
    this.oracle.committed(memberId)
    this.verify()
  }

  private leave(client: SimClient): void {
    const { memberId, instance } = client
    const operator = instance !== null && this.below(2) === 0
    const leaving: [string, string | null][] = [[operator ? '' : memberId, instance]]
    const other = this.clients[this.below(this.clients.length)]!
    if (this.below(4) === 0) leaving.push([other.memberId, other.instance])
    this.told(`leave ${leaving.join(' ')}`)
    const members = leaving.map(([id, groupInstanceId]) => ({ memberId: id, groupInstanceId, reason: null }))
    const codes = this.shard.leave({ members }).members!.map(({ errorCode }) => errorCode)
    assert.deepEqual(codes, this.oracle.leave(leaving), 'who leaves is answered by the rules')
    this.forget(client)
    this.verify()
  }

  private joinAnyway(client: SimClient, protocols: SimClient['protocols']): void {
    client.protocols = protocols
    this.join(client, joinRequest(client))
  }

  private restartClient(client: SimClient): void {
    this.forget(client)
    this.join(client, joinRequest(client))
  }

  private crash(client: SimClient): void {
    this.told(`crash ${client.memberId}`)
    this.forget(client)
  }

  private forget(client: SimClient): void {
    Object.assign(client, { memberId: '', phase: 'out', generation: -1, open: undefined, members: [] })
  }

  private talkNonsense(client: SimClient): void {
    const other = this.clients[this.below(this.clients.length)]!
    const join = joinRequest(client)
    const drawn = this.below(7)
    if (drawn === 0) this.join(undefined, { ...join, memberId: other.memberId })
    else if (drawn === 1) this.join(undefined, { ...join, type: this.below(2) ? 'connect' : '', memberId: '' })
    else if (drawn === 2) this.join(undefined, { ...join, session: 1 + this.below(2) * 2_000_000 })
    else if (drawn === 3)
      this.join(undefined, { ...join, protocols: [], memberId: this.below(2) ? client.memberId : '' })
    else if (drawn === 4) this.heartbeat(client, other.memberId, client.generation + this.below(2))
    else if (drawn === 5) this.sync(client, client.generation + this.below(3) - 1, other.memberId)
    else this.join(undefined, { ...join, memberId: 'nobody' })
  }

  private restartCoordinator(): void {
    this.told('the coordinator starts again')
    this.shard = this.shard.restarted()
    this.asks = []
    for (const client of this.clients) {
      if (client.open) client.phase = 'out'
      client.open = undefined
    }
    this.oracle.restart()
    this.generation = this.oracle.logged.generation
    const isGone = (generation: number): boolean => generation > this.generation
    for (const generation of this.leaders.keys()) if (isGone(generation)) this.leaders.delete(generation)
    for (const key of this.assigned.keys()) if (isGone(Number.parseInt(key, 10))) this.assigned.delete(key)
    this.verify()
  }

  private tick(ms: number): boolean {
    const until = this.oracle.now + ms
    this.told(`tick ${ms}`)
    while (this.oracle.nextMs <= until) {
      if (this.oracle.isAmbiguous) return false
      this.advance(this.oracle.nextMs)
      this.oracle.ring()
      this.verify()
    }
    this.advance(until)
    this.verify()
    const other = { groupId: 'other', memberId: this.bystander }
    assert.equal(this.shard.heartbeat(other), ErrorCode.NONE, 'other groups notice nothing')
    return true
  }

  private advance(toMs: number): void {
    this.shard.turns.advance(toMs - this.oracle.now)
    this.oracle.now = toMs
  }

  /** Nobody says anything any more: every request is answered, everybody goes, nothing is left to ring. */
  private windDown(): void {
    this.told('silence')
    for (let events = 0; this.oracle.nextMs < Number.POSITIVE_INFINITY; events++) {
      assert.ok(events < 500, 'a group comes to rest')
      if (this.oracle.isAmbiguous) return
      this.advance(this.oracle.nextMs)
      this.oracle.ring()
      this.verify()
    }
    assert.deepEqual(this.asks, [], 'every request is answered')
    const state = this.group()?.stateName ?? 'Empty'
    assert.equal(state, 'Empty')
    this.shard.leave({ groupId: 'other', memberId: this.bystander }, 0)
    assert.deepEqual(this.shard.turns.timers, [])
  }

  private verify(): void {
    const group = this.group()
    this.adoptChoices(group)
    const { oracle } = this
    assert.equal(group?.stateName ?? 'none', oracle.state, 'the state is that of the rules')
    assert.equal(group?.generation ?? 0, oracle.generation, 'a rebalance ends when the rules say')
    assert.ok(oracle.generation >= this.generation, 'generations only rise')
    if (oracle.generation > this.generation) this.generations++
    this.generation = oracle.generation
    const members = [...(group?.members ?? [])]
    const flags = members.map(member => [member.memberId, member.joining !== undefined, member.syncing !== undefined])
    const ruled = [...oracle.members].map(([id, member]) => [id, !!member.joining, !!member.syncing])
    assert.deepEqual(flags, ruled, 'members are those of the rules')
    assert.deepEqual(
      [...(group?.pendingJoins ?? [])],
      [...oracle.pending.keys()],
      'ids given out are those of the rules',
    )
    if (members.length > 0) assert.ok(oracle.members.has(group!.leaderId!), 'the leader is a member')
    assert.ok(this.shard.turns.timers.length <= members.length + oracle.pending.size + 3, 'timers are bounded')
    this.verifyAnswers(group)
    if (this.shard.turns.log.length !== this.checkedLog) this.verifyLog(group)
  }

  /** What the rules leave open. */
  private adoptChoices(group: ClassicGroup | undefined): void {
    const { oracle } = this
    if (group === undefined) return
    if (oracle.protocol === null && oracle.state === 'CompletingRebalance') {
      oracle.protocol = group.protocolName
      assert.ok(oracle.favourites().includes(group.protocolName!), 'the protocol is what most vote for')
      if (oracle.staysLeader) assert.equal(group.leaderId, oracle.staysLeader, 'a leader that joined again stays it')
    }
    oracle.leader = group.leaderId
  }

  private verifyAnswers(group: ClassicGroup | undefined): void {
    const open: (JoinAsk | SyncAsk)[] = []
    for (const ask of this.asks) {
      assert.equal(
        ask.asker.done,
        ask.expected !== undefined,
        `${ask.kind} of ${ask.memberId} is answered when the rules say`,
      )
      assert.ok(this.oracle.now - ask.sentMs <= longestWaitMs, 'nobody waits for ever')
      if (ask.expected === undefined) open.push(ask)
      else {
        assert.equal(
          ask.asker.answer.errorCode,
          ask.expected,
          `${ask.kind} of ${ask.memberId} is answered by the rules`,
        )
        if (ask.expected !== ErrorCode.NONE) continue
        if (ask.kind === 'join') this.verifyJoined(ask, group!)
        else this.verifySynced(ask)
      }
    }
    this.asks = open
  }

  private verifyJoined({ asker, memberId, version }: JoinAsk, group: ClassicGroup): void {
    const { answer } = asker
    assert.deepEqual([answer.memberId, answer.generationId], [memberId, this.oracle.generation])
    assert.equal(answer.protocolName, this.oracle.protocol)
    const known = this.leaders.get(this.oracle.generation)
    assert.equal(this.identity(answer.leader), known ?? this.identity(group.leaderId!), 'a generation has one leader')
    this.leaders.set(this.oracle.generation, this.identity(answer.leader))
    if (answer.leader !== memberId) {
      assert.deepEqual(answer.members, [], 'only the leader assigns')
      return
    }
    const listed = answer.members.map(member => [member.memberId, member.metadata])
    const all = [...this.oracle.members].map(([id, { protocols }]) => [
      id,
      metadata(protocols.find(({ name }) => name === this.oracle.protocol)!.topics),
    ])
    assert.deepEqual(listed, all, 'the leader knows all members')
    if (answer.skipAssignment) assert.ok(version >= 9 && this.oracle.state === 'Stable')
    else assert.equal(this.oracle.state, 'CompletingRebalance', 'a leader assigns once a generation')
  }

  private verifySynced({ asker, memberId }: SyncAsk): void {
    const content = Buffer.from(asker.answer.assignment).toString()
    const { assignment } = this.oracle.members.get(memberId)!
    assert.equal(content, assignment, 'a member gets what the leader assigned to it')
    const key = `${this.oracle.generation}/${this.identity(memberId)}`
    assert.equal(content, this.assigned.get(key) ?? content, 'a generation has one assignment a member')
    this.assigned.set(key, content)
  }

  /** A start finds the group as it was when it was last stable or empty. */
  private verifyLog(group: ClassicGroup | undefined): void {
    this.checkedLog = this.shard.turns.log.length
    const { logged } = this.oracle
    if (group?.stateName === 'Stable' || group?.stateName === 'Empty') this.loggedLeader = group.leaderId
    if (this.below(3) > 0) return
    const found = new ClassicShard()
    for (const record of this.shard.turns.log) found.replay(record)
    const replayed = found.groups.get('g') as ClassicGroup | undefined
    assert.equal(replayed !== undefined, logged.exists)
    if (replayed === undefined) return
    const { generation, protocolType, protocolName, leaderId } = replayed
    assert.deepEqual(
      { generation, protocolType, protocolName, leaderId },
      {
        generation: logged.generation,
        protocolType: logged.type,
        protocolName: logged.protocol,
        leaderId: this.loggedLeader,
      },
    )
    const facts = replayed.facts.members.map(member => [
      member.memberId,
      member.instanceId,
      member.sessionTimeoutMs,
      member.rebalanceTimeoutMs,
      member.protocols,
      Buffer.from(member.assignment).toString(),
    ])
    const ruled = [...logged.members].map(([id, member]) => [
      id,
      member.instance,
      member.session,
      member.rebalance,
      member.protocols.map(({ name, topics }) => ({ name, metadata: metadata(topics) })),
      member.assignment,
    ])
    assert.deepEqual(facts, ruled, 'a start finds every member as it was')
  }

  private identity(memberId: string): string {
    return this.instances.get(memberId) ?? memberId
  }
  private group(): ClassicGroup | undefined {
    return this.shard.groups.get('g') as ClassicGroup | undefined
  }
  private below(bound: number): number {
    return this.random.below(bound)
  }
  private told(what: string): void {
    this.trace.push(`${this.oracle.now} ${this.oracle.state} ${this.oracle.generation}: ${what}`)
  }
}
