/**
 * Requests for 100,000 partitions, nearly all of which do not exist, over real sockets: every one is answered in full
 * with Kafka's codes, within a bounded memory, while a bystander appends.
 */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { type Api, ErrorCode, type RequestInput, type ResponseOf } from '../../src/protocol/index.ts'
import { addPartitionsToTxn } from '../../src/protocol/schema/add-partitions-to-txn.ts'
import { alterPartitionReassignments } from '../../src/protocol/schema/alter-partition-reassignments.ts'
import { alterReplicaLogDirs } from '../../src/protocol/schema/alter-replica-log-dirs.ts'
import { createPartitions } from '../../src/protocol/schema/create-partitions.ts'
import { createTopics } from '../../src/protocol/schema/create-topics.ts'
import { deleteGroups } from '../../src/protocol/schema/delete-groups.ts'
import { deleteRecords } from '../../src/protocol/schema/delete-records.ts'
import { describeConfigs } from '../../src/protocol/schema/describe-configs.ts'
import { describeGroups } from '../../src/protocol/schema/describe-groups.ts'
import { describeProducers } from '../../src/protocol/schema/describe-producers.ts'
import { describeTransactions } from '../../src/protocol/schema/describe-transactions.ts'
import { describeUserScramCredentials } from '../../src/protocol/schema/describe-user-scram-credentials.ts'
import { electLeaders } from '../../src/protocol/schema/elect-leaders.ts'
import { fetch } from '../../src/protocol/schema/fetch.ts'
import { findCoordinator } from '../../src/protocol/schema/find-coordinator.ts'
import { leaveGroup } from '../../src/protocol/schema/leave-group.ts'
import { listOffsets } from '../../src/protocol/schema/list-offsets.ts'
import { metadata } from '../../src/protocol/schema/metadata.ts'
import { offsetCommit } from '../../src/protocol/schema/offset-commit.ts'
import { offsetFetch } from '../../src/protocol/schema/offset-fetch.ts'
import { offsetForLeaderEpoch } from '../../src/protocol/schema/offset-for-leader-epoch.ts'
import { produce } from '../../src/protocol/schema/produce.ts'
import { txnOffsetCommit } from '../../src/protocol/schema/txn-offset-commit.ts'
import { writeTxnMarkers } from '../../src/protocol/schema/write-txn-markers.ts'
import { buildBatch } from '../../src/records/record-batch.ts'
import { BrokerUnderTest } from '../compat/lib/broker.ts'
import { RawClient } from '../integration/raw-client.ts'
import { assertGrewLessThan, residentMb } from '../integration/resident-memory.ts'

const count = 100_000
const timeoutMs = 20_000
const topic = 'wide'
const indexes = Array.from({ length: count }, (_, index) => index)
const names = indexes.map(index => `absent-${index}`)
const { NONE, INVALID_PARTITIONS, POLICY_VIOLATION, UNKNOWN_TOPIC_OR_PARTITION } = ErrorCode
const { GROUP_ID_NOT_FOUND, LOG_DIR_NOT_FOUND, RESOURCE_NOT_FOUND } = ErrorCode
const { INVALID_PRODUCER_ID_MAPPING, TRANSACTIONAL_ID_NOT_FOUND, UNKNOWN_MEMBER_ID } = ErrorCode
const committed = indexes.map(partitionIndex => ({ partitionIndex, committedOffset: 1, committedMetadata: null }))

let broker: BrokerUnderTest
let bystander: RawClient
const records = buildBatch({ records: [{ key: null, value: Buffer.from('x') }], timestampMs: Date.now() })
const produceRequest = (partitions: readonly number[]) => ({
  transactionalId: null,
  acks: -1,
  timeoutMs,
  topicData: [{ name: topic, partitionData: partitions.map(index => ({ index, records })) }],
})

before(async () => {
  broker = await BrokerUnderTest.start()
  bystander = await RawClient.open(broker)
  const topics = [{ name: topic, numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] }]
  await bystander.request(createTopics, 7, { topics, timeoutMs })
  await bystander.request(findCoordinator, 4, { keyType: 0, coordinatorKeys: ['g'] })
  await bystander.request(findCoordinator, 4, { keyType: 1, coordinatorKeys: ['tx'] })
})

