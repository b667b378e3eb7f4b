/**
 * A live group moves from the classic protocol to the new one and back, member by member, with Java's clients; members
 * that stop polling; and the calls of Java's Admin for groups, on groups of both protocols.
 */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { BrokerUnderTest } from './lib/broker.ts'
import { clientKinds, type RunningClient, startClient } from './lib/clients.ts'
import { ClientError } from './lib/driver.ts'
import type { GroupWay } from './lib/group-clients.ts'
import { GroupScenario } from './lib/group-scenario.ts'
import { installJavaDriver, newestJava } from './lib/install-clients.ts'
import { MemberHost } from './lib/member-host.ts'
import { shortSessions } from './lib/short-sessions.ts'

const timeout = 120_000

let broker: BrokerUnderTest
let java: RunningClient
let host: MemberHost

before(
  async () => {
    broker = await BrokerUnderTest.start(shortSessions)
    java = await startClient(clientKinds[0]!, broker)
    host = await MemberHost.start(await installJavaDriver(...newestJava, 'Members'), broker.bootstrap)
  },
  { timeout },
)

after(async () => {
  await Promise.all([host?.end(), java?.driver.end()])
  await broker?.destroy()
})

interface Member {
  readonly clientId: string
  readonly instanceId?: string
  readonly partitions: readonly string[]
  readonly upgraded?: boolean
}

interface Group {
  readonly type: string
  readonly state: string
  readonly assignor: string
  readonly members: readonly Member[]
  readonly groupEpoch?: number
  readonly targetAssignmentEpoch?: number
}

const call = <T>(op: string, args: object = {}): Promise<T> => java.driver.call<T>(op, args)
const describe = (group: string): Promise<Group> => call('describeConsumerGroup', { group })
const list = async (args: object = {}) => (await call<{ groups: string[][] }>('listGroups', args)).groups

const refusal = (code: number) => (error: unknown) => error instanceof ClientError && error.code === code
const nonEmptyGroup = 68
const groupIdNotFound = 69
const groupSubscribedToTopic = 86
const unknownMemberId = 25

const scenario = async (way: GroupWay, group: string): Promise<GroupScenario> => {
  const made = new GroupScenario(java, way, group)
  const { topic, numPartitions } = made.firstTopic()
  await call('createTopic', { topic, partitions: numPartitions })
  await made.produce()
  return made
}

const classic: GroupWay = { protocol: 'classic', assignor: 'range' }
const consumer: GroupWay = { protocol: 'consumer', assignor: 'uniform' }

for (const way of [classic, { ...classic, assignor: 'cooperative-sticky' }]) {
  test(`a live group moves to the new protocol and back, from ${way.assignor}`, { timeout }, async () => {
    const moving = await scenario(way, `moves-${way.assignor}`)
    const members = [0, 1, 2].map(slot => moving.join(host, slot))
    await moving.settled(members)
    assert.equal((await describe(moving.group)).type, 'Classic')

    const moveTo = async (to: GroupWay, type: (moved: number) => string) => {
      for (const slot of members.keys()) {
        await moving.leave(members[slot] ?? '')
        members[slot] = moving.join(host, slot, to)
        await moving.produce()
        await moving.settled(members)
        const group = await describe(moving.group)
        assert.equal(group.type, type(slot + 1), `${slot + 1} of 3 have moved`)
        assert.deepEqual(group.members.flatMap(({ partitions }) => partitions).sort(), [
          ...moving.history.ends().keys(),
        ])
      }
    }
    await moveTo(consumer, () => 'Consumer')
    // Groups turn back once no member of the new protocol is left.
    await moveTo(way, moved => (moved === members.length ? 'Classic' : 'Consumer'))
    moving.history.check()
    for (const member of members) await moving.leave(member)
  })
}

test('Admin describes a mixed group, and who of it has not moved yet', { timeout }, async () => {
  const mixed = await scenario(classic, 'mixed')
  const members = [mixed.join(host, 0)]
  // Kafka does not take a member of the new protocol into a group whose only other one is still joining.
  await mixed.settled(members)
  members.push(mixed.join(host, 1, consumer))
  await mixed.settled(members)
  const { type, state, members: described } = await describe(mixed.group)
  assert.deepEqual({ type, state }, { type: 'Consumer', state: 'Stable' })
  assert.deepEqual(described.map(({ clientId, upgraded }) => [clientId, upgraded]).sort(), [
    [members[0], false],
    [members[1], true],
  ])
  for (const member of members) await mixed.leave(member)
  mixed.history.check()
})

