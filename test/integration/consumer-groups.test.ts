/**
 * KIP-848 groups over sockets: members that are told what to own by heartbeats, topics that grow and go, configs that
 * count at once, a broker that is killed, and what no client should say.
 */
import assert from 'node:assert/strict'
import { after, afterEach, before, test } from 'node:test'
import { ConfigOperation } from '../../src/config/change.ts'
import { ConfigResourceType } from '../../src/config/resources.ts'
import { ErrorCode, type RequestInput, type ResponseOf, type Uuid } from '../../src/protocol/index.ts'
import { consumerGroupDescribe } from '../../src/protocol/schema/consumer-group-describe.ts'
import { consumerGroupHeartbeat } from '../../src/protocol/schema/consumer-group-heartbeat.ts'
import { createPartitions } from '../../src/protocol/schema/create-partitions.ts'
import { createTopics } from '../../src/protocol/schema/create-topics.ts'
import { deleteTopics } from '../../src/protocol/schema/delete-topics.ts'
import { findCoordinator } from '../../src/protocol/schema/find-coordinator.ts'
import { incrementalAlterConfigs } from '../../src/protocol/schema/incremental-alter-configs.ts'
import { offsetCommit } from '../../src/protocol/schema/offset-commit.ts'
import { offsetFetch } from '../../src/protocol/schema/offset-fetch.ts'
import { BrokerUnderTest } from '../compat/lib/broker.ts'
import { RawClient } from './raw-client.ts'
import { RawMember } from './raw-member.ts'

const timeout = 60_000
const timeoutMs = 10_000

type Beat = ResponseOf<typeof consumerGroupHeartbeat>

let broker: BrokerUnderTest
let made = 0
const opened: { destroy(): void }[] = []

const client = async (): Promise<RawClient> => {
  const each = await RawClient.open(broker)
  opened.push(each)
  return each
}

const createTopic = async (partitions: number, name = `topic-${made++}`): Promise<{ name: string; id: Uuid }> => {
  const topics = [{ name, numPartitions: partitions, replicationFactor: 1, assignments: [], configs: [] }]
  const answer = await (await client()).request(createTopics, 7, { topics, timeoutMs })
  assert.equal(answer.topics[0]!.errorCode, ErrorCode.NONE)
  return { name, id: answer.topics[0]!.topicId }
}

/** A member of a KIP-848 group: what it is told to own it owns at once. */
class Consumer {
  epoch = 0
  owned: Beat['assignment'] = null

  constructor(
    readonly groupId: string,
    readonly memberId: string,
    readonly client: RawClient,
    readonly topics: readonly string[],
  ) {}

  /** One heartbeat, whatever it answers. */
  tryBeat(more: Partial<RequestInput<typeof consumerGroupHeartbeat>> = {}): Promise<Beat> {
    const joins = this.epoch === 0
    return this.client.request(consumerGroupHeartbeat, 1, {
      groupId: this.groupId,
      memberId: this.memberId,
      memberEpoch: this.epoch,
      rebalanceTimeoutMs: joins ? 10_000 : -1,
      subscribedTopicNames: joins ? this.topics : null,
      topicPartitions: joins ? [] : (this.owned?.topicPartitions ?? []),
      ...more,
    })
  }

  async beat(): Promise<Beat> {
    for (;;) {
      const answer = await this.tryBeat()
      if (answer.errorCode === ErrorCode.COORDINATOR_LOAD_IN_PROGRESS) continue
      assert.equal(answer.errorCode, ErrorCode.NONE, answer.errorMessage ?? '')
      this.epoch = answer.memberEpoch
      this.owned = answer.assignment ?? this.owned
      return answer
    }
  }

  get partitions(): number[] {
    return (this.owned?.topicPartitions ?? []).flatMap(({ partitions }) => partitions).sort((a, b) => a - b)
  }

