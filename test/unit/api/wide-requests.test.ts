import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Api, ErrorCode, type RequestInput, type ResponseOf } from '../../../src/protocol/index.ts'
import { alterClientQuotas } from '../../../src/protocol/schema/alter-client-quotas.ts'
import { alterPartitionReassignments } from '../../../src/protocol/schema/alter-partition-reassignments.ts'
import { alterReplicaLogDirs } from '../../../src/protocol/schema/alter-replica-log-dirs.ts'
import { alterUserScramCredentials } from '../../../src/protocol/schema/alter-user-scram-credentials.ts'
import { apiVersions } from '../../../src/protocol/schema/api-versions.ts'
import { consumerGroupDescribe } from '../../../src/protocol/schema/consumer-group-describe.ts'
import { createPartitions } from '../../../src/protocol/schema/create-partitions.ts'
import { createTopics } from '../../../src/protocol/schema/create-topics.ts'
import { deleteAcls } from '../../../src/protocol/schema/delete-acls.ts'
import { deleteGroups } from '../../../src/protocol/schema/delete-groups.ts'
import { deleteRecords } from '../../../src/protocol/schema/delete-records.ts'
import { deleteTopics } from '../../../src/protocol/schema/delete-topics.ts'
import { describeGroups } from '../../../src/protocol/schema/describe-groups.ts'
import { describeProducers } from '../../../src/protocol/schema/describe-producers.ts'
import { describeQuorum } from '../../../src/protocol/schema/describe-quorum.ts'
import { describeTopicPartitions } from '../../../src/protocol/schema/describe-topic-partitions.ts'
import { describeTransactions } from '../../../src/protocol/schema/describe-transactions.ts'
import { electLeaders } from '../../../src/protocol/schema/elect-leaders.ts'
import { findCoordinator } from '../../../src/protocol/schema/find-coordinator.ts'
import { leaveGroup } from '../../../src/protocol/schema/leave-group.ts'
import { metadata } from '../../../src/protocol/schema/metadata.ts'
import { offsetCommit } from '../../../src/protocol/schema/offset-commit.ts'
import { offsetFetch } from '../../../src/protocol/schema/offset-fetch.ts'
import { offsetForLeaderEpoch } from '../../../src/protocol/schema/offset-for-leader-epoch.ts'
import { dataDirectory, testBroker } from '../../support/test-broker.ts'

const count = 30_000
/** What a handler does in one turn, at most: see TurnShare. */
const unitsPerTurn = 1_000
const names = Array.from({ length: count }, (_, index) => `topic-${(index * 7919) % count}`)
const timeoutMs = 60_000

interface Wide<A extends Api> {
  readonly api: A
  readonly version: number
  readonly wide: RequestInput<A>
  codes(answer: ResponseOf<A>): readonly ErrorCode[]
  readonly expected: ErrorCode
}

const committed = names.map((_, partitionIndex) => ({ partitionIndex, committedOffset: 1, committedMetadata: null }))

const wide = <A extends Api>(each: Wide<A>): Wide<Api> => each as unknown as Wide<Api>
const {
  GROUP_ID_NOT_FOUND,
  NONE,
  UNKNOWN_TOPIC_OR_PARTITION,
  POLICY_VIOLATION,
  UNKNOWN_MEMBER_ID,
  UNSUPPORTED_VERSION,
} = ErrorCode
const { RESOURCE_NOT_FOUND, SECURITY_DISABLED, TRANSACTIONAL_ID_NOT_FOUND } = ErrorCode

