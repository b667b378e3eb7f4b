import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { ErrorCode, type Uuid } from '../../../src/protocol/index.ts'
import { deleteTopics } from '../../../src/protocol/schema/delete-topics.ts'
import { fetch } from '../../../src/protocol/schema/fetch.ts'
import { produce } from '../../../src/protocol/schema/produce.ts'
import { batchEnd, readRecords } from '../../../src/records/record-batch.ts'
import { SeededRandom } from '../../support/seeded-random.ts'
import { batchOf, produceRequest, testBroker } from '../../support/test-broker.ts'
import type { TestClient } from '../../support/test-client.ts'

interface Ask {
  topic?: string
  index: number
  offset?: number
}

interface Options {
  version?: number
  sessionId?: number
  epoch?: number
  forgotten?: Ask[]
  maxWaitMs?: number
  partitionMaxBytes?: number
  maxBytes?: number
  replicaId?: number
}

/** One fetch inside or outside a session; the answer's partitions by name and index, in order. */
async function ask(client: TestClient, asks: Ask[], options: Options = {}) {
  send(client, asks, options)
  return await answer(client, options.version ?? 12)
}

function send(client: TestClient, asks: Ask[], options: Options = {}): void {
  const { version = 12, sessionId = 0, epoch = 0, forgotten = [], maxWaitMs = 0 } = options
  const named = (topic = 't') => (version >= 13 ? { topicId: topic as Uuid } : { topic })
  client.send(fetch, version, {
    replicaId: options.replicaId ?? -1,
    maxWaitMs,
    minBytes: 1,
    maxBytes: options.maxBytes ?? 50 << 20,
    sessionId,
    sessionEpoch: epoch,
    topics: asks.map(({ topic, index, offset = 0 }) => ({
      ...named(topic),
      partitions: [{ partition: index, fetchOffset: offset, partitionMaxBytes: options.partitionMaxBytes ?? 1 << 20 }],
    })),
    forgottenTopicsData: forgotten.map(({ topic, index }) => ({ ...named(topic), partitions: [index] })),
  })
}

async function answer(client: TestClient, version = 12) {
  const reply = await client.receive<typeof fetch>()
  const partitions = reply.body.responses.flatMap(topic =>
    topic.partitions.map(partition => ({
      ...partition,
      topic: version >= 13 ? topic.topicId : topic.topic,
      values: valuesOf(reply.records(partition.records)),
    })),
  )
  const { errorCode, sessionId } = reply.body
  return { errorCode, sessionId, partitions, indexes: partitions.map(each => each.partitionIndex) }
}

function valuesOf(bytes: Uint8Array): string[] {
  const values: string[] = []
  for (let at = 0, end = batchEnd(bytes, 0); end !== undefined; at = end, end = batchEnd(bytes, at))
    values.push(...readRecords(bytes, at).map(record => new TextDecoder().decode(record.value ?? undefined)))
  return values
}

async function write(client: TestClient, value: string, index = 0, topic = 't'): Promise<void> {
  const { responses } = await client.call(produce, 9, produceRequest(topic, batchOf([value]), -1, 1_000, index))
  assert.equal(responses[0]!.partitionResponses[0]!.errorCode, ErrorCode.NONE)
}

async function brokerWith(t: TestContext, partitions: number, configs: Record<string, string> = {}) {
  const broker = await testBroker(t, configs)
  const id = await broker.createTopic('t', partitions)
  return { broker, id, client: broker.connect() }
}

test('a session begins with a full answer and goes on with what is new', async t => {
  const { client } = await brokerWith(t, 3)
  await write(client, 'a', 1)
  const full = await ask(client, [{ index: 0 }, { index: 1 }, { index: 2 }])
  assert.ok(full.sessionId > 0)
  assert.deepEqual(
    full.partitions.map(each => each.values),
    [[], ['a'], []],
  )

  const { sessionId } = full
  const quiet = await ask(client, [{ index: 1, offset: 1 }], { sessionId, epoch: 1 })
  assert.deepEqual([quiet.errorCode, quiet.sessionId, quiet.indexes], [ErrorCode.NONE, sessionId, []])

  await write(client, 'b', 2)
  const news = await ask(client, [], { sessionId, epoch: 2 })
  assert.deepEqual(news.indexes, [2])
  assert.deepEqual(news.partitions[0]!.values, ['b'])
  const again = await ask(client, [], { sessionId, epoch: 3 })
  assert.deepEqual(again.partitions[0]!.values, ['b'], 'it was not asked for anything later')
})

