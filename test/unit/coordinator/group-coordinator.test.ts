import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ClientInfo } from '../../../src/coordinator/group/group.ts'
import { GroupCoordinator, type GroupShards } from '../../../src/coordinator/group/group-coordinator.ts'
import { GroupShard } from '../../../src/coordinator/group/group-shard.ts'
import { CoordinatorError } from '../../../src/coordinator/runtime/coordinator-error.ts'
import { partitionOfKey } from '../../../src/coordinator/runtime/key-hash.ts'
import type { Asker, TransactionalProducer, Turn } from '../../../src/coordinator/runtime/shard.ts'
import { ErrorCode, type RequestOf } from '../../../src/protocol/index.ts'
import type { joinGroup } from '../../../src/protocol/schema/join-group.ts'
import type { offsetCommit } from '../../../src/protocol/schema/offset-commit.ts'
import { defaultGroupSettings, groupShardParts, topicNamed } from '../../support/group-shard-parts.ts'
import { ShardTurns } from '../../support/shard-turns.ts'

const { COORDINATOR_LOAD_IN_PROGRESS, INVALID_GROUP_ID, NONE, NOT_COORDINATOR } = ErrorCode
const orders = topicNamed('orders', 1)

/** Shards of a test: any of them may be made to refuse. */
class Shards implements GroupShards {
  readonly partitions = 8
  readonly refused = new Map<number, ErrorCode>()
  /** How often each was asked. */
  readonly asked: number[] = new Array(this.partitions).fill(0)
  private readonly shards = Array.from({ length: this.partitions }, () => {
    const shard = new GroupShard(groupShardParts([orders]))
    return { shard, turns: new ShardTurns(shard) }
  })

  partitionFor(groupId: string): number {
    return partitionOfKey(groupId, this.partitions)
  }

  ask<T>(partition: number, work: (shard: GroupShard, turn: Turn, asker: Asker<T>) => void): Promise<T> {
    const code = this.refused.get(partition)
    if (code !== undefined) return Promise.reject(new CoordinatorError(code))
    this.asked[partition]!++
    const { shard, turns } = this.shards[partition]!
    return new Promise(resolve => {
      turns.run(turn => work(shard, turn, { answered: resolve }))
      turns.advance(100)
    })
  }

  askInTransaction<T>(
    partition: number,
    producer: TransactionalProducer,
    _verify: unknown,
    work: (shard: GroupShard, turn: Turn, asker: Asker<T>) => void,
  ): Promise<T> {
    assert.ok(producer.producerId >= 0n)
    return this.ask(partition, work)
  }

  /** Lets time pass where a group is. */
  pass(groupId: string, ms: number): void {
    this.shards[this.partitionFor(groupId)]!.turns.advance(ms)
  }

  tell(_: number | 'all', work: (shard: GroupShard, turn: Turn) => void): void {
    for (const { shard, turns } of this.shards) turns.run(turn => work(shard, turn))
  }
}

class Coordinator extends GroupCoordinator {
  readonly shards_: Shards

  constructor(shards = new Shards()) {
    super(shards, defaultGroupSettings)
    this.shards_ = shards
  }

  /** What one commit is answered. */
  async commit(groupId: string): Promise<ErrorCode> {
    const partitions = [
      { partitionIndex: 0, committedOffset: 1, committedLeaderEpoch: -1, committedMetadata: '' },
      { partitionIndex: 1, committedOffset: 1, committedLeaderEpoch: -1, committedMetadata: '' },
    ]
    const request: RequestOf<typeof offsetCommit> = {
      groupId,
      generationIdOrMemberEpoch: -1,
      memberId: '',
      groupInstanceId: null,
      retentionTimeMs: -1,
      topics: [{ name: 'orders', topicId: orders.id, partitions }],
    }
    const { topics } = await this.commitOffsets(request, client(9), share)
    assert.equal(topics[0]!.partitions.length, 2, 'every partition is answered')
    return topics[0]!.partitions[0]!.errorCode
  }
}

/** Nobody else has anything to do. */
const share = { spend: () => undefined }

const client = (apiVersion: number): ClientInfo => ({ clientId: 'c', clientHost: '/127.0.0.1', apiVersion })

const join = (groupId: string, sessionTimeoutMs = 10_000): RequestOf<typeof joinGroup> => ({
  groupId,
  sessionTimeoutMs,
  rebalanceTimeoutMs: 10_000,
  memberId: 'me',
  groupInstanceId: null,
  protocolType: 'consumer',
  protocols: [{ name: 'range', metadata: new Uint8Array(0) }],
  reason: null,
})

