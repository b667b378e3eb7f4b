/**
 * Records what Apache Kafka answers to the administration of topics, so that a test can hold our answers against it byte
 * for byte. Topics `t` (three partitions, three records in the first) and `u` (one) are there before the first exchange;
 * their ids and the cluster's are blanked. Run by hand:
 *
 *   node --import tsx test/golden/capture/topics.ts && npm run format
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Api, type Fields, type RequestInput, uuidToBytes } from '../../../src/protocol/index.ts'
import { createPartitions } from '../../../src/protocol/schema/create-partitions.ts'
import { createTopics } from '../../../src/protocol/schema/create-topics.ts'
import { deleteRecords } from '../../../src/protocol/schema/delete-records.ts'
import { deleteTopics } from '../../../src/protocol/schema/delete-topics.ts'
import { describeCluster } from '../../../src/protocol/schema/describe-cluster.ts'
import { describeTopicPartitions } from '../../../src/protocol/schema/describe-topic-partitions.ts'
import { metadata } from '../../../src/protocol/schema/metadata.ts'
import { offsetForLeaderEpoch } from '../../../src/protocol/schema/offset-for-leader-epoch.ts'
import { produce } from '../../../src/protocol/schema/produce.ts'
import { buildBatch } from '../../../src/records/record-batch.ts'
import { endedWithin } from '../../compat/lib/process.ts'
import { formatKafka, startKafka } from '../../compat/lib/reference-kafka.ts'
import { encodeRequest, RawClient } from '../../integration/raw-client.ts'
import { blank, type Exchange } from '../fixture.ts'
import { writeFixture } from './write-fixture.ts'

/** Kafka applies what it has answered a little later. */
const appliedMs = 500
const timeoutMs = 30_000

type Call = () => Promise<void>
const exchanges: Exchange[] = []
/** What is random in an answer: ids of topics and of the cluster. */
const secrets: Buffer[] = []
const dataDir = await mkdtemp(join(tmpdir(), 'millrace-golden-topics-'))
const port = await formatKafka(dataDir, { 'advertised.listeners': 'PLAINTEXT://broker.example:9092' })
const kafka = await startKafka(dataDir)
const client = await RawClient.open({ host: '127.0.0.1', port })

async function record<Q extends Fields, S extends Fields>(
  api: Api<Q, S>,
  version: number,
  request: RequestInput<Api<Q, S>>,
): Promise<void> {
  const frame = encodeRequest(api, version, exchanges.length + 1, request)
  client.write(frame)
  const response = await client.frame()
  if (response === undefined) throw new Error(`no answer to ${api.name} v${version}`)
  exchanges.push({
    api: api.key,
    version,
    request: blank(frame.subarray(4), secrets).toString('hex'),
    response: blank(response, secrets).toString('hex'),
  })
}

type Topic = RequestInput<typeof createTopics>['topics'][number]
const create =
  (version: number, topic: Partial<Topic> & { name: string }, validateOnly = false): Call =>
  () => {
    const counts = { numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] }
    return record(createTopics, version, { topics: [{ ...counts, ...topic }], timeoutMs, validateOnly })
  }
const assigned = (name: string, ...replicas: [number, number[]][]) => ({
  name,
  numPartitions: -1,
  replicationFactor: -1,
  assignments: replicas.map(([partitionIndex, brokerIds]) => ({ partitionIndex, brokerIds })),
})
const grow =
  (version: number, name: string, count: number, brokers: number[][] | null = null, validateOnly = false): Call =>
  async () => {
    const assignments = brokers?.map(brokerIds => ({ brokerIds })) ?? null
    await record(createPartitions, version, { topics: [{ name, count, assignments }], timeoutMs, validateOnly })
    await sleep(appliedMs)
  }
const trim =
  (version: number, name: string, partitionIndex: number, offset: number): Call =>
  () =>
    record(deleteRecords, version, { topics: [{ name, partitions: [{ partitionIndex, offset }] }], timeoutMs })
