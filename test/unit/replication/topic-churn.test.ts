import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Api, ErrorCode, type RequestInput, type ResponseOf, type Uuid } from '../../../src/protocol/index.ts'
import { createPartitions } from '../../../src/protocol/schema/create-partitions.ts'
import { createTopics } from '../../../src/protocol/schema/create-topics.ts'
import { deleteRecords } from '../../../src/protocol/schema/delete-records.ts'
import { deleteTopics } from '../../../src/protocol/schema/delete-topics.ts'
import { fetch } from '../../../src/protocol/schema/fetch.ts'
import { metadata } from '../../../src/protocol/schema/metadata.ts'
import { produce } from '../../../src/protocol/schema/produce.ts'
import { batchEnd, readRecords } from '../../../src/records/record-batch.ts'
import type { Machine } from '../../support/machine.ts'
import { SeededRandom } from '../../support/seeded-random.ts'
import { batchOf, dataDirectory, TestBroker } from '../../support/test-broker.ts'
import type { Reply, TestClient } from '../../support/test-client.ts'

/** `MILLRACE_SEEDS=FROM-TO` plays others. */
const [firstSeed, lastSeed] = (process.env.MILLRACE_SEEDS ?? '1-16').split('-').map(Number) as [number, number]
const steps = 200
/** Topics that come and go; `steady` stays. */
const names = ['a', 'b']
const steady = 'steady'

interface Written {
  readonly topicId: Uuid
  readonly partition: number
  readonly offset: number
  readonly value: string
  /** Acknowledged by acks=all: it must outlive the process. */
  readonly durable: boolean
}

const text = new TextDecoder()
const timeoutMs = 10_000

/** A broker whose disk and flushes take random times, and clients that are answered as time goes on. */
class Churn {
  readonly broker: TestBroker
  readonly random: SeededRandom
  readonly written: Written[] = []
  /** Ids whose deletion was answered. */
  readonly deleted = new Set<Uuid>()
  stopped = false
  private readonly waiting = new Map<TestClient, (reply: Reply<unknown>) => void>()

  constructor(broker: TestBroker, random: SeededRandom) {
    this.broker = broker
    this.random = random
  }

  slowDown(): void {
    const { world } = this.broker
    const delay = () => new Promise<void>(resolve => world.time.after(this.random.below(4), resolve))
    const { disk, storage } = world
    for (const name of ['replace', 'makeDirectory', 'removeTree', 'exists', 'read'] as const) {
      const call = disk[name].bind(disk) as (...args: unknown[]) => Promise<unknown>
      Object.assign(disk, {
        [name]: async (...args: unknown[]) => {
          await delay()
          return call(...args)
        },
      })
    }
    const openLog = storage.openLog.bind(storage)
    storage.openLog = async (...args) => {
      await delay()
      const opened = await openLog(...args)
      const remove = opened.log.delete.bind(opened.log)
      opened.log.delete = async () => {
        await delay()
        await remove()
      }
      return opened
    }
    storage.holdFlushes = true
  }

  /** One request; answered while `run` lets time pass. */
  async call<A extends Api>(
    client: TestClient,
    api: A,
    version: number,
    body: RequestInput<A>,
  ): Promise<Reply<ResponseOf<A>>> {
    client.send(api, version, body)
    const reply = await new Promise<Reply<unknown>>(resolve => this.waiting.set(client, resolve))
    return reply as Reply<ResponseOf<A>>
  }

  /** Lets time pass until all `actors` have ended; they end when they see `stopped`. */
  async run(actors: readonly Promise<void>[]): Promise<void> {
    const { world } = this.broker
    let done = false
    const all = Promise.all(actors).finally(() => {
      done = true
    })
    all.catch(() => {})
    for (let step = 0; !done; step++) {
      this.stopped = step >= steps
      assert.ok(step < steps * 100, 'the clients are answered')
      await world.time.advance(this.random.below(3))
      if (this.random.below(3) === 0) world.storage.flush()
      for (const [client, resolve] of [...this.waiting]) {
        if (client.unread === 0) continue
        this.waiting.delete(client)
        resolve(await client.receive())
      }
    }
    await all
  }

  async pause(): Promise<void> {
    await new Promise<void>(resolve => this.broker.world.time.after(this.random.below(5), resolve))
  }

  /** Makes, grows, trims and deletes topics. */
  async administer(client: TestClient): Promise<void> {
    while (!this.stopped) {
      await this.pause()
      const name = names[this.random.below(names.length)]!
      const what = this.random.below(8)
      if (what < 3) await this.create(client, name)
      else if (what < 6) await this.delete(client, name, what === 3)
      else if (what === 6) await this.grow(client, name)
      else await this.trim(client, name)
    }
  }

