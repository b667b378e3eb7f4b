import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ErrorCode, type RequestInput, type Uuid, zeroUuid } from '../../../src/protocol/index.ts'
import { createTopics } from '../../../src/protocol/schema/create-topics.ts'
import { deleteTopics } from '../../../src/protocol/schema/delete-topics.ts'
import { fetch } from '../../../src/protocol/schema/fetch.ts'
import { metadata } from '../../../src/protocol/schema/metadata.ts'
import { produce } from '../../../src/protocol/schema/produce.ts'
import { systemError } from '../../support/memory-disk.ts'
import { batchOf, dataDirectory, produceOne, TestBroker, testBroker } from '../../support/test-broker.ts'

type Topic = RequestInput<typeof createTopics>['topics'][number]
const topic = (name: string, more: Partial<Topic> = {}): Topic => ({
  name,
  numPartitions: 1,
  replicationFactor: 1,
  assignments: [],
  configs: [],
  ...more,
})
const creation = (topics: Topic[], validateOnly = false) => ({ topics, timeoutMs: 1_000, validateOnly })

for (let version = 2; version <= 7; version++)
  test(`CreateTopics v${version} makes a topic that can be written when it is answered`, async t => {
    const broker = await testBroker(t)
    const client = broker.connect()
    const configs = [{ name: 'retention.ms', value: '5' }]
    const { topics } = await client.call(createTopics, version, creation([topic('t', { numPartitions: 2, configs })]))
    const [made] = topics
    assert.deepEqual([made!.name, made!.errorCode], ['t', ErrorCode.NONE])
    if (version >= 5) {
      assert.deepEqual([made!.numPartitions, made!.replicationFactor], [2, 1])
      assert.equal(made!.configs!.find(each => each.name === 'retention.ms')!.value, '5')
      assert.equal(made!.configs!.find(each => each.name === 'flush.ms')!.value, '9223372036854775807')
    }
    if (version >= 7) assert.notEqual(made!.topicId, zeroUuid)
    assert.equal((await produceOne(client, 't', batchOf(['a']))).errorCode, ErrorCode.NONE)
  })

test('each topic of a request succeeds or fails alone, and one named twice is refused', async t => {
  const broker = await testBroker(t)
  const { topics } = await broker
    .connect()
    .call(createTopics, 7, creation([topic('a'), topic('twice'), topic('twice'), topic('bad name'), topic('b')]))
  assert.deepEqual(
    topics.map(each => [each.name, each.errorCode]),
    [
      ['a', ErrorCode.NONE],
      ['twice', ErrorCode.INVALID_REQUEST],
      ['bad name', ErrorCode.INVALID_TOPIC_EXCEPTION],
      ['b', ErrorCode.NONE],
    ],
  )
})

test('validateOnly answers as if, and makes nothing', async t => {
  const broker = await testBroker(t)
  const client = broker.connect()
  const { topics } = await client.call(createTopics, 7, creation([topic('t', { numPartitions: 3 })], true))
  assert.deepEqual([topics[0]!.errorCode, topics[0]!.numPartitions], [ErrorCode.NONE, 3])
  const described = await client.call(metadata, 12, { topics: null })
  assert.deepEqual(described.topics, [])
  assert.equal(broker.world.machine.exists(`${dataDirectory}/t-0`), false)
})

test('a partition that is assigned twice is INVALID_REPLICA_ASSIGNMENT', async t => {
  const broker = await testBroker(t)
  const assignments = [0, 0].map(partitionIndex => ({ partitionIndex, brokerIds: [1] }))
  const asked = topic('t', { numPartitions: -1, replicationFactor: -1, assignments })
  const { topics } = await broker.connect().call(createTopics, 7, creation([asked]))
  assert.equal(topics[0]!.errorCode, ErrorCode.INVALID_REPLICA_ASSIGNMENT)
})

