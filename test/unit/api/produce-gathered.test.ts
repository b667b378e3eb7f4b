import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { StatusCode } from '../../../src/native/status.ts'
import { ErrorCode } from '../../../src/protocol/index.ts'
import { fetch } from '../../../src/protocol/schema/fetch.ts'
import { listOffsets } from '../../../src/protocol/schema/list-offsets.ts'
import { metadata } from '../../../src/protocol/schema/metadata.ts'
import { produce } from '../../../src/protocol/schema/produce.ts'
import { batchOf, produceOne, produceRequest, type TestBroker, testBroker } from '../../support/test-broker.ts'
import type { TestClient } from '../../support/test-client.ts'

const idempotent = (baseSequence: number, producerEpoch = 0) => ({ producerId: 7n, producerEpoch, baseSequence })

interface Send {
  readonly client: TestClient
  readonly records: Uint8Array
  readonly topic?: string
}

/** Sends all in one turn of the broker; the answers, in order. */
async function sendTogether(broker: TestBroker, acks: number, sends: readonly Send[]) {
  broker.world.network.deliver(
    sends.map(({ client, records, topic = 't' }) => ({
      connection: client.connection,
      frame: client.encode(produce, 9, produceRequest(topic, records, acks)),
    })),
  )
  const answers = []
  for (const { client } of sends) {
    const { body } = await client.receive<typeof produce>()
    answers.push(body.responses[0]!.partitionResponses[0]!)
  }
  return answers
}

async function readableEnd(client: TestClient): Promise<number> {
  const partitions = [{ partitionIndex: 0, timestamp: -1 }]
  const { topics } = await client.call(listOffsets, 2, {
    replicaId: -1,
    isolationLevel: 0,
    topics: [{ name: 't', partitions }],
  })
  return topics[0]!.partitions[0]!.offset
}

const directoryOf = (broker: TestBroker) => broker.logOf('t').directory

for (const [acks, caching] of [
  [1, false],
  [-1, false],
  [1, true],
  [-1, true],
] as const) {
  const configs = { 'write.caching': String(caching) }
  const topic = `acks=${acks}${caching ? ', write.caching' : ''}`

  test(`${topic}: batches of a turn that cannot be written are refused, and only they; sent again they are taken`, async t => {
    const broker = await testBroker(t)
    await broker.createTopic('t', 1, configs)
    await broker.createTopic('u', 1, configs)
    const [one, other, third] = [broker.connect(), broker.connect(), broker.connect()]
    for (const name of ['t', 'u']) await produceOne(one, name, batchOf(['first'], idempotent(0)))

    broker.world.storage.losses.set(directoryOf(broker), StatusCode.ioError)
    const sends = [
      { client: one, records: batchOf(['a'], idempotent(1)) },
      { client: one, records: batchOf(['b', 'c'], idempotent(2)) },
      { client: one, records: batchOf(['d'], idempotent(1)), topic: 'u' },
      { client: other, records: batchOf(['e']) },
    ]
    const asked = third.call(metadata, 1, { topics: [] })
    const answers = await sendTogether(broker, acks, sends)
    const { KAFKA_STORAGE_ERROR, NONE } = ErrorCode
    assert.deepEqual(
      answers.map(({ errorCode, baseOffset }) => [errorCode, baseOffset]),
      [
        [KAFKA_STORAGE_ERROR, -1],
        [KAFKA_STORAGE_ERROR, -1],
        [NONE, 1],
        [KAFKA_STORAGE_ERROR, -1],
      ],
    )
    assert.match(answers[0]!.errorMessage!, /nothing was written/)
    assert.equal(broker.logOf('t').logEndOffset(), 1)
    assert.equal(await readableEnd(other), 1)
    assert.equal((await asked).brokers.length, 1)

    const again = await sendTogether(broker, acks, sends)
    assert.deepEqual(
      again.map(({ errorCode, baseOffset }) => [errorCode, baseOffset]),
      [
        [NONE, 1],
        [NONE, 3], // Its connection's second, which comes when others had their turn.
        [NONE, 1],
        [NONE, 2],
      ],
    )
    assert.equal((await produceOne(other, 't', batchOf(['f']), -1)).baseOffset, 5)
    assert.equal(await readableEnd(other), 6)
  })
}

test('what is answered before a batch of the turn that has to be flushed is committed with its write', async t => {
  const broker = await testBroker(t)
  await broker.createTopic('t', 1, { 'write.caching': 'true', 'flush.messages': '3' })
  const [one, other, third] = [broker.connect(), broker.connect(), broker.connect()]
  await produceOne(one, 't', batchOf(['a']), 1)
  broker.world.storage.holdFlushes = true
  broker.world.network.deliver(
    [one, other].map(client => ({
      connection: client.connection,
      frame: client.encode(produce, 9, produceRequest('t', batchOf(['b']), -1)),
    })),
  )
  assert.equal((await one.receive<typeof produce>()).body.responses[0]!.partitionResponses[0]!.baseOffset, 1)
  assert.equal(await readableEnd(third), 2)
  assert.equal(other.unread, 0)
  broker.world.storage.flush()
  assert.equal((await other.receive<typeof produce>()).body.responses[0]!.partitionResponses[0]!.baseOffset, 2)
  assert.equal(await readableEnd(third), 3)
})