  private async create(client: TestClient, name: string): Promise<void> {
    const topic = { name, numPartitions: 1 + this.random.below(2), replicationFactor: 1, assignments: [], configs: [] }
    const { body } = await this.call(client, createTopics, 7, { topics: [topic], timeoutMs })
    expectOneOf('create', body.topics[0]!.errorCode, [ErrorCode.NONE, ErrorCode.TOPIC_ALREADY_EXISTS])
  }

  private async delete(client: TestClient, name: string, byId: boolean): Promise<void> {
    const id = byId ? await this.find(client, name) : undefined
    const topics = [id === undefined ? { name } : { topicId: id }]
    const { body } = await this.call(client, deleteTopics, 6, { topics, timeoutMs })
    const [answer] = body.responses
    const missing = id === undefined ? ErrorCode.UNKNOWN_TOPIC_OR_PARTITION : ErrorCode.UNKNOWN_TOPIC_ID
    expectOneOf('delete', answer!.errorCode, [ErrorCode.NONE, missing])
    if (answer!.errorCode === ErrorCode.NONE) this.deleted.add(answer!.topicId)
  }

  private async grow(client: TestClient, name: string): Promise<void> {
    const topics = [{ name, count: 3, assignments: null }]
    const { body } = await this.call(client, createPartitions, 3, { topics, timeoutMs, validateOnly: false })
    const { NONE, INVALID_PARTITIONS, UNKNOWN_TOPIC_OR_PARTITION } = ErrorCode
    expectOneOf('grow', body.results[0]!.errorCode, [NONE, INVALID_PARTITIONS, UNKNOWN_TOPIC_OR_PARTITION])
  }

  private async trim(client: TestClient, name: string): Promise<void> {
    const topics = [{ name, partitions: [{ partitionIndex: 0, offset: 0 }] }]
    const { body } = await this.call(client, deleteRecords, 2, { topics, timeoutMs })
    const { NONE, UNKNOWN_TOPIC_OR_PARTITION } = ErrorCode
    expectOneOf('trim', body.topics[0]!.partitions[0]!.errorCode, [NONE, UNKNOWN_TOPIC_OR_PARTITION])
  }

  /** The id that Metadata tells; never one whose deletion was answered before it was asked. */
  private async find(client: TestClient, name: string): Promise<Uuid | undefined> {
    const gone = new Set(this.deleted)
    const asked = { topics: [{ name }], allowAutoTopicCreation: false }
    const { body } = await this.call(client, metadata, 12, asked)
    const [topic] = body.topics
    expectOneOf('metadata', topic!.errorCode, [ErrorCode.NONE, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION])
    if (topic!.errorCode !== ErrorCode.NONE) return undefined
    assert.ok(!gone.has(topic!.topicId), 'a topic that is gone is told no more')
    for (const { errorCode, leaderId } of topic!.partitions)
      assert.deepEqual([errorCode, leaderId], [ErrorCode.NONE, 1])
    return topic!.topicId
  }

  /** Writes to topics by id, and keeps ids for longer than their topics live. */
  async write(client: TestClient, own: readonly string[]): Promise<void> {
    let topicId: Uuid | undefined
    for (let count = 0; !this.stopped; count++) {
      await this.pause()
      if (topicId === undefined || this.random.below(4) === 0) {
        topicId = (await this.find(client, own[this.random.below(own.length)]!)) ?? topicId
        continue
      }
      const mayLive = !this.deleted.has(topicId)
      const partition = own[0] === steady ? 0 : this.random.below(3)
      const acks = this.random.below(2) === 0 ? 1 : -1
      const value = `${topicId}/${partition}/${client.connection}-${count}`
      const topicData = [{ topicId, partitionData: [{ index: partition, records: batchOf([value]) }] }]
      const request = { transactionalId: null, acks, timeoutMs, topicData }
      const { body } = await this.call(client, produce, 13, request)
      const { errorCode, baseOffset } = body.responses[0]!.partitionResponses[0]!
      const { NONE, UNKNOWN_TOPIC_ID, UNKNOWN_TOPIC_OR_PARTITION } = ErrorCode
      if (own[0] === steady) assert.equal(errorCode, NONE, 'others are not disturbed')
      else if (!mayLive) assert.equal(errorCode, UNKNOWN_TOPIC_ID, 'an id that is gone')
      else expectOneOf('produce', errorCode, [NONE, UNKNOWN_TOPIC_ID, UNKNOWN_TOPIC_OR_PARTITION])
      if (errorCode === NONE) this.written.push({ topicId, partition, offset: baseOffset, value, durable: acks === -1 })
    }
  }

