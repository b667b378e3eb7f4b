// The rules of a classic group once more, written from the protocol and not from the code: what a request is answered, when a
// rebalance begins and ends, who is in the group afterwards. It leaves open what the protocol leaves open (which member leads
// and which of equally liked protocols is chosen) and takes that over from the group it watches.

import assert from 'node:assert/strict'
import { ErrorCode } from '../../../src/protocol/index.ts'

export type State = 'none' | 'Empty' | 'PreparingRebalance' | 'CompletingRebalance' | 'Stable'

export interface Protocol {
  readonly name: string
  readonly topics: string
}

/** A request of the run, and what the rules say of its answer; undefined while it has to wait. */
export interface Ask {
  readonly sentMs: number
  expected: ErrorCode | undefined
}

export interface OracleMember {
  readonly instance: string | null
  readonly session: number
  readonly rebalance: number
  readonly protocols: readonly Protocol[]
  readonly assignment: string
  /** When its session ends; Infinity while it needs none. */
  readonly deadline: number
  readonly joining: Ask | undefined
  readonly syncing: Ask | undefined
  readonly fresh: boolean
  readonly synced: boolean
}

export interface OracleJoin {
  readonly memberId: string
  readonly instance: string | null
  readonly session: number
  readonly rebalance: number
  readonly type: string
  readonly protocols: readonly Protocol[]
  readonly version: number
}

interface Logged {
  readonly exists: boolean
  readonly generation: number
  readonly type: string
  readonly protocol: string | null
  readonly members: ReadonlyMap<string, OracleMember>
}

const newMemberMs = 300_000

export class ClassicOracle {
  state: State = 'none'
  generation = 0
  protocol: string | null = null
  leader: string | null = null
  /** Who led and was there when the generation began. */
  staysLeader: string | null = null
  members = new Map<string, OracleMember>()
  pending = new Map<string, number>()
  type = ''
  now = 0
  /** Rebalances that the rules asked for. */
  rebalances = 0
  logged: Logged = { exists: false, generation: 0, type: '', protocol: null, members: new Map() }
  private readonly delay: number
  private maxSize: number
  private joinAt = Number.POSITIVE_INFINITY
  private syncAt = Number.POSITIVE_INFINITY
  private first: { waited: number; left: number; grew: boolean } | undefined

  constructor(delay: number, maxSize: number) {
    this.delay = delay
    this.maxSize = maxSize
  }

  join(join: OracleJoin, newId: string, ask: Ask): undefined {
    const { memberId, instance } = join
    if (join.session < 6_000 || join.session > 1_800_000) return end(ask, ErrorCode.INVALID_SESSION_TIMEOUT)
    const fits = join.type !== '' && join.protocols.length > 0
    if (this.state === 'none') {
      if (memberId !== '') return end(ask, ErrorCode.UNKNOWN_MEMBER_ID)
      if (!fits) return end(ask, ErrorCode.INCONSISTENT_GROUP_PROTOCOL)
      this.state = 'Empty'
      this.log()
    }
    const known = this.members.get(memberId)
    const preparing = this.state === 'PreparingRebalance'
    const joining = [...this.members.values()].filter(member => member.joining).length
    const full = preparing ? !known?.joining && joining >= this.maxSize : !known && this.members.size >= this.maxSize
    if (this.state !== 'Empty' && full) {
      this.pending.delete(memberId)
      this.members.delete(memberId)
      end(ask, ErrorCode.GROUP_MAX_SIZE_REACHED)
      return this.completeIfJoined()
    }
    const common = join.protocols.some(({ name }) =>
      [...this.members.values()].every(member => member.protocols.some(other => other.name === name)),
    )
    if (this.state === 'Empty' ? !fits : join.type !== this.type || !common) {
      return end(ask, ErrorCode.INCONSISTENT_GROUP_PROTOCOL)
    }
    if (memberId === '') {
      const owner = instance === null ? undefined : this.ownerOf(instance)
      if (owner !== undefined) return this.replace(owner, newId, join, ask)
      if (instance !== null || join.version < 4) return this.add(newId, join, ask)
      this.pending.set(newId, this.now + join.session)
      return end(ask, ErrorCode.MEMBER_ID_REQUIRED)
    }
    if (this.pending.has(memberId) && instance === null) return this.add(memberId, join, ask)
    const refused = this.refuse(memberId, instance)
    if (refused !== ErrorCode.NONE || known === undefined) return end(ask, refused)
    const changed = JSON.stringify(known.protocols) !== JSON.stringify(join.protocols)
    const leads = this.state === 'Stable' && this.leader === memberId
    if (!preparing && !changed && !leads) return end(ask, ErrorCode.NONE)
    if (known.joining) end(known.joining, ErrorCode.NOT_COORDINATOR)
    const { session, rebalance, protocols } = join
    this.members.set(memberId, { ...known, session, rebalance, protocols, joining: ask })
    if (preparing) this.completeIfJoined()
    else this.begin()
  }

