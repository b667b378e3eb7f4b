import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ErrorCode, type RequestInput, zeroUuid } from '../../../src/protocol/index.ts'
import { createTopics } from '../../../src/protocol/schema/create-topics.ts'
import { deleteTopics } from '../../../src/protocol/schema/delete-topics.ts'
import { metadata } from '../../../src/protocol/schema/metadata.ts'
import { dataDirectory, type TestBroker, testBroker } from '../../support/test-broker.ts'

type DeletedTopic = NonNullable<RequestInput<typeof deleteTopics>['topics']>[number]
type Topic = RequestInput<typeof createTopics>['topics'][number]
const topic = (name: string, more: Partial<Topic> = {}): Topic => ({
  name,
  numPartitions: 1,
  replicationFactor: 1,
  assignments: [],
  configs: [],
  ...more,
})

async function create(broker: TestBroker, topics: Topic[], more: { validateOnly?: boolean; timeoutMs?: number } = {}) {
  const request = { topics, timeoutMs: 1_000, ...more }
  return (await broker.connect().call(createTopics, 7, request)).topics
}

const assigned = (...replicas: [number, number[]][]) => ({
  numPartitions: -1,
  replicationFactor: -1,
  assignments: replicas.map(([partitionIndex, brokerIds]) => ({ partitionIndex, brokerIds })),
})

const name = (text: string, why: string): [Topic, ErrorCode, string] => [
  topic(text),
  ErrorCode.INVALID_TOPIC_EXCEPTION,
  `Topic name is invalid: ${why}`,
]
const letters = `contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'`
const manual = 'The manual partition assignment includes'
const asIs = 'A manual partition assignment was specified, but'

/** What Kafka 4.4 answers, word for word where it is a reason that clients show. */
const refusals: [Topic, ErrorCode, string][] = [
  [topic('there'), ErrorCode.TOPIC_ALREADY_EXISTS, `Topic 'there' already exists.`],
  name('', 'the empty string is not allowed'),
  name('.', `'.' is not allowed`),
  name('a b', `'a b' ${letters}`),
  name('x'.repeat(250), `the length of '${'x'.repeat(250)}' is longer than the max allowed length 249`),
  [
    topic('__cluster_metadata'),
    ErrorCode.INVALID_REQUEST,
    'Creation of internal topic __cluster_metadata is prohibited.',
  ],
  [topic('do_t'), ErrorCode.INVALID_TOPIC_EXCEPTION, `Topic 'do_t' collides with existing topic: do.t`],
  [
    topic('t', { replicationFactor: 0 }),
    ErrorCode.INVALID_REPLICATION_FACTOR,
    'Replication factor must be larger than 0, or -1 to use the default value.',
  ],
  [
    topic('t', { numPartitions: 0 }),
    ErrorCode.INVALID_PARTITIONS,
    'Number of partitions was set to an invalid non-positive value.',
  ],
  [
    topic('t', { numPartitions: 10_001 }),
    ErrorCode.POLICY_VIOLATION,
    'Excessively large number of partitions per request.',
  ],
  [
    topic('t', { ...assigned([0, [1]]), numPartitions: 1, replicationFactor: 1 }),
    ErrorCode.INVALID_REQUEST,
    `${asIs} replication factor was not set to -1.`,
  ],
  [
    topic('t', { ...assigned([0, [1]]), numPartitions: 1 }),
    ErrorCode.INVALID_REQUEST,
    `${asIs} numPartitions was not set to -1.`,
  ],
  [
    topic('t', assigned([0, [1]], [0, [1]])),
    ErrorCode.INVALID_REPLICA_ASSIGNMENT,
    'Found multiple manual partition assignments for partition 0',
  ],
  [
    topic('t', assigned([0, [1]], [2, [1]])),
    ErrorCode.INVALID_REPLICA_ASSIGNMENT,
    'partitions should be a consecutive 0-based integer sequence',
  ],
  [topic('t', assigned([0, []])), ErrorCode.INVALID_REPLICA_ASSIGNMENT, `${manual} an empty replica list.`],
  [
    topic('t', assigned([0, [7, 3]])),
    ErrorCode.INVALID_REPLICA_ASSIGNMENT,
    `${manual} broker 3, but no such broker is registered.`,
  ],
  [topic('t', assigned([0, [1, 1]])), ErrorCode.INVALID_REPLICA_ASSIGNMENT, `${manual} the broker 1 more than once.`],
  [
    topic('t', {
      configs: [
        { name: 'retention.ms', value: null },
        { name: 'flush.ms', value: '1' },
        { name: 'cleanup.policy', value: null },
      ],
    }),
    ErrorCode.INVALID_CONFIG,
    'Null value not supported for topic configs: retention.ms,cleanup.policy',
  ],
  [
    topic('t', { configs: [{ name: 'no.such', value: 'x' }] }),
    ErrorCode.INVALID_CONFIG,
    'Unknown topic config name: no.such',
  ],
  [
    topic('t', { numPartitions: 0, configs: [{ name: 'retention.ms', value: 'x' }] }),
    ErrorCode.INVALID_CONFIG,
    'Invalid value x for configuration retention.ms: Not a number of type LONG',
  ],
]