  /** Reads by id from the start: only what was written to that very topic. */
  async read(client: TestClient): Promise<void> {
    let topicId: Uuid | undefined
    while (!this.stopped) {
      await this.pause()
      if (topicId === undefined || this.random.below(3) === 0)
        topicId = (await this.find(client, names[this.random.below(names.length)]!)) ?? topicId
      if (topicId === undefined) continue
      const mayLive = !this.deleted.has(topicId)
      const { code, values } = contentOf(
        await this.call(client, fetch, 13, fetchRequest(topicId, 0, this.random.below(2) * 20)),
      )
      const { NONE, UNKNOWN_TOPIC_ID, UNKNOWN_TOPIC_OR_PARTITION } = ErrorCode
      if (!mayLive) assert.equal(code, UNKNOWN_TOPIC_ID, 'an id that is gone')
      else expectOneOf('fetch', code, [NONE, UNKNOWN_TOPIC_ID, UNKNOWN_TOPIC_OR_PARTITION])
      for (const { value } of values) assert.ok(value.startsWith(`${topicId}/0/`), `${value} in ${topicId}`)
    }
  }
}

function expectOneOf(what: string, code: ErrorCode, allowed: readonly ErrorCode[]): void {
  assert.ok(allowed.includes(code), `${what} was answered with ${code}`)
}

const fetchRequest = (topicId: Uuid, partition: number, maxWaitMs: number) => ({
  maxWaitMs,
  minBytes: 1 << 20,
  maxBytes: 1 << 24,
  isolationLevel: 0,
  sessionId: 0,
  sessionEpoch: -1,
  topics: [{ topicId, partitions: [{ partition, fetchOffset: 0, partitionMaxBytes: 1 << 24 }] }],
  forgottenTopicsData: [],
  rackId: '',
})

function contentOf({ body, records }: Reply<ResponseOf<typeof fetch>>) {
  const answered = body.responses[0]?.partitions[0]
  if (answered === undefined) return { code: body.errorCode, values: [] }
  const bytes = records(answered.records)
  const values: { offset: number; value: string }[] = []
  for (let at = 0, next = batchEnd(bytes, 0); next !== undefined; at = next, next = batchEnd(bytes, at))
    for (const record of readRecords(bytes, at))
      values.push({ offset: record.offset, value: text.decode(record.value!) })
  return { code: answered.errorCode, values }
}

/** Every acknowledged record of the topics that are there is where it was said to be; nothing else of theirs is lost. */
async function check(broker: TestBroker, written: readonly Written[], deleted: ReadonlySet<Uuid>): Promise<void> {
  const client = broker.connect()
  const { topics } = await client.call(metadata, 12, { topics: null })
  const live = new Map(topics.map(topic => [topic.topicId, topic]))
  for (const id of deleted) assert.ok(!live.has(id), 'what is gone does not come back')
  for (const [topicId, topic] of live)
    for (const { partitionIndex } of topic.partitions) {
      // Whoever waits for nothing (acks=1) is seen when its records are flushed, here as on a disk soon after.
      broker.logOf(topic.name!, partitionIndex).requestFlush()
      await broker.world.time.settle()
      const content = contentOf(await client.exchange(fetch, 13, fetchRequest(topicId, partitionIndex, 0)))
      assert.equal(content.code, ErrorCode.NONE)
      const byOffset = new Map(content.values.map(({ offset, value }) => [offset, value]))
      for (const each of written)
        if (each.topicId === topicId && each.partition === partitionIndex)
          assert.equal(
            byOffset.get(each.offset),
            each.value,
            `offset ${each.offset} of ${topic.name}-${partitionIndex}`,
          )
      for (const { value } of content.values) assert.ok(value.startsWith(`${topicId}/${partitionIndex}/`), value)
    }
  const expected = topics.flatMap(({ name, partitions }) => partitions.map(each => `${name}-${each.partitionIndex}`))
  assert.deepEqual(partitionDirectories(broker.world.machine), expected.sort(), 'files of the topics that are there')
}

const partitionDirectories = (machine: Machine): string[] =>
  machine.list(dataDirectory).filter(name => /-\d+$/.test(name) && !name.startsWith('__cluster_metadata'))

for (let seed = firstSeed; seed <= lastSeed; seed++)
  test(`topics come and go under writers and readers, seed ${seed}: Kafka's codes, and nothing lost`, async t => {
    const broker = await TestBroker.start({}, undefined, seed)
    const random = new SeededRandom(seed)
    await broker.createTopic(steady)
    const churn = new Churn(broker, random)
    churn.slowDown()
    const connect = () => broker.connect()
    await churn.run([
      churn.administer(connect()),
      churn.administer(connect()),
      churn.write(connect(), names),
      churn.write(connect(), names),
      churn.write(connect(), [steady]),
      churn.read(connect()),
    ])
    assert.ok(churn.written.length > 0 && churn.deleted.size > 0, 'something was written and something deleted')
    broker.world.storage.holdFlushes = false
    broker.world.storage.flush()
    // What a request left to do behind its answer is done.
    await broker.world.time.advance(1_000)
    broker.assertNothingHeld()
    await check(broker, churn.written, churn.deleted)
    broker.world.machine.losePower()
    const next = await TestBroker.start({}, broker.world.machine, seed + 1_000)
    t.after(() => next.stop())
    await check(
      next,
      churn.written.filter(({ durable }) => durable),
      churn.deleted,
    )
  })