const requests: Wide<Api>[] = [
  wide({
    api: metadata,
    version: 12,
    wide: { topics: names.map(name => ({ name })), allowAutoTopicCreation: true },
    codes: ({ topics }) => topics.map(({ errorCode }) => errorCode),
    expected: UNKNOWN_TOPIC_OR_PARTITION,
  }),
  wide({
    api: createTopics,
    version: 7,
    wide: {
      topics: names.map(name => ({ name, numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] })),
      timeoutMs,
    },
    codes: ({ topics }) => topics.map(({ errorCode }) => errorCode),
    expected: POLICY_VIOLATION,
  }),
  wide({
    api: deleteTopics,
    version: 6,
    wide: { topics: names.map(name => ({ name })), timeoutMs },
    codes: ({ responses }) => responses.map(({ errorCode }) => errorCode),
    expected: UNKNOWN_TOPIC_OR_PARTITION,
  }),
  wide({
    api: deleteRecords,
    version: 2,
    wide: {
      topics: [{ name: 't', partitions: names.map((_, partitionIndex) => ({ partitionIndex, offset: -1 })) }],
      timeoutMs,
    },
    codes: ({ topics }) => topics[0]!.partitions.slice(1).map(({ errorCode }) => errorCode),
    expected: UNKNOWN_TOPIC_OR_PARTITION,
  }),
  wide({
    api: offsetForLeaderEpoch,
    version: 4,
    wide: { topics: [{ topic: 't', partitions: names.map((_, partition) => ({ partition, leaderEpoch: 0 })) }] },
    codes: ({ topics }) => topics[0]!.partitions.slice(1).map(({ errorCode }) => errorCode),
    expected: UNKNOWN_TOPIC_OR_PARTITION,
  }),
  wide({
    api: createPartitions,
    version: 3,
    wide: { topics: names.map(name => ({ name, count: 2, assignments: null })), timeoutMs, validateOnly: false },
    codes: ({ results }) => results.map(({ errorCode }) => errorCode),
    expected: POLICY_VIOLATION,
  }),
  wide({
    api: describeTopicPartitions,
    version: 0,
    wide: { topics: names.map(name => ({ name })) },
    codes: ({ topics }) => topics.map(({ errorCode }) => errorCode),
    expected: UNKNOWN_TOPIC_OR_PARTITION,
  }),
  wide({
    api: electLeaders,
    version: 2,
    wide: { electionType: 0, topicPartitions: names.map(topic => ({ topic, partitions: [0] })), timeoutMs },
    codes: ({ replicaElectionResults }) =>
      replicaElectionResults.map(({ partitionResult }) => partitionResult[0]!.errorCode),
    expected: UNKNOWN_TOPIC_OR_PARTITION,
  }),
  wide({
    api: alterPartitionReassignments,
    version: 1,
    wide: {
      timeoutMs,
      topics: [{ name: 't', partitions: names.map((_, partitionIndex) => ({ partitionIndex, replicas: [1] })) }],
    },
    codes: ({ responses }) => responses[0]!.partitions.slice(1).map(({ errorCode }) => errorCode),
    expected: UNKNOWN_TOPIC_OR_PARTITION,
  }),
  wide({
    api: alterReplicaLogDirs,
    version: 2,
    wide: { dirs: [{ path: dataDirectory, topics: names.map(name => ({ name, partitions: [0] })) }] },
    codes: ({ results }) => results.map(({ partitions }) => partitions[0]!.errorCode),
    expected: UNKNOWN_TOPIC_OR_PARTITION,
  }),
  wide({
    api: describeProducers,
    version: 0,
    wide: { topics: [{ name: 't', partitionIndexes: names.map((_, index) => index) }] },
    codes: ({ topics }) => topics[0]!.partitions.slice(1).map(({ errorCode }) => errorCode),
    expected: UNKNOWN_TOPIC_OR_PARTITION,
  }),
  wide({
    api: describeQuorum,
    version: 2,
    wide: { topics: names.map(topicName => ({ topicName, partitions: [{ partitionIndex: 0 }] })) },
    codes: ({ topics }) => topics.map(({ partitions }) => partitions[0]!.errorCode),
    expected: UNKNOWN_TOPIC_OR_PARTITION,
  }),
  wide({
    api: deleteAcls,
    version: 3,
    wide: {
      filters: names.map(resourceNameFilter => ({
        resourceTypeFilter: 2,
        resourceNameFilter,
        patternTypeFilter: 3,
        principalFilter: null,
        hostFilter: null,
        operation: 1,
        permissionType: 1,
      })),
    },
    codes: ({ filterResults }) => filterResults.map(({ errorCode }) => errorCode),
    expected: SECURITY_DISABLED,
  }),
  wide({
    api: alterClientQuotas,
    version: 1,
    wide: {
      entries: names.map(entityName => ({
        entity: [{ entityType: 'user', entityName }],
        ops: [{ key: 'producer_byte_rate', value: 1, remove: false }],
      })),
      validateOnly: false,
    },
    codes: ({ entries }) => entries.map(({ errorCode }) => errorCode),
    expected: UNSUPPORTED_VERSION,
  }),
  wide({
    api: alterUserScramCredentials,
    version: 0,
    wide: { deletions: names.map(name => ({ name, mechanism: 1 })), upsertions: [] },
    codes: ({ results }) => results.map(({ errorCode }) => errorCode),
    expected: RESOURCE_NOT_FOUND,
  }),
  wide({
    api: describeTransactions,
    version: 0,
    wide: { transactionalIds: names },
    codes: ({ transactionStates }) => transactionStates.map(({ errorCode }) => errorCode),
    expected: TRANSACTIONAL_ID_NOT_FOUND,
  }),
  wide({
    api: findCoordinator,
    version: 6,
    wide: { keyType: 0, coordinatorKeys: names },
    codes: ({ coordinators }) => coordinators.map(({ errorCode }) => errorCode),
    expected: NONE,
  }),
  wide({
    api: describeGroups,
    version: 6,
    wide: { groups: names },
    codes: ({ groups }) => groups.map(({ errorCode }) => errorCode),
    expected: GROUP_ID_NOT_FOUND,
  }),
  wide({
    api: consumerGroupDescribe,
    version: 1,
    wide: { groupIds: names, includeAuthorizedOperations: true },
    codes: ({ groups }) => groups.map(({ errorCode }) => errorCode),
    expected: GROUP_ID_NOT_FOUND,
  }),
  wide({
    api: deleteGroups,
    version: 2,
    wide: { groupsNames: names },
    codes: ({ results }) => results.map(({ errorCode }) => errorCode),
    expected: GROUP_ID_NOT_FOUND,
  }),
  wide({
    api: offsetCommit,
    version: 9,
    wide: { groupId: 'g', topics: [{ name: 'absent', partitions: committed }] },
    codes: ({ topics }) => topics.flatMap(({ partitions }) => partitions.map(({ errorCode }) => errorCode)),
    expected: UNKNOWN_TOPIC_OR_PARTITION,
  }),
  wide({
    api: leaveGroup,
    version: 5,
    wide: { groupId: 'g', members: names.map(memberId => ({ memberId })) },
    codes: ({ members }) => members.map(({ errorCode }) => errorCode),
    expected: UNKNOWN_MEMBER_ID,
  }),
  wide({
    api: offsetFetch,
    version: 8,
    wide: { groups: names.map(groupId => ({ groupId, topics: null })) },
    codes: ({ groups }) => groups.map(({ errorCode }) => errorCode),
    expected: NONE,
  }),
  wide({
    api: offsetFetch,
    version: 7,
    wide: { groupId: 'g', topics: [{ name: 't', partitionIndexes: committed.map(each => each.partitionIndex) }] },
    codes: ({ topics }) => topics.flatMap(({ partitions }) => partitions.map(({ errorCode }) => errorCode)),
    expected: NONE,
  }),
]

