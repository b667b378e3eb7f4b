/**
 * Classic groups over sockets, as clients of several ages speak them, and as none should: each gets Kafka's answer, and
 * a group that goes on beside it never notices.
 */
import assert from 'node:assert/strict'
import { after, afterEach, before, test } from 'node:test'
import { ErrorCode } from '../../src/protocol/index.ts'
import { createTopics } from '../../src/protocol/schema/create-topics.ts'
import { deleteGroups } from '../../src/protocol/schema/delete-groups.ts'
import { describeGroups } from '../../src/protocol/schema/describe-groups.ts'
import { findCoordinator } from '../../src/protocol/schema/find-coordinator.ts'
import { listGroups } from '../../src/protocol/schema/list-groups.ts'
import { BrokerUnderTest } from '../compat/lib/broker.ts'
import { RawClient } from './raw-client.ts'
import { type GroupVersions, middle, newest, oldest, RawMember } from './raw-member.ts'
import { assertGrewLessThan, residentMb } from './resident-memory.ts'

const timeout = 60_000
const topic = 'groups'
const partitions = 3

let broker: BrokerUnderTest
/** Of the test at hand. */
const opened: { destroy(): void }[] = []

const client = async (): Promise<RawClient> => {
  const each = await RawClient.open(broker)
  opened.push(each)
  return each
}

const member = async (groupId: string, versions: GroupVersions = newest): Promise<RawMember> => {
  const each = await RawMember.open(broker, groupId, topic, versions)
  opened.push(each)
  return each
}

/** Kafka makes the topic of commits when somebody first asks where a group is coordinated. */
const findGroup = async (groupId: string): Promise<void> => {
  const { coordinators } = await (await client()).request(findCoordinator, 4, {
    keyType: 0,
    coordinatorKeys: [groupId],
  })
  const [found] = coordinators
  assert.deepEqual([found!.errorCode, found!.host, found!.port], [ErrorCode.NONE, broker.host, broker.port])
}

before(async () => {
  broker = await BrokerUnderTest.start({
    'group.initial.rebalance.delay.ms': '50',
    'group.min.session.timeout.ms': '200',
  })
  const admin = await RawClient.open(broker)
  const topics = [{ name: topic, numPartitions: partitions, replicationFactor: 1, assignments: [], configs: [] }]
  await admin.request(createTopics, 7, { topics, timeoutMs: 10_000 })
  admin.destroy()
  await findGroup('any')
})

afterEach(() => {
  for (const each of opened.splice(0)) each.destroy()
})

after(async () => {
  await broker?.destroy()
})

/** Lives as clients do until they share one generation, in which the leader gave partition i to its i-th member. */
async function rebalance(members: readonly RawMember[]): Promise<void> {
  const owned = new Map<RawMember, { generation: number; partitions: readonly number[] }>()
  const together = (): boolean =>
    owned.size === members.length && new Set([...owned.values()].map(each => each.generation)).size === 1
  const live = async (each: RawMember): Promise<void> => {
    while (!together()) {
      if (owned.has(each)) {
        const errorCode = await each.heartbeat()
        if (errorCode !== ErrorCode.NONE) owned.delete(each)
        if (errorCode === ErrorCode.UNKNOWN_MEMBER_ID) each.memberId = ''
        continue
      }
      const joined = await each.join()
      const assigned = await each.sync(joined.leader === each.memberId ? joined.members : [])
      if (assigned === undefined) continue
      assert.ok(assigned.every(share => share.topic === topic))
      const partitions = assigned.flatMap(share => share.partitions)
      owned.set(each, { generation: each.generation, partitions })
    }
  }
  await Promise.all(members.map(live))
  const all = [...owned.values()].flatMap(each => each.partitions)
  assert.deepEqual(
    all.sort(),
    members.map((_, partition) => partition),
  )
}

