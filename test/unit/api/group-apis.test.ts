import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Api, ErrorCode, type RequestInput } from '../../../src/protocol/index.ts'
import { consumerGroupDescribe } from '../../../src/protocol/schema/consumer-group-describe.ts'
import { consumerGroupHeartbeat } from '../../../src/protocol/schema/consumer-group-heartbeat.ts'
import { deleteGroups } from '../../../src/protocol/schema/delete-groups.ts'
import { describeGroups } from '../../../src/protocol/schema/describe-groups.ts'
import { findCoordinator } from '../../../src/protocol/schema/find-coordinator.ts'
import { heartbeat } from '../../../src/protocol/schema/heartbeat.ts'
import { joinGroup } from '../../../src/protocol/schema/join-group.ts'
import { leaveGroup } from '../../../src/protocol/schema/leave-group.ts'
import { listGroups } from '../../../src/protocol/schema/list-groups.ts'
import { offsetCommit } from '../../../src/protocol/schema/offset-commit.ts'
import { offsetDelete } from '../../../src/protocol/schema/offset-delete.ts'
import { offsetFetch } from '../../../src/protocol/schema/offset-fetch.ts'
import { syncGroup } from '../../../src/protocol/schema/sync-group.ts'
import { type TestBroker, testBroker } from '../../support/test-broker.ts'
import type { TestClient } from '../../support/test-client.ts'

const versionsOf = ({ versions: { min, max } }: Api): number[] =>
  Array.from({ length: max - min + 1 }, (_, at) => min + at)

async function client(broker: TestBroker): Promise<TestClient> {
  const each = broker.connect()
  await broker.during(each.call(findCoordinator, 4, { keyType: 0, coordinatorKeys: ['any'] }))
  return each
}

const joinRequest = (memberId = '', groupId = 'g'): RequestInput<typeof joinGroup> => ({
  groupId,
  sessionTimeoutMs: 10_000,
  rebalanceTimeoutMs: 10_000,
  memberId,
  protocolType: 'consumer',
  protocols: [{ name: 'range', metadata: new Uint8Array(0) }],
})

test('a member joins, syncs, lives and leaves in every version', async t => {
  const broker = await testBroker(t, { 'group.initial.rebalance.delay.ms': '0' })
  const member = await client(broker)
  for (const version of versionsOf(joinGroup)) {
    const join = async (memberId?: string) => {
      member.send(joinGroup, version, joinRequest(memberId))
      await broker.world.time.advance(1)
      return (await member.receive<typeof joinGroup>()).body
    }
    const first = await join()
    const required = first.errorCode === ErrorCode.MEMBER_ID_REQUIRED
    assert.equal(required, version >= 4, 'from v4 on a member comes back with its id (KIP-394)')
    assert.equal(first.protocolName, required ? (version < 7 ? '' : null) : 'range')
    const joined = required ? await join(first.memberId) : first
    assert.equal(joined.errorCode, ErrorCode.NONE)
    const { memberId, generationId } = joined
    const sync = Math.min(version, 5)
    const assigned = await member.call(syncGroup, sync, {
      groupId: 'g',
      generationId,
      memberId,
      ...(sync >= 5 ? { protocolType: 'consumer', protocolName: 'range' } : {}),
      assignments: [{ memberId, assignment: Uint8Array.of(version) }],
    })
    assert.deepEqual([assigned.errorCode, ...assigned.assignment], [ErrorCode.NONE, version])
    const alive = await member.call(heartbeat, Math.min(version, 4), { groupId: 'g', generationId, memberId })
    assert.equal(alive.errorCode, ErrorCode.NONE)
    const leave = Math.min(version, 5)
    const leaving = leave < 3 ? { memberId } : { members: [{ memberId }] }
    const left = await member.call(leaveGroup, leave, { groupId: 'g', ...leaving })
    assert.deepEqual([left.errorCode, left.members[0]?.errorCode], [0, leave < 3 ? undefined : 0])
    const again = await member.call(leaveGroup, leave, { groupId: 'g', ...leaving })
    const codes = leave < 3 ? again.errorCode : again.members[0]!.errorCode
    assert.equal(codes, ErrorCode.UNKNOWN_MEMBER_ID)
  }
})

test('offsets are committed and fetched in every version', async t => {
  const broker = await testBroker(t)
  const topicId = await broker.createTopic('t', 2)
  const member = await client(broker)
  for (const version of versionsOf(offsetCommit)) {
    const partitions = [
      { partitionIndex: 0, committedOffset: version, committedMetadata: 'm' },
      { partitionIndex: 9, committedOffset: 1, committedMetadata: null },
    ]
    const topic = version >= 10 ? { topicId, partitions } : { name: 't', partitions }
    const { topics } = await member.call(offsetCommit, version, { groupId: 'g', topics: [topic] })
    assert.deepEqual(
      topics[0]!.partitions.map(({ errorCode }) => errorCode),
      [ErrorCode.NONE, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION],
    )
  }
  for (const version of versionsOf(offsetFetch)) {
    const partitionIndexes = [0, 1]
    if (version < 8) {
      const answer = await member.call(offsetFetch, version, {
        groupId: 'g',
        topics: [{ name: 't', partitionIndexes }],
      })
      const [first, second] = answer.topics[0]!.partitions
      assert.deepEqual([first!.committedOffset, first!.metadata, second!.committedOffset], [10, 'm', -1])
      continue
    }
    const topic = version >= 10 ? { topicId, partitionIndexes } : { name: 't', partitionIndexes }
    const { groups } = await member.call(offsetFetch, version, {
      groups: [
        { groupId: 'g', topics: [topic] },
        { groupId: 'h', topics: null },
      ],
    })
    assert.deepEqual(
      groups.map(({ groupId, errorCode }) => [groupId, errorCode]),
      [
        ['g', ErrorCode.NONE],
        ['h', ErrorCode.NONE],
      ],
    )
    assert.equal(groups[0]!.topics[0]!.partitions[0]!.committedOffset, 10)
    assert.deepEqual(groups[1]!.topics, [])
  }
  const gone = await member.call(offsetDelete, 0, {
    groupId: 'g',
    topics: [{ name: 't', partitions: [{ partitionIndex: 0 }] }],
  })
  assert.deepEqual([gone.errorCode, gone.topics[0]!.partitions[0]!.errorCode], [ErrorCode.NONE, ErrorCode.NONE])
})

