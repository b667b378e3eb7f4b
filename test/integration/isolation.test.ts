/**
 * What crowds and greedy clients cost the others: 10,000 connections, slow senders, requests far larger than anybody
 * needs. A bystander on an old connection goes on appending and reading meanwhile.
 */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface, type Interface } from 'node:readline'
import { after, afterEach, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { ErrorCode } from '../../src/protocol/index.ts'
import { createTopics } from '../../src/protocol/schema/create-topics.ts'
import { listOffsets } from '../../src/protocol/schema/list-offsets.ts'
import { metadata } from '../../src/protocol/schema/metadata.ts'
import { produce } from '../../src/protocol/schema/produce.ts'
import { buildBatch } from '../../src/records/record-batch.ts'
import { BrokerUnderTest } from '../compat/lib/broker.ts'
import { encodeRequest, RawClient } from './raw-client.ts'
import { assertGrewLessThan, residentMb } from './resident-memory.ts'

const timeout = 60_000
const timeoutMs = 10_000
const topic = 'isolation'

let broker: BrokerUnderTest
let bystander: RawClient
const opened: RawClient[] = []
const crowds: Crowd[] = []

before(async () => {
  broker = await BrokerUnderTest.start({
    'max.connections': '15000',
    'socket.request.max.bytes': `${16 << 20}`,
    'queued.max.request.bytes': `${64 << 20}`,
  })
  bystander = await RawClient.open(broker)
  const topics = [{ name: topic, numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] }]
  const answer = await bystander.request(createTopics, 4, { topics, timeoutMs, validateOnly: false })
  assert.equal(answer.topics[0]?.errorCode, ErrorCode.NONE)
})

after(async () => {
  bystander?.destroy()
  await broker?.destroy()
})

afterEach(async () => {
  for (const client of opened.splice(0)) client.destroy()
  for (const crowd of crowds.splice(0)) await crowd.leave()
})

const open = async (): Promise<RawClient> => {
  const client = await RawClient.open(broker)
  opened.push(client)
  return client
}

/** Connections of another process, see crowd.ts. */
class Crowd {
  private constructor(
    private readonly child: ChildProcess,
    private readonly lines: Interface,
  ) {}

  static async gather(count: number): Promise<Crowd> {
    const script = fileURLToPath(new URL('crowd.ts', import.meta.url))
    const args = ['--import', 'tsx', script, broker.host, `${broker.port}`, `${count}`]
    const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] })
    const crowd = new Crowd(child, createInterface({ input: child.stdout! }))
    crowds.push(crowd)
    await crowd.says('connected')
    return crowd
  }

  /** Each sends the next byte of `frame`. */
  async sendByte(frame: Buffer): Promise<void> {
    const said = this.says('sent 0')
    this.child.stdin?.write(`${frame.toString('hex')}\n`)
    await said
  }

  async leave(): Promise<void> {
    const left = once(this.child, 'exit')
    this.child.stdin?.end()
    await left
  }

  private async says(expected: string): Promise<void> {
    const [line] = await once(this.lines, 'line', { signal: AbortSignal.timeout(30_000) })
    assert.equal(line, expected)
  }
}

const batch = Buffer.from(buildBatch({ records: [{ key: null, value: Buffer.from('x') }], timestampMs: Date.now() }))
const produceRequest = {
  transactionalId: null,
  acks: 1,
  timeoutMs,
  topicData: [{ name: topic, partitionData: [{ index: 0, records: batch }] }],
}

/** Appends of the bystander until `done`; how long each took, in order of length. */
const appendUntil = async (done: () => boolean): Promise<number[]> => {
  const took: number[] = []
  while (!done()) {
    const start = performance.now()
    const { responses } = await bystander.request(produce, 9, produceRequest)
    assert.equal(responses[0]?.partitionResponses[0]?.errorCode, ErrorCode.NONE)
    took.push(performance.now() - start)
  }
  return took.sort((a, b) => a - b)
}

/** The bystander's appends while `work` goes on. */
const appendDuring = async <T>(work: Promise<T>): Promise<{ result: T; took: number[] }> => {
  let done = false
  const finished = work.finally(() => {
    done = true
  })
  finished.catch(() => undefined)
  const took = await appendUntil(() => done)
  return { result: await finished, took }
}