  sync(
    memberId: string,
    instance: string | null,
    generation: number,
    assignments: Map<string, string>,
    ask: Ask,
  ): undefined {
    if (this.state === 'none' || this.state === 'Empty') return end(ask, ErrorCode.UNKNOWN_MEMBER_ID)
    const refused = this.refuse(memberId, instance)
    if (refused !== ErrorCode.NONE) return end(ask, refused)
    if (generation !== this.generation) return end(ask, ErrorCode.ILLEGAL_GENERATION)
    if (this.state === 'PreparingRebalance') return end(ask, ErrorCode.REBALANCE_IN_PROGRESS)
    const member = this.members.get(memberId)!
    if (member.syncing) end(member.syncing, ErrorCode.NOT_COORDINATOR)
    const syncing = this.state === 'Stable' ? undefined : ask
    this.members.set(memberId, { ...member, synced: true, syncing })
    if (this.state === 'Stable') return end(ask, ErrorCode.NONE)
    if (this.leader !== memberId) return
    const tooLarge = [...assignments.values()].some(assignment => assignment.startsWith('large'))
    for (const [id, waiting] of this.members) {
      const { session } = waiting
      const deadline = waiting.syncing ? this.now + session : waiting.deadline
      if (waiting.syncing) end(waiting.syncing, tooLarge ? ErrorCode.UNKNOWN_SERVER_ERROR : ErrorCode.NONE)
      const assignment = tooLarge ? '' : (assignments.get(id) ?? '')
      this.members.set(id, { ...waiting, syncing: undefined, assignment, deadline })
    }
    if (tooLarge) return this.begin()
    this.state = 'Stable'
    this.log()
  }

  heartbeat(memberId: string, instance: string | null, generation: number): ErrorCode {
    if (this.state === 'none') return ErrorCode.UNKNOWN_MEMBER_ID
    const refused = this.refuse(memberId, instance)
    if (refused !== ErrorCode.NONE) return refused
    if (generation !== this.generation) return ErrorCode.ILLEGAL_GENERATION
    this.restartSession(memberId)
    return this.state === 'PreparingRebalance' ? ErrorCode.REBALANCE_IN_PROGRESS : ErrorCode.NONE
  }

  committed(memberId: string): undefined {
    const member = this.members.get(memberId)
    if (member === undefined || this.state === 'CompletingRebalance') return
    const deadline = Math.max(member.deadline, this.now + member.session)
    this.members.set(memberId, { ...member, deadline })
  }

  leave(leaving: readonly (readonly [memberId: string, instance: string | null])[]): ErrorCode[] {
    if (this.state === 'none') return leaving.map(() => ErrorCode.UNKNOWN_MEMBER_ID)
    const codes = leaving.map(([memberId, instance]) => {
      if (this.pending.delete(memberId)) return ErrorCode.NONE
      const id = memberId === '' && instance !== null ? this.ownerOf(instance) : memberId
      const refused = id === undefined ? ErrorCode.UNKNOWN_MEMBER_ID : this.refuse(id, instance)
      if (refused === ErrorCode.NONE) this.drop(id!)
      return refused
    })
    if (!codes.includes(ErrorCode.NONE)) return codes
    if (this.state === 'Stable' || this.state === 'CompletingRebalance') this.begin()
    else this.completeIfJoined()
    return codes
  }

  /** The coordinator starts again: everything that is not in the log is gone. */
  restart(maxSize: number): undefined {
    this.maxSize = maxSize
    const { exists, generation, type, protocol, members } = this.logged
    this.generation = generation
    this.type = type
    this.protocol = protocol
    this.members = new Map([...members].map(([id, member]) => [id, { ...member, deadline: this.now + member.session }]))
    this.pending.clear()
    this.joinAt = this.syncAt = Number.POSITIVE_INFINITY
    this.state = exists ? (members.size > 0 ? 'Stable' : 'Empty') : 'none'
    if (this.members.size > this.maxSize) this.begin()
  }