test('clients of three ages share a group, commit, and go on from it after kill -9', { timeout }, async () => {
  const members = [await member('ages', oldest), await member('ages', middle), await member('ages', newest)]
  // None ends while they are at work, however slow the machine is.
  for (const each of members) each.sessionTimeoutMs = 6_000
  await rebalance(members)
  for (const [partition, each] of members.entries()) {
    assert.equal(await each.heartbeat(), ErrorCode.NONE)
    assert.equal(await each.commit(partition, 10 + partition), ErrorCode.NONE)
  }
  for (const each of members) assert.deepEqual(await each.committed(partitions), [10, 11, 12])
  assert.equal(await members[1]!.leave(), ErrorCode.NONE)
  assert.equal(await members[0]!.heartbeat(), ErrorCode.REBALANCE_IN_PROGRESS)
  if (!broker.restartable) return
  await broker.kill9()
  await broker.startAgain()
  const again = [await member('ages', oldest), await member('ages', newest)]
  for (const each of again) each.sessionTimeoutMs = 6_000
  for (const each of again) assert.deepEqual(await each.committed(partitions), [10, 11, 12])
  // Those that were in it have a session's time to come back, and none does.
  await rebalance(again)
  assert.equal(await again[0]!.commit(0, 20), ErrorCode.NONE)
  await broker.stop()
  await broker.startAgain()
  assert.deepEqual(await (await member('ages')).committed(partitions), [20, 11, 12])
})

test('no acknowledged commit is lost, however often the broker is killed', { timeout }, async () => {
  if (!broker.restartable) return
  const acknowledged = new Map<string, number>()
  const sent = new Map<string, number>()
  for (let round = 0; round < 3; round++) {
    const committers = await Promise.all(Array.from({ length: 20 }, (_, at) => member(`kill-${at}`)))
    let commits = 0
    let enough: () => void = () => {}
    const killed = new Promise<void>(resolve => {
      enough = resolve
    }).then(() => broker.kill9())
    const lives = committers.map(async each => {
      const { groupId } = each
      if (round > 0) {
        const [found] = await each.committed(1)
        assert.ok(
          found! >= acknowledged.get(groupId)!,
          `${groupId}: ${found}, ${acknowledged.get(groupId)} acknowledged`,
        )
        assert.ok(found! <= sent.get(groupId)!, `${groupId}: ${found}, and only ${sent.get(groupId)} was sent`)
      }
      for (let offset = (sent.get(groupId) ?? 0) + 1; ; offset++) {
        sent.set(groupId, offset)
        const errorCode = await each.commit(0, offset)
        assert.equal(errorCode, ErrorCode.NONE)
        acknowledged.set(groupId, offset)
        if (++commits === 400) enough()
      }
    })
    const ends = await Promise.allSettled(lives)
    for (const end of ends)
      assert.match(String(end.status === 'rejected' && end.reason), /closed the connection|ECONNRESET/)
    await killed
    await broker.startAgain()
  }
})

test('groups are listed, described and deleted with their offsets', { timeout }, async () => {
  const admin = await client()
  const only = await member('admin')
  await rebalance([only])
  await only.commit(0, 5)
  const lone = await member('lone')
  lone.generation = -1
  assert.equal(await lone.commit(1, 6), ErrorCode.NONE)
  const listed = await admin.request(listGroups, 5, { statesFilter: ['stable'], typesFilter: ['Classic'] })
  assert.deepEqual(
    listed.groups.filter(({ groupId }) => groupId === 'admin'),
    [{ groupId: 'admin', protocolType: 'consumer', groupState: 'Stable', groupType: 'classic' }],
  )
  const described = await admin.request(describeGroups, 6, {
    groups: ['admin', 'nobody'],
    includeAuthorizedOperations: true,
  })
  const [known, unknown] = described.groups
  assert.deepEqual(
    [known!.groupState, known!.protocolData, known!.members[0]!.clientId, known!.members[0]!.clientHost],
    ['Stable', 'range', 'raw', '/127.0.0.1'],
  )
  assert.equal(known!.authorizedOperations, 3_400)
  assert.equal(unknown!.errorCode, ErrorCode.GROUP_ID_NOT_FOUND)
  const before6 = await admin.request(describeGroups, 5, { groups: ['nobody'] })
  assert.deepEqual([before6.groups[0]!.errorCode, before6.groups[0]!.groupState], [ErrorCode.NONE, 'Dead'])
  const removed = await admin.request(deleteGroups, 2, { groupsNames: ['admin', 'lone', 'nobody', 'lone'] })
  assert.deepEqual(Object.fromEntries(removed.results.map(({ groupId, errorCode }) => [groupId, errorCode])), {
    admin: ErrorCode.NON_EMPTY_GROUP,
    lone: ErrorCode.NONE,
    nobody: ErrorCode.GROUP_ID_NOT_FOUND,
  })
  assert.deepEqual(await lone.committed(2), [-1, -1])
})

