/**
 * Records what Apache Kafka answers to the rest of its administration: elections, reassignments, log directories,
 * quotas, credentials, access control, delegation tokens, features, producers, transactions and the metadata quorum's
 * voters. Topics `t` (three partitions) and `u` (one) are there before the first exchange, and nothing else is. Left out
 * is what a broker that enforces no quotas and authenticates nobody refuses on purpose, and what differs from machine to
 * machine (directories, times). Run by hand:
 *
 *   node --import tsx test/golden/capture/admin.ts && npm run format
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Api, type Fields, type RequestInput, uuidFromBytes, uuidToBytes } from '../../../src/protocol/index.ts'
import { addRaftVoter } from '../../../src/protocol/schema/add-raft-voter.ts'
import { alterClientQuotas } from '../../../src/protocol/schema/alter-client-quotas.ts'
import { alterPartitionReassignments } from '../../../src/protocol/schema/alter-partition-reassignments.ts'
import { alterReplicaLogDirs } from '../../../src/protocol/schema/alter-replica-log-dirs.ts'
import { alterUserScramCredentials } from '../../../src/protocol/schema/alter-user-scram-credentials.ts'
import { createAcls } from '../../../src/protocol/schema/create-acls.ts'
import { createDelegationToken } from '../../../src/protocol/schema/create-delegation-token.ts'
import { createTopics } from '../../../src/protocol/schema/create-topics.ts'
import { deleteAcls } from '../../../src/protocol/schema/delete-acls.ts'
import { describeAcls } from '../../../src/protocol/schema/describe-acls.ts'
import { describeClientQuotas } from '../../../src/protocol/schema/describe-client-quotas.ts'
import { describeDelegationToken } from '../../../src/protocol/schema/describe-delegation-token.ts'
import { describeProducers } from '../../../src/protocol/schema/describe-producers.ts'
import { describeQuorum } from '../../../src/protocol/schema/describe-quorum.ts'
import { describeTransactions } from '../../../src/protocol/schema/describe-transactions.ts'
import { describeUserScramCredentials } from '../../../src/protocol/schema/describe-user-scram-credentials.ts'
import { electLeaders } from '../../../src/protocol/schema/elect-leaders.ts'
import { expireDelegationToken } from '../../../src/protocol/schema/expire-delegation-token.ts'
import { listPartitionReassignments } from '../../../src/protocol/schema/list-partition-reassignments.ts'
import { listTransactions } from '../../../src/protocol/schema/list-transactions.ts'
import { metadata } from '../../../src/protocol/schema/metadata.ts'
import { removeRaftVoter } from '../../../src/protocol/schema/remove-raft-voter.ts'
import { renewDelegationToken } from '../../../src/protocol/schema/renew-delegation-token.ts'
import { unregisterBroker } from '../../../src/protocol/schema/unregister-broker.ts'
import { updateFeatures } from '../../../src/protocol/schema/update-features.ts'
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
const secrets: Buffer[] = []
const dataDir = await mkdtemp(join(tmpdir(), 'millrace-golden-admin-'))
const port = await formatKafka(dataDir, { 'advertised.listeners': 'PLAINTEXT://broker.example:9092' })
const kafka = await startKafka(dataDir)
const client = await RawClient.open({ host: '127.0.0.1', port })

const call =
  <Q extends Fields, S extends Fields>(api: Api<Q, S>, version: number, request: RequestInput<Api<Q, S>>): Call =>
  async () => {
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

const voterDirectoryId = uuidFromBytes(Buffer.alloc(16, 7), 0)
const bytes = (text: string) => Buffer.from(text)
const versions = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i)

const elect = (version: number, electionType: number, topics: Record<string, number[]> | null) =>
  call(electLeaders, version, {
    ...(version >= 1 ? { electionType } : {}),
    topicPartitions:
      topics === null ? null : Object.entries(topics).map(([topic, partitions]) => ({ topic, partitions })),
    timeoutMs,
  })
const reassign = (version: number, name: string, partitionIndex: number, replicas: number[] | null, change = true) =>
  call(alterPartitionReassignments, version, {
    timeoutMs,
    ...(version >= 1 ? { allowReplicationFactorChange: change } : {}),
    topics: [{ name, partitions: [{ partitionIndex, replicas }] }],
  })
const reassigned = (topics: [string, number[]][] | null) =>
  call(listPartitionReassignments, 0, {
    timeoutMs,
    topics: topics?.map(([name, partitionIndexes]) => ({ name, partitionIndexes })) ?? null,
  })
type Component = [entityType: string, matchType: number, match: string | null]
const quotas = (version: number, strict: boolean, ...components: Component[]) =>
  call(describeClientQuotas, version, {
    components: components.map(([entityType, matchType, match]) => ({ entityType, matchType, match })),
    strict,
  })
type Op = [key: string, value: number, remove?: boolean]
const quota = (version: number, entity: [string, string | null][], ops: Op[], validateOnly = false) =>
  call(alterClientQuotas, version, {
    entries: [
      {
        entity: entity.map(([entityType, entityName]) => ({ entityType, entityName })),
        ops: ops.map(([key, value, remove = false]) => ({ key, value, remove })),
      },
    ],
    validateOnly,
  })
const credentials = (...users: string[]) =>
  call(describeUserScramCredentials, 0, { users: users.map(name => ({ name })) })
type Credential = [name: string, mechanism: number, iterations: number]
const credential = (deletions: [string, number][], ...upsertions: Credential[]) =>
  call(alterUserScramCredentials, 0, {
    deletions: deletions.map(([name, mechanism]) => ({ name, mechanism })),
    upsertions: upsertions.map(([name, mechanism, iterations]) => ({
      name,
      mechanism,
      iterations,
      salt: bytes('salt'),
      saltedPassword: bytes('0123456789abcdef0123456789abcdef'),
    })),
  })
const aclFilter = (version: number) => ({
  resourceTypeFilter: 1,
  resourceNameFilter: null,
  ...(version >= 1 ? { patternTypeFilter: 1 } : {}),
  principalFilter: null,
  hostFilter: null,
  operation: 1,
  permissionType: 1,
})
const acl = {
  resourceType: 2,
  resourceName: 't',
  principal: 'User:a',
  host: '*',
  operation: 3,
  permissionType: 3,
}
type Update = [feature: string, maxVersionLevel: number, type: number]
const update = (version: number, validateOnly: boolean, ...updates: Update[]) =>
  call(updateFeatures, version, {
    timeoutMs,
    featureUpdates: updates.map(([feature, maxVersionLevel, type]) => ({
      feature,
      maxVersionLevel,
      ...(version >= 1 ? { upgradeType: type } : { allowDowngrade: type === 2 }),
    })),
    ...(version >= 1 ? { validateOnly } : {}),
  })
const producers = (name: string, ...partitionIndexes: number[]) =>
  call(describeProducers, 0, { topics: [{ name, partitionIndexes }] })
const transactions = (version: number, stateFilters: string[], more: object = {}) =>
  call(listTransactions, version, { stateFilters, producerIdFilters: [], ...more })
const dirs = (version: number, path: string, name: string, ...partitions: number[]) =>
  call(alterReplicaLogDirs, version, { dirs: [{ path, topics: [{ name, partitions }] }] })

const calls: Call[] = [
  ...versions(0, 2).flatMap(version => [
    elect(version, 0, { t: [0, 2] }),
    elect(version, 0, { t: [9], nope: [0] }),
    elect(version, 0, {}),
  ]),
  elect(2, 1, { t: [0] }),
  elect(2, 1, { t: [7] }),
  elect(1, 2, { t: [0] }),
  elect(2, 7, { t: [0] }),
  ...versions(0, 1).flatMap(version => [
    reassign(version, 't', 0, [1]),
    reassign(version, 't', 0, null),
    reassign(version, 't', 9, [1]),
    reassign(version, 'nope', 0, [1]),
    reassign(version, 'nope', 0, null),
    reassign(version, 't', 0, [2]),
    reassign(version, 't', 0, [1, 2]),
    reassign(version, 't', 0, [1, 1]),
    reassign(version, 't', 0, []),
    reassign(version, 't', 0, [-1]),
  ]),
  reassign(1, 't', 0, [1], false),
  reassign(1, 't', 0, [1, 2], false),
  reassign(1, 't', 0, [2], false),
  reassign(1, 't', 0, [], false),
  reassign(1, 't', 0, null, false),
  reassigned(null),
  reassigned([]),
  reassigned([['t', [0, 1]]]),
  reassigned([['nope', [0]]]),
  ...versions(0, 1).flatMap(version => [quotas(version, false), quotas(version, true, ['user', 0, 'a'])]),
  quotas(1, false, ['user', 1, null], ['client-id', 2, null]),
  quotas(1, false, ['', 0, 'a']),
  quotas(1, false, ['user', 0, 'a'], ['user', 0, 'b']),
  quotas(1, false, ['user', 0, null]),
  quotas(1, false, ['user', 1, 'a']),
  quotas(1, false, ['user', 2, 'a']),
  quotas(1, false, ['user', 3, null]),
  quotas(1, false, ['group', 0, 'a']),
  quotas(1, false, ['ip', 2, null], ['user', 2, null]),
  ...versions(0, 1).map(version => quota(version, [['user', 'a']], [['producer_byte_rate', 0, true]])),
  quota(1, [['user', 'a']], [['no.such', 0, true]]),
  quota(1, [['user', 'a']], []),
  quota(1, [], [['producer_byte_rate', 10]]),
  quota(1, [['group', 'a']], [['producer_byte_rate', 10]]),
  quota(1, [['user', '']], [['producer_byte_rate', 10]]),
  quota(1, [['user', 'a']], [['no.such', 10]]),
  quota(1, [['user', 'a']], [['producer_byte_rate', 0]]),
  quota(1, [['user', 'a']], [['consumer_byte_rate', -5]]),
  quota(1, [['user', 'a']], [['producer_byte_rate', 1.5]]),
  quota(1, [['user', 'a']], [['producer_byte_rate', 1e19]]),
  quota(1, [['ip', '127.0.0.1']], [['connection_creation_rate', 3e9]]),
  quota(1, [['ip', '127.0.0.1']], [['producer_byte_rate', 10]]),
  quota(1, [['user', 'a']], [['connection_creation_rate', 10]]),
  quota(
    1,
    [
      ['user', 'a'],
      ['ip', '127.0.0.1'],
    ],
    [['producer_byte_rate', 10]],
  ),
  quota(
    1,
    [['user', 'a']],
    [
      ['producer_byte_rate', 0, true],
      ['producer_byte_rate', 0, true],
    ],
  ),
  quota(1, [['user', 'a']], [['producer_byte_rate', -1]], true),
  call(describeUserScramCredentials, 0, { users: null }),
  credentials(),
  credentials('a'),
  credentials('a', 'a'),
  credentials(''),
  credential([['a', 1]]),
  credential([['a', 0]]),
  credential([['', 1]]),
  credential([
    ['a', 1],
    ['a', 1],
  ]),
  credential(
    [
      ['a', 1],
      ['a', 2],
    ],
    ['a', 1, 4096],
  ),
  credential([], ['a', 1, 4095]),
  credential([], ['a', 2, 16_385]),
  credential([], ['a', 3, 8192]),
  credential([], ['', 1, 8192]),
  ...versions(1, 3).flatMap(version => [
    call(describeAcls, version, aclFilter(version)),
    call(createAcls, version, { creations: [{ ...acl, resourcePatternType: 3 }] }),
    call(createAcls, version, { creations: [] }),
    call(createAcls, version, {
      creations: [
        { ...acl, resourcePatternType: 3 },
        { ...acl, resourcePatternType: 3 },
      ],
    }),
    call(deleteAcls, version, { filters: [aclFilter(version), aclFilter(version)] }),
  ]),
  ...versions(1, 3).flatMap(version => [
    call(createDelegationToken, version, {
      ...(version >= 3 ? { ownerPrincipalType: null, ownerPrincipalName: null } : {}),
      renewers: [{ principalType: 'User', principalName: 'b' }],
      maxLifetimeMs: -1,
    }),
    call(describeDelegationToken, version, { owners: null }),
  ]),
  call(createDelegationToken, 3, {
    ownerPrincipalType: 'User',
    ownerPrincipalName: 'owner',
    renewers: [],
    maxLifetimeMs: -1,
  }),
  ...versions(1, 2).flatMap(version => [
    call(renewDelegationToken, version, { hmac: bytes('x'), renewPeriodMs: 1 }),
    call(expireDelegationToken, version, { hmac: bytes('x'), expiryTimePeriodMs: 1 }),
  ]),
  ...versions(0, 2).flatMap(version => [
    update(version, false, ['metadata.version', -1, 1]),
    update(version, false, ['metadata.version', 99, 1]),
    update(version, false, ['metadata.version', 28, 1]),
    update(version, false, ['no.such', 1, 1]),
    update(version, true, ['no.such', 0, 1]),
    update(version, false),
  ]),
  update(2, false, ['metadata.version', 28, 0]),
  update(2, false, ['metadata.version', 28, 4]),
  update(2, false, ['metadata.version', 6, 2]),
  update(2, false, ['metadata.version', 0, 2]),
  update(2, false, ['metadata.version', 29, 1]),
  update(2, true, ['metadata.version', 29, 1]),
  update(2, true, ['metadata.version', 30, 1]),
  update(2, true, ['group.version', 0, 2]),
  update(2, true, ['group.version', 0, 1]),
  update(2, true, ['group.version', 2, 1]),
  update(2, true, ['kraft.version', 0, 1]),
  update(2, false, ['metadata.version', 30, 1], ['metadata.version', 30, 1]),
  producers('t', 0, 1, 9),
  producers('nope', 0),
  producers('a b', 0),
  producers(''),
  ...versions(0, 2).flatMap(version => [
    transactions(version, []),
    transactions(version, ['Ongoing', 'nope', 'Empty', 'worse']),
  ]),
  transactions(2, [], { producerIdFilters: [7n], durationFilter: 1, transactionalIdPattern: 'a.*' }),
  transactions(2, [], { transactionalIdPattern: '' }),
  transactions(2, [], { transactionalIdPattern: '(' }),
  call(describeTransactions, 0, { transactionalIds: [] }),
  call(unregisterBroker, 0, { brokerId: 7 }),
  ...versions(1, 2).flatMap(version => [
    dirs(version, '/no/such/dir', 't', 1),
    dirs(version, '/no/such/dir', 'nope', 0),
  ]),
  dirs(2, 'relative', 't', 0),
  dirs(2, '', 't', 0),
  call(alterReplicaLogDirs, 2, { dirs: [] }),
  ...versions(0, 2).flatMap(version => [
    call(describeQuorum, version, { topics: [{ topicName: 'nope', partitions: [{ partitionIndex: 0 }] }] }),
    call(describeQuorum, version, {
      topics: [{ topicName: '__cluster_metadata', partitions: [{ partitionIndex: 1 }] }],
    }),
    call(describeQuorum, version, { topics: [] }),
  ]),
  ...versions(0, 1).map(version =>
    call(addRaftVoter, version, {
      clusterId: null,
      timeoutMs,
      voterId: 2,
      voterDirectoryId,
      listeners: [{ name: 'CONTROLLER', host: '127.0.0.1', port: 9 }],
    }),
  ),
  call(removeRaftVoter, 0, { clusterId: null, voterId: 2, voterDirectoryId }),
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
  for (const each of calls) await each()
  await writeFixture('admin', exchanges)
  console.log(`${exchanges.length} exchanges`)
} finally {
  client.destroy()
  kafka.child.kill('SIGTERM')
  await endedWithin(kafka.child, 30_000)
  await rm(dataDir, { recursive: true, force: true })
}
