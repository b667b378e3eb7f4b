import { silentLogger } from '../../src/base/logger.ts'
import { ClassicGroup } from '../../src/coordinator/group/classic/classic-group.ts'
import { ClassicGroups } from '../../src/coordinator/group/classic/classic-groups.ts'
import type { ClientInfo, Group, GroupContext } from '../../src/coordinator/group/group.ts'
import type { GroupSettings } from '../../src/coordinator/group/group-settings.ts'
import type { CoordinatorRecord } from '../../src/coordinator/runtime/record.ts'
import type { Shard } from '../../src/coordinator/runtime/shard.ts'
import type { RequestOf, ResponseInput } from '../../src/protocol/index.ts'
import type { heartbeat } from '../../src/protocol/schema/heartbeat.ts'
import type { joinGroup } from '../../src/protocol/schema/join-group.ts'
import type { leaveGroup } from '../../src/protocol/schema/leave-group.ts'
import type { syncGroup } from '../../src/protocol/schema/sync-group.ts'
import { ShardTurns, type TestAsker } from './shard-turns.ts'

export type JoinAnswer = ResponseInput<typeof joinGroup>
export type SyncAnswer = ResponseInput<typeof syncGroup>
export type JoinFields = Partial<RequestOf<typeof joinGroup>> & {
  readonly version?: number
  readonly clientId?: string
}
export type SyncFields = Partial<RequestOf<typeof syncGroup>> & { readonly version?: number }

export const classicTestSettings: GroupSettings = {
  minSessionTimeoutMs: 6_000,
  maxSessionTimeoutMs: 1_800_000,
  initialRebalanceDelayMs: 3_000,
  maxSize: Number.POSITIVE_INFINITY,
  offsetMetadataMaxBytes: 4_096,
  offsetsRetentionMs: 604_800_000,
  offsetsRetentionCheckMs: 600_000,
  consumerAssignors: ['uniform', 'range'],
  consumerMaxSize: Number.POSITIVE_INFINITY,
  consumerMigration: 'bidirectional',
  consumerRegexRefreshMs: 600_000,
  consumer: () => ({ sessionTimeoutMs: 45_000, heartbeatIntervalMs: 5_000, assignmentIntervalMs: 1_000 }),
}

const newestVersion = { join: 9, sync: 5, heartbeat: 4, leave: 5 }

export const text = (value: string): Uint8Array => new TextEncoder().encode(value)

/** Metadata of a consumer that subscribes to `topics`, in version 0. */
export function subscription(...topics: string[]): Uint8Array {
  const parts = [Buffer.from([0, 0, 0, 0, 0, topics.length])]
  for (const topic of topics) parts.push(Buffer.from([0, topic.length]), Buffer.from(topic))
  parts.push(Buffer.from([255, 255, 255, 255]))
  return Buffer.concat(parts)
}

/** Classic groups on the test's runtime, with the requests in the shortest words that tests can say them in. */
export class ClassicShard implements Shard {
  readonly groups = new Map<string, Group>()
  readonly classic: ClassicGroups
  readonly turns: ShardTurns
  readonly settings: { -readonly [K in keyof GroupSettings]: GroupSettings[K] }
  private ids: number

  /** With a log: as a start finds it, at the time at which the shard before it ended. */
  constructor(settings: Partial<GroupSettings> = {}, before?: ClassicShard) {
    this.settings = { ...classicTestSettings, ...settings }
    this.ids = before?.ids ?? 0
    const topics = { topic: () => undefined, topicById: () => undefined, topics: () => [], version: 0 }
    const context: GroupContext = {
      groups: this.groups,
      topics,
      settings: this.settings,
      logger: silentLogger,
      newMemberId: prefix => `${prefix}-${++this.ids}`,
    }
    this.classic = new ClassicGroups(context)
    this.turns = before ? ShardTurns.replaying(this, before.turns.log, before.turns.nowMs) : new ShardTurns(this)
    if (before) this.turns.sizeOf = before.turns.sizeOf
    if (before) this.turns.maxRecordBytes = before.turns.maxRecordBytes
  }