  /** When something happens by itself next. */
  get nextMs(): number {
    const sessions = [...this.members.values()].map(({ deadline }) => deadline)
    return Math.min(this.joinAt, this.syncAt, ...this.pending.values(), ...sessions)
  }

  /** Whether events of several kinds fall due at once, in an order that the rules leave open. */
  get isAmbiguous(): boolean {
    const at = this.nextMs
    const sessions = [...this.members.values()].some(({ deadline }) => deadline === at)
    const pending = [...this.pending.values()].some(deadline => deadline === at)
    return [this.joinAt === at, this.syncAt === at, sessions, pending].filter(Boolean).length > 1
  }

  /** Time is what `nextMs` said. */
  ring(): undefined {
    for (const [id, deadline] of [...this.pending]) {
      if (deadline > this.now) continue
      this.pending.delete(id)
      if (this.state === 'PreparingRebalance' && this.allJoined) this.complete()
    }
    for (const id of [...this.members.keys()]) {
      const member = this.members.get(id)
      if (member === undefined || member.deadline > this.now) continue
      if (!member.fresh && (member.joining || member.syncing)) {
        this.members.set(id, { ...member, deadline: Number.POSITIVE_INFINITY })
        continue
      }
      this.drop(id)
      if (this.state !== 'PreparingRebalance') this.begin()
      else if (this.allJoined) this.complete()
    }
    if (this.syncAt <= this.now) {
      this.syncAt = Number.POSITIVE_INFINITY
      const absent = [...this.members].filter(([, { synced }]) => !synced)
      for (const [id] of absent) this.drop(id)
      if (absent.length > 0) this.begin()
    }
    while (this.joinAt <= this.now) this.endJoinWait() // Without a delay the next wait is over at once, too.
  }

  /** The protocols that as many members vote for as for any. */
  favourites(): string[] {
    const members = [...this.members.values()]
    const votes = members.map(
      ({ protocols }) =>
        protocols.find(({ name }) => members.every(other => other.protocols.some(own => own.name === name)))!.name,
    )
    const count = (name: string): number => votes.filter(vote => vote === name).length
    const most = Math.max(...votes.map(count))
    return votes.filter(name => count(name) === most)
  }

  private ownerOf(instance: string): string | undefined {
    return [...this.members].find(([, member]) => member.instance === instance)?.[0]
  }

  private refuse(memberId: string, instance: string | null): ErrorCode {
    const owner = instance === null ? memberId : this.ownerOf(instance)
    if (owner === undefined) return ErrorCode.UNKNOWN_MEMBER_ID
    if (owner !== memberId) return ErrorCode.FENCED_INSTANCE_ID
    return this.members.has(memberId) ? ErrorCode.NONE : ErrorCode.UNKNOWN_MEMBER_ID
  }

  private add(memberId: string, join: OracleJoin, ask: Ask): undefined {
    const { instance, session, rebalance, protocols } = join
    if (this.members.size === 0) this.type = join.type
    this.pending.delete(memberId)
    const deadline = this.now + newMemberMs
    const waits = { deadline, joining: ask, syncing: undefined, fresh: true, synced: false }
    this.members.set(memberId, { instance, session, rebalance, protocols, assignment: '', ...waits })
    if (this.state !== 'PreparingRebalance') return this.begin()
    if (this.first) this.first.grew = true
    else this.completeIfJoined()
  }

  private replace(oldId: string, newId: string, join: OracleJoin, ask: Ask): undefined {
    const old = this.members.get(oldId)!
    if (old.joining) end(old.joining, ErrorCode.FENCED_INSTANCE_ID)
    if (old.syncing) end(old.syncing, ErrorCode.FENCED_INSTANCE_ID)
    const { session, rebalance, protocols } = join
    const { instance, assignment } = old
    const synced = old.synced
    const deadline = this.now + session
    const fresh = { instance, assignment, session, rebalance, protocols, deadline, synced, fresh: false }
    if (this.leader === oldId) this.leader = newId
    this.members.delete(oldId)
    this.members.set(newId, { ...fresh, joining: ask, syncing: undefined })
    if (this.state === 'PreparingRebalance') return this.completeIfJoined()
    const topics = (all: readonly Protocol[]): unknown => all.find(({ name }) => name === this.protocol)?.topics
    const same = this.favourites()[0] === this.protocol && topics(old.protocols) === topics(protocols)
    if (this.state === 'CompletingRebalance' || !same) return this.begin()
    this.members.set(newId, { ...fresh, joining: undefined, syncing: undefined })
    end(ask, ErrorCode.NONE)
    this.log()
  }

