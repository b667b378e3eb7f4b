import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ClassicGroup } from '../../../../src/coordinator/group/classic/classic-group.ts'
import type { GroupSettings } from '../../../../src/coordinator/group/group-settings.ts'
import type { MigrationShard } from '../../../support/migration-shard.ts'
import {
  given,
  named,
  owning,
  partitionsIn,
  partitionsOf,
  protocols,
  rejoin,
  shardOf,
  stableClassic,
} from './mixed-group.ts'

/** A group of a classic member with partitions 0 and 1 and a KIP-848 member with 2 and 3, all at rest. */
function mixed(settings: Partial<GroupSettings> = {}): {
  readonly shard: MigrationShard
  readonly member: string
  readonly epoch: number
} {
  const shard = shardOf(settings)
  const member = stableClassic(shard, [[0, 1, 2, 3]])[0]!
  const epoch = shard.consumerJoin('k').memberEpoch
  rejoin(shard, member, [0, 1, 2, 3])
  rejoin(shard, member, [0, 1])
  assert.deepEqual(partitionsOf(shard.consumerHeartbeat({ memberId: 'k', memberEpoch: epoch })), [2, 3])
  shard.consumerHeartbeat({ memberId: 'k', memberEpoch: epoch, topicPartitions: owning(shard, [2, 3]) })
  assert.equal(shard.group()?.stateName, 'Stable')
  return { shard, member, epoch }
}

const classicGroup = (shard: MigrationShard): ClassicGroup => {
  assert.equal(shard.group()?.type, 'classic')
  return shard.group() as ClassicGroup
}

const timersOfConsumerGroups = (shard: MigrationShard): string[] =>
  shard.turns.timers.filter(key => /^g\/(session|revocation|rejoin|resync|regex)/.test(key))

test('with its last KIP-848 member gone the group is a classic one that rebalances, in the generation of its epoch', () => {
  const { shard, member, epoch } = mixed()
  const before = shard.turns.log.length
  assert.equal(named(shard.consumerHeartbeat({ memberId: 'k', memberEpoch: -1 }).errorCode), 'NONE')
  const group = classicGroup(shard)
  assert.deepEqual([group.stateName, group.generation, group.members.size], ['PreparingRebalance', epoch, 1])
  const written = shard.turns.log.slice(before)
  assert.ok(
    written.slice(0, -1).every(({ schema, value }) => schema.name.startsWith('ConsumerGroup') && value === null),
  )
  assert.deepEqual([written.at(-1)!.schema.name, written.at(-1)!.value === null], ['GroupMetadata', false])
  assert.deepEqual(timersOfConsumerGroups(shard), [])

  assert.equal(named(shard.commit(member, epoch, 't', 0, 3)), 'NONE', 'commits go on')
  assert.equal(named(shard.heartbeat(member, epoch)), 'REBALANCE_IN_PROGRESS')
  const { answer } = shard.join({ memberId: member, protocols: protocols([0, 1]) })
  assert.deepEqual([answer.generationId, answer.leader], [epoch + 1, member])
  const assignments = [{ memberId: member, assignment: given([0, 1, 2, 3]) }]
  const synced = shard.sync({ memberId: member, generationId: epoch + 1, assignments }).answer
  assert.deepEqual(partitionsIn(synced), [0, 1, 2, 3])
})

test('a session that ends, or several members that leave, downgrade the group as well', () => {
  const { shard, member } = mixed({
    consumer: () => ({ sessionTimeoutMs: 4_000, heartbeatIntervalMs: 1_000, assignmentIntervalMs: 0 }),
  })
  shard.turns.advance(4_000)
  assert.deepEqual(
    [...classicGroup(shard).members].map(({ memberId }) => memberId),
    [member],
  )
})

test('a start in the middle of the rebalance begins it again', () => {
  const { shard, member, epoch } = mixed()
  shard.consumerHeartbeat({ memberId: 'k', memberEpoch: -1 })
  const started = shard.restarted()
  assert.equal(classicGroup(started).stateName, 'PreparingRebalance')
  assert.equal(named(started.heartbeat(member, epoch)), 'REBALANCE_IN_PROGRESS', 'who was at that epoch hears of it')
  const { answer } = started.join({ memberId: member, protocols: protocols([0, 1]) })
  const assignments = [{ memberId: member, assignment: given([0, 1, 2, 3]) }]
  started.sync({ memberId: member, generationId: answer.generationId!, assignments })
  assert.equal(classicGroup(started.restarted()).stateName, 'Stable', 'once')
})