after(async () => {
  bystander?.destroy()
  await broker?.destroy()
})

interface Wide<A extends Api> {
  readonly api: A
  readonly version: number
  readonly request: RequestInput<A>
  codes(answer: ResponseOf<A>): readonly ErrorCode[]
  /** Of the one partition that exists, where there is one, and of the others. */
  readonly expected: readonly [ErrorCode, ErrorCode]
}
const wide = <A extends Api>(each: Wide<A>): Wide<Api> => each as unknown as Wide<Api>
const partly = [NONE, UNKNOWN_TOPIC_OR_PARTITION] as const

const requests: Wide<Api>[] = [
  wide({
    api: produce,
    version: 9,
    request: produceRequest(indexes),
    codes: ({ responses }) => responses.flatMap(each => each.partitionResponses.map(({ errorCode }) => errorCode)),
    expected: partly,
  }),
  wide({
    api: fetch,
    version: 12,
    request: {
      maxWaitMs: 0,
      minBytes: 0,
      maxBytes: 1 << 20,
      topics: [
        {
          topic,
          partitions: indexes.map(partition => ({ partition, fetchOffset: 0, partitionMaxBytes: 1_000 })),
        },
      ],
      forgottenTopicsData: [],
    },
    codes: ({ responses }) => responses.flatMap(each => each.partitions.map(({ errorCode }) => errorCode)),
    expected: partly,
  }),
  wide({
    api: metadata,
    version: 12,
    request: { topics: names.map(name => ({ name })), allowAutoTopicCreation: false },
    codes: ({ topics }) => topics.map(({ errorCode }) => errorCode),
    expected: [UNKNOWN_TOPIC_OR_PARTITION, UNKNOWN_TOPIC_OR_PARTITION],
  }),
  wide({
    api: listOffsets,
    version: 7,
    request: {
      replicaId: -1,
      isolationLevel: 0,
      topics: [{ name: topic, partitions: indexes.map(partitionIndex => ({ partitionIndex, timestamp: 0 })) }],
    },
    codes: ({ topics }) => topics.flatMap(each => each.partitions.map(({ errorCode }) => errorCode)),
    expected: partly,
  }),
  wide({
    api: deleteRecords,
    version: 2,
    request: {
      topics: [{ name: topic, partitions: indexes.map(partitionIndex => ({ partitionIndex, offset: -1 })) }],
      timeoutMs,
    },
    codes: ({ topics }) => topics.flatMap(each => each.partitions.map(({ errorCode }) => errorCode)),
    expected: partly,
  }),
  wide({
    api: offsetForLeaderEpoch,
    version: 4,
    request: { topics: [{ topic, partitions: indexes.map(partition => ({ partition, leaderEpoch: 0 })) }] },
    codes: ({ topics }) => topics.flatMap(each => each.partitions.map(({ errorCode }) => errorCode)),
    expected: partly,
  }),
  wide({
    api: describeConfigs,
    version: 4,
    request: {
      resources: names.map(resourceName => ({ resourceType: 2, resourceName, configurationKeys: [] })),
      includeSynonyms: true,
      includeDocumentation: true,
    },
    codes: ({ results }) => results.map(({ errorCode }) => errorCode),
    expected: [UNKNOWN_TOPIC_OR_PARTITION, UNKNOWN_TOPIC_OR_PARTITION],
  }),
  wide({
    api: findCoordinator,
    version: 6,
    request: { keyType: 0, coordinatorKeys: names },
    codes: ({ coordinators }) => coordinators.map(({ errorCode }) => errorCode),
    expected: [NONE, NONE],
  }),
  wide({
    api: offsetCommit,
    version: 9,
    request: { groupId: 'g', topics: [{ name: topic, partitions: committed }] },
    codes: ({ topics }) => topics.flatMap(each => each.partitions.map(({ errorCode }) => errorCode)),
    expected: partly,
  }),
  wide({
    api: offsetFetch,
    version: 7,
    request: { groupId: 'g', topics: [{ name: topic, partitionIndexes: indexes }] },
    codes: ({ topics }) => topics.flatMap(each => each.partitions.map(({ errorCode }) => errorCode)),
    expected: [NONE, NONE],
  }),
  wide({
    api: describeGroups,
    version: 6,
    request: { groups: names },
    codes: ({ groups }) => groups.map(({ errorCode }) => errorCode),
    expected: [GROUP_ID_NOT_FOUND, GROUP_ID_NOT_FOUND],
  }),
  wide({
    api: deleteGroups,
    version: 2,
    request: { groupsNames: names },
    codes: ({ results }) => results.map(({ errorCode }) => errorCode),
    expected: [GROUP_ID_NOT_FOUND, GROUP_ID_NOT_FOUND],
  }),
  wide({
    api: leaveGroup,
    version: 5,
    request: { groupId: 'g', members: names.map(memberId => ({ memberId })) },
    codes: ({ members }) => members.map(({ errorCode }) => errorCode),
    expected: [UNKNOWN_MEMBER_ID, UNKNOWN_MEMBER_ID],
  }),
  wide({
    api: electLeaders,
    version: 2,
    request: { electionType: 0, topicPartitions: [{ topic, partitions: indexes.map(index => index + 1) }], timeoutMs },
    codes: ({ replicaElectionResults }) =>
      replicaElectionResults.flatMap(each => each.partitionResult.map(({ errorCode }) => errorCode)),
    expected: [UNKNOWN_TOPIC_OR_PARTITION, UNKNOWN_TOPIC_OR_PARTITION],
  }),
  wide({
    api: alterPartitionReassignments,
    version: 1,
    request: {
      timeoutMs,
      topics: [{ name: topic, partitions: indexes.map(partitionIndex => ({ partitionIndex, replicas: [1] })) }],
    },
    codes: ({ responses }) => responses.flatMap(each => each.partitions.map(({ errorCode }) => errorCode)),
    expected: partly,
  }),
  wide({
    api: alterReplicaLogDirs,
    version: 2,
    request: { dirs: [{ path: '/nowhere', topics: [{ name: topic, partitions: indexes }] }] },
    codes: ({ results }) => results.flatMap(each => each.partitions.map(({ errorCode }) => errorCode)),
    expected: [LOG_DIR_NOT_FOUND, LOG_DIR_NOT_FOUND],
  }),
  wide({
    api: describeProducers,
    version: 0,
    request: { topics: [{ name: topic, partitionIndexes: indexes }] },
    codes: ({ topics }) => topics.flatMap(each => each.partitions.map(({ errorCode }) => errorCode)),
    expected: partly,
  }),
  wide({
    api: describeUserScramCredentials,
    version: 0,
    request: { users: names.map(name => ({ name })) },
    codes: ({ results }) => results.map(({ errorCode }) => errorCode),
    expected: [RESOURCE_NOT_FOUND, RESOURCE_NOT_FOUND],
  }),
  wide({
    api: describeTransactions,
    version: 0,
    request: { transactionalIds: names },
    codes: ({ transactionStates }) => transactionStates.map(({ errorCode }) => errorCode),
    expected: [TRANSACTIONAL_ID_NOT_FOUND, TRANSACTIONAL_ID_NOT_FOUND],
  }),
  wide({
    api: addPartitionsToTxn,
    version: 3,
    request: {
      v3AndBelowTransactionalId: 'tx',
      v3AndBelowProducerId: 1n,
      v3AndBelowProducerEpoch: 0,
      v3AndBelowTopics: [{ name: 'absent', partitions: indexes }],
    },
    codes: ({ resultsByTopicV3AndBelow }) =>
      resultsByTopicV3AndBelow.flatMap(each =>
        each.resultsByPartition.map(({ partitionErrorCode }) => partitionErrorCode),
      ),
    expected: [UNKNOWN_TOPIC_OR_PARTITION, UNKNOWN_TOPIC_OR_PARTITION],
  }),
  wide({
    api: txnOffsetCommit,
    version: 3,
    request: {
      transactionalId: 'tx',
      groupId: 'g',
      producerId: 1n,
      producerEpoch: 0,
      memberId: '',
      topics: [{ name: topic, partitions: committed }],
    },
    codes: ({ topics }) => topics.flatMap(each => each.partitions.map(({ errorCode }) => errorCode)),
    expected: [INVALID_PRODUCER_ID_MAPPING, INVALID_PRODUCER_ID_MAPPING],
  }),
  wide({
    api: writeTxnMarkers,
    version: 1,
    request: {
      markers: [
        {
          producerId: 1n,
          producerEpoch: 0,
          transactionResult: false,
          topics: [{ name: topic, partitionIndexes: indexes }],
          coordinatorEpoch: 0,
        },
      ],
    },
    codes: ({ markers }) =>
      markers.flatMap(each => each.topics.flatMap(({ partitions }) => partitions.map(({ errorCode }) => errorCode))),
    expected: partly,
  }),
]