test('what no client should say gets the code that Kafka gives', { timeout }, async () => {
  const good = await member('strict')
  await rebalance([good])
  const bad = await member('strict')
  const joined = async (more: Parameters<RawMember['tryJoin']>[0]) => (await bad.tryJoin(more)).errorCode
  assert.equal(await joined({ groupId: '' }), ErrorCode.INVALID_GROUP_ID)
  assert.equal(await joined({ sessionTimeoutMs: 199 }), ErrorCode.INVALID_SESSION_TIMEOUT)
  assert.equal(await joined({ sessionTimeoutMs: 1_800_001 }), ErrorCode.INVALID_SESSION_TIMEOUT)
  assert.equal(await joined({ memberId: 'stranger' }), ErrorCode.UNKNOWN_MEMBER_ID)
  assert.equal(await joined({ protocolType: 'connect' }), ErrorCode.INCONSISTENT_GROUP_PROTOCOL)
  assert.equal(await joined({ protocols: [] }), ErrorCode.INCONSISTENT_GROUP_PROTOCOL)
  assert.equal(await joined({ groupInstanceId: 'x', memberId: 'y' }), ErrorCode.UNKNOWN_MEMBER_ID)

  bad.memberId = 'stranger'
  bad.generation = good.generation
  assert.equal(await bad.heartbeat(), ErrorCode.UNKNOWN_MEMBER_ID)
  assert.equal(await bad.leave(), ErrorCode.UNKNOWN_MEMBER_ID)
  assert.equal(await bad.commit(0, 1), ErrorCode.UNKNOWN_MEMBER_ID)
  assert.equal((await bad.trySync()).errorCode, ErrorCode.UNKNOWN_MEMBER_ID)
  bad.memberId = good.memberId
  bad.instanceId = 'nobody'
  assert.equal(await bad.heartbeat(), ErrorCode.UNKNOWN_MEMBER_ID)
  bad.instanceId = null
  bad.generation = good.generation - 1
  assert.equal(await bad.heartbeat(), ErrorCode.ILLEGAL_GENERATION)
  assert.equal(await bad.commit(0, 1), ErrorCode.ILLEGAL_GENERATION)
  assert.equal((await bad.trySync()).errorCode, ErrorCode.ILLEGAL_GENERATION)
  bad.generation = good.generation
  assert.equal(await bad.commit(partitions, 1), ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
  assert.equal(await bad.commit(0, 1, 'x'.repeat(4_097)), ErrorCode.OFFSET_METADATA_TOO_LARGE)
  assert.equal(await bad.commit(0, 1, 'x'.repeat(4_096)), ErrorCode.NONE)
  const other = await RawMember.open(broker, 'strict', 'no-such-topic')
  opened.push(other)
  Object.assign(other, { memberId: good.memberId, generation: good.generation })
  assert.equal(await other.commit(0, 1), ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
  assert.equal(await good.heartbeat(), ErrorCode.NONE)
})

test('a member whose session ends is put out, and a waiting one is not held up', { timeout }, async () => {
  const silent = await member('sessions')
  silent.sessionTimeoutMs = 300
  await rebalance([silent])
  const next = await member('sessions')
  const joined = await next.join()
  assert.equal(joined.members.length, 1, 'the silent one is gone')
  assert.equal(await silent.heartbeat(), ErrorCode.UNKNOWN_MEMBER_ID)
})

test('2,000 members that never sync hold up nobody else, and take bounded memory', { timeout }, async () => {
  const good = await member('beside')
  await rebalance([good])
  const beforeMb = await residentMb(broker)
  const crowd = await Promise.all(Array.from({ length: 2_000 }, () => member('crowd', oldest)))
  for (const each of crowd) each.sessionTimeoutMs = 1_000
  let rounds = 0
  let slowestMs = 0
  let done = false
  const joins = Promise.all(crowd.map(each => each.tryJoin())).finally(() => {
    done = true
  })
  while (!done) {
    const startMs = performance.now()
    assert.equal(await good.heartbeat(), ErrorCode.NONE)
    assert.equal(await good.commit(0, rounds++), ErrorCode.NONE)
    slowestMs = Math.max(slowestMs, performance.now() - startMs)
  }
  for (const { errorCode } of await joins) assert.equal(errorCode, ErrorCode.NONE)
  assert.ok(slowestMs < 5_000, `a commit beside them took ${slowestMs.toFixed(0)} ms`)
  await assertGrewLessThan(150, beforeMb, broker)
  assert.deepEqual(await good.committed(1), [rounds - 1])
  const admin = await client()
  for (;;) {
    const { groups } = await admin.request(describeGroups, 5, { groups: ['crowd'] })
    if (groups[0]!.members.length === 0) break
    assert.equal(await good.heartbeat(), ErrorCode.NONE)
  }
})