const epoch =
  (version: number, topic: string, partition: number, leaderEpoch: number, currentLeaderEpoch = -1): Call =>
  () =>
    record(offsetForLeaderEpoch, version, {
      ...(version >= 3 ? { replicaId: -1 } : {}),
      topics: [{ topic, partitions: [{ partition, currentLeaderEpoch, leaderEpoch }] }],
    })
const page =
  (names: string[], responsePartitionLimit: number, cursor?: [string, number]): Call =>
  () =>
    record(describeTopicPartitions, 0, {
      topics: names.map(name => ({ name })),
      responsePartitionLimit,
      cursor: cursor === undefined ? null : { topicName: cursor[0], partitionIndex: cursor[1] },
    })
const cluster =
  (version: number, endpointType: number, includeClusterAuthorizedOperations = true): Call =>
  () =>
    record(describeCluster, version, {
      includeClusterAuthorizedOperations,
      ...(version >= 1 ? { endpointType } : {}),
    })
const describe =
  (version: number, name: string, operations = false): Call =>
  () =>
    record(metadata, version, {
      topics: [{ name }],
      ...(version >= 4 ? { allowAutoTopicCreation: false } : {}),
      ...(version >= 8 ? { includeTopicAuthorizedOperations: operations } : {}),
      ...(version >= 8 && version <= 10 ? { includeClusterAuthorizedOperations: operations } : {}),
    })
const remove =
  (version: number, ...names: string[]): Call =>
  async () => {
    const topics = version >= 6 ? { topics: names.map(name => ({ name })) } : { topicNames: names }
    await record(deleteTopics, version, { ...topics, timeoutMs })
    await sleep(appliedMs)
  }

