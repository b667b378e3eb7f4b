import { decodeAssignment, encodeAssignment } from '../../../../src/coordinator/group/consumer-protocol.ts'
import type { GroupSettings } from '../../../../src/coordinator/group/group-settings.ts'
import { type ErrorCode, errorName } from '../../../../src/protocol/index.ts'
import { defaultGroupSettings, TestTopics, topicNamed } from '../../../support/group-shard-parts.ts'
import { type JoinAnswer, MigrationShard, type SyncAnswer, subscribed } from '../../../support/migration-shard.ts'

/** A shard with a topic `t` of four partitions, on which targets are made at once. */
export function shardOf(settings: Partial<GroupSettings> = {}): MigrationShard {
  return new MigrationShard(new TestTopics([topicNamed('t', 4)]), {
    initialRebalanceDelayMs: 0,
    consumer: groupId => ({ ...defaultGroupSettings.consumer(groupId), assignmentIntervalMs: 0 }),
    ...settings,
  })
}

export const named = (code: ErrorCode): string => errorName(code) ?? String(code)

/** A member's protocols: `range`, with what it says it owns of `t`. */
export const protocols = (owned: readonly number[] = [], version = 3, names: readonly string[] = ['range']) =>
  names.map(name => ({ name, metadata: subscribed(['t'], [{ topic: 't', partitions: owned }], version) }))

export const given = (partitions: readonly number[], version = 3): Uint8Array =>
  encodeAssignment(version, [{ topic: 't', partitions }])

export function partitionsIn({ assignment }: SyncAnswer): number[] {
  const decoded = decodeAssignment(assignment)
  if (!decoded.ok) throw new Error(decoded.error)
  return decoded.value.assignedPartitions.flatMap(({ partitions }) => partitions)
}

/** A stable classic group of dynamic members that were given these partitions; their ids, the leader's first. */
export function stableClassic(shard: MigrationShard, assignments: readonly (readonly number[])[]): string[] {
  const joins = assignments.map(() => shard.join({ protocols: protocols() }, 3))
  while (!joins.every(({ done }) => done)) shard.turns.advance(1_000)
  const ids = joins.map(({ answer }) => answer.memberId)
  // A group without a delay begins with its first member, and takes the others into its second generation.
  const again = ids.map(memberId => shard.join({ memberId, protocols: protocols() }, 3))
  const answers = again.map(({ done, answer }) => (done ? answer : undefined))
  const { leader, generationId } = lastOf(answers)
  const order = [leader, ...ids.filter(id => id !== leader)]
  const all = order.map((memberId, at) => ({ memberId, assignment: given(assignments[at]!) }))
  for (const memberId of order) {
    shard.sync({ memberId, generationId: generationId!, assignments: memberId === leader ? all : [] })
  }
  return order
}

function lastOf(answers: readonly (JoinAnswer | undefined)[]): JoinAnswer {
  const known = answers.filter(answer => answer !== undefined).sort((a, b) => b.generationId! - a.generationId!)
  return known[0]!
}

/** A classic member of a KIP-848 group joins, owning this, and syncs: what it then has, by generation. */
export function rejoin(
  shard: MigrationShard,
  memberId: string,
  owned: readonly number[],
): { readonly generation: number; readonly partitions: number[] } {
  const { answer } = shard.join({ memberId, protocols: protocols(owned) })
  const synced = shard.sync({ memberId, generationId: answer.generationId!, protocolName: 'range' }).answer
  return { generation: answer.generationId!, partitions: partitionsIn(synced) }
}

/** What a KIP-848 member has by an answer. */
export function partitionsOf(answer: ReturnType<MigrationShard['consumerHeartbeat']>): number[] | undefined {
  return answer.assignment?.topicPartitions.flatMap(({ partitions }) => partitions)
}

/** How a KIP-848 member says what it owns of `t`. */
export const owning = (shard: MigrationShard, partitions: readonly number[]) => [
  { topicId: shard.topics.topic('t')!.id, partitions: [...partitions] },
]
