/**
 * A topic that is deleted and made again, over and over, while several clients produce to it and fetch from it by name
 * and by id: every acknowledged record of the last life is there, once and in order; nobody reads what another life
 * wrote; each refusal is one of Kafka's for a topic that is not there; another topic notices nothing.
 */
import assert from 'node:assert/strict'
import { readdir } from 'node:fs/promises'
import { after, before, test } from 'node:test'
import { ErrorCode, type Uuid } from '../../src/protocol/index.ts'
import { createTopics } from '../../src/protocol/schema/create-topics.ts'
import { deleteTopics } from '../../src/protocol/schema/delete-topics.ts'
import { fetch } from '../../src/protocol/schema/fetch.ts'
import { produce } from '../../src/protocol/schema/produce.ts'
import { buildBatch, readRecords } from '../../src/records/record-batch.ts'
import { BrokerUnderTest } from '../compat/lib/broker.ts'
import { RawClient } from '../integration/raw-client.ts'
import { assertGrewLessThan, residentMb } from '../integration/resident-memory.ts'
import { SeededRandom } from '../support/seeded-random.ts'

const lives = Number(process.env.MILLRACE_CHURN_LIVES ?? 25)
const partitions = 4
const timeoutMs = 10_000
const name = 'again'
const steady = 'steady'
const { NONE, UNKNOWN_TOPIC_ID, UNKNOWN_TOPIC_OR_PARTITION, OFFSET_OUT_OF_RANGE } = ErrorCode
const { LEADER_NOT_AVAILABLE, NOT_LEADER_OR_FOLLOWER, INCONSISTENT_TOPIC_ID } = ErrorCode
const gone: readonly number[] = [
  UNKNOWN_TOPIC_ID,
  UNKNOWN_TOPIC_OR_PARTITION,
  LEADER_NOT_AVAILABLE,
  NOT_LEADER_OR_FOLLOWER,
  INCONSISTENT_TOPIC_ID,
]

let broker: BrokerUnderTest
before(async () => {
  broker = await BrokerUnderTest.start({ 'auto.create.topics.enable': 'false' })
})
after(() => broker?.destroy())

const create = async (client: RawClient, topic: string): Promise<Uuid> => {
  const topics = [{ name: topic, numPartitions: partitions, replicationFactor: 1, assignments: [], configs: [] }]
  const answer = await client.request(createTopics, 7, { topics, timeoutMs })
  assert.equal(answer.topics[0]!.errorCode, NONE)
  return answer.topics[0]!.topicId
}

/** The current life: its id is part of every value that is written by id. */
interface Life {
  id: Uuid
  readonly acknowledged: Map<string, number>
}

const batchOf = (value: string): Uint8Array =>
  buildBatch({ records: [{ key: null, value: Buffer.from(value) }], timestampMs: Date.now() })

