import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ErrorCode } from '../../../src/protocol/index.ts'
import { produce } from '../../../src/protocol/schema/produce.ts'
import { Codec } from '../../../src/records/batch-header.ts'
import type { BatchInput } from '../../../src/records/record-batch.ts'
import { compressed } from '../../support/compressed-batch.ts'
import { DataRoad } from '../../support/data-road.ts'
import { batchOf } from '../../support/test-broker.ts'
import type { TestClient } from '../../support/test-client.ts'

const producer = { producerId: 7n, producerEpoch: 0 }
const transactional = 0x10

const inTransaction = (values: string[], baseSequence: number, more: Partial<BatchInput> = {}) =>
  batchOf(values, { ...producer, baseSequence, attributes: transactional, ...more })

const request = (
  batches: readonly (readonly [number, Uint8Array])[],
  transactionalId: string | null = 'tx',
  acks = -1,
) => ({
  transactionalId,
  acks,
  timeoutMs: 1_000,
  topicData: [{ name: 't', partitionData: batches.map(([index, records]) => ({ index, records })) }],
})

async function write(
  client: TestClient,
  batches: readonly (readonly [number, Uint8Array])[],
  { version = 12, transactionalId = 'tx' as string | null } = {},
) {
  const { responses } = await client.call(produce, version, request(batches, transactionalId))
  return responses[0]!.partitionResponses
}

const codes = (answers: readonly { errorCode: ErrorCode }[]) => answers.map(({ errorCode }) => errorCode)
const marker = (committed: boolean, producerEpoch = 0, transactionVersion = 1) => ({
  producerId: 7n,
  producerEpoch,
  coordinatorEpoch: 0,
  committed,
  transactionVersion,
})

test('the first batch of a transaction asks the coordinator once for all its partitions; later ones ask nobody', async t => {
  const road = await DataRoad.open(t)
  const client = road.connect()
  const first = [
    [0, inTransaction(['a'], 0)],
    [1, inTransaction(['b'], 0)],
  ] as const
  assert.deepEqual(codes(await write(client, first, { version: 11 })), [ErrorCode.NONE, ErrorCode.NONE])
  assert.deepEqual(road.verifier.asked, [
    {
      transactionalId: 'tx',
      producerId: 7n,
      producerEpoch: 0,
      partitions: [
        { topic: 't', partition: 0 },
        { topic: 't', partition: 1 },
      ],
      add: false,
    },
  ])
  assert.deepEqual(codes(await write(client, [[0, inTransaction(['c'], 1)]], { version: 11 })), [ErrorCode.NONE])
  assert.equal(road.verifier.asked.length, 1)
})

test('from v12 on a write adds its partition, where the finalized transaction.version has it so (row 19)', async t => {
  const road = await DataRoad.open(t)
  const client = road.connect()
  await write(client, [[0, inTransaction(['a'], 0)]], { version: 12 })
  road.verifier.addsOnWrite = false
  await write(client, [[1, inTransaction(['a'], 0)]], { version: 12 })
  assert.deepEqual(
    road.verifier.asked.map(({ add }) => add),
    [true, false],
  )
})

test('without verification a partition is written unasked, and is still added from v12 on', async t => {
  const road = await DataRoad.open(t)
  const client = road.connect()
  road.verifier.verifies = false
  assert.deepEqual(codes(await write(client, [[0, inTransaction(['a'], 0)]], { version: 11 })), [ErrorCode.NONE])
  assert.equal(road.verifier.asked.length, 0)
  assert.deepEqual(codes(await write(client, [[1, inTransaction(['a'], 0)]], { version: 12 })), [ErrorCode.NONE])
  assert.deepEqual(
    road.verifier.asked.map(({ add }) => add),
    [true],
  )
})