  /** The number at the end of the id that was given out last. */
  get lastId(): number {
    return this.ids
  }

  replay(record: CoordinatorRecord): void {
    this.classic.replay(record)
  }
  replayTransactionEnd(): void {}
  loaded(turn: Parameters<Shard['loaded']>[0]): void {
    this.classic.loaded(turn)
  }

  /** The shard that a start makes of the log. */
  restarted(): ClassicShard {
    return new ClassicShard(this.settings, this)
  }

  group(groupId = 'g'): ClassicGroup {
    const group = this.groups.get(groupId)
    if (!(group instanceof ClassicGroup)) throw new Error(`there is no classic group ${groupId}`)
    return group
  }

  join({ version = newestVersion.join, clientId = 'client', ...fields }: JoinFields = {}): TestAsker<JoinAnswer> {
    const request = {
      groupId: 'g',
      sessionTimeoutMs: 10_000,
      rebalanceTimeoutMs: 60_000,
      memberId: '',
      groupInstanceId: null,
      protocolType: 'consumer',
      protocols: [{ name: 'range', metadata: subscription('topic') }],
      reason: null,
      ...fields,
    }
    return this.turns.ask((turn, asker) => this.classic.join(request, client(version, clientId), asker, turn))
  }

  sync({ version = newestVersion.sync, ...fields }: SyncFields): TestAsker<SyncAnswer> {
    const request = {
      groupId: 'g',
      generationId: 1,
      memberId: '',
      groupInstanceId: null,
      protocolType: version >= 5 ? 'consumer' : null,
      protocolName: version >= 5 ? 'range' : null,
      assignments: [],
      ...fields,
    }
    return this.turns.ask((turn, asker) => this.classic.sync(request, client(version), asker, turn))
  }

  heartbeat(fields: Partial<RequestOf<typeof heartbeat>>): number {
    const request = { groupId: 'g', generationId: 1, memberId: '', groupInstanceId: null, ...fields }
    const asker = this.turns.ask<ResponseInput<typeof heartbeat>>((turn, asker) =>
      this.classic.heartbeat(request, client(newestVersion.heartbeat), asker, turn),
    )
    return asker.answer.errorCode
  }

  leave(
    fields: Partial<RequestOf<typeof leaveGroup>>,
    version: number = newestVersion.leave,
  ): ResponseInput<typeof leaveGroup> {
    const request = { groupId: 'g', memberId: '', members: [], ...fields }
    return this.turns.ask<ResponseInput<typeof leaveGroup>>((turn, asker) =>
      this.classic.leave(request, client(version), asker, turn),
    ).answer
  }

  /** A dynamic member's two requests; returns the second, and the id that the first was given. */
  joinWithId(fields: JoinFields = {}): { readonly memberId: string; readonly asker: TestAsker<JoinAnswer> } {
    const { memberId } = this.join(fields).answer
    return { memberId, asker: this.join({ ...fields, memberId }) }
  }

  /** A stable group of these new members: their ids in the order of joining, the leader first. */
  stable(members: number | JoinFields[]): string[] {
    const wanted: JoinFields[] = typeof members === 'number' ? Array.from({ length: members }, () => ({})) : members
    const joins = wanted.map(fields => this.join({ version: fields.groupInstanceId ? 9 : 3, ...fields }))
    while (!joins.every(({ done }) => done)) this.turns.advance(1_000)
    const ids = joins.map(({ answer }) => answer.memberId)
    const { leader } = joins[0]!.answer
    const { generation: generationId, protocolName, protocolType } = this.group(wanted[0]!.groupId)
    const named = { groupId: wanted[0]!.groupId ?? 'g', generationId, protocolName, protocolType }
    const assignments = ids.map(memberId => ({ memberId, assignment: text(`of ${memberId}`) }))
    for (const memberId of [...ids.filter(id => id !== leader), leader]) {
      this.sync({ ...named, memberId, assignments: memberId === leader ? assignments : [] })
    }
    return ids
  }
}

function client(apiVersion: number, clientId = 'client'): ClientInfo {
  return { clientId, clientHost: '/127.0.0.1', apiVersion }
}
