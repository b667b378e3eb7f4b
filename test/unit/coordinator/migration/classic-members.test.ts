import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { GroupSettings } from '../../../../src/coordinator/group/group-settings.ts'
import type { MigrationShard } from '../../../support/migration-shard.ts'
import { named, partitionsIn, protocols, rejoin, shardOf } from './mixed-group.ts'

/** A KIP-848 group of one such member, `k`, and classic members `a`, …, each with its share of four partitions. */
function groupWith(memberIds: readonly string[], settings: Partial<GroupSettings> = {}): MigrationShard {
  const shard = shardOf(settings)
  shard.consumerJoin('k')
  for (const memberId of memberIds) shard.join({ memberId, protocols: protocols() })
  for (let round = 0; round < 3; round++) {
    const group = shard.consumerGroup()
    const [own] = [...group.targetOf('k').values()]
    const topicPartitions = [{ topicId: shard.topics.topic('t')!.id, partitions: [...(own ?? [])] }]
    shard.consumerHeartbeat({ memberId: 'k', memberEpoch: group.members.get('k')!.memberEpoch, topicPartitions })
    for (const memberId of memberIds) rejoin(shard, memberId, partitionsHeld(shard, memberId))
  }
  assert.equal(shard.group()?.stateName, 'Stable')
  return shard
}

function partitionsHeld(shard: MigrationShard, memberId: string): number[] {
  return [...(shard.consumerGroup().members.get(memberId)?.assigned.values() ?? [])].flatMap(each => [...each])
}

const epochOf = (shard: MigrationShard, memberId: string): number =>
  shard.consumerGroup().members.get(memberId)?.memberEpoch ?? -1

test('a dynamic member learns its id first, and the coordinator leads', () => {
  const shard = groupWith([])
  const { answer } = shard.join({ protocols: protocols() })
  assert.equal(named(answer.errorCode), 'MEMBER_ID_REQUIRED')
  const again = shard.join({ memberId: answer.memberId, protocols: protocols() }).answer
  assert.deepEqual(
    [named(again.errorCode), again.generationId, again.protocolType, again.protocolName, again.leader, again.members],
    ['NONE', shard.consumerGroup().groupEpoch, 'consumer', 'range', '', []],
  )
  const old = shard.join({ protocols: protocols([], 0) }, 3).answer
  assert.equal(named(old.errorCode), 'NONE', 'versions before 4 join at once')
})

test('a join that the group cannot take is refused without a trace', () => {
  const shard = groupWith(['a'], { consumerMaxSize: 2 })
  const refused = (fields: Parameters<MigrationShard['join']>[0], version?: number): string =>
    named(shard.join({ memberId: 'a', protocols: protocols(), ...fields }, version).answer.errorCode)
  const before = shard.turns.log.length
  assert.equal(refused({ memberId: 'b' }), 'GROUP_MAX_SIZE_REACHED')
  assert.equal(refused({ sessionTimeoutMs: 5_999 }), 'INVALID_SESSION_TIMEOUT')
  assert.equal(refused({ protocolType: 'connect' }), 'INCONSISTENT_GROUP_PROTOCOL')
  assert.equal(refused({ protocols: [] }), 'INCONSISTENT_GROUP_PROTOCOL')
  assert.equal(refused({ protocols: protocols([], 3, ['sticky']) }), 'INCONSISTENT_GROUP_PROTOCOL')
  const malformed = [{ name: 'range', metadata: new Uint8Array([0]) }]
  assert.equal(refused({ protocols: malformed }), 'INCONSISTENT_GROUP_PROTOCOL')
  assert.equal(refused({ groupInstanceId: 'i' }), 'UNKNOWN_MEMBER_ID')
  assert.equal(refused({ protocolType: 'connect' }, 6), 'INCONSISTENT_GROUP_PROTOCOL')
  assert.equal(shard.turns.log.length, before)
  assert.equal(refused({}), 'NONE', 'who is in it may join again')
})

test('a member that tells more of itself than a record holds is refused, and the group lives on', () => {
  const shard = groupWith(['a'])
  const bytes = ({ value }: { readonly value: unknown }): number => JSON.stringify(value)?.length ?? 0
  shard.turns.sizeOf = record => bytes(record)
  shard.turns.maxRecordBytes = 20_000
  const metadata = Buffer.concat([protocols()[0]!.metadata, new Uint8Array(20_000)])
  const refused = shard.join({ memberId: 'a', protocols: [{ name: 'range', metadata }] }).answer
  assert.equal(named(refused.errorCode), 'UNKNOWN_SERVER_ERROR')
  assert.equal(named(shard.heartbeat('a', epochOf(shard, 'a'))), 'NONE')
})