for (const [told, version, answered] of [
  ['TRANSACTION_ABORTABLE', 10, 'INVALID_TXN_STATE'],
  ['TRANSACTION_ABORTABLE', 11, 'TRANSACTION_ABORTABLE'],
  ['INVALID_TXN_STATE', 12, 'INVALID_TXN_STATE'],
  ['PRODUCER_FENCED', 9, 'INVALID_PRODUCER_EPOCH'],
  ['PRODUCER_FENCED', 12, 'INVALID_PRODUCER_EPOCH'],
  ['CONCURRENT_TRANSACTIONS', 11, 'NOT_ENOUGH_REPLICAS'],
  ['CONCURRENT_TRANSACTIONS', 12, 'CONCURRENT_TRANSACTIONS'],
  ['COORDINATOR_LOAD_IN_PROGRESS', 12, 'NOT_ENOUGH_REPLICAS'],
  ['COORDINATOR_NOT_AVAILABLE', 9, 'NOT_ENOUGH_REPLICAS'],
  ['NOT_COORDINATOR', 11, 'NOT_ENOUGH_REPLICAS'],
  ['INVALID_PRODUCER_ID_MAPPING', 12, 'INVALID_PRODUCER_ID_MAPPING'],
] as const)
  test(`${told} of the coordinator is ${answered} to Produce v${version}, and appends nothing (row 18)`, async t => {
    const road = await DataRoad.open(t)
    road.verifier.code = ({ partition }) => (partition === 0 ? ErrorCode[told] : ErrorCode.NONE)
    const batches = [
      [0, inTransaction(['a'], 0)],
      [1, inTransaction(['b'], 0)],
    ] as const
    assert.deepEqual(codes(await write(road.connect(), batches, { version })), [ErrorCode[answered], ErrorCode.NONE])
    assert.deepEqual(
      road.partitions.map(({ log }) => log!.logEnd),
      [0, 1],
    )
  })

test('a marker that comes while the coordinator is asked makes its answer void (row 17)', async t => {
  const road = await DataRoad.open(t)
  const client = road.connect()
  road.verifier.hold()
  client.send(produce, 11, request([[0, inTransaction(['late'], 0)]]))
  await road.world.time.settle()
  assert.ok(road.partitions[0]!.appendMarker(marker(false), 0).ok)
  road.verifier.answer()
  const { body } = await client.receive<typeof produce>()
  assert.deepEqual(codes(body.responses[0]!.partitionResponses), [ErrorCode.INVALID_TXN_STATE])
  assert.equal(road.partitions[0]!.log!.logEnd, 1)
})

test('the next transaction of version 2 begins behind markers that come while its partitions are added (row 17)', async t => {
  const road = await DataRoad.open(t)
  const client = road.connect()
  const first = [
    [0, inTransaction(['a'], 0)],
    [1, inTransaction(['b'], 0)],
  ] as const
  assert.deepEqual(codes(await write(client, first)), [ErrorCode.NONE, ErrorCode.NONE])
  road.verifier.hold()
  const next = [
    [0, inTransaction(['c'], 0, { producerEpoch: 1 })],
    [1, inTransaction(['d'], 0, { producerEpoch: 1 })],
  ] as const
  client.send(produce, 12, request(next))
  await road.world.time.settle()
  for (const partition of road.partitions.slice(0, 2)) assert.ok(partition.appendMarker(marker(true, 1, 2), 0).ok)
  road.verifier.answer()
  await road.world.time.settle()
  road.verifier.answer()
  const { body } = await client.receive<typeof produce>()
  assert.deepEqual(codes(body.responses[0]!.partitionResponses), [ErrorCode.NONE, ErrorCode.NONE])
  assert.deepEqual(
    road.partitions.slice(0, 2).map(({ log }) => log!.logEnd),
    [3, 3],
  )
  assert.deepEqual(
    road.verifier.asked.map(({ partitions }) => partitions.length),
    [2, 2, 2],
  )
})

test('what follows on a connection waits for the coordinator, so that sequences stay in order (row 48)', async t => {
  const road = await DataRoad.open(t)
  const client = road.connect()
  road.verifier.hold()
  for (let i = 0; i < 5; i++) client.send(produce, 12, request([[0, inTransaction([`${i}`], i)]]))
  await road.world.time.settle()
  assert.equal(road.verifier.asked.length, 1)
  assert.equal(road.partitions[0]!.log!.logEnd, 0)
  road.verifier.answer()
  for (let i = 0; i < 5; i++) {
    const { body } = await client.receive<typeof produce>()
    const [answer] = body.responses[0]!.partitionResponses
    assert.deepEqual([answer!.errorCode, answer!.baseOffset], [ErrorCode.NONE, i])
  }
  assert.equal(road.verifier.asked.length, 1)
})