  async commit(topic: { name: string; id: Uuid }, committedOffset: number, epoch = this.epoch): Promise<ErrorCode> {
    const partitions = [{ partitionIndex: 0, committedOffset, committedMetadata: null }]
    const { topics } = await this.client.request(offsetCommit, 10, {
      groupId: this.groupId,
      generationIdOrMemberEpoch: epoch,
      memberId: this.memberId,
      topics: [{ topicId: topic.id, partitions }],
    })
    return topics[0]!.partitions[0]!.errorCode
  }

  destroy(): void {
    this.client.destroy()
  }
}

const consumer = async (groupId: string, memberId: string, topics: readonly string[]): Promise<Consumer> =>
  new Consumer(groupId, memberId, await client(), topics)

const committedOf = async (groupId: string, topicId: Uuid): Promise<number> => {
  const reader = await client()
  for (;;) {
    const topics = [{ topicId, partitionIndexes: [0] }]
    const { groups } = await reader.request(offsetFetch, 10, { groups: [{ groupId, topics }] })
    const [group] = groups
    if (group!.errorCode === ErrorCode.COORDINATOR_LOAD_IN_PROGRESS) continue
    assert.equal(group!.errorCode, ErrorCode.NONE)
    return Number(group!.topics[0]!.partitions[0]!.committedOffset)
  }
}

/** Heartbeats of all of them in turn, until it is as it should be. */
async function until(members: readonly Consumer[], holds: () => boolean): Promise<void> {
  while (!holds()) for (const each of members) await each.beat()
}

before(async () => {
  broker = await BrokerUnderTest.start({ 'group.consumer.assignment.interval.ms': '0' })
  await (await client()).request(findCoordinator, 4, { keyType: 0, coordinatorKeys: ['any'] })
})

afterEach(() => {
  for (const each of opened.splice(0)) each.destroy()
})

after(async () => {
  await broker?.destroy()
})

test('members share partitions, and go on as who they were after kill -9', { timeout }, async () => {
  const topic = await createTopic(4)
  const a = await consumer('shared', 'a', [topic.name])
  const b = await consumer('shared', 'b', [topic.name])
  await a.beat()
  assert.deepEqual(a.partitions, [0, 1, 2, 3])
  await b.beat()
  await until([a, b], () => a.partitions.length === 2 && b.partitions.length === 2)
  assert.deepEqual([...a.partitions, ...b.partitions].sort(), [0, 1, 2, 3])
  assert.equal(await a.commit(topic, 7), ErrorCode.NONE)
  if (!broker.restartable) return
  await broker.kill9()
  await broker.startAgain()
  const again = await consumer('shared', 'a', [topic.name])
  Object.assign(again, { epoch: a.epoch, owned: a.owned })
  const { memberEpoch, assignment } = await again.beat()
  assert.deepEqual([memberEpoch, assignment], [a.epoch, null], 'nothing has changed for it')
  assert.equal(await committedOf('shared', topic.id), 7)
  const { groups } = await again.client.request(consumerGroupDescribe, 1, {
    groupIds: ['shared'],
    includeAuthorizedOperations: true,
  })
  assert.deepEqual(
    [groups[0]!.groupState, groups[0]!.members.map(member => member.memberId).sort()],
    ['Stable', ['a', 'b']],
  )
  assert.equal(groups[0]!.authorizedOperations, 3_400)
})

test('a topic that grows is assigned anew; the offsets of one that goes are gone', { timeout }, async () => {
  const topic = await createTopic(1)
  const only = await consumer('topics', 'only', [topic.name])
  await only.beat()
  assert.equal(await only.commit(topic, 3), ErrorCode.NONE)
  const admin = await client()
  const grown = [{ name: topic.name, count: 3, assignments: null }]
  await admin.request(createPartitions, 3, { topics: grown, timeoutMs, validateOnly: false })
  await until([only], () => only.partitions.length === 3)
  await admin.request(deleteTopics, 6, { topics: [{ topicId: topic.id }], timeoutMs })
  await until([only], () => only.partitions.length === 0)
  const next = await createTopic(2, topic.name)
  assert.notEqual(next.id, topic.id)
  assert.equal(await committedOf('topics', next.id), -1)
  await until([only], () => only.partitions.length === 2)
})

