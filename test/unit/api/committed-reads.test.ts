import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ErrorCode } from '../../../src/protocol/index.ts'
import { describeProducers } from '../../../src/protocol/schema/describe-producers.ts'
import { fetch } from '../../../src/protocol/schema/fetch.ts'
import { listOffsets } from '../../../src/protocol/schema/list-offsets.ts'
import { produce } from '../../../src/protocol/schema/produce.ts'
import { batchEnd, readRecords } from '../../../src/records/record-batch.ts'
import { DataRoad } from '../../support/data-road.ts'
import { batchOf } from '../../support/test-broker.ts'
import type { TestClient } from '../../support/test-client.ts'

const committed = 1
const uncommitted = 0
const transactional = 0x10

/** Writes and ends transactions of many producers to partition 0, each with its own sequence. */
class Writers {
  private readonly road: DataRoad
  private readonly client: TestClient
  private readonly sequences = new Map<bigint, number>()

  constructor(road: DataRoad) {
    this.road = road
    this.client = road.connect()
  }

  async write(producerId: bigint, ...values: string[]): Promise<void> {
    const baseSequence = this.sequences.get(producerId) ?? 0
    this.sequences.set(producerId, baseSequence + values.length)
    const more = { producerId, producerEpoch: 0, baseSequence, attributes: transactional }
    await this.append(batchOf(values, more), 'tx')
  }

  async plain(...values: string[]): Promise<void> {
    await this.append(batchOf(values), null)
  }

  async end(producerId: bigint, wasCommitted: boolean): Promise<void> {
    const marker = { producerId, producerEpoch: 0, coordinatorEpoch: 4, committed: wasCommitted, transactionVersion: 0 }
    const [partition] = this.road.partitions
    const appended = partition!.appendMarker(marker, 1_700_000_000_000)
    assert.ok(appended.ok)
    const { endOffset } = appended.value
    await new Promise<void>(onCommitted => {
      partition!.whenCommitted({ endOffset, onCommitted: () => onCommitted() })
      void this.road.world.time.settle()
    })
    await this.road.world.time.settle()
  }

  private async append(records: Uint8Array, transactionalId: string | null): Promise<void> {
    const topicData = [{ name: 't', partitionData: [{ index: 0, records }] }]
    const { responses } = await this.client.call(produce, 12, {
      transactionalId,
      acks: -1,
      timeoutMs: 1_000,
      topicData,
    })
    assert.equal(responses[0]!.partitionResponses[0]!.errorCode, ErrorCode.NONE)
  }
}

const request = (isolationLevel: number, fetchOffset = 0, limits: { maxWaitMs?: number; minBytes?: number } = {}) => ({
  replicaId: -1,
  maxWaitMs: 0,
  minBytes: 1,
  ...limits,
  maxBytes: 50 << 20,
  isolationLevel,
  topics: [{ topic: 't', partitions: [{ partition: 0, fetchOffset, partitionMaxBytes: 1 << 20 }] }],
  forgottenTopicsData: [],
})

async function answer(client: TestClient) {
  const reply = await client.receive<typeof fetch>()
  const partition = reply.body.responses[0]!.partitions[0]!
  const bytes = reply.records(partition.records)
  const values: string[] = []
  for (let at = 0, end = batchEnd(bytes, 0); end !== undefined; at = end, end = batchEnd(bytes, at)) {
    const control = (bytes[at + 22]! & 0x20) !== 0
    const read = readRecords(bytes, at).map(({ value }) => new TextDecoder().decode(value ?? undefined))
    values.push(...(control ? ['(marker)'] : read))
  }
  const { lastStableOffset, highWatermark, errorCode } = partition
  const aborted = partition.abortedTransactions?.map(({ producerId, firstOffset }) => [producerId, firstOffset]) ?? null
  return { values, aborted, lastStableOffset, highWatermark, errorCode }
}

async function read(client: TestClient, isolationLevel: number, fetchOffset = 0) {
  client.send(fetch, 12, request(isolationLevel, fetchOffset))
  return await answer(client)
}

test('committed reads end where the first open transaction begins; others see all of it', async t => {
  const road = await DataRoad.open(t)
  const writers = new Writers(road)
  await writers.plain('a')
  await writers.write(1n, 'b')
  await writers.plain('c')
  const client = road.connect()
  assert.deepEqual(await read(client, committed), {
    values: ['a'],
    aborted: [],
    lastStableOffset: 1,
    highWatermark: 3,
    errorCode: ErrorCode.NONE,
  })
  assert.deepEqual((await read(client, uncommitted)).values, ['a', 'b', 'c'])
  await writers.end(1n, true)
  const after = await read(client, committed)
  assert.deepEqual([after.values, after.lastStableOffset], [['a', 'b', 'c', '(marker)'], 4])
})

test('committed reads are told the aborted transactions by first offset, others none (row 24)', async t => {
  const road = await DataRoad.open(t)
  const writers = new Writers(road)
  for (const producerId of [3n, 1n, 2n]) await writers.write(producerId, `of ${producerId}`)
  for (const producerId of [1n, 2n, 3n]) await writers.end(producerId, false)
  await writers.write(4n, 'kept')
  await writers.end(4n, true)
  const client = road.connect()
  assert.deepEqual((await read(client, committed)).aborted, [
    [3n, 0],
    [1n, 1],
    [2n, 2],
  ])
  assert.equal((await read(client, uncommitted)).aborted, null)
  assert.deepEqual((await read(client, committed, 6)).aborted, [], 'those that ended below are not told')
})