test('other connections go on while one waits for the coordinator', async t => {
  const road = await DataRoad.open(t)
  const client = road.connect()
  road.verifier.hold()
  client.send(produce, 12, request([[0, inTransaction(['a'], 0)]]))
  const [answer] = await write(road.connect(), [[0, batchOf(['b'])]], { transactionalId: null })
  assert.equal(answer!.baseOffset, 0)
  road.verifier.answer()
  assert.equal((await client.receive<typeof produce>()).body.responses[0]!.partitionResponses[0]!.baseOffset, 1)
})

test('a client that goes while the coordinator is asked has written all the same, and leaves no frame', async t => {
  const road = await DataRoad.open(t)
  const client = road.connect()
  road.verifier.hold()
  client.send(produce, 12, request([[0, inTransaction(['a'], 0)]]))
  await road.world.time.settle()
  client.hangUp()
  road.verifier.answer()
  await road.world.time.settle()
  assert.equal(road.partitions[0]!.log!.logEnd, 1)
  assert.equal(road.world.network.stats().frames, 0)
})

test('transactional batches of two producers in a request refuse all of it', async t => {
  const road = await DataRoad.open(t)
  const batches = [
    [0, inTransaction(['a'], 0)],
    [1, inTransaction(['b'], 0, { producerId: 8n })],
  ] as const
  const { INVALID_PRODUCER_ID_MAPPING } = ErrorCode
  assert.deepEqual(codes(await write(road.connect(), batches)), [
    INVALID_PRODUCER_ID_MAPPING,
    INVALID_PRODUCER_ID_MAPPING,
  ])
  assert.equal(road.verifier.asked.length, 0)
})

test('a batch outside of transactions needs no coordinator, whatever id the request names', async t => {
  const road = await DataRoad.open(t)
  assert.deepEqual(codes(await write(road.connect(), [[0, batchOf(['a'])]])), [ErrorCode.NONE])
  assert.equal(road.verifier.asked.length, 0)
})

test('a partition that is unknown is told so, and only the others are asked about', async t => {
  const road = await DataRoad.open(t)
  const batches = [
    [5, inTransaction(['a'], 0)],
    [1, inTransaction(['b'], 0)],
  ] as const
  assert.deepEqual(codes(await write(road.connect(), batches)), [ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, ErrorCode.NONE])
  assert.deepEqual(road.verifier.asked[0]!.partitions, [{ topic: 't', partition: 1 }])
})

test('a compressed batch of a transaction is asked about before it is unfolded', async t => {
  const road = await DataRoad.open(t)
  road.verifier.code = ({ partition }) => (partition === 0 ? ErrorCode.INVALID_TXN_STATE : ErrorCode.NONE)
  const fold = (values: string[]) => compressed(inTransaction(values, 0), Codec.gzip)
  const batches = [
    [0, await fold(['a'])],
    [1, await fold(['b', 'c'])],
  ] as const
  assert.deepEqual(codes(await write(road.connect(), batches)), [ErrorCode.INVALID_TXN_STATE, ErrorCode.NONE])
  assert.deepEqual(
    road.partitions.map(({ log }) => log!.logEnd),
    [0, 2],
  )
})

test('acks=0 that the coordinator refuses closes the connection', async t => {
  const road = await DataRoad.open(t)
  const client = road.connect()
  road.verifier.code = () => ErrorCode.INVALID_TXN_STATE
  const asked = request([[0, inTransaction(['a'], 0)]], 'tx', 0)
  client.deliver([client.encode(produce, 12, asked, { silent: true })])
  await road.world.time.settle()
  assert.equal(client.closed, true)
})

test('v13 asks about topics that it names by id by their names', async t => {
  const road = await DataRoad.open(t)
  const { responses } = await road.connect().call(produce, 13, {
    ...request([]),
    topicData: [{ topicId: road.topicId, partitionData: [{ index: 1, records: inTransaction(['a'], 0) }] }],
  })
  assert.equal(responses[0]!.partitionResponses[0]!.errorCode, ErrorCode.NONE)
  assert.deepEqual(road.verifier.asked[0]!.partitions, [{ topic: 't', partition: 1 }])
})
