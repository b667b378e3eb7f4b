import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { ErrorCode } from '../../../src/protocol/index.ts'
import { deleteRecords } from '../../../src/protocol/schema/delete-records.ts'
import { listOffsets } from '../../../src/protocol/schema/list-offsets.ts'
import { batchHeaderBytes } from '../../../src/records/batch-header.ts'
import { crc32c } from '../../../src/records/crc32c.ts'
import { buildBatch } from '../../../src/records/record-batch.ts'
import { produceOne, testBroker } from '../../support/test-broker.ts'
import type { TestClient } from '../../support/test-client.ts'

const latest = -1
const earliest = -2
const maxTimestamp = -3
const earliestLocal = -4
const latestTiered = -5
const startMs = 1_700_000_000_000

async function find(
  client: TestClient,
  timestamp: number,
  version = 11,
  more: { epoch?: number; index?: number } = {},
) {
  const partitions = [{ partitionIndex: more.index ?? 0, currentLeaderEpoch: more.epoch ?? -1, timestamp }]
  const { topics } = await client.call(listOffsets, version, {
    replicaId: -1,
    isolationLevel: 0,
    topics: [{ name: 't', partitions }],
  })
  const { errorCode, offset, timestamp: found, leaderEpoch } = topics[0]!.partitions[0]!
  return { errorCode, offset, timestamp: found, leaderEpoch }
}

const none = { errorCode: ErrorCode.NONE, offset: -1, timestamp: -1, leaderEpoch: -1 }

/** Records at these seconds after the start, none of them with a key. */
const batchAt = (...seconds: number[]): Uint8Array =>
  buildBatch({
    timestampMs: startMs,
    records: seconds.map(second => ({ key: null, value: new Uint8Array(3), timestampMs: startMs + second * 1_000 })),
  })

function compressed(batch: Uint8Array, fold: (records: Uint8Array) => Uint8Array): Uint8Array {
  const folded = Buffer.concat([batch.subarray(0, batchHeaderBytes), fold(batch.subarray(batchHeaderBytes))])
  const view = new DataView(folded.buffer, folded.byteOffset)
  view.setInt32(8, folded.length - 12)
  view.setInt16(21, 1)
  view.setUint32(17, crc32c(folded.subarray(21)))
  return folded
}

async function brokerWith(t: TestContext, batches: Uint8Array[]) {
  const broker = await testBroker(t)
  await broker.createTopic('t')
  const client = broker.connect()
  for (const batch of batches) assert.equal((await produceOne(client, 't', batch)).errorCode, ErrorCode.NONE)
  return { broker, client }
}

for (let version = 1; version <= 11; version++)
  test(`ListOffsets v${version} finds both ends, and a record by its time`, async t => {
    const { client } = await brokerWith(t, [batchAt(0, 1), batchAt(2, 3)])
    const epoch = version >= 4 ? 0 : -1
    assert.deepEqual(await find(client, latest, version), { ...none, offset: 4, leaderEpoch: epoch })
    assert.deepEqual(await find(client, earliest, version), { ...none, offset: 0, leaderEpoch: epoch })
    const third = { ...none, offset: 2, timestamp: startMs + 2_000, leaderEpoch: epoch }
    assert.deepEqual(await find(client, startMs + 1_001, version), third)
  })

test('no record is late enough for a time in the future, also for Long.MAX_VALUE', async t => {
  const { client } = await brokerWith(t, [batchAt(0)])
  assert.deepEqual(await find(client, startMs + 1), none)
  const marker = 0x0123456789abcd
  const partitions = [{ partitionIndex: 0, timestamp: marker }]
  const frame = client.encode(listOffsets, 5, { replicaId: -1, isolationLevel: 0, topics: [{ name: 't', partitions }] })
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength)
  const at = Array.from({ length: frame.length - 7 }, (_, i) => i).find(i => view.getBigInt64(i) === BigInt(marker))
  view.setBigInt64(at!, 2n ** 63n - 1n)
  client.deliver([frame])
  const { body } = await client.receive<typeof listOffsets>()
  assert.deepEqual([body.topics[0]!.partitions[0]!.errorCode, body.topics[0]!.partitions[0]!.offset], [0, -1])
})

test('latest is what is committed, not what is written', async t => {
  const { broker, client } = await brokerWith(t, [batchAt(0)])
  broker.world.storage.holdFlushes = true
  await produceOne(client, 't', batchAt(1), 1)
  assert.equal((await find(client, latest)).offset, 1)
  assert.deepEqual(await find(client, startMs + 1_000), none)
  assert.equal((await find(client, maxTimestamp)).offset, 0)
})

test('the largest timestamp is found where it is', async t => {
  const { client } = await brokerWith(t, [batchAt(0, 9, 1), batchAt(2)])
  assert.deepEqual(await find(client, maxTimestamp), { ...none, offset: 1, timestamp: startMs + 9_000, leaderEpoch: 0 })
})