for (const validateOnly of [false, true])
  test(`a topic that cannot be made is told Kafka's code and reason${validateOnly ? ', also when it is only checked' : ''}`, async t => {
    const broker = await testBroker(t)
    for (const each of ['there', 'do.t']) await broker.createTopic(each)
    for (const [asked, code, message] of refusals) {
      const [answer] = await create(broker, [asked], { validateOnly })
      assert.deepEqual([answer!.errorCode, answer!.errorMessage], [code, message])
      assert.deepEqual([answer!.topicId, answer!.numPartitions, answer!.configs], [zeroUuid, -1, []])
    }
    const { topics } = await broker.connect().call(metadata, 12, { topics: null })
    assert.equal(topics.length, 2)
  })

test('explicit assignments may stand in any order', async t => {
  const broker = await testBroker(t)
  const [answer] = await create(broker, [topic('t', assigned([1, [1]], [0, [1]]))])
  assert.deepEqual([answer!.errorCode, answer!.numPartitions, answer!.replicationFactor], [ErrorCode.NONE, 2, 1])
})

test('the limit of partitions is that of a request: more than 10,000 in all, and no topic of it is made', async t => {
  const broker = await testBroker(t)
  const answers = await create(broker, [topic('a', { numPartitions: 9_999 }), topic('b'), topic('c')])
  assert.deepEqual(
    answers.map(({ errorCode }) => errorCode),
    [ErrorCode.POLICY_VIOLATION, ErrorCode.POLICY_VIOLATION, ErrorCode.POLICY_VIOLATION],
  )
  const fitting = await create(broker, [topic('a', { numPartitions: 9_999 }), topic('b')], { validateOnly: true })
  assert.deepEqual(
    fitting.map(({ errorCode }) => errorCode),
    [ErrorCode.NONE, ErrorCode.NONE],
  )
})

test('topics whose time is over before they were begun are not made, and not deleted', async t => {
  const broker = await testBroker(t)
  await broker.createTopic('there')
  for (const timeoutMs of [0, -1]) {
    const [made] = await create(broker, [topic('t')], { timeoutMs })
    assert.deepEqual([made!.errorCode, made!.errorMessage], [ErrorCode.REQUEST_TIMED_OUT, null])
    const deletion = { topics: [{ name: 'there' }], timeoutMs }
    const { responses } = await broker.connect().call(deleteTopics, 6, deletion)
    assert.equal(responses[0]!.errorCode, ErrorCode.REQUEST_TIMED_OUT)
  }
  assert.equal(broker.world.machine.exists(`${dataDirectory}/t-0`), false)
  assert.equal(broker.world.machine.exists(`${dataDirectory}/there-0`), true)
})

test("a topic that cannot be deleted as it is named is told Kafka's reason, and stays", async t => {
  const broker = await testBroker(t)
  const id = await broker.createTopic('t')
  const client = broker.connect()
  const ask = async (...topics: DeletedTopic[]) =>
    (await client.call(deleteTopics, 6, { topics, timeoutMs: 1_000 })).responses
  const invalid = ErrorCode.INVALID_REQUEST
  const cases: [Parameters<typeof ask>, string | null, string, string][] = [
    [[{ name: null }], null, zeroUuid, 'Neither topic name nor id were specified.'],
    [[{ name: 't', topicId: id }], 't', id, 'You may not specify both topic name and topic id.'],
    [[{ name: 't' }, { name: 't' }], 't', zeroUuid, 'Duplicate topic name.'],
    [[{ topicId: id }, { topicId: id }], null, id, 'Duplicate topic id.'],
    [[{ name: 't' }, { topicId: id }], 't', id, 'The provided topic name maps to an ID that was already supplied.'],
    [[{ topicId: id }, { name: 't' }], 't', id, 'The provided topic name maps to an ID that was already supplied.'],
  ]
  for (const [asked, name, topicId, errorMessage] of cases)
    assert.deepEqual(await ask(...asked), [{ name, topicId, errorCode: invalid, errorMessage }])
  assert.equal(broker.world.machine.exists(`${dataDirectory}/t-0`), true)
})

test('Metadata tells each topic once; with ids in the request, names do not count', async t => {
  const broker = await testBroker(t)
  const id = await broker.createTopic('a')
  await broker.createTopic('b')
  const client = broker.connect()
  const namesOf = async (...topics: RequestInput<typeof metadata>['topics'] & object) =>
    (await client.call(metadata, 12, { topics, allowAutoTopicCreation: false })).topics.map(({ name }) => name)
  assert.deepEqual(await namesOf({ name: 'b' }, { name: 'a' }, { name: 'b' }), ['b', 'a'])
  assert.deepEqual(await namesOf({ name: null, topicId: id }, { name: 'b' }, { name: null, topicId: id }), ['a'])
  const early = await client.call(metadata, 10, { topics: [{ name: 'a', topicId: id }] })
  assert.equal(early.topics[0]!.errorCode, ErrorCode.INVALID_REQUEST)
})

test('one request has topics made up to the limit of partitions, or none', async t => {
  const broker = await testBroker(t, { 'num.partitions': '5000' })
  const asked = (count: number) => Array.from({ length: count }, (_, index) => ({ name: `t${index}` }))
  const { topics } = await broker.connect().call(metadata, 12, { topics: asked(3), allowAutoTopicCreation: true })
  for (const { errorCode } of topics) assert.equal(errorCode, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
  const { topics: none } = await broker.connect().call(metadata, 12, { topics: null })
  assert.deepEqual(none, [])
})