for (let version = 1; version <= 6; version++)
  test(`DeleteTopics v${version} removes a topic with its files`, async t => {
    const broker = await testBroker(t)
    await broker.createTopic('t', 2)
    const client = broker.connect()
    const request = version >= 6 ? { topics: [{ name: 't' }] } : { topicNames: ['t'] }
    const { responses } = await client.call(deleteTopics, version, { ...request, timeoutMs: 1_000 })
    assert.deepEqual([responses[0]!.name, responses[0]!.errorCode], ['t', ErrorCode.NONE])
    for (const partition of [0, 1]) assert.equal(broker.world.machine.exists(`${dataDirectory}/t-${partition}`), false)
    const again = await client.call(deleteTopics, version, { ...request, timeoutMs: 1_000 })
    assert.equal(again.responses[0]!.errorCode, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
    assert.equal((await produceOne(client, 't', batchOf(['a']))).errorCode, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
  })

test('the deletion of a topic with many partitions writes the checkpoints once, not once for each', async t => {
  const broker = await testBroker(t)
  await broker.createTopic('wide', 500)
  const { disk } = broker.world
  let checkpoints = 0
  disk.fault = (operation, path) => {
    if (operation === 'replace' && path.endsWith('-checkpoint')) checkpoints++
    return undefined
  }
  await broker.connect().call(deleteTopics, 6, { topics: [{ name: 'wide' }], timeoutMs: 1_000 })
  assert.ok(checkpoints <= 4, `${checkpoints} checkpoints`)
  assert.deepEqual(
    broker.world.machine.list(dataDirectory).filter(name => name.startsWith('wide')),
    [],
  )
})

test('topics are deleted by id; an unknown id, and both or neither of name and id, are refused', async t => {
  const broker = await testBroker(t)
  const id = await broker.createTopic('t')
  const strange = 'AAAAAAAAAAAAAAAAAAAAAQ' as Uuid
  const topics = [
    { name: null, topicId: strange },
    { name: 't', topicId: id },
    { name: null, topicId: zeroUuid },
    { name: null, topicId: id },
  ]
  const { responses } = await broker.connect().call(deleteTopics, 6, { topics, timeoutMs: 1_000 })
  assert.deepEqual(
    responses.map(each => each.errorCode),
    [ErrorCode.UNKNOWN_TOPIC_ID, ErrorCode.INVALID_REQUEST, ErrorCode.INVALID_REQUEST, ErrorCode.NONE],
  )
  assert.equal(responses[3]!.name, 't')
})

test('a topic made again under the same name is empty, and has another id', async t => {
  const broker = await testBroker(t)
  const first = await broker.createTopic('t')
  const client = broker.connect()
  await produceOne(client, 't', batchOf(['a']))
  await client.call(deleteTopics, 5, { topicNames: ['t'], timeoutMs: 1_000 })
  assert.notEqual(await broker.createTopic('t'), first)
  assert.equal((await produceOne(client, 't', batchOf(['b']))).baseOffset, 0)
})

test('the id of a topic that is gone is refused everywhere, also when another has its name', async t => {
  const broker = await testBroker(t)
  const topicId = await broker.createTopic('t')
  const client = broker.connect()
  const deletion = { topics: [{ topicId }], timeoutMs: 1_000 }
  assert.equal((await client.call(deleteTopics, 6, deletion)).responses[0]!.errorCode, ErrorCode.NONE)
  const refusals = async () => {
    const deleted = await client.call(deleteTopics, 6, deletion)
    const described = await client.call(metadata, 12, { topics: [{ topicId, name: null }] })
    const records = batchOf(['v'])
    const produced = await client.call(produce, 13, {
      acks: -1,
      timeoutMs: 1_000,
      topicData: [{ topicId, partitionData: [{ index: 0, records }] }],
    })
    const codes: ErrorCode[] = [
      deleted.responses[0]!.errorCode,
      described.topics[0]!.errorCode,
      produced.responses[0]!.partitionResponses[0]!.errorCode,
    ]
    for (const version of [13, 18]) {
      const partitions = [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1 }]
      const wanted = { maxWaitMs: 0, minBytes: 0, forgottenTopicsData: [], topics: [{ topicId, partitions }] }
      codes.push((await client.call(fetch, version, wanted)).responses[0]!.partitions[0]!.errorCode)
    }
    return codes
  }
  const unknown = new Array<ErrorCode>(5).fill(ErrorCode.UNKNOWN_TOPIC_ID)
  assert.deepEqual(await refusals(), unknown)
  assert.notEqual(await broker.createTopic('t'), topicId)
  assert.deepEqual(await refusals(), unknown)
  assert.equal(broker.logOf('t').logEndOffset(), 0)
})

test('delete.topic.enable=false is told in the words that the version knows', async t => {
  const broker = await testBroker(t, { 'delete.topic.enable': 'false' })
  await broker.createTopic('t')
  const code = async (version: number) =>
    (await broker.connect().call(deleteTopics, version, { topicNames: ['t'], timeoutMs: 1_000 })).responses[0]!
      .errorCode
  assert.equal(await code(2), ErrorCode.INVALID_REQUEST)
  assert.equal(await code(3), ErrorCode.TOPIC_DELETION_DISABLED)
})

test('topics and their records are there after a clean stop and after kill -9', async t => {
  const first = await TestBroker.start()
  await first.createTopic('t')
  await produceOne(first.connect(), 't', batchOf(['a']))
  await first.stop()
  const second = await TestBroker.start({}, first.world.machine, 2)
  assert.equal((await produceOne(second.connect(), 't', batchOf(['b']))).baseOffset, 1)
  first.world.machine.killProcess()
  const third = await TestBroker.start({}, first.world.machine, 3)
  t.after(() => third.stop())
  assert.equal((await produceOne(third.connect(), 't', batchOf(['c']))).baseOffset, 2)
})

test('a deletion that could not finish takes no files of the topic that has its name since', async t => {
  const first = await TestBroker.start()
  await first.createTopic('t')
  await produceOne(first.connect(), 't', batchOf(['old']))
  // The files go, the note that they are gone cannot be written.
  const metadataLog = first.world.storage.log(`${dataDirectory}/__cluster_metadata-0`)
  first.world.disk.fault = operation => {
    if (operation === 'replace') metadataLog.refuseAppends = 2
    return undefined
  }
  const client = first.connect()
  const deletion = await client.call(deleteTopics, 5, { topicNames: ['t'], timeoutMs: 1_000 })
  assert.equal(deletion.responses[0]!.errorCode, ErrorCode.KAFKA_STORAGE_ERROR)
  first.world.disk.fault = () => undefined
  metadataLog.refuseAppends = 0
  await first.createTopic('t')
  assert.equal((await produceOne(client, 't', batchOf(['new']))).baseOffset, 0)
  await first.stop()
  const second = await TestBroker.start({}, first.world.machine, 2)
  t.after(() => second.stop())
  assert.equal(second.logOf('t').logEndOffset(), 1, 'the acknowledged record is there')
})

test('files that a deletion could not remove do not come back as records of the next topic of that name', async t => {
  const broker = await TestBroker.start()
  await broker.createTopic('t')
  await produceOne(broker.connect(), 't', batchOf(['old']))
  broker.world.machine.killProcess()
  // Killed after the metadata of the deletion, before the files: the next start cannot remove them either.
  const { machine } = broker.world
  const left = new Map([...machine.files].filter(([path]) => path.startsWith(`${dataDirectory}/t-0/`)))
  const log = machine.logs.get(`${dataDirectory}/t-0`)!
  const second = await TestBroker.start({}, machine, 2)
  t.after(() => second.stop())
  await second.connect().call(deleteTopics, 5, { topicNames: ['t'], timeoutMs: 1_000 })
  machine.makeDirectory(`${dataDirectory}/t-0`)
  for (const [path, content] of left) machine.files.set(path, content)
  machine.logs.set(`${dataDirectory}/t-0`, log)
  await second.createTopic('t')
  assert.equal((await produceOne(second.connect(), 't', batchOf(['new']))).baseOffset, 0)
  assert.ok(machine.list(dataDirectory).some(name => name.startsWith('t-0.') && name.endsWith('-stray')))
})

test('a topic whose log cannot be opened is offline; the others serve', async t => {
  const first = await TestBroker.start()
  await first.createTopic('bad')
  await first.createTopic('good')
  await first.stop()
  const second = await TestBroker.start({}, first.world.machine, 2)
  await second.stop()
  first.world.machine.files.delete(`${dataDirectory}/bad-0/partition.metadata`)
  const third = await TestBroker.start({}, first.world.machine, 3)
  t.after(() => third.stop())
  third.world.disk.fault = (operation, path) =>
    operation === 'makeDirectory' && path.includes('worse') ? systemError('EIO', path) : undefined
  await third.createTopic('worse')
  const client = third.connect()
  assert.equal((await produceOne(client, 'worse', batchOf(['a']))).errorCode, ErrorCode.KAFKA_STORAGE_ERROR)
  assert.equal((await produceOne(client, 'good', batchOf(['a']))).errorCode, ErrorCode.NONE)
  assert.equal((await produceOne(client, 'bad', batchOf(['a']))).errorCode, ErrorCode.NONE)
})

test('a topic that is to be deleted twice stays, and is refused once', async t => {
  const broker = await testBroker(t)
  for (const name of ['kept', 'gone']) await broker.createTopic(name)
  const client = broker.connect()
  const topicNames = ['kept', 'gone', 'kept']
  const { responses } = await client.call(deleteTopics, 5, { topicNames, timeoutMs: 1_000 })
  assert.deepEqual(
    responses.map(({ name, errorCode }) => [name, errorCode]),
    [
      ['kept', ErrorCode.INVALID_REQUEST],
      ['gone', ErrorCode.NONE],
    ],
  )
  assert.equal((await produceOne(client, 'kept', batchOf(['v']))).errorCode, ErrorCode.NONE)
})

test('explicit assignments cannot pass the limit of partitions of a request', async t => {
  const broker = await testBroker(t)
  const assignments = Array.from({ length: 10_001 }, (_, partitionIndex) => ({ partitionIndex, brokerIds: [1] }))
  const wanted = topic('wide', { numPartitions: -1, replicationFactor: -1, assignments })
  const { topics } = await broker.connect().call(createTopics, 7, creation([wanted]))
  assert.equal(topics[0]!.errorCode, ErrorCode.POLICY_VIOLATION)
})

test('a stop is not clean while a log was refused, or the next start would believe that log', async () => {
  const first = await TestBroker.start()
  for (const name of ['bad', 'good']) await first.createTopic(name)
  const { machine } = first.world
  machine.killProcess()
  const second = await TestBroker.start({}, machine, 2, world => {
    world.storage.damaged = directory => directory.endsWith('/bad-0')
  })
  await second.stop()
  assert.equal(machine.files.has(`${dataDirectory}/.kafka_cleanshutdown`), false)
  const third = await TestBroker.start({}, machine, 3)
  await third.stop()
  assert.equal(machine.files.has(`${dataDirectory}/.kafka_cleanshutdown`), true)
})

test('a start that fails gives back what it took, and does not count as a clean stop', async () => {
  const first = await TestBroker.start()
  await first.createTopic('t')
  const { machine } = first.world
  machine.killProcess()
  const refused = TestBroker.start({}, machine, 2, world => {
    world.network.listen = () => {
      throw new Error('the address is taken')
    }
  })
  await assert.rejects(refused, /the address is taken/)
  assert.equal(machine.locks.size, 0)
  assert.equal(machine.files.has(`${dataDirectory}/.kafka_cleanshutdown`), false)
  const third = await TestBroker.start({}, machine, 3)
  assert.equal((await produceOne(third.connect(), 't', batchOf(['v']))).errorCode, ErrorCode.NONE)
  await third.stop()
})