test('a group that may not go back stays a KIP-848 group of classic members', () => {
  for (const settings of [{ consumerMigration: 'upgrade' }, { maxSize: 0 }] as const) {
    const { shard, member, epoch } = mixed(settings)
    shard.consumerHeartbeat({ memberId: 'k', memberEpoch: -1 })
    assert.equal(shard.group()?.type, 'consumer')
    assert.equal(named(shard.heartbeat(member, epoch)), 'REBALANCE_IN_PROGRESS')
    assert.deepEqual(rejoin(shard, member, [0, 1]), { generation: epoch + 1, partitions: [0, 1, 2, 3] })
  }
})

test('a KIP-848 member that comes right after the downgrade is given nothing that members still use', () => {
  const shard = shardOf()
  const [member] = stableClassic(shard, [[0, 1, 2, 3]])
  const { generation } = classicGroup(shard)
  shard.consumerJoin('k')
  assert.equal(named(shard.heartbeat(member!, generation)), 'REBALANCE_IN_PROGRESS')
  // It is to give two partitions up, and did not get to it.
  shard.consumerHeartbeat({ memberId: 'k', memberEpoch: -1 })
  assert.deepEqual(timersOfConsumerGroups(shard), [])
  assert.deepEqual(partitionsOf(shard.consumerJoin('l')), [])
})

test('a static member that comes back with the classic protocol takes its group back, in a rebalance that it joins', () => {
  const shard = shardOf()
  shard.consumerJoin('k', { instanceId: 'i' })
  const { memberEpoch } = shard.consumerHeartbeat({ memberId: 'k', memberEpoch: 1, instanceId: 'i' })
  shard.consumerHeartbeat({ memberId: 'k', memberEpoch: -2, instanceId: 'i' })
  const joins = shard.join({ groupInstanceId: 'i', protocols: protocols() })
  shard.turns.advance(0)
  const { answer } = joins
  assert.deepEqual([named(answer.errorCode), answer.leader], ['NONE', answer.memberId])
  assert.ok(answer.generationId! > memberEpoch)
  const group = classicGroup(shard)
  assert.deepEqual(
    [...group.members].map(({ memberId, instanceId }) => [memberId, instanceId]),
    [[answer.memberId, 'i']],
  )
  const assignments = [{ memberId: answer.memberId, assignment: given([0, 1, 2, 3]) }]
  shard.sync({ memberId: answer.memberId, groupInstanceId: 'i', generationId: answer.generationId!, assignments })
  assert.equal(group.stateName, 'Stable')
})

test('a static member that replaces one of several KIP-848 members leaves the group what it is, and goes on from its place', () => {
  const { shard, epoch } = mixed()
  shard.consumerJoin('s', { instanceId: 'i' })
  shard.consumerHeartbeat({ memberId: 's', memberEpoch: -2, instanceId: 'i' })
  const { answer } = shard.join({ groupInstanceId: 'i', protocols: protocols() })
  assert.deepEqual([named(answer.errorCode), answer.leader, shard.group()?.type], ['NONE', '', 'consumer'])
  assert.equal(answer.generationId, epoch + 1)
  assert.equal(shard.consumerGroup().staticMemberId('i'), answer.memberId)
})

test('a KIP-848 group that nobody is in gives way to a classic member, and its offsets stay', () => {
  const shard = shardOf()
  shard.consumerJoin('k')
  shard.commit('k', 1, 't', 2, 9)
  shard.consumerHeartbeat({ memberId: 'k', memberEpoch: -1 })
  assert.equal(shard.group()?.stateName, 'Empty')
  const [member] = stableClassic(shard, [[0, 1, 2, 3]])
  assert.deepEqual(
    [...classicGroup(shard).members].map(({ memberId }) => memberId),
    [member],
  )
  assert.deepEqual(shard.committed(), new Map([['t-2', 9]]))
  assert.equal(shard.restarted().group()?.type, 'classic')
})