test('a restarted static member whose old and new metadata do not fit together is refused, and the group lives on', () => {
  const shard = groupWith(['a'])
  const large = (bytes: number) => [
    { name: 'range', metadata: Buffer.concat([protocols()[0]!.metadata, new Uint8Array(bytes)]) },
  ]
  const first = shard.join({ groupInstanceId: 'i', protocols: large(4_900) }).answer
  shard.turns.sizeOf = ({ value }) => {
    const { classicMemberMetadata: told } = (value ?? {}) as {
      classicMemberMetadata?: { supportedProtocols: readonly { metadata: Uint8Array }[] }
    }
    return 100 + (told?.supportedProtocols[0]?.metadata.byteLength ?? 0)
  }
  shard.turns.maxRecordBytes = 10_500
  const again = shard.join({ groupInstanceId: 'i', protocols: large(4_950) }).answer
  assert.equal(named(again.errorCode), 'UNKNOWN_SERVER_ERROR')
  assert.equal(named(shard.heartbeat(first.memberId, epochOf(shard, first.memberId), 'i')), 'NONE')
})

test('a member that was removed and says that it owns something is told so before it commits anything', () => {
  const shard = groupWith([])
  const zombie = shard.join({ memberId: 'z', protocols: protocols([0, 1]) }).answer
  assert.equal(named(zombie.errorCode), 'UNKNOWN_MEMBER_ID')
  assert.ok(!shard.consumerGroup().members.has('z'))
})

test('a static member joins without an id, is replaced under the same instance, and its old self is fenced', () => {
  const shard = groupWith([])
  const first = shard.join({ groupInstanceId: 'i', protocols: protocols() }).answer
  assert.equal(named(first.errorCode), 'NONE')
  const second = shard.join({ groupInstanceId: 'i', protocols: protocols() }).answer
  assert.notEqual(second.memberId, first.memberId)
  assert.equal(second.generationId, first.generationId, 'no rebalance')
  const { memberId, generationId } = first
  assert.equal(named(shard.heartbeat(memberId, generationId!, 'i')), 'FENCED_INSTANCE_ID')
  assert.equal(
    named(shard.join({ memberId, groupInstanceId: 'i', protocols: protocols() }).answer.errorCode),
    'FENCED_INSTANCE_ID',
  )
  assert.equal(
    named(shard.sync({ memberId, groupInstanceId: 'i', generationId: generationId! }).answer.errorCode),
    'FENCED_INSTANCE_ID',
  )
  assert.equal(named(shard.heartbeat(second.memberId, generationId!, 'j')), 'UNKNOWN_MEMBER_ID')
})

test('a sync is answered in the version that the member writes, and refused as Kafka refuses it', () => {
  const shard = groupWith(['a'])
  const generationId = epochOf(shard, 'a')
  const refused = (fields: Parameters<MigrationShard['sync']>[0], version?: number): string =>
    named(shard.sync({ memberId: 'a', generationId, ...fields }, version).answer.errorCode)
  const { answer } = shard.sync({ memberId: 'a', generationId })
  assert.deepEqual([answer.assignment[1], answer.protocolName, partitionsIn(answer).length], [3, 'range', 2])
  assert.equal(refused({ memberId: 'b' }), 'UNKNOWN_MEMBER_ID')
  assert.equal(refused({ memberId: 'k' }), 'UNKNOWN_MEMBER_ID', 'of the other protocol')
  assert.equal(refused({ generationId: generationId - 1 }), 'ILLEGAL_GENERATION')
  assert.equal(refused({ protocolType: 'connect' }), 'INCONSISTENT_GROUP_PROTOCOL')
  assert.equal(refused({ protocolName: 'sticky' }), 'INCONSISTENT_GROUP_PROTOCOL')
  assert.equal(refused({ protocolName: null }), 'INCONSISTENT_GROUP_PROTOCOL', 'version 5 has to name it')
  assert.equal(refused({ protocolName: null, protocolType: null }, 4), 'NONE')
  shard.consumerJoin('l')
  assert.equal(refused({}), 'REBALANCE_IN_PROGRESS')
})

test('a heartbeat tells the member to join again when there is a next step for it, and only then', () => {
  const shard = groupWith(['a', 'b'])
  const generation = epochOf(shard, 'a')
  assert.equal(named(shard.heartbeat('a', generation)), 'NONE')
  assert.equal(named(shard.heartbeat('a', generation - 1)), 'ILLEGAL_GENERATION')
  assert.equal(named(shard.heartbeat('k', generation)), 'UNKNOWN_MEMBER_ID', 'of the other protocol')
  const joined = shard.join({ memberId: 'c', protocols: protocols() }).answer
  assert.equal(named(shard.heartbeat('c', joined.generationId!)), 'NONE', 'others have not given anything up yet')
  const giver = ['a', 'b', 'k'].find(id => partitionsHeld(shard, id).length === 2)!
  const kept = partitionsHeld(shard, giver).slice(0, 1)
  if (giver === 'k') {
    const topicPartitions = [{ topicId: shard.topics.topic('t')!.id, partitions: kept }]
    shard.consumerHeartbeat({ memberId: 'k', memberEpoch: generation })
    shard.consumerHeartbeat({ memberId: 'k', memberEpoch: generation, topicPartitions })
  } else {
    assert.equal(named(shard.heartbeat(giver, generation)), 'REBALANCE_IN_PROGRESS')
    rejoin(shard, giver, partitionsHeld(shard, giver))
    rejoin(shard, giver, kept)
  }
  assert.equal(named(shard.heartbeat('c', joined.generationId!)), 'REBALANCE_IN_PROGRESS', 'now they have')
  assert.equal(rejoin(shard, 'c', []).partitions.length, 1)
})