test('a topic that comes and goes under its clients mixes nothing up and loses nothing', {
  timeout: 120_000,
}, async t => {
  const admin = await RawClient.open(broker)
  await create(admin, steady)
  let life: Life = { id: await create(admin, name), acknowledged: new Map() }
  const beforeMb = await residentMb(broker)
  let over = false
  const counts = { written: 0, read: 0, refused: 0 }

  const write = async (writer: number): Promise<void> => {
    const client = await RawClient.open(broker)
    for (let n = 0; !over; n++) {
      const { id, acknowledged } = life
      const value = `${id} ${writer} ${n}`
      const index = (writer + n) % partitions
      const { responses } = await client.request(produce, 13, {
        transactionalId: null,
        acks: n % 2 === 0 ? -1 : 1,
        timeoutMs,
        topicData: [{ topicId: id, partitionData: [{ index, records: batchOf(value) }] }],
      })
      const { errorCode, baseOffset } = responses[0]!.partitionResponses[0]!
      if (errorCode === NONE) {
        acknowledged.set(value, baseOffset * partitions + index)
        counts.written++
      } else {
        assert.ok(gone.includes(errorCode), `produce: ${errorCode}`)
        counts.refused++
      }
    }
    client.destroy()
  }

  const readOne = async (client: RawClient, id: Uuid, partition: number, fetchOffset: number) => {
    const { responses } = await client.request(fetch, 13, {
      maxWaitMs: 20,
      minBytes: 1,
      maxBytes: 1 << 20,
      topics: [{ topicId: id, partitions: [{ partition, fetchOffset, partitionMaxBytes: 1 << 20 }] }],
      forgottenTopicsData: [],
    })
    const { errorCode, records } = responses[0]!.partitions[0]!
    const values: { offset: number; value: string }[] = []
    const bytes = records === null ? Buffer.alloc(0) : Buffer.from(client.bytesOf(records))
    for (let at = 0; at + 12 <= bytes.length; ) {
      const size = 12 + bytes.readInt32BE(at + 8)
      if (at + size > bytes.length) break
      for (const { offset, value } of readRecords(bytes.subarray(at, at + size), 0))
        values.push({ offset, value: Buffer.from(value!).toString() })
      at += size
    }
    return { errorCode, values }
  }

  const read = async (reader: number): Promise<void> => {
    const client = await RawClient.open(broker)
    while (!over) {
      const { id } = life
      for (let offset = 0; !over && life.id === id; ) {
        const { errorCode, values } = await readOne(client, id, reader % partitions, offset)
        if (errorCode !== NONE) {
          assert.ok(gone.includes(errorCode) || errorCode === OFFSET_OUT_OF_RANGE, `fetch: ${errorCode}`)
          counts.refused++
          break
        }
        for (const { offset: at, value } of values) {
          if (at < offset) continue
          assert.equal(at, offset++)
          assert.ok(value.startsWith(id), 'of the life that was asked for')
          counts.read++
        }
      }
    }
    client.destroy()
  }

  const other = async (): Promise<number> => {
    const client = await RawClient.open(broker)
    let offset = 0
    for (; !over; offset++) {
      const { responses } = await client.request(produce, 9, {
        transactionalId: null,
        acks: -1,
        timeoutMs,
        topicData: [{ name: steady, partitionData: [{ index: 0, records: batchOf('steady') }] }],
      })
      const { errorCode, baseOffset } = responses[0]!.partitionResponses[0]!
      assert.deepEqual([errorCode, baseOffset], [NONE, offset])
    }
    client.destroy()
    return offset
  }

  const churn = async (): Promise<void> => {
    const random = new SeededRandom(7)
    for (let n = 0; n < lives; n++) {
      // Each life gets some records, so that there is something to lose and to mix up.
      const until = counts.written + random.below(60)
      while (counts.written < until) await new Promise(setImmediate)
      const { responses } = await admin.request(deleteTopics, 6, { topics: [{ name }], timeoutMs })
      assert.equal(responses[0]!.errorCode, NONE)
      life = { id: await create(admin, name), acknowledged: new Map() }
    }
    const until = counts.written + 200
    while (counts.written < until) await new Promise(setImmediate)
  }
  const working = [...[0, 1, 2].map(write), ...[0, 1, 2, 3].map(read)]
  const steadily = other()
  await Promise.race([
    churn(),
    // Nobody of them ends before it is over: the first that does has failed.
    Promise.all([...working, steadily]),
  ]).finally(() => {
    over = true
  })
  await Promise.all(working)
  t.diagnostic(`${JSON.stringify(counts)}, ${await steadily} elsewhere`)

  const found = new Map<string, number>()
  for (let partition = 0; partition < partitions; partition++)
    for (let offset = 0; ; ) {
      const { errorCode, values } = await readOne(admin, life.id, partition, offset)
      assert.equal(errorCode, NONE)
      if (values.length === 0) break
      for (const { offset: at, value } of values) {
        assert.equal(at, offset++)
        assert.ok(!found.has(value), 'once')
        found.set(value, at * partitions + partition)
      }
    }
  for (const [value, place] of life.acknowledged) assert.equal(found.get(value), place, value)
  await assertGrewLessThan(100, beforeMb, broker)
  if (broker.dataDir !== undefined) {
    const directories = (await readdir(broker.dataDir)).filter(each => each.startsWith(name))
    assert.equal(directories.length, partitions, directories.join(' '))
  }
  admin.destroy()
})