for (const { api, version, wide: request, codes, expected } of requests)
  test(`${api.name} v${version} of 30,000 is answered in full, and others are answered meanwhile`, async t => {
    const broker = await testBroker(t)
    await broker.createTopic('t')
    // Whoever asks for groups has asked where they are.
    const locator = broker.connect()
    await broker.during(locator.call(findCoordinator, 4, { keyType: 0, coordinatorKeys: ['g'] }))
    locator.hangUp()
    const [client, other] = [broker.connect(), broker.connect()]
    let turns = 0
    const { world } = broker
    const soon = world.timers.soon.bind(world.timers)
    world.timers.soon = run => {
      turns++
      soon(run)
    }
    let first: string | undefined
    const note = (who: string, peer: typeof client) => {
      const onBytes = peer.onBytes.bind(peer)
      peer.onBytes = bytes => {
        first ??= who
        onBytes(bytes)
      }
    }
    note('wide', client)
    note('other', other)
    client.send(api, version, request)
    other.send(apiVersions, 0, {})
    await other.receive()
    assert.equal(first, 'other', 'a small request does not wait for a wide one')
    const { body } = await client.receive()
    const answered = codes(body as never)
    assert.ok(answered.length >= count - 1)
    assert.ok(answered.every(code => code === expected))
    assert.ok(turns >= count / unitsPerTurn, `${turns} turns`)
  })