test('a moved high watermark is news, even where nothing can be read', async t => {
  const { client } = await brokerWith(t, 1)
  const { sessionId } = await ask(client, [{ index: 0, offset: 0 }])
  await write(client, 'a')
  const moved = await ask(client, [{ index: 0, offset: 1 }], { sessionId, epoch: 1 })
  assert.deepEqual([moved.indexes, moved.partitions[0]!.highWatermark], [[0], 1])
  assert.deepEqual((await ask(client, [], { sessionId, epoch: 2 })).indexes, [])
})

test('a partition can be added, changed and forgotten', async t => {
  const { client } = await brokerWith(t, 3)
  for (const index of [0, 1, 2]) await write(client, `v${index}`, index)
  const { sessionId } = await ask(client, [{ index: 0, offset: 1 }])
  const added = await ask(client, [{ index: 1 }, { index: 2 }], { sessionId, epoch: 1 })
  assert.deepEqual(added.indexes, [1, 2])
  const forgotten = await ask(client, [{ index: 1, offset: 1 }], { sessionId, epoch: 2, forgotten: [{ index: 2 }] })
  assert.deepEqual(forgotten.indexes, [])
  const back = await ask(client, [{ index: 0, offset: 0 }], { sessionId, epoch: 3 })
  assert.deepEqual(
    back.partitions.map(each => each.values),
    [['v0']],
  )
})

test('a wrong epoch and an unknown session are told, and cost the session nothing', async t => {
  const { client } = await brokerWith(t, 1)
  const { sessionId } = await ask(client, [{ index: 0 }])
  for (const epoch of [2, 5, 0x7fff_ffff, -2]) {
    const wrong = await ask(client, [], { sessionId, epoch })
    assert.deepEqual(
      [wrong.errorCode, wrong.sessionId, wrong.partitions],
      [ErrorCode.INVALID_FETCH_SESSION_EPOCH, 0, []],
      `${epoch}`,
    )
  }
  for (const [id, epoch] of [
    [sessionId + 1, 1],
    [0, 1],
    [-5, 3],
  ])
    assert.equal(
      (await ask(client, [], { sessionId: id!, epoch: epoch! })).errorCode,
      ErrorCode.FETCH_SESSION_ID_NOT_FOUND,
    )
  assert.equal((await ask(client, [], { sessionId, epoch: 1 })).errorCode, ErrorCode.NONE)
})

test('a full request ends the session it names; epoch -1 begins no other', async t => {
  const { client } = await brokerWith(t, 1)
  const first = await ask(client, [{ index: 0 }])
  const second = await ask(client, [{ index: 0 }], { sessionId: first.sessionId, epoch: 0 })
  assert.ok(second.sessionId > 0 && second.sessionId !== first.sessionId)
  const gone = await ask(client, [], { sessionId: first.sessionId, epoch: 1 })
  assert.equal(gone.errorCode, ErrorCode.FETCH_SESSION_ID_NOT_FOUND)
  const last = await ask(client, [{ index: 0 }], { sessionId: second.sessionId, epoch: -1 })
  assert.deepEqual([last.errorCode, last.sessionId, last.indexes], [ErrorCode.NONE, 0, [0]])
  assert.equal(
    (await ask(client, [], { sessionId: second.sessionId, epoch: 1 })).errorCode,
    ErrorCode.FETCH_SESSION_ID_NOT_FOUND,
  )
})

test('a session ends with its last partition, and outlives its connection', async t => {
  const { broker, client } = await brokerWith(t, 1)
  const { sessionId } = await ask(client, [{ index: 0 }])
  client.hangUp()
  const other = broker.connect()
  const emptied = await ask(other, [], { sessionId, epoch: 1, forgotten: [{ index: 0 }] })
  assert.deepEqual([emptied.errorCode, emptied.sessionId, emptied.partitions], [ErrorCode.NONE, 0, []])
  assert.equal((await ask(other, [], { sessionId, epoch: 2 })).errorCode, ErrorCode.FETCH_SESSION_ID_NOT_FOUND)
})

test('without slots every fetch is answered in full', async t => {
  const { client } = await brokerWith(t, 1, { 'max.incremental.fetch.session.cache.slots': '0' })
  assert.equal((await ask(client, [{ index: 0 }])).sessionId, 0)
})

test('names and ids do not mix within a session', async t => {
  const { client, id } = await brokerWith(t, 1)
  const byName = await ask(client, [{ index: 0 }])
  const mixed = await ask(client, [], { version: 13, sessionId: byName.sessionId, epoch: 1 })
  assert.equal(mixed.errorCode, ErrorCode.FETCH_SESSION_TOPIC_ID_ERROR)
  const byId = await ask(client, [{ topic: id, index: 0 }], { version: 13 })
  const back = await ask(client, [], { version: 12, sessionId: byId.sessionId, epoch: 1 })
  assert.equal(back.errorCode, ErrorCode.FETCH_SESSION_TOPIC_ID_ERROR)
})