test('a fetch of a group that cannot answer says so where its version has a place for it', async t => {
  const broker = await testBroker(t)
  await broker.createTopic('t', 2)
  const member = broker.connect()
  // Nobody has asked where a group is coordinated: there is no topic of offsets yet, and nothing to answer from.
  const first = await member.call(offsetFetch, 1, { groupId: 'g', topics: [{ name: 't', partitionIndexes: [0, 1] }] })
  assert.deepEqual(
    first.topics[0]!.partitions.map(({ errorCode, committedOffset }) => [errorCode, committedOffset]),
    [
      [ErrorCode.NOT_COORDINATOR, -1],
      [ErrorCode.NOT_COORDINATOR, -1],
    ],
  )
})

test('groups are listed, described and deleted in every version', async t => {
  const broker = await testBroker(t)
  await broker.createTopic('t')
  const admin = await client(broker)
  const commit = async () => {
    const partitions = [{ partitionIndex: 0, committedOffset: 1, committedMetadata: null }]
    await admin.call(offsetCommit, 8, { groupId: 'g', topics: [{ name: 't', partitions }] })
  }
  await commit()
  for (const version of versionsOf(listGroups)) {
    const { groups } = await admin.call(listGroups, version, {})
    const state = version < 4 ? '' : 'Empty'
    assert.deepEqual(groups, [
      { groupId: 'g', protocolType: '', groupState: state, groupType: version < 5 ? '' : 'classic' },
    ])
  }
  for (const version of versionsOf(describeGroups)) {
    const asked = version >= 3 ? { includeAuthorizedOperations: true } : {}
    const { groups } = await admin.call(describeGroups, version, { groups: ['g', 'none'], ...asked })
    assert.deepEqual(
      groups.map(({ groupState }) => groupState),
      ['Empty', 'Dead'],
    )
    assert.equal(groups[0]!.authorizedOperations, version >= 3 ? 3_400 : -0x8000_0000)
    assert.equal(groups[1]!.errorCode, version >= 6 ? ErrorCode.GROUP_ID_NOT_FOUND : ErrorCode.NONE)
  }
  for (const version of versionsOf(deleteGroups)) {
    await commit()
    const { results } = await admin.call(deleteGroups, version, { groupsNames: ['g'] })
    assert.deepEqual([results[0]!.groupId, results[0]!.errorCode], ['g', ErrorCode.NONE])
  }
})

test('the KIP-848 APIs answer that they are not there where the operator turned the protocol off', async t => {
  const broker = await testBroker(t, { 'group.coordinator.rebalance.protocols': 'classic' })
  const member = await client(broker)
  for (const version of versionsOf(consumerGroupHeartbeat)) {
    const beat = { groupId: 'g', memberId: 'm', memberEpoch: 0, rebalanceTimeoutMs: 1_000, subscribedTopicNames: [] }
    const { errorCode } = await member.call(consumerGroupHeartbeat, version, { ...beat, topicPartitions: [] })
    assert.equal(errorCode, ErrorCode.UNSUPPORTED_VERSION)
  }
  for (const version of versionsOf(consumerGroupDescribe)) {
    const request = { groupIds: ['g'], includeAuthorizedOperations: false }
    const { groups } = await member.call(consumerGroupDescribe, version, request)
    assert.equal(groups[0]!.errorCode, ErrorCode.UNSUPPORTED_VERSION)
  }
})

test('a JoinGroup that waits keeps its connection in order, and nothing of its frame', async t => {
  const broker = await testBroker(t)
  const waiting = await client(broker)
  const other = await client(broker)
  waiting.send(joinGroup, 0, joinRequest())
  waiting.send(listGroups, 4, {})
  for (let n = 0; n < 10; n++) await broker.world.time.settle()
  assert.equal(waiting.unread, 0, 'the request behind it waits, too')
  const { groups } = await other.call(listGroups, 4, {})
  assert.equal(groups[0]!.groupState, 'PreparingRebalance')
  assert.equal(broker.world.network.stats().frames, 1, 'one frame is held: of the request behind it')
  await broker.world.time.advance(3_000)
  assert.equal((await waiting.receive<typeof joinGroup>()).body.errorCode, ErrorCode.NONE)
  assert.equal((await waiting.receive<typeof listGroups>()).body.errorCode, ErrorCode.NONE)
})