/** The bystander's appends until `work` is done; how long each took, in order of length. */
async function beside<T>(work: Promise<T>): Promise<{ answer: T; took: number[] }> {
  let done = false
  const ended = work.finally(() => {
    done = true
  })
  ended.catch(() => {})
  const took: number[] = []
  while (!done) {
    const startMs = performance.now()
    const { responses } = await bystander.request(produce, 9, produceRequest([0]))
    assert.equal(responses[0]!.partitionResponses[0]!.errorCode, NONE)
    took.push(performance.now() - startMs)
  }
  return { answer: await ended, took: took.sort((a, b) => a - b) }
}

test('requests for 100,000 partitions are answered in full, beside others', { timeout: 200_000 }, async t => {
  const beforeMb = await residentMb(broker)
  for (const { api, version, request, codes, expected } of requests) {
    const client = await RawClient.open(broker)
    const { answer, took } = await beside(client.request(api, version, request as never))
    client.destroy()
    const [first, ...others] = codes(answer as never)
      .slice()
      .sort((a, b) => a - b)
    assert.equal(others.length, count - 1, api.name)
    assert.equal(first, expected[0], api.name)
    assert.ok(
      others.every(code => code === expected[1]),
      api.name,
    )
    t.diagnostic(
      `${api.name}: ${took.length} appends beside it, half of them in ${took[took.length >> 1]?.toFixed(1)} ms`,
    )
  }
  await assertGrewLessThan(400, beforeMb, broker)
})

