// Looks at a classic group after every step of its life: it has to be as the rules have it, to have answered who they answer,
// and to have logged what a start needs.

import assert from 'node:assert/strict'
import type { ClassicGroup } from '../../../src/coordinator/group/classic/classic-group.ts'
import { ErrorCode } from '../../../src/protocol/index.ts'
import { ClassicShard, type JoinAnswer, type SyncAnswer, subscription } from '../../support/classic-shard.ts'
import type { TestAsker } from '../../support/shard-turns.ts'
import type { Ask, ClassicOracle } from './classic-oracle.ts'

export interface JoinAsk extends Ask {
  readonly kind: 'join'
  readonly memberId: string
  readonly version: number
  readonly asker: TestAsker<JoinAnswer>
}
export interface SyncAsk extends Ask {
  readonly kind: 'sync'
  readonly memberId: string
  readonly asker: TestAsker<SyncAnswer>
}

/** Nobody waits longer: the longest rebalance, session and delay that are drawn, twice where all static members were away. */
const longestWaitMs = 2 * (400_000 + 420_000 + 3_000)
const textOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString()

const metadataOf = new Map<string, Uint8Array>()
export function metadata(topics: string): Uint8Array {
  const made = metadataOf.get(topics) ?? subscription(...topics.split(','))
  metadataOf.set(topics, made)
  return made
}

export function groupOf(shard: ClassicShard): ClassicGroup | undefined {
  return shard.groups.get('g') as ClassicGroup | undefined
}

export class ClassicWatch {
  asks: (JoinAsk | SyncAsk)[] = []
  /** How many generations there were. */
  generations = 0
  private readonly oracle: ClassicOracle
  /** Who led a generation and what each member was assigned in it, by instance or, without one, by id. */
  private readonly leaders = new Map<number, string>()
  private readonly assigned = new Map<string, string>()
  private readonly instances = new Map<string, string>()
  private generation = 0
  private loggedLeader: string | null = null
  private checkedLog = 0
  private logChecks = 0

  constructor(oracle: ClassicOracle) {
    this.oracle = oracle
  }

  /** This id was given to a static member. */
  named(memberId: string, instance: string): void {
    this.instances.set(memberId, instance)
  }

  /** The coordinator started again: requests went with it, and the generations that it had not logged. */
  restarted(): void {
    this.asks = []
    this.generation = this.oracle.logged.generation
    const isGone = (generation: number): boolean => generation > this.generation
    for (const generation of this.leaders.keys()) if (isGone(generation)) this.leaders.delete(generation)
    for (const key of this.assigned.keys()) if (isGone(Number.parseInt(key, 10))) this.assigned.delete(key)
  }

  verify(shard: ClassicShard): void {
    const group = groupOf(shard)
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
    assert.ok(shard.turns.timers.length <= members.length + oracle.pending.size + 3, 'timers are bounded')
    const described = shard.classic.describe('g', 6).members.map(({ memberAssignment }) => textOf(memberAssignment))
    assert.deepEqual(described, group ? [...oracle.members.values()].map(({ assignment }) => assignment) : [])
    this.verifyAnswers(group)
    if (shard.turns.log.length !== this.checkedLog) this.verifyLog(shard, group)
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
    const content = textOf(asker.answer.assignment)
    const { assignment } = this.oracle.members.get(memberId)!
    assert.equal(content, assignment, 'a member gets what the leader assigned to it')
    const key = `${this.oracle.generation}/${this.identity(memberId)}`
    assert.equal(content, this.assigned.get(key) ?? content, 'a generation has one assignment a member')
    this.assigned.set(key, content)
  }

  /** A start finds the group as it was when it was last stable or empty. */
  private verifyLog(shard: ClassicShard, group: ClassicGroup | undefined): void {
    this.checkedLog = shard.turns.log.length
    const { logged } = this.oracle
    if (group?.stateName === 'Stable' || group?.stateName === 'Empty') this.loggedLeader = group.leaderId
    if (this.logChecks++ % 3 > 0) return
    const found = new ClassicShard()
    for (const record of shard.turns.log) found.replay(record)
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
      textOf(member.assignment),
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
}