test('a fetch that waits is not satisfied by bytes above the last stable offset (row 25)', async t => {
  const road = await DataRoad.open(t)
  const writers = new Writers(road)
  await writers.write(1n, 'a')
  const client = road.connect()
  client.send(fetch, 12, request(committed, 0, { maxWaitMs: 500, minBytes: 1 }))
  await road.world.time.settle()
  await writers.plain('b')
  await road.world.time.advance(400)
  assert.equal(client.unread, 0)
  await writers.end(1n, true)
  assert.equal(client.unread, 1, 'the marker wakes who waits')
  assert.deepEqual((await answer(client)).values, ['a', 'b', '(marker)'])
})

test('a fetch that waits for many bytes counts only stable ones (row 25)', async t => {
  const road = await DataRoad.open(t)
  const writers = new Writers(road)
  await writers.plain('a')
  await writers.write(1n, 'x'.repeat(500))
  const client = road.connect()
  client.send(fetch, 12, request(committed, 0, { maxWaitMs: 500, minBytes: 300 }))
  await writers.plain('y'.repeat(500))
  await road.world.time.advance(499)
  assert.equal(client.unread, 0)
  await road.world.time.advance(1)
  assert.deepEqual((await answer(client)).values, ['a'])
})

test('a partition whose aborted transactions cannot be read is a storage error, and pins nothing', async t => {
  const road = await DataRoad.open(t)
  const writers = new Writers(road)
  await writers.plain('a')
  const { MillraceError } = await import('../../../src/base/error.ts')
  road.partitions[0]!.abortedTransactions = () => Promise.reject(new MillraceError('ioError' as never, 'gone'))
  const { errorCode } = await read(road.connect(), committed)
  assert.equal(errorCode, ErrorCode.KAFKA_STORAGE_ERROR)
  assert.equal(road.world.storage.regionsHeld, 0)
})

test('aborted transactions that come from a file are waited for, and a client that goes meanwhile pins nothing', async t => {
  const road = await DataRoad.open(t)
  const writers = new Writers(road)
  await writers.plain('a')
  let found: () => void = () => {}
  const old = { producerId: 9n, firstOffset: 0, lastOffset: 5, lastStableOffset: 6 }
  road.partitions[0]!.abortedTransactions = () =>
    new Promise(resolve => {
      found = () => resolve([old])
    })
  const client = road.connect()
  client.send(fetch, 12, request(committed))
  await road.world.time.settle()
  assert.equal(client.unread, 0)
  found()
  const { values, aborted } = await answer(client)
  assert.deepEqual([values, aborted], [['a'], [[9n, 0]]])
  const leaving = road.connect()
  leaving.send(fetch, 12, request(committed))
  await road.world.time.settle()
  leaving.hangUp()
  found()
  await road.world.time.settle()
  assert.equal(road.world.storage.regionsHeld, 0)
})

async function latest(client: TestClient, isolationLevel: number, timestamp = -1) {
  const topics = [{ name: 't', partitions: [{ partitionIndex: 0, timestamp }] }]
  const answered = await client.call(listOffsets, 7, { replicaId: -1, isolationLevel, topics })
  const { offset, errorCode } = answered.topics[0]!.partitions[0]!
  assert.equal(errorCode, ErrorCode.NONE)
  return offset
}

test('ListOffsets tells committed readers the last stable offset, and finds them nothing above it', async t => {
  const road = await DataRoad.open(t)
  const writers = new Writers(road)
  await writers.plain('a')
  await writers.write(1n, 'b')
  const client = road.connect()
  assert.deepEqual([await latest(client, committed), await latest(client, uncommitted)], [1, 2])
  const time = 1_700_000_000_000
  assert.deepEqual([await latest(client, committed, time), await latest(client, uncommitted, time)], [0, 0])
  assert.deepEqual([await latest(client, committed, time + 1), await latest(client, uncommitted, -3)], [-1, 0])
  await writers.end(1n, false)
  assert.deepEqual([await latest(client, committed), await latest(client, uncommitted)], [3, 3])
})

test('markers occupy offsets and are counted by ListOffsets (row 29)', async t => {
  const road = await DataRoad.open(t)
  const writers = new Writers(road)
  await writers.write(1n, 'a')
  await writers.end(1n, true)
  await writers.plain('b')
  const client = road.connect()
  assert.equal(await latest(client, committed), 3)
  assert.deepEqual((await read(client, committed, 2)).values, ['b'])
})

test('DescribeProducers tells where an open transaction begins, and by whose marker the last one ended (row 21)', async t => {
  const road = await DataRoad.open(t)
  const writers = new Writers(road)
  await writers.plain('a')
  await writers.write(1n, 'b')
  const client = road.connect()
  const described = async () => {
    const asked = { topics: [{ name: 't', partitionIndexes: [0] }] }
    const [producer] = (await client.call(describeProducers, 0, asked)).topics[0]!.partitions[0]!.activeProducers
    return [producer!.producerId, producer!.currentTxnStartOffset, producer!.coordinatorEpoch, producer!.lastSequence]
  }
  assert.deepEqual(await described(), [1n, 1, -1, 0])
  await writers.end(1n, false)
  assert.deepEqual(await described(), [1n, -1, 4, 0])
})
