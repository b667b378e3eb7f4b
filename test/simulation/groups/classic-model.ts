// One random life of a classic group: clients that join, crash, restart, change their minds, are slow or talk nonsense, and a
// coordinator that starts again in between. After every step the group is compared with the rules (classic-oracle.ts), every
// answer with what the rules say, and the log with what a start has to find in it.

import assert from 'node:assert/strict'
import { ErrorCode } from '../../../src/protocol/index.ts'
import { ClassicShard, text } from '../../support/classic-shard.ts'
import { SeededRandom } from '../../support/seeded-random.ts'
import {
  drawProtocols,
  forgetIfUnknown,
  joinRequest,
  newClient,
  readAnswer,
  type SimClient,
} from './classic-members.ts'
import { ClassicOracle, type OracleJoin } from './classic-oracle.ts'
import { ClassicWatch, groupOf, type JoinAsk, metadata, type SyncAsk } from './classic-watch.ts'

/** Unbounded half of the time. */
const maxSizes = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY, 2, 3]
const largeAssignment = `large${'.'.repeat(2_000)}`

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
  private readonly watch: ClassicWatch

  constructor(seed: number) {
    this.random = new SeededRandom(seed)
    const delay = [0, 500, 3_000][this.below(3)]!
    const maxSize = maxSizes[this.below(4)]!
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
    this.watch = new ClassicWatch(this.oracle)
    this.clients = Array.from({ length: 2 + this.below(5) }, (_, at) => newClient(this.random, at))
  }

  live(): ClassicRun {
    const steps = 40 + this.below(120)
    let taken = 0
    while (taken < steps && this.step()) taken++
    if (taken === steps) this.windDown()
    return { rebalances: this.oracle.rebalances, generations: this.watch.generations, steps: taken }
  }

  /** False: what happens next is left open by the rules, so the life ends here. */
  private step(): boolean {
    const client = this.clients[this.below(this.clients.length)]!
    const drawn = this.below(100)
    if (drawn < 52) this.proceed(client)
    else if (drawn < 74) return this.tick([10, 400, 3_000, 9_000, 40_000, 200_000][this.below(6)]!)
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
    if (instance !== null && named === newId) this.watch.named(named, instance)
    const ask: JoinAsk = { kind: 'join', memberId: named, version, asker, sentMs: this.oracle.now, expected: undefined }
    this.watch.asks.push(ask)
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
    this.watch.asks.push(ask)
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
    const group = groupOf(this.shard)
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
    if (this.below(4) === 0) this.shard.settings.maxSize = maxSizes[this.below(4)]!
    this.shard = this.shard.restarted()
    for (const client of this.clients) {
      if (client.open) client.phase = 'out'
      client.open = undefined
    }
    this.oracle.restart(this.shard.settings.maxSize)
    this.watch.restarted()
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
    assert.deepEqual(this.watch.asks, [], 'every request is answered')
    const state = groupOf(this.shard)?.stateName ?? 'Empty'
    assert.equal(state, 'Empty')
    this.shard.leave({ groupId: 'other', memberId: this.bystander }, 0)
    assert.deepEqual(this.shard.turns.timers, [])
  }

  private verify(): void {
    this.watch.verify(this.shard)
  }
  private below(bound: number): number {
    return this.random.below(bound)
  }
  private told(what: string): void {
    this.trace.push(`${this.oracle.now} ${this.oracle.state} ${this.oracle.generation}: ${what}`)
  }
}