test('what a shard need not be asked is answered without one', async () => {
  const groups = new Coordinator()
  for (let partition = 0; partition < 8; partition++) groups.shards_.refused.set(partition, NOT_COORDINATOR)
  const refused = await groups.joinGroup(join(''), client(9))
  assert.deepEqual([refused.errorCode, refused.memberId], [INVALID_GROUP_ID, 'me'])
  for (const sessionTimeoutMs of [5_999, 1_800_001]) {
    const { errorCode } = await groups.joinGroup(join('g', sessionTimeoutMs), client(9))
    assert.equal(errorCode, ErrorCode.INVALID_SESSION_TIMEOUT)
  }
  const sync = { groupId: 'g', generationId: 1, memberId: 'me', groupInstanceId: null, assignments: [] }
  const unnamed = { ...sync, protocolType: null, protocolName: null }
  assert.equal((await groups.syncGroup(unnamed, client(5))).errorCode, ErrorCode.INCONSISTENT_GROUP_PROTOCOL)
  assert.equal((await groups.syncGroup(unnamed, client(4))).errorCode, NOT_COORDINATOR)
  assert.equal((await groups.syncGroup({ ...unnamed, groupId: '' }, client(4))).errorCode, INVALID_GROUP_ID)
  const claim = { groupId: '', generationId: 1, memberId: 'me', groupInstanceId: null }
  assert.equal((await groups.heartbeat(claim, client(4))).errorCode, INVALID_GROUP_ID)
  const leaving = { groupId: '', memberId: '', members: [] }
  assert.equal((await groups.leaveGroup(leaving, client(4), share)).errorCode, INVALID_GROUP_ID)
  assert.equal((await groups.deleteOffsets({ groupId: '', topics: [] }, share)).errorCode, INVALID_GROUP_ID)
})

test('while a group is loaded its members keep their places, and everybody else is told to come back', async () => {
  const groups = new Coordinator()
  const { shards_: shards } = groups
  shards.refused.set(shards.partitionFor('g'), COORDINATOR_LOAD_IN_PROGRESS)
  const claim = { groupId: 'g', generationId: 1, memberId: 'me', groupInstanceId: null }
  assert.equal((await groups.heartbeat(claim, client(4))).errorCode, NONE)
  assert.equal((await groups.joinGroup(join('g'), client(9))).errorCode, COORDINATOR_LOAD_IN_PROGRESS)
  assert.equal(await groups.commit('g'), COORDINATOR_LOAD_IN_PROGRESS)
  const asked = { groupId: 'g', memberId: null, memberEpoch: -1, topics: null }
  assert.equal((await groups.fetchOffsets(asked, false, client(9), share)).errorCode, COORDINATOR_LOAD_IN_PROGRESS)
  // As old consumers do not know COORDINATOR_NOT_AVAILABLE of a fetch.
  shards.refused.set(shards.partitionFor('g'), ErrorCode.COORDINATOR_NOT_AVAILABLE)
  assert.equal((await groups.fetchOffsets(asked, false, client(9), share)).errorCode, NOT_COORDINATOR)
  assert.equal(await groups.commit('g'), ErrorCode.COORDINATOR_NOT_AVAILABLE)
})

test('groups are described and deleted shard by shard, and answered in the order of the request', async () => {
  const groups = new Coordinator()
  const { shards_: shards } = groups
  const names = Array.from({ length: 100 }, (_, at) => `group-${at}`)
  for (const name of names) assert.equal(await groups.commit(name), NONE)
  const lost = shards.partitionFor('group-0')
  shards.refused.set(lost, NOT_COORDINATOR)
  shards.asked.fill(0)
  const expected = (name: string): ErrorCode => (shards.partitionFor(name) === lost ? NOT_COORDINATOR : NONE)
  const described = await groups.describeGroups(names, client(6), share)
  assert.deepEqual(
    described.map(({ groupId, errorCode }) => [groupId, errorCode]),
    names.map(name => [name, expected(name)]),
  )
  assert.ok(
    shards.asked.every(count => count <= 1),
    'one turn for a few groups',
  )
  const deleted = await groups.deleteGroups([...names, ...names], share)
  assert.deepEqual(
    deleted.map(({ groupId, errorCode }) => [groupId, errorCode]),
    names.map(name => [name, expected(name)]),
  )
  shards.refused.clear()
  const { groups: left } = await groups.listGroups({ statesFilter: [], typesFilter: [] }, share)
  assert.deepEqual(
    new Set(left.map(({ groupId }) => groupId)),
    new Set(names.filter(name => expected(name) === NOT_COORDINATOR)),
  )
})

test('very many groups of one shard are described in several turns', async () => {
  const groups = new Coordinator()
  const { shards_: shards } = groups
  const names = Array.from({ length: 2_000 }, (_, at) => `group-${at}`).filter(name => shards.partitionFor(name) === 3)
  assert.equal((await groups.describeGroups(names, client(6), share)).length, names.length)
  assert.ok(shards.asked[3]! >= names.length / 32, `${names.length} groups took ${shards.asked[3]} turns`)
})