test('a producer whose batches were lost is known by those before them, as many as may come again', async t => {
  const broker = await testBroker(t)
  await broker.createTopic('t')
  const client = broker.connect()
  for (let sequence = 0; sequence < 5; sequence++)
    await produceOne(client, 't', batchOf(['a'], idempotent(sequence)), 1)
  broker.world.storage.losses.set(directoryOf(broker), StatusCode.noSpace)
  const lost = [5, 6, 7].map(sequence => ({ client, records: batchOf(['b'], idempotent(sequence)) }))
  for (const { errorCode, errorMessage } of await sendTogether(broker, 1, lost)) {
    assert.equal(errorCode, ErrorCode.KAFKA_STORAGE_ERROR)
    assert.match(errorMessage!, /disk is full/)
  }
  const gap = await produceOne(client, 't', batchOf(['b'], idempotent(6)), 1)
  assert.equal(gap.errorCode, ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER)
  for (let sequence = 0; sequence < 5; sequence++)
    assert.equal((await produceOne(client, 't', batchOf(['a'], idempotent(sequence)), 1)).baseOffset, sequence)
  assert.equal((await produceOne(client, 't', batchOf(['b'], idempotent(5)), 1)).baseOffset, 5)
})

test('a batch that comes twice in a turn is answered alike, written or lost', async t => {
  const broker = await testBroker(t)
  await broker.createTopic('t')
  const client = broker.connect()
  await produceOne(client, 't', batchOf(['a'], idempotent(0)))
  const twice = [1, 1].map(sequence => ({ client, records: batchOf(['b'], idempotent(sequence)) }))
  broker.world.storage.losses.set(directoryOf(broker), StatusCode.ioError)
  for (const { errorCode } of await sendTogether(broker, 1, twice))
    assert.equal(errorCode, ErrorCode.KAFKA_STORAGE_ERROR)
  for (const { errorCode, baseOffset } of await sendTogether(broker, 1, twice))
    assert.deepEqual([errorCode, baseOffset], [ErrorCode.NONE, 1])
})

test('answers that wait for a turn to take them along go out with it, and their records, whatever it loses', async t => {
  const broker = await testBroker(t)
  await broker.createTopic('t')
  const [writer, reader, late] = [broker.connect(), broker.connect(), broker.connect()]
  await produceOne(writer, 't', batchOf(['first']))
  const { network, storage, time } = broker.world
  storage.holdFlushes = true
  storage.holdDisk = true
  broker.logOf('t').cold = () => true
  writer.send(produce, 9, produceRequest('t', batchOf(['a']), -1))
  reader.send(fetch, 12, {
    maxWaitMs: 0,
    minBytes: 1,
    topics: [{ topic: 't', partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1 << 20 }] }],
    forgottenTopicsData: [],
  })
  await time.settle()
  storage.flush()
  storage.turnDisk()
  await setImmediate()
  const queued = network.stats().repliesQueuedBytes
  assert.ok(queued > 2 * 50, `${queued} bytes wait`)

  storage.losses.set(directoryOf(broker), StatusCode.ioError)
  const [lost] = await sendTogether(broker, 1, [{ client: late, records: batchOf(['b']) }])
  assert.equal(lost!.errorCode, ErrorCode.KAFKA_STORAGE_ERROR)
  const written = (await writer.receive<typeof produce>()).body.responses[0]!.partitionResponses[0]!
  assert.deepEqual([written.errorCode, written.baseOffset], [ErrorCode.NONE, 1])
  const read = (await reader.receive<typeof fetch>()).body.responses[0]!.partitions[0]!
  assert.equal(read.errorCode, ErrorCode.NONE)
  assert.ok(read.records!.length >= batchOf(['first']).length)
  storage.holdFlushes = false
})

test('a batch that is lost before the rest of its request is appended is answered with the others, at once', async t => {
  const broker = await testBroker(t)
  await broker.createTopic('t', 130)
  const client = broker.connect()
  await produceOne(client, 't', batchOf(['first']))
  broker.world.storage.losses.set(directoryOf(broker), StatusCode.ioError)
  const partitionData = Array.from({ length: 130 }, (_, index) => ({ index, records: batchOf(['a']) }))
  const { responses } = await client.call(produce, 9, {
    transactionalId: null,
    acks: -1,
    timeoutMs: 1_000,
    topicData: [{ name: 't', partitionData }],
  })
  const [lost, ...others] = responses[0]!.partitionResponses
  assert.equal(lost!.errorCode, ErrorCode.KAFKA_STORAGE_ERROR)
  assert.match(lost!.errorMessage!, /nothing was written/)
  assert.ok(others.every(({ errorCode }) => errorCode === ErrorCode.NONE))
})

test('what tells more than its records is written at once: a producer, its epoch; and what nobody answers', async t => {
  const broker = await testBroker(t)
  await broker.createTopic('t')
  const client = broker.connect()
  const log = broker.logOf('t')
  const gathers = async (records: Uint8Array, acks = 1) => {
    client.deliver([client.encode(produce, 9, produceRequest('t', records, acks), { silent: acks === 0 })])
    if (acks !== 0)
      assert.equal((await client.receive<typeof produce>()).body.responses[0]!.partitionResponses[0]!.errorCode, 0)
    return log.lastAppend.gathered
  }
  assert.equal(await gathers(batchOf(['the epoch of the leader'])), false)
  assert.equal(await gathers(batchOf(['a'])), true)
  assert.equal(await gathers(batchOf(['a'], idempotent(0))), false)
  assert.equal(await gathers(batchOf(['a'], idempotent(1))), true)
  assert.equal(await gathers(batchOf(['a'], idempotent(0, 1))), false)
  assert.equal(await gathers(batchOf(['a'], idempotent(1, 1))), true)
  assert.equal(await gathers(batchOf(['a']), 0), false)
})