test('topics of 100,000 partitions are refused, and none is begun', { timeout: 100_000 }, async () => {
  const asked = { name: 'too-wide', replicationFactor: 1, assignments: [], configs: [] }
  const creation = { topics: [{ ...asked, numPartitions: count }], timeoutMs }
  const created = await bystander.request(createTopics, 7, creation)
  assert.equal(created.topics[0]!.errorCode, POLICY_VIOLATION)
  const assignments = indexes.map(partitionIndex => ({ partitionIndex, brokerIds: [1] }))
  const assigned = { topics: [{ ...asked, numPartitions: -1, replicationFactor: -1, assignments }], timeoutMs }
  const named = await bystander.request(createTopics, 7, assigned)
  assert.equal(named.topics[0]!.errorCode, POLICY_VIOLATION)
  const grown = { topics: [{ name: topic, count, assignments: null }], timeoutMs, validateOnly: false }
  const more = await bystander.request(createPartitions, 3, grown)
  assert.ok([POLICY_VIOLATION, INVALID_PARTITIONS].includes(more.results[0]!.errorCode as never))
  const { topics } = await bystander.request(metadata, 12, { topics: null, allowAutoTopicCreation: false })
  assert.deepEqual(topics.map(({ name, partitions }) => [name, partitions.length]).sort(), [
    ['__consumer_offsets', 50],
    ['__transaction_state', 50],
    [topic, 1],
  ])
})