test('groups are listed where shards are, and not at all while one of them is loading', async () => {
  const groups = new Coordinator()
  const { shards_: shards } = groups
  for (const name of ['a', 'b', 'c']) await groups.commit(name)
  const request = { statesFilter: [], typesFilter: [] }
  shards.refused.set(shards.partitionFor('a'), NOT_COORDINATOR)
  const some = await groups.listGroups(request, share)
  assert.deepEqual([some.errorCode, some.groups.map(({ groupId }) => groupId).sort()], [NONE, ['b', 'c']])
  shards.refused.set(shards.partitionFor('b'), COORDINATOR_LOAD_IN_PROGRESS)
  const none = await groups.listGroups(request, share)
  assert.deepEqual([none.errorCode, none.groups], [COORDINATOR_LOAD_IN_PROGRESS, []])
})

test('a nameless KIP-848 group is refused, the others are described', async () => {
  const described = await new Coordinator().describeConsumerGroups(['x', ''], share)
  assert.deepEqual(
    described.map(({ groupId, errorCode }) => [groupId, errorCode]),
    [
      ['', INVALID_GROUP_ID],
      ['x', ErrorCode.GROUP_ID_NOT_FOUND],
    ],
  )
})

test('a mistake in a shard is no answer', async () => {
  const shards = new Shards()
  shards.ask = () => Promise.reject(new TypeError('oops'))
  await assert.rejects(new Coordinator(shards).listGroups({ statesFilter: [], typesFilter: [] }, share), TypeError)
  await assert.rejects(new Coordinator(shards).describeGroups(['g'], client(6), share), TypeError)
})

test('an answer does not grow without bound by groups that are named again and again', async () => {
  const groups = new Coordinator()
  const { shards_: shards } = groups
  const request = join('g')
  const fat = { ...request, memberId: '', protocols: [{ name: 'range', metadata: new Uint8Array(400_000) }] }
  const joined = groups.joinGroup(fat, client(0))
  shards.pass('g', 3_000)
  const { memberId, generationId } = await joined
  const assignments = [{ memberId, assignment: new Uint8Array(100_000) }]
  const sync = { groupId: 'g', generationId: generationId!, memberId, groupInstanceId: null, assignments }
  await groups.syncGroup({ ...sync, protocolType: null, protocolName: null }, client(3))
  const names: string[] = new Array(5_000).fill('g')
  const described = await groups.describeGroups(names, client(6), share)
  const told = described.filter(({ errorCode }) => errorCode === NONE)
  assert.ok(told.length > 50 && told.length < 1_000, `${told.length} of 500 kB each`)
  assert.ok(described.every(({ errorCode }) => errorCode === NONE || errorCode === ErrorCode.INVALID_REQUEST))
})

test('a request for very many partitions takes a turn for some at a time, and is answered as one', async () => {
  const groups = new Coordinator()
  const { shards_: shards } = groups
  const spent: number[] = []
  const counting = { spend: (units: number) => void spent.push(units) }
  const partitionIndexes = Array.from({ length: 1_000 }, (_, index) => index)
  const named = { name: 'orders', topicId: orders.id }
  const other = { name: 'none', topicId: topicNamed('none', 1).id }
  const partitions = partitionIndexes.map(partitionIndex => ({
    partitionIndex,
    committedOffset: 5,
    committedLeaderEpoch: -1,
    committedMetadata: '',
  }))
  const few = partitions.slice(0, 3)
  const commit = {
    groupId: 'g',
    generationIdOrMemberEpoch: -1,
    memberId: '',
    groupInstanceId: null,
    retentionTimeMs: -1,
    topics: [
      { ...other, partitions: [] },
      { ...named, partitions },
      { ...other, partitions: few },
    ],
  }
  const { topics } = await groups.commitOffsets(commit, client(9), counting)
  assert.deepEqual(
    topics.map(topic => [topic.name, topic.partitions.map(each => each.partitionIndex)]),
    [
      ['none', []],
      ['orders', partitionIndexes],
      ['none', [0, 1, 2]],
    ],
  )
  assert.equal(shards.asked[shards.partitionFor('g')], 5)
  assert.equal(spent.length, 5)
  const codes = new Set(topics[1]!.partitions.slice(1).map(each => each.errorCode))
  assert.deepEqual([topics[1]!.partitions[0]!.errorCode, ...codes], [NONE, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION])

  const asked = { groupId: 'g', memberId: null, memberEpoch: -1, topics: [{ ...named, partitionIndexes }] }
  const fetched = await groups.fetchOffsets(asked, false, client(9), counting)
  assert.deepEqual(
    fetched.topics!.map(topic => topic.partitions!.map(each => each.committedOffset)),
    [partitionIndexes.map(index => (index === 0 ? 5 : -1))],
  )
  const gone = await groups.deleteOffsets({ groupId: 'g', topics: [{ ...named, partitions }] }, counting)
  assert.equal(gone.topics.length, 1)
  assert.deepEqual(
    gone.topics[0]!.partitions.map(each => each.partitionIndex),
    partitionIndexes,
  )
})