test('topics come and go under a session of ids: unknown, then known, then inconsistent', async t => {
  const { broker, client, id } = await brokerWith(t, 1)
  await write(client, 'old')
  const stranger = 'AAAAAAAAAAAAAAAAAAAAAQ'
  const version = 13
  const full = await ask(
    client,
    [
      { topic: stranger, index: 0 },
      { topic: id, index: 0 },
      { topic: id, index: 9 },
    ],
    {
      version,
    },
  )
  assert.deepEqual(
    full.partitions.map(each => each.errorCode),
    [ErrorCode.UNKNOWN_TOPIC_ID, ErrorCode.NONE, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION],
  )
  const { sessionId } = full
  await client.call(deleteTopics, 5, { topicNames: ['t'], timeoutMs: 1_000 })
  const gone = await ask(client, [], { version, sessionId, epoch: 1 })
  const codes = (partitions: readonly { topic: string; errorCode: number }[]) =>
    Object.fromEntries(partitions.map(each => [each.topic, each.errorCode]))
  assert.equal(codes(gone.partitions)[id], ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
  const renewed = await broker.createTopic('t')
  const inconsistent = await ask(client, [], { version, sessionId, epoch: 2 })
  assert.equal(
    inconsistent.partitions.find(each => each.topic === id && each.partitionIndex === 0)!.errorCode,
    ErrorCode.INCONSISTENT_TOPIC_ID,
  )
  assert.equal(codes(inconsistent.partitions)[stranger], ErrorCode.UNKNOWN_TOPIC_ID)
  const moved = await ask(client, [{ topic: renewed, index: 0 }], {
    version,
    sessionId,
    epoch: 3,
    forgotten: [
      { topic: id, index: 0 },
      { topic: id, index: 9 },
      { topic: stranger, index: 0 },
    ],
  })
  assert.deepEqual(codes(moved.partitions), { [renewed]: ErrorCode.NONE })
})

test('a session of names goes on with a topic that was made again', async t => {
  const { broker, client } = await brokerWith(t, 1)
  await write(client, 'old')
  const { sessionId } = await ask(client, [{ index: 0, offset: 1 }])
  await client.call(deleteTopics, 5, { topicNames: ['t'], timeoutMs: 1_000 })
  const gone = await ask(client, [], { sessionId, epoch: 1 })
  assert.equal(gone.partitions[0]!.errorCode, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
  await broker.createTopic('t')
  const renewed = await ask(client, [{ index: 0, offset: 0 }], { sessionId, epoch: 2 })
  assert.deepEqual([renewed.partitions[0]!.errorCode, renewed.partitions[0]!.highWatermark], [ErrorCode.NONE, 0])
  await write(client, 'new')
  assert.deepEqual((await ask(client, [], { sessionId, epoch: 3 })).partitions[0]!.values, ['new'])
})

test('an error is told each time, and its end once', async t => {
  const { client } = await brokerWith(t, 1)
  const { sessionId } = await ask(client, [{ index: 0, offset: 7 }])
  for (const epoch of [1, 2]) {
    const wrong = await ask(client, [], { sessionId, epoch })
    assert.equal(wrong.partitions[0]!.errorCode, ErrorCode.OFFSET_OUT_OF_RANGE)
  }
  const right = await ask(client, [{ index: 0, offset: 0 }], { sessionId, epoch: 3 })
  assert.deepEqual([right.indexes, right.partitions[0]!.errorCode], [[0], ErrorCode.NONE])
  assert.deepEqual((await ask(client, [], { sessionId, epoch: 4 })).indexes, [])
})

test('a busy partition does not starve those behind it', async t => {
  const { client } = await brokerWith(t, 3)
  const size = batchOf(['v0']).length
  for (let round = 0; round < 3; round++) for (const index of [0, 1, 2]) await write(client, `v${round}`, index)
  let asks: Ask[] = [{ index: 0 }, { index: 1 }, { index: 2 }]
  const offsets = [0, 0, 0]
  const served: number[] = []
  let sessionId = 0
  for (let epoch = 0; epoch < 6; epoch++) {
    const got = await ask(client, asks, { sessionId, epoch, maxBytes: size })
    sessionId = got.sessionId
    const index = got.partitions.find(each => each.values.length > 0)!.partitionIndex
    served.push(index)
    asks = [{ index, offset: ++offsets[index]! }]
  }
  assert.deepEqual(served, [0, 1, 2, 0, 1, 2])
})

test('a fetch that waits in a session is woken by any of its partitions, also those it did not name', async t => {
  const { broker, client } = await brokerWith(t, 2)
  const { sessionId } = await ask(client, [{ index: 0 }, { index: 1 }])
  send(client, [], { sessionId, epoch: 1, maxWaitMs: 1_000 })
  await broker.world.time.settle()
  assert.equal(client.unread, 0)
  await write(broker.connect(), 'late', 1)
  const got = await answer(client)
  assert.deepEqual([got.indexes, got.partitions[0]!.values], [[1], ['late']])
})

test('a request that was overtaken on another connection is told so', async t => {
  const { broker, client } = await brokerWith(t, 1)
  const { sessionId } = await ask(client, [{ index: 0 }])
  send(client, [], { sessionId, epoch: 1, maxWaitMs: 1_000 })
  await broker.world.time.settle()
  await ask(broker.connect(), [], { sessionId, epoch: 2 })
  await write(broker.connect(), 'a')
  const overtaken = await answer(client)
  assert.deepEqual(
    [overtaken.errorCode, overtaken.sessionId, overtaken.partitions],
    [ErrorCode.INVALID_FETCH_SESSION_EPOCH, sessionId, []],
  )
  assert.equal((await ask(client, [], { sessionId, epoch: 3 })).partitions.length, 1)
})

test('a session tells its client what a fetch without one would', async t => {
  for (const seed of [1, 2, 3, 4]) await modelRun(t, seed)
})

/** A client with a session keeps its offsets and what it was told; after each round a full fetch says the same. */
async function modelRun(t: TestContext, seed: number): Promise<void> {
  const random = new SeededRandom(seed)
  const below = (limit: number) => Math.floor(random.next() * limit)
  const partitions = 6
  const { broker, client } = await brokerWith(t, partitions)
  const writer = broker.connect()
  const offsets = new Map<number, number>()
  const told = new Map<number, { highWatermark: number; errorCode: number }>()
  const read = new Map<number, string[]>()
  const written = Array.from({ length: partitions }, () => [] as string[])
  let session = { id: 0, epoch: 0 }
  let changed = new Set<number>()
  for (let round = 0; round < 120; round++) {
    for (let n = below(4); n > 0; n--) {
      const index = below(partitions)
      const value = `${index}:${written[index]!.length}`
      await write(writer, value, index)
      written[index]!.push(value)
    }
    const forgotten: Ask[] = []
    for (let index = 0; index < partitions; index++) {
      if (below(8) > 0) continue
      if (!offsets.has(index)) {
        offsets.set(index, read.get(index)?.length ?? 0)
        changed.add(index)
      } else if (session.epoch > 0) {
        forgotten.push({ index })
        offsets.delete(index)
        told.delete(index)
        changed.delete(index)
      }
    }
    if (offsets.size === 0) {
      session = { id: 0, epoch: 0 }
      changed = new Set()
      continue
    }
    if (below(20) === 0) session = { id: below(2) * session.id, epoch: 0 }
    const full = session.epoch === 0
    if (full) told.clear()
    const asks = [...(full ? offsets.keys() : changed)].map(index => ({ index, offset: offsets.get(index)! }))
    changed = new Set()
    const limits = { partitionMaxBytes: 1 + below(300), maxBytes: 100 + below(500) }
    const got = await ask(client, asks, {
      sessionId: session.id,
      epoch: session.epoch,
      forgotten: full ? [] : forgotten,
      ...limits,
    })
    assert.equal(got.errorCode, ErrorCode.NONE, `seed ${seed}, round ${round}`)
    session = { id: got.sessionId, epoch: got.sessionId === 0 ? 0 : session.epoch + 1 }
    for (const each of got.partitions) {
      const index = each.partitionIndex
      assert.ok(offsets.has(index), `seed ${seed}: partition ${index} was not asked for`)
      told.set(index, { highWatermark: each.highWatermark, errorCode: each.errorCode })
      const have = read.get(index) ?? []
      read.set(index, have)
      have.push(...each.values)
      if (each.values.length === 0) continue
      offsets.set(index, have.length)
      changed.add(index)
    }
    const plain = await ask(
      writer,
      [...offsets].map(([index, offset]) => ({ index, offset })),
      { epoch: -1 },
    )
    for (const each of plain.partitions)
      assert.deepEqual(
        told.get(each.partitionIndex),
        { highWatermark: each.highWatermark, errorCode: each.errorCode },
        `seed ${seed}, round ${round}, partition ${each.partitionIndex}`,
      )
  }
  for (const [index, values] of read) assert.deepEqual(values, written[index]!.slice(0, values.length), `seed ${seed}`)
  assert.ok([...read.values()].some(values => values.length > 5))
}