const calls: Call[] = [
  // v0-3 cannot ask not to make what is missing before v4, and Kafka makes it later than it answers.
  ...Array.from({ length: 14 }, (_, version) => describe(version, 't')),
  ...[4, 8, 10, 11, 13].flatMap(version => [describe(version, 'nope', true), describe(version, 't', true)]),
  describe(12, 'a b'),
  describe(12, ''),
  describe(12, '__consumer_offsets'),
  ...[0, 1, 2].flatMap(version => [cluster(version, 1), cluster(version, 1, false)]),
  ...[1, 2].flatMap(version => [cluster(version, 2), cluster(version, 3), cluster(version, 0)]),
  page([], 1),
  page([], 3),
  page(['u', 't'], 4),
  page(['u', 't', 'u'], 2000),
  page(['t'], 0),
  page(['t'], -1),
  page(['u', 't'], 2, ['t', 1]),
  page(['u', 't'], 2, ['t', 9]),
  page(['u'], 2, ['t', 0]),
  page(['t'], 2, ['t', -1]),
  page([], 9, ['ta', 3]),
  page(['zz', 't', 'a b'], 9),
  page(['zz'], 9, ['zz', 4]),
  page(['zz', 'u'], 1),
  ...[2, 3, 4].flatMap(version => [
    epoch(version, 't', 0, 0),
    epoch(version, 't', 0, 0, 0),
    epoch(version, 'nope', 0, 0),
  ]),
  ...[-1, -5, 5].map(asked => epoch(4, 't', 0, asked)),
  epoch(4, 't', 0, 0, 3),
  epoch(4, 't', 0, 0, -7),
  epoch(4, 't', 1, 0),
  epoch(4, 't', 9, 0),
  ...[0, 1, 2].flatMap(version => [trim(version, 't', 0, version), trim(version, 'nope', 0, 0)]),
  trim(2, 't', 0, 1),
  trim(2, 't', 0, 4),
  trim(2, 't', 0, -2),
  trim(2, 't', 1, -1),
  trim(2, 't', 9, 0),
  trim(2, 't', 0, -1),
  epoch(4, 't', 0, 0),
  ...[2, 3, 4].flatMap(version => [
    create(version, { name: `made-${version}`, numPartitions: 2 }),
    create(version, { name: 't' }),
  ]),
  ...[2, 4, 5, 7].map(version => create(version, { name: 't' }, true)),
  create(4, { name: 'only-checked' }, true),
  ...['', '.', '..', 'a b', 'x'.repeat(250), '__cluster_metadata'].map(name => create(7, { name })),
  create(4, { name: 'do.t' }),
  create(7, { name: 'do_t' }),
  create(7, { name: 'x', replicationFactor: 0 }),
  create(7, { name: 'x', replicationFactor: -2 }),
  create(7, { name: 'x', numPartitions: 0 }),
  create(7, { name: 'x', numPartitions: -2 }),
  create(7, { name: 'x', numPartitions: 0, replicationFactor: 0 }),
  create(7, { name: 'x', numPartitions: 10_001 }),
  create(7, { ...assigned('x', [0, [1]]), numPartitions: 1 }),
  create(7, { ...assigned('x', [0, [1]]), replicationFactor: 1 }),
  create(7, assigned('x', [0, [1]], [0, [1]])),
  create(7, assigned('x', [0, [1]], [2, [1]])),
  create(7, assigned('x', [-1, [1]])),
  create(7, assigned('x', [0, []])),
  create(7, assigned('x', [0, [1, 1]])),
  create(7, assigned('x', [0, [7, 3]])),
  create(4, assigned('assigned', [1, [1]], [0, [1]])),
  create(7, {
    name: 'x',
    configs: [
      { name: 'retention.ms', value: null },
      { name: 'flush.ms', value: null },
    ],
  }),
  create(7, { name: 'x', configs: [{ name: 'no.such', value: 'x' }] }),
  create(7, { name: 'x', numPartitions: 0, configs: [{ name: 'retention.ms', value: 'x' }] }),
  ...[0, 1, 2, 3].flatMap(version => [
    grow(version, 't', version + 4),
    grow(version, 't', 3),
    grow(version, 'nope', 2),
  ]),
  grow(3, 't', 7),
  grow(3, 't', -1),
  grow(3, 't', 9, null, true),
  grow(3, 't', 10_008),
  grow(3, 't', 8, [[1]]),
  grow(3, 't', 10, [[1]]),
  grow(3, 't', 9, [[1], [1]]),
  grow(3, 't', 9, []),
  grow(3, 't', 9, [[9]]),
  grow(3, 't', 9, [[1, 1]]),
  grow(3, 't', 9, [[]]),
  page(['t'], 2000),
  ...[1, 2, 3, 4].flatMap(version => [remove(version, 'nope'), remove(version, 'u', 'u')]),
  remove(6, 'u', 'u'),
  remove(4, 'made-2'),
  remove(6, 'u'),
  describe(13, 'u'),
]

try {
  const counts = { replicationFactor: 1, assignments: [], configs: [] }
  const { topics } = await client.request(createTopics, 7, {
    topics: [
      { name: 't', numPartitions: 3, ...counts },
      { name: 'u', numPartitions: 1, ...counts },
    ],
    timeoutMs,
    validateOnly: false,
  })
  await sleep(appliedMs)
  const { clusterId } = await client.request(metadata, 12, { topics: [] })
  for (const { topicId } of topics) secrets.push(Buffer.from(uuidToBytes(topicId)))
  secrets.push(Buffer.from(clusterId ?? ''))
  const records = ['a', 'b', 'c'].map(value => ({ key: null, value: Buffer.from(value) }))
  await client.request(produce, 12, {
    acks: -1,
    timeoutMs,
    topicData: [
      { name: 't', partitionData: [{ index: 0, records: buildBatch({ timestampMs: Date.now(), records }) }] },
    ],
  })
  for (const call of calls) await call()
  await writeFixture('topics', exchanges)
  console.log(`${exchanges.length} exchanges`)
} finally {
  client.destroy()
  kafka.child.kill('SIGTERM')
  await endedWithin(kafka.child, 30_000)
  await rm(dataDir, { recursive: true, force: true })
}