for (const way of [classic, consumer]) {
  const group = `admin-${way.protocol}`
  test(`Admin sees and changes a ${way.protocol} group`, { timeout }, async () => {
    const watched = await scenario(way, group)
    const member = watched.join(host, 0)
    await watched.settled([member])
    const [topic = ''] = watched.topics
    const ends = Object.fromEntries(watched.history.ends())
    const type = way.protocol === 'classic' ? 'Classic' : 'Consumer'

    const own = (groups: readonly string[][]) => groups.filter(([id]) => id === group)
    const entry = [[group, type, 'consumer', 'Stable']]
    assert.deepEqual(own(await list()), entry)
    assert.deepEqual(own(await list({ types: [type] })), entry)
    assert.deepEqual(own(await list({ types: [type === 'Classic' ? 'Consumer' : 'Classic'] })), [])
    assert.deepEqual(own(await list({ states: ['Stable'] })), entry)
    assert.deepEqual(own(await list({ states: ['Empty'] })), [])

    const described = await describe(group)
    assert.equal(described.state, 'Stable')
    assert.equal(described.assignor, way.assignor)
    assert.deepEqual(
      described.members.map(({ clientId, partitions }) => ({ clientId, partitions })),
      [{ clientId: member, partitions: Object.keys(ends) }],
    )
    if (way.protocol === 'classic') {
      const answer = await call<Group & { protocol: string; protocolData: string }>('describeClassicGroup', { group })
      assert.deepEqual([answer.protocol, answer.protocolData, answer.state], ['consumer', 'range', 'Stable'])
    } else {
      assert.equal(described.targetAssignmentEpoch, described.groupEpoch)
      await assert.rejects(call('describeClassicGroup', { group }), refusal(groupIdNotFound))
    }

    const offsets = async () => {
      const answer = await call<{ offsets: Record<string, [number, string]> }>('committedOffsets', { group })
      return Object.fromEntries(Object.entries(answer.offsets).map(([name, [offset]]) => [name, offset]))
    }
    const name = `${topic}/0`
    assert.deepEqual(await offsets(), ends)
    await assert.rejects(call('deleteGroup', { group }), refusal(nonEmptyGroup))
    await assert.rejects(call('deleteCommittedOffsets', { group, partitions: [name] }), refusal(groupSubscribedToTopic))
    await assert.rejects(
      call('alterCommittedOffsets', { group, offsets: { [name]: [1, ''] } }),
      refusal(unknownMemberId),
    )

    await watched.leave(member)
    assert.deepEqual(own(await list()), [[group, type, 'consumer', 'Empty']])
    await call('alterCommittedOffsets', { group, offsets: { [name]: [7, 'by hand'] } })
    const answer = await call<{ offsets: Record<string, unknown[]> }>('committedOffsets', { group })
    assert.deepEqual(answer.offsets[name]?.slice(0, 2), [7, 'by hand'])
    await call('deleteCommittedOffsets', { group, partitions: [name] })
    assert.deepEqual(Object.keys(await offsets()), Object.keys(ends).slice(1))
    await call('deleteGroup', { group })
    assert.deepEqual(own(await list()), [])
    await assert.rejects(describe(group), refusal(groupIdNotFound))
    await assert.rejects(call('deleteGroup', { group }), refusal(groupIdNotFound))
  })
}

for (const { protocol, assignor } of [classic, consumer]) {
  const title = `a member that stops polling loses its partitions, and comes back: ${protocol}`
  test(title, { timeout }, async () => {
    const stalling = await scenario({ protocol, assignor, maxPollIntervalMs: 2_000 }, `stalls-${protocol}`)
    const members = [stalling.join(host, 0), stalling.join(host, 1)] as const
    const { history } = stalling
    await stalling.settled(members)
    host.stall(members[0])
    await stalling.produce()
    const takenOver = () => history.owners().get(members[1])?.length === history.ends().size && history.caughtUp()
    await history.until('the other takes over', takenOver, timeout)
    host.resume(members[0])
    await stalling.produce()
    await stalling.settled(members)
    history.check()
    for (const member of members) await stalling.leave(member)
  })
}

for (const way of [classic, consumer]) {
  const title = `Admin removes a static member of a ${way.protocol} group, whose process is fenced, then all members`
  test(title, { timeout }, async () => {
    const removing = await scenario({ ...way, static: true }, `removes-${way.protocol}`)
    const members = [removing.join(host, 0), removing.join(host, 1)]
    await removing.settled(members)
    const fenced = (member: string | undefined) => () =>
      removing.history.events.some(each => each.event === 'lost' && each.member === member)
    await call('removeMembers', { group: removing.group, instanceIds: ['instance-0'] })
    await removing.history.until('the member learns that it is removed', fenced(members[0]), timeout)
    // A member removed while it fetches the offsets of what it takes over fails in its poll, with Kafka's broker too.
    await removing.produce()
    await removing.settled(members)
    await call('removeMembers', { group: removing.group, instanceIds: [] })
    await removing.history.until('the other one learns that it is removed', fenced(members[1]), timeout)
  })
}