test('the configs of a group count at once', { timeout }, async () => {
  const topic = await createTopic(1)
  const only = await consumer('configured', 'only', [topic.name])
  assert.equal((await only.beat()).heartbeatIntervalMs, 5_000)
  const admin = await client()
  const alter = async (value: string): Promise<ErrorCode> => {
    const configs = [{ name: 'consumer.heartbeat.interval.ms', configOperation: ConfigOperation.set, value }]
    const { responses } = await admin.request(incrementalAlterConfigs, 1, {
      resources: [{ resourceType: ConfigResourceType.group, resourceName: 'configured', configs }],
      validateOnly: false,
    })
    return responses[0]!.errorCode
  }
  assert.equal(await alter('7000'), ErrorCode.NONE)
  assert.equal((await only.beat()).heartbeatIntervalMs, 7_000)
  assert.equal(await alter('15001'), ErrorCode.INVALID_CONFIG, "it is beyond the broker's bound")
})

test('what no client should say gets the code that Kafka gives', { timeout }, async () => {
  const topic = await createTopic(2)
  const good = await consumer('strict', 'good', [topic.name])
  await good.beat()
  const bad = await consumer('strict', 'bad', [topic.name])
  const told = async (more: Parameters<Consumer['tryBeat']>[0]) => (await bad.tryBeat(more)).errorCode
  assert.equal(await told({ groupId: '' }), ErrorCode.INVALID_REQUEST)
  assert.equal(await told({ memberId: '' }), ErrorCode.INVALID_REQUEST)
  assert.equal(await told({ rebalanceTimeoutMs: -1 }), ErrorCode.INVALID_REQUEST)
  assert.equal(await told({ memberEpoch: -3 }), ErrorCode.INVALID_REQUEST)
  assert.equal(await told({ serverAssignor: 'none' }), ErrorCode.UNSUPPORTED_ASSIGNOR)
  assert.equal(await told({ subscribedTopicRegex: '(' }), ErrorCode.INVALID_REGULAR_EXPRESSION)
  assert.equal(await told({ memberEpoch: 5 }), ErrorCode.UNKNOWN_MEMBER_ID)
  assert.equal(await told({ memberEpoch: -1 }), ErrorCode.UNKNOWN_MEMBER_ID)
  assert.equal(await told({ memberId: 'good', memberEpoch: good.epoch + 1 }), ErrorCode.FENCED_MEMBER_EPOCH)
  assert.equal(await good.commit(topic, 1, good.epoch + 1), ErrorCode.STALE_MEMBER_EPOCH)

  const held = await consumer('strict', 'static', [topic.name])
  await held.tryBeat({ instanceId: 'i' })
  const rival = await consumer('strict', 'rival', [topic.name])
  assert.equal((await rival.tryBeat({ instanceId: 'i' })).errorCode, ErrorCode.UNRELEASED_INSTANCE_ID)

  const stale = { groupId: 'strict', memberId: 'good', memberEpoch: 99, topics: null }
  const fetched = await good.client.request(offsetFetch, 9, { groups: [stale] })
  assert.equal(fetched.groups[0]!.errorCode, ErrorCode.STALE_MEMBER_EPOCH)

  const classic = await RawMember.open(broker, 'strict', topic.name)
  opened.push(classic)
  assert.equal((await classic.tryJoin({ protocolType: 'connect' })).errorCode, ErrorCode.INCONSISTENT_GROUP_PROTOCOL)
  Object.assign(classic, { memberId: 'good', generation: good.epoch })
  assert.equal(await classic.heartbeat(), ErrorCode.UNKNOWN_MEMBER_ID)
  assert.equal((await good.beat()).errorCode, ErrorCode.NONE)
})