test('an empty partition has a latest offset with the epoch of its leader, and no record', async t => {
  const { client } = await brokerWith(t, [])
  assert.deepEqual(await find(client, latest), { ...none, offset: 0, leaderEpoch: 0 })
  assert.deepEqual(await find(client, maxTimestamp), none)
  assert.deepEqual(await find(client, 0), none)
})

test('inside a compressed batch the record itself is found', async t => {
  const { client } = await brokerWith(t, [compressed(batchAt(0, 1, 5, 3), gzipSync)])
  assert.equal((await find(client, startMs + 500)).offset, 1)
  assert.deepEqual(await find(client, maxTimestamp), { ...none, offset: 2, timestamp: startMs + 5_000, leaderEpoch: 0 })
})

test('a stored batch that cannot be unfolded is found by its header, and the connection lives', async t => {
  const { broker, client } = await brokerWith(t, [batchAt(0), compressed(batchAt(1, 2), gzipSync)])
  broker.logOf('t').content.batches[1]!.bytes.fill(0, batchHeaderBytes)
  assert.deepEqual(await find(client, startMs + 500), {
    ...none,
    offset: 1,
    timestamp: startMs + 2_000,
    leaderEpoch: 0,
  })
  assert.equal(client.closed, false)
})

test('tiered storage is answered as by a broker that has none; unknown times are refused', async t => {
  const { client } = await brokerWith(t, [batchAt(0)])
  assert.equal((await find(client, earliestLocal)).offset, 0)
  assert.deepEqual(await find(client, latestTiered), none)
  assert.equal((await find(client, earliestLocal, 7)).errorCode, ErrorCode.UNSUPPORTED_VERSION)
  assert.equal((await find(client, -99)).errorCode, ErrorCode.UNSUPPORTED_VERSION)
})

test('unknown partitions and epochs are told', async t => {
  const { client } = await brokerWith(t, [])
  assert.equal((await find(client, latest, 11, { index: 3 })).errorCode, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
  assert.equal((await find(client, latest, 11, { epoch: 2 })).errorCode, ErrorCode.UNKNOWN_LEADER_EPOCH)
})

test('a partition that is asked twice is refused, the others are answered', async t => {
  const { client } = await brokerWith(t, [batchAt(0)])
  const asked = (partitionIndex: number) => ({ partitionIndex, currentLeaderEpoch: -1, timestamp: latest })
  const { topics } = await client.call(listOffsets, 11, {
    replicaId: -1,
    isolationLevel: 0,
    topics: [{ name: 't', partitions: [asked(1), asked(0), asked(1)] }],
  })
  assert.deepEqual(
    topics[0]!.partitions.map(({ partitionIndex, errorCode }) => [partitionIndex, errorCode]),
    [
      [1, ErrorCode.INVALID_REQUEST],
      [0, ErrorCode.NONE],
      [1, ErrorCode.INVALID_REQUEST],
    ],
  )
})

test('in a compressed batch that the log start lies in, only what is above it is found', async t => {
  const { broker, client } = await brokerWith(t, [
    compressed(batchAt(9, 1, 5, 3), gzipSync),
    compressed(batchAt(4, 6), gzipSync),
    batchAt(2),
  ])
  const trim = async (offset: number) => {
    const topics = [{ name: 't', partitions: [{ partitionIndex: 0, offset }] }]
    await broker.connect().call(deleteRecords, 2, { topics, timeoutMs: 1_000 })
  }
  await trim(1)
  assert.equal((await find(client, maxTimestamp)).offset, 5)
  assert.equal((await find(client, startMs + 5_500)).offset, 5)
  assert.deepEqual(await find(client, startMs + 8_000), none)
  assert.equal((await find(client, startMs + 4_000)).offset, 2)
  await trim(4)
  assert.equal((await find(client, startMs + 4_000)).offset, 4)
})

test('the log end is for brokers, and is not held to what is committed', async t => {
  const { broker, client } = await brokerWith(t, [batchAt(0)])
  broker.world.storage.holdFlushes = true
  await produceOne(client, 't', batchAt(1), 1)
  const { topics } = await client.call(listOffsets, 11, {
    replicaId: 3,
    isolationLevel: 0,
    topics: [{ name: 't', partitions: [{ partitionIndex: 0, timestamp: latest }] }],
  })
  assert.equal(topics[0]!.partitions[0]!.offset, 2)
  assert.equal((await find(client, latest)).offset, 1)
})

test('a request for thousands of partitions is answered whole', async t => {
  const { client } = await brokerWith(t, [batchAt(0)])
  const partitions = Array.from({ length: 20_000 }, (_, partitionIndex) => ({ partitionIndex, timestamp: latest }))
  client.send(listOffsets, 11, { replicaId: -1, isolationLevel: 0, topics: [{ name: 't', partitions }] })
  const { body } = await client.receive<typeof listOffsets>()
  const found = body.topics[0]!.partitions
  assert.deepEqual([found.length, found[0]!.offset, found[19_999]!.offset], [20_000, 1, -1])
})