  private drop(memberId: string): undefined {
    const member = this.members.get(memberId)!
    if (member.joining) end(member.joining, ErrorCode.UNKNOWN_MEMBER_ID)
    if (member.syncing) end(member.syncing, ErrorCode.UNKNOWN_MEMBER_ID)
    this.members.delete(memberId)
  }

  private begin(): undefined {
    this.rebalances++
    for (const [id, member] of this.members) {
      if (this.state !== 'CompletingRebalance') break
      if (member.syncing) end(member.syncing, ErrorCode.REBALANCE_IN_PROGRESS)
      const deadline = member.syncing ? this.now + member.session : member.deadline
      this.members.set(id, { ...member, syncing: undefined, assignment: '', deadline })
    }
    this.syncAt = Number.POSITIVE_INFINITY
    const left = Math.max(this.longestRebalance - this.delay, 0)
    this.first = this.state === 'Empty' ? { waited: this.delay, left, grew: false } : undefined
    this.state = 'PreparingRebalance'
    if (this.first) this.joinAt = this.now + this.delay
    else if (this.allJoined) this.complete()
    else this.joinAt = this.now + this.longestRebalance
  }

  private endJoinWait(): undefined {
    if (!this.first?.grew || this.first.left === 0) return this.complete()
    const waited = Math.min(this.delay, this.first.left)
    this.first = { waited, left: Math.max(this.first.left - this.first.waited, 0), grew: false }
    this.joinAt = this.now + waited
  }

  private completeIfJoined(): undefined {
    if (this.state === 'PreparingRebalance' && !this.first && this.allJoined) this.complete()
  }

  private complete(): undefined {
    for (const [id, { joining, instance }] of [...this.members])
      if (!joining && instance === null) this.members.delete(id)
    const nobodyCame = this.members.size > 0 && ![...this.members.values()].some(({ joining }) => joining)
    this.joinAt = nobodyCame ? this.now + Math.max(this.longestRebalance, 1_000) : Number.POSITIVE_INFINITY
    if (this.first) this.first.left = 0
    if (nobodyCame) return
    this.first = undefined
    this.staysLeader = this.leader !== null && this.members.get(this.leader)?.joining ? this.leader : null
    this.generation++
    this.protocol = null
    if (this.members.size === 0) {
      this.state = 'Empty'
      this.log()
      return
    }
    this.state = 'CompletingRebalance'
    this.syncAt = this.now + this.longestRebalance
    for (const [id, member] of this.members) {
      if (member.joining) end(member.joining, ErrorCode.NONE)
      const deadline = this.now + member.session
      this.members.set(id, { ...member, joining: undefined, deadline, fresh: false, synced: false })
    }
  }

  private log(): undefined {
    const { generation, type, protocol } = this
    const kept = (all: readonly Protocol[]): Protocol[] => all.filter(({ name }) => name === protocol)
    const members = [...this.members].map(([id, member]) => {
      assert.equal(member.joining, undefined)
      return [id, { ...member, protocols: kept(member.protocols), syncing: undefined, synced: true }] as const
    })
    this.logged = { exists: true, generation, type, protocol, members: new Map(members) }
  }

  private restartSession(memberId: string): undefined {
    const member = this.members.get(memberId)!
    this.members.set(memberId, { ...member, deadline: this.now + member.session })
  }
  private get allJoined(): boolean {
    return this.pending.size === 0 && [...this.members.values()].every(({ joining }) => joining !== undefined)
  }
  private get longestRebalance(): number {
    return Math.max(0, ...[...this.members.values()].map(({ rebalance }) => rebalance))
  }
}

function end(ask: Ask, code: ErrorCode): undefined {
  assert.equal(ask.expected, undefined, 'the rules answer a request once')
  ask.expected = code
}