test('a member that was told to join and does not, or that joins and does not sync, is removed after its rebalance timeout', () => {
  const shard = groupWith(['a', 'b'])
  const a = epochOf(shard, 'a')
  shard.consumerJoin('l')
  assert.equal(named(shard.heartbeat('a', a)), 'REBALANCE_IN_PROGRESS')
  shard.join({ memberId: 'b', protocols: protocols(partitionsHeld(shard, 'b')) })
  for (let beats = 0; beats < 11; beats++) {
    shard.turns.advance(5_000)
    shard.heartbeat('a', a)
    shard.heartbeat('b', epochOf(shard, 'b'))
    shard.consumerHeartbeat({ memberId: 'k', memberEpoch: epochOf(shard, 'k') })
    shard.consumerHeartbeat({ memberId: 'l', memberEpoch: epochOf(shard, 'l') })
  }
  assert.ok(shard.consumerGroup().members.has('a') && shard.consumerGroup().members.has('b'))
  shard.turns.advance(5_000)
  assert.deepEqual([...shard.consumerGroup().members.keys()].sort(), ['k', 'l'])
})

test('a leave takes classic members out together, by id or by instance, for one new epoch', () => {
  const shard = groupWith(['a', 'b'])
  shard.join({ groupInstanceId: 'i', protocols: protocols() })
  const epoch = shard.consumerGroup().groupEpoch
  const { errorCode, members } = shard.leave([
    { memberId: 'a' },
    { memberId: 'a' },
    { memberId: 'nobody' },
    { memberId: '', groupInstanceId: 'i' },
    { memberId: 'other', groupInstanceId: 'i' },
    { memberId: '', groupInstanceId: 'j' },
  ])
  assert.equal(named(errorCode), 'NONE')
  assert.deepEqual(
    members!.map(each => [each.memberId, named(each.errorCode!)]),
    [
      ['a', 'NONE'],
      ['a', 'NONE'],
      ['nobody', 'UNKNOWN_MEMBER_ID'],
      // By the name that it was asked for by: Java's Admin looks for that.
      ['', 'NONE'],
      ['other', 'FENCED_INSTANCE_ID'],
      ['', 'UNKNOWN_MEMBER_ID'],
    ],
  )
  assert.deepEqual([...shard.consumerGroup().members.keys()].sort(), ['b', 'k'])
  assert.equal(shard.consumerGroup().groupEpoch, epoch + 1)
  assert.equal(named(shard.leave([{ memberId: 'nobody' }], 2).errorCode), 'UNKNOWN_MEMBER_ID')
  assert.equal(named(shard.leave([{ memberId: 'b' }], 2).errorCode), 'NONE')
})

test('an operator takes out members of the new protocol as well, by id or by instance', () => {
  const shard = groupWith(['a'])
  shard.consumerJoin('l', { instanceId: 'i' })
  const { members } = shard.leave([{ memberId: 'k' }, { memberId: 'k', groupInstanceId: 'i' }])
  assert.deepEqual(
    members!.map(each => named(each.errorCode!)),
    ['NONE', 'FENCED_INSTANCE_ID'],
  )
  assert.deepEqual([...shard.consumerGroup().members.keys()].sort(), ['a', 'l'])
  assert.equal(named(shard.consumerHeartbeat({ memberId: 'k', memberEpoch: 1 }).errorCode), 'UNKNOWN_MEMBER_ID')
  assert.equal(named(shard.leave([{ memberId: '', groupInstanceId: 'i' }]).members![0]!.errorCode!), 'NONE')
  // Nobody is left who talks the new protocol.
  assert.deepEqual([shard.group()?.type, shard.group()?.stateName], ['classic', 'PreparingRebalance'])
})

test('nobody is a member of an empty KIP-848 group', () => {
  const shard = groupWith([])
  shard.consumerHeartbeat({ memberId: 'k', memberEpoch: -1 })
  assert.equal(named(shard.heartbeat('a', 1)), 'UNKNOWN_MEMBER_ID')
  assert.equal(named(shard.sync({ memberId: 'a', generationId: 1 }).answer.errorCode), 'UNKNOWN_MEMBER_ID')
  assert.deepEqual(
    shard.leave([{ memberId: 'a' }]).members?.map(({ errorCode }) => named(errorCode!)),
    ['UNKNOWN_MEMBER_ID'],
  )
})