const at = (sorted: readonly number[], share: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN

test('ten thousand silent connections and a thousand slow ones take little memory and hold up nobody', {
  timeout,
}, async t => {
  const beforeMb = await residentMb(broker)
  const gathered = await appendDuring(Crowd.gather(10_000))
  t.diagnostic(`10,000 connections took ${((await residentMb(broker)) - beforeMb).toFixed(1)} MB`)
  await assertGrewLessThan(100, beforeMb, broker)
  const slow = await Crowd.gather(1_000)
  const request = encodeRequest(metadata, 4, 7, { topics: [], allowAutoTopicCreation: false })
  const dripping = async (): Promise<void> => {
    for (let i = 0; i < 6; i++) await slow.sendByte(request)
  }
  const dripped = await appendDuring(dripping())
  await assertGrewLessThan(100, beforeMb, broker)
  for (const { took } of [gathered, dripped]) {
    t.diagnostic(`${took.length} appends, p50 ${at(took, 0.5).toFixed(1)} ms, p99 ${at(took, 0.99).toFixed(1)} ms`)
    assert.ok(at(took, 0.5) < 50, `half of the appends took more than ${at(took, 0.5)} ms`)
  }
  const late = await open()
  await late.request(metadata, 4, { topics: [], allowAutoTopicCreation: false })
})

test('two hundred large frames that lack a byte each stay within the budget, and are all served in the end', {
  timeout,
}, async () => {
  const beforeMb = await residentMb(broker)
  const clients = await Promise.all(Array.from({ length: 200 }, () => open()))
  const request = encodeRequest(produce, 9, 1, {
    ...produceRequest,
    acks: -1,
    topicData: [{ name: 'nowhere', partitionData: [{ index: 0, records: Buffer.alloc(4 << 20) }] }],
  })
  for (const client of clients) client.write(request.subarray(0, -1))
  // 800 MB want to come in; 60 MB of them have a place.
  await appendUntil(() => clients.filter(({ socket }) => socket.writableLength === 0).length >= 14)
  await assertGrewLessThan(120, beforeMb, broker)
  for (const client of clients) client.write(request.subarray(-1))
  const { result } = await appendDuring(Promise.all(clients.map(client => client.frame())))
  assert.ok(result.every(body => body !== undefined && body.readInt32BE(0) === 1))
  await assertGrewLessThan(120, beforeMb, broker)
})

const header = (apiKey: number, apiVersion: number): Buffer => {
  const bytes = Buffer.alloc(10)
  bytes.writeInt16BE(apiKey, 0)
  bytes.writeInt16BE(apiVersion, 2)
  bytes.writeInt32BE(1, 4)
  bytes.writeInt16BE(-1, 8)
  return bytes
}
const framed = (...parts: Buffer[]): Buffer => {
  const body = Buffer.concat(parts)
  const prefix = Buffer.alloc(4)
  prefix.writeInt32BE(body.length)
  return Buffer.concat([prefix, body])
}
const int32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32BE(value)
  return bytes
}

/** ListOffsets of so many topics without a name and without partitions: six bytes each. */
const emptyTopics = (count: number): Buffer =>
  framed(header(listOffsets.key, 1), int32(-1), int32(count), Buffer.alloc(6 * count))

test('requests of more elements than the broker takes end their connections and cost no memory', {
  timeout,
}, async t => {
  if (broker.kind !== 'millrace') return t.skip('Kafka decodes what its heap holds')
  const beforeMb = await residentMb(broker)
  const { took } = await appendDuring(
    Promise.all(
      Array.from({ length: 20 }, async () => {
        const client = await open()
        client.write(emptyTopics(1_000_000))
        assert.equal((await client.untilClosed()).length, 0)
      }),
    ),
  )
  t.diagnostic(`p50 ${at(took, 0.5).toFixed(1)} ms, longest ${at(took, 1).toFixed(1)} ms`)
  await assertGrewLessThan(200, beforeMb, broker)
})

test('requests of two hundred thousand elements are answered, and others go on meanwhile', { timeout }, async t => {
  const beforeMb = await residentMb(broker)
  const clients = await Promise.all(Array.from({ length: 10 }, () => open()))
  for (const client of clients) client.write(emptyTopics(200_000))
  const { result, took } = await appendDuring(Promise.all(clients.map(client => client.frame())))
  assert.ok(result.every(body => body !== undefined))
  t.diagnostic(`p50 ${at(took, 0.5).toFixed(1)} ms, longest ${at(took, 1).toFixed(1)} ms`)
  await assertGrewLessThan(400, beforeMb, broker)
})

test('a client that pipelines heavy requests delays others by one of them at a time', { timeout }, async t => {
  const names = Array.from({ length: 2_000 }, (_, i) => ({ name: `not-there-${i}` }))
  const heavy = encodeRequest(metadata, 4, 7, { topics: names, allowAutoTopicCreation: false })
  const client = await open()
  const answers = async (): Promise<void> => {
    for (let i = 0; i < 200; i++) assert.equal((await client.frame())?.readInt32BE(0), 7)
  }
  client.write(Buffer.concat(Array.from({ length: 200 }, () => heavy)))
  const { took } = await appendDuring(answers())
  t.diagnostic(`${took.length} appends, p50 ${at(took, 0.5).toFixed(1)} ms, longest ${at(took, 1).toFixed(1)} ms`)
  assert.ok(took.length >= 20, `${took.length} appends beside 200 heavy requests`)
})
