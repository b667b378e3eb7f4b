/**
 * What no client should send: each gets Kafka's error, or a closed connection and a log line that says why. After each,
 * a bystander on an old connection appends and reads as if nothing had been.
 */
import assert from 'node:assert/strict'
import { after, afterEach, before, test } from 'node:test'
import { ErrorCode, type zeroUuid } from '../../src/protocol/index.ts'
import { apiVersions } from '../../src/protocol/schema/api-versions.ts'
import { createTopics } from '../../src/protocol/schema/create-topics.ts'
import { fetch } from '../../src/protocol/schema/fetch.ts'
import { listOffsets } from '../../src/protocol/schema/list-offsets.ts'
import { metadata } from '../../src/protocol/schema/metadata.ts'
import { produce } from '../../src/protocol/schema/produce.ts'
import { crc32c } from '../../src/records/crc32c.ts'
import { buildBatch } from '../../src/records/record-batch.ts'
import { BrokerUnderTest } from '../compat/lib/broker.ts'
import { encodeRequest, RawClient } from './raw-client.ts'
import { assertGrewLessThan, residentMb } from './resident-memory.ts'

const timeout = 60_000
const topic = 'bad-input'
const bystanderTopic = 'bystander'
const timeoutMs = 10_000

let broker: BrokerUnderTest
let bystander: RawClient
let bystanderOffset = 0
/** Connections of the test at hand. */
const opened: RawClient[] = []

const open = async (): Promise<RawClient> => {
  const client = await RawClient.open(broker)
  opened.push(client)
  return client
}

const batchOf = (...values: string[]): Buffer => {
  const records = values.map(value => ({ key: null, value: Buffer.from(value) }))
  return Buffer.from(buildBatch({ records, timestampMs: Date.now() }))
}

const produceRequest = (name: string, records: Buffer, acks = -1, index = 0) => ({
  transactionalId: null,
  acks,
  timeoutMs,
  topicData: [{ name, partitionData: [{ index, records }] }],
})

/** The error and base offset of one partition's append. */
const append = async (client: RawClient, name: string, records: Buffer, acks = -1, index = 0) => {
  const { responses } = await client.request(produce, 9, produceRequest(name, records, acks, index))
  const partition = responses[0]?.partitionResponses[0]
  assert.ok(partition !== undefined, 'an answer for the partition')
  return { errorCode: partition.errorCode, baseOffset: Number(partition.baseOffset) }
}

const fetchRequest = (name: string, fetchOffset: number, partition = 0, maxBytes = 1 << 20) => ({
  replicaId: -1,
  maxWaitMs: 0,
  minBytes: 0,
  maxBytes,
  isolationLevel: 0,
  topics: [{ topic: name, partitions: [{ partition, fetchOffset, partitionMaxBytes: maxBytes }] }],
})

const fetchOne = async (client: RawClient, name: string, fetchOffset: number, partition = 0) => {
  const { responses } = await client.request(fetch, 4, fetchRequest(name, fetchOffset, partition))
  const data = responses[0]?.partitions[0]
  assert.ok(data !== undefined, 'an answer for the partition')
  return { errorCode: data.errorCode, highWatermark: Number(data.highWatermark), bytes: data.records?.length ?? 0 }
}

const logEndOffset = async (client: RawClient, name: string): Promise<number> => {
  const partitions = [{ partitionIndex: 0, timestamp: -1 }]
  const { topics } = await client.request(listOffsets, 1, { replicaId: -1, topics: [{ name, partitions }] })
  return Number(topics[0]?.partitions[0]?.offset)
}

const createTopic = async (client: RawClient, name: string, numPartitions = 1): Promise<void> => {
  const topics = [{ name, numPartitions, replicationFactor: 1, assignments: [], configs: [] }]
  const answer = await client.request(createTopics, 4, { topics, timeoutMs, validateOnly: false })
  assert.equal(answer.topics[0]?.errorCode, ErrorCode.NONE)
}

/** The broker closes the connection, sends nothing before, and its log says why. */
const closes = async (client: RawClient, act: () => void): Promise<void> => {
  const logged = broker.log?.lines.length ?? 0
  act()
  assert.equal((await client.untilClosed()).length, 0, 'no bytes before the close')
  if (broker.kind === 'millrace') {
    await broker.log?.until(line => /clos/.test(line) && /"reason"/.test(line), timeoutMs, logged)
  }
}

before(async () => {
  broker = await BrokerUnderTest.start()
  bystander = await RawClient.open(broker)
  await createTopic(bystander, bystanderTopic)
  await createTopic(bystander, topic)
})

after(async () => {
  bystander?.destroy()
  await broker?.destroy()
})

afterEach(async () => {
  for (const client of opened.splice(0)) client.destroy()
  const { errorCode, baseOffset } = await append(bystander, bystanderTopic, batchOf('still here'))
  assert.deepEqual({ errorCode, baseOffset }, { errorCode: ErrorCode.NONE, baseOffset: bystanderOffset })
  const { bytes, highWatermark } = await fetchOne(bystander, bystanderTopic, bystanderOffset)
  bystanderOffset += 1
  assert.equal(highWatermark, bystanderOffset)
  assert.ok(bytes > 0, 'records come back')
})

const prefix = (length: number): Buffer => {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32BE(length)
  return bytes
}
const framed = (body: Buffer): Buffer => Buffer.concat([prefix(body.length), body])

for (const [name, bytes, logged] of [
  ['of 2 GB', prefix(0x7fff_ffff), /"frameBytes":2147483647/],
  ['just above the limit', prefix((100 << 20) + 1), /"frameBytes":104857601/],
  ['of negative length', prefix(-1), /"frameBytes":-1/],
  ['too short for a header', framed(Buffer.alloc(3)), /"frameBytes":3/],
  ['that is HTTP', Buffer.from('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n'), /"speaks":"HTTP"/],
  ['that is a TLS hello', Buffer.from('1603010200010001fc0303', 'hex'), /"speaks":"TLS"/],
] as const) {
  test(`a frame ${name} ends its connection`, { timeout }, async () => {
    const client = await open()
    const from = broker.log?.lines.length ?? 0
    await closes(client, () => client.write(bytes))
    if (broker.kind === 'millrace') await broker.log?.until(line => logged.test(line), timeoutMs, from)
  })
}

test('a frame that ends early changes nothing', { timeout }, async () => {
  const end = await logEndOffset(bystander, topic)
  const whole = encodeRequest(produce, 9, 1, produceRequest(topic, batchOf('never whole')))
  for (const length of [1, 3, 4, 5, 12, whole.length >> 1, whole.length - 1]) {
    const client = await open()
    client.socket.end(whole.subarray(0, length))
    assert.equal((await client.untilClosed()).length, 0)
  }
  assert.equal(await logEndOffset(bystander, topic), end)
})

test('what was written without acks before a reset is appended, behind answers that nobody takes', {
  timeout,
}, async t => {
  const { pid } = broker
  if (broker.kind !== 'millrace' || pid === undefined) return t.skip('other brokers drop it when a send fails')
  const end = await logEndOffset(bystander, topic)
  // More than a turn of the broker's reads, which ends in the first answers: the rest is still to be read by then.
  const unanswered = Array.from({ length: 200 }, (_, id) => encodeRequest(apiVersions, 0, id, {}))
  const write = encodeRequest(produce, 9, 200, produceRequest(topic, batchOf('the last will'), 0))
  for (let i = 0; i < 5; i++) {
    const { socket } = await open()
    process.kill(pid, 'SIGSTOP')
    try {
      await new Promise(resolve => socket.write(Buffer.concat([...unanswered, write]), resolve))
      socket.resetAndDestroy()
    } finally {
      process.kill(pid, 'SIGCONT')
    }
    const request = { ...fetchRequest(topic, end + i), maxWaitMs: timeoutMs, minBytes: 1 }
    const { responses } = await bystander.request(fetch, 4, request)
    assert.equal(Number(responses[0]?.partitions[0]?.highWatermark), end + i + 1)
  }
})

test('requests in single bytes are served like any others', { timeout }, async () => {
  const client = await open()
  const request = encodeRequest(metadata, 4, 7, { topics: [{ name: topic }], allowAutoTopicCreation: false })
  for (const byte of request) client.write(Buffer.from([byte]))
  assert.equal((await client.frame())?.readInt32BE(0), 7)
})

test('bytes behind a request are ignored, as Kafka does and librdkafka needs', { timeout }, async () => {
  const client = await open()
  const request = encodeRequest(metadata, 12, 7, { topics: null, allowAutoTopicCreation: false })
  client.write(framed(Buffer.concat([request.subarray(4), Buffer.from([1, 0, 0])])))
  assert.equal((await client.frame())?.readInt32BE(0), 7)
})

const header = (apiKey: number, apiVersion: number): Buffer => {
  const bytes = Buffer.alloc(10)
  bytes.writeInt16BE(apiKey, 0)
  bytes.writeInt16BE(apiVersion, 2)
  bytes.writeInt32BE(1, 4)
  bytes.writeInt16BE(-1, 8)
  return bytes
}

for (const [name, body] of [
  ['an API that does not exist', header(999, 0)],
  ['a negative API key', header(-1, 0)],
  ['a version that does not exist', header(metadata.key, 99)],
  ['a version that is no longer served', header(fetch.key, 3)],
  [
    'a client id longer than the frame',
    Buffer.concat([header(metadata.key, 4).subarray(0, 8), Buffer.from('7fff', 'hex')]),
  ],
  ['an array longer than the frame', Buffer.concat([header(metadata.key, 4), Buffer.from('7fffffff', 'hex')])],
  ['an array of negative length', Buffer.concat([header(listOffsets.key, 1), Buffer.from('fffffffffffffffe', 'hex')])],
  ['a request that is cut', encodeRequest(fetch, 4, 1, fetchRequest(topic, 0)).subarray(4, -3)],
] as const) {
  test(`${name} ends its connection`, { timeout }, async () => {
    const client = await open()
    await closes(client, () => client.write(framed(body)))
  })
}

test('random bytes behind a good header leave the broker standing', { timeout }, async () => {
  let state = 20_261
  const random = (): number => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fff_ffff
    return state >>> 8
  }
  const versions = [metadata, listOffsets, createTopics, apiVersions, fetch, produce].flatMap(api =>
    [2, 4, 5, 8, 9, 12].map(version => header(api.key, version)),
  )
  for (let i = 0; i < 150; i++) {
    const client = await open()
    const start = versions[random() % versions.length] ?? Buffer.alloc(0)
    const body = Buffer.from(Array.from({ length: random() % 200 }, () => random() & 255))
    // The half-close bounds the wait: whatever it answers, the broker then closes too.
    client.socket.end(framed(Buffer.concat([start, body])))
    await client.untilClosed()
    client.destroy()
  }
})

test('ApiVersions of an unknown version is answered in version 0, with the range that is served', {
  timeout,
}, async () => {
  const client = await open()
  // From version 3 on, one byte of tagged fields ends the header.
  client.write(framed(Buffer.concat([header(apiVersions.key, 99), Buffer.alloc(1)])))
  const body = await client.frame()
  assert.ok(body !== undefined, 'the broker answers')
  assert.equal(body.readInt32BE(0), 1, 'correlation id')
  assert.equal(body.readInt16BE(4), ErrorCode.UNSUPPORTED_VERSION)
  const ranges = new Map<number, readonly [number, number]>()
  const count = body.readInt32BE(6)
  for (let i = 0; i < count; i++) {
    const at = 10 + 6 * i
    ranges.set(body.readInt16BE(at), [body.readInt16BE(at + 2), body.readInt16BE(at + 4)])
  }
  assert.equal(body.length, 10 + 6 * count, 'nothing of a later version follows')
  const own = ranges.get(apiVersions.key)
  assert.ok(own !== undefined && own[0] === 0 && own[1] >= 4, `range of ApiVersions: ${own}`)
  const next = await client.request(apiVersions, own[1], {
    clientSoftwareName: 'raw',
    clientSoftwareVersion: '1',
  })
  assert.equal(next.errorCode, ErrorCode.NONE, 'the connection goes on with a version from the range')
})

test('a software name that cannot be one is refused', { timeout }, async () => {
  const client = await open()
  const answer = await client.request(apiVersions, 3, { clientSoftwareName: 'a b\n', clientSoftwareVersion: '1' })
  assert.equal(answer.errorCode, ErrorCode.INVALID_REQUEST)
})

/** A batch of two records with bytes changed and the checksum made right again, so that only the change is wrong. */
const altered = (alter: (batch: Buffer) => void): Buffer => {
  const batch = batchOf('one', 'two')
  alter(batch)
  batch.writeUInt32BE(crc32c(batch.subarray(21)), 17)
  return batch
}

/** A batch of two records that declares another number of them, consistently. */
const counting = (records: number): Buffer =>
  altered(batch => {
    batch.writeInt32BE(records - 1, 23)
    batch.writeInt32BE(records, 57)
  })

/** A message of the formats before batches: offset, size, CRC, magic, attributes, (timestamp,) null key, value. */
const legacyMessage = (magic: 0 | 1): Buffer => {
  const value = Buffer.from('legacy')
  const body = Buffer.alloc(2 + (magic === 1 ? 8 : 0) + 4 + 4)
  body.writeInt8(magic, 0)
  body.writeInt32BE(-1, body.length - 8)
  body.writeInt32BE(value.length, body.length - 4)
  const start = Buffer.alloc(16)
  start.writeInt32BE(4 + body.length + value.length, 8)
  return Buffer.concat([start, body, value])
}

const { CORRUPT_MESSAGE, INVALID_RECORD } = ErrorCode
/** Kafka stores such a batch as it is, and its readers then meet offsets that go back. */
const toleratedByKafka = new Set(['offset deltas out of order'])
const flipped = altered(() => undefined)
flipped.writeUInt8((flipped.at(-1) ?? 0) ^ 1, flipped.length - 1)

for (const [name, records, expected] of [
  ['a wrong checksum', flipped, CORRUPT_MESSAGE],
  ['more records declared than there are', counting(3), INVALID_RECORD],
  ['fewer records declared than there are', counting(1), INVALID_RECORD],
  ['a last offset delta that is not its count', altered(b => void b.writeInt32BE(7, 23)), INVALID_RECORD],
  ['no records', counting(0), INVALID_RECORD],
  ['a count of -1', altered(b => void b.writeInt32BE(-1, 57)), INVALID_RECORD],
  ['a record longer than the batch', altered(b => void b.writeUInt8(0x7e, 61)), INVALID_RECORD],
  ['a record of negative length', altered(b => void b.writeUInt8(0x01, 61)), INVALID_RECORD],
  ['offset deltas out of order', altered(b => void b.writeUInt8(8, 64)), INVALID_RECORD],
  ['the control bit', altered(b => void b.writeInt16BE(0x20, 21)), INVALID_RECORD],
  ['a length beyond its bytes', altered(b => void b.writeInt32BE(1_000, 8)), INVALID_RECORD],
  ['a length below a header', altered(b => void b.writeInt32BE(10, 8)), CORRUPT_MESSAGE],
  ['magic 0', legacyMessage(0), INVALID_RECORD],
  ['magic 1', legacyMessage(1), INVALID_RECORD],
  ['an unknown magic', altered(b => void b.writeInt8(3, 16)), CORRUPT_MESSAGE],
  ['a second batch behind it', Buffer.concat([batchOf('one'), batchOf('two')]), INVALID_RECORD],
  ['no bytes', Buffer.alloc(0), INVALID_RECORD],
] as const) {
  test(`a batch with ${name} is refused and not appended`, { timeout }, async t => {
    if (broker.kind === 'kafka' && toleratedByKafka.has(name)) return t.skip('Kafka takes it')
    const client = await open()
    const end = await logEndOffset(client, topic)
    const { errorCode } = await append(client, topic, records)
    assert.equal(errorCode, expected)
    assert.equal(await logEndOffset(client, topic), end)
    assert.deepEqual(await append(client, topic, batchOf('good')), { errorCode: ErrorCode.NONE, baseOffset: end })
    // With acks=0 the closed connection is all that tells the producer.
    await closes(client, () => client.write(encodeRequest(produce, 9, 1, produceRequest(topic, records, 0))))
  })
}

test('appends and reads of what does not exist get Kafka’s errors', { timeout }, async () => {
  const client = await open()
  const { NONE, OFFSET_OUT_OF_RANGE, UNKNOWN_TOPIC_ID, UNKNOWN_TOPIC_OR_PARTITION } = ErrorCode
  assert.equal((await append(client, 'nowhere', batchOf('x'))).errorCode, UNKNOWN_TOPIC_OR_PARTITION)
  assert.equal((await append(client, topic, batchOf('x'), -1, 99)).errorCode, UNKNOWN_TOPIC_OR_PARTITION)
  assert.equal((await fetchOne(client, 'nowhere', 0)).errorCode, UNKNOWN_TOPIC_OR_PARTITION)
  assert.equal((await fetchOne(client, topic, 0, 99)).errorCode, UNKNOWN_TOPIC_OR_PARTITION)
  const end = await logEndOffset(client, topic)
  assert.equal((await fetchOne(client, topic, end)).errorCode, NONE)
  assert.equal((await fetchOne(client, topic, end + 1)).errorCode, OFFSET_OUT_OF_RANGE)
  assert.equal((await fetchOne(client, topic, -1)).errorCode, OFFSET_OUT_OF_RANGE)
  const topicId = 'AAAAAAAAAAAAAAAAAAAAKg' as typeof zeroUuid
  const byId = [{ topicId, partitionData: [{ index: 0, records: batchOf('x') }] }]
  const { responses } = await client.request(produce, 13, {
    transactionalId: null,
    acks: -1,
    timeoutMs,
    topicData: byId,
  })
  assert.equal(responses[0]?.partitionResponses[0]?.errorCode, UNKNOWN_TOPIC_ID)
})

test('acks of 2 is refused', { timeout }, async () => {
  const client = await open()
  assert.equal((await append(client, topic, batchOf('x'), 2)).errorCode, ErrorCode.INVALID_REQUIRED_ACKS)
})

/** A bystander's requests while something goes on elsewhere. */
const bystanderWorks = async (rounds: number): Promise<void> => {
  for (let i = 0; i < rounds; i++) {
    const { errorCode, baseOffset } = await append(bystander, bystanderTopic, batchOf('meanwhile'))
    assert.deepEqual({ errorCode, baseOffset }, { errorCode: ErrorCode.NONE, baseOffset: bystanderOffset })
    bystanderOffset += 1
  }
}

test('a client that never reads holds up nobody, and its answers are not kept in memory', { timeout }, async () => {
  const client = await open()
  const large = batchOf(...Array.from({ length: 9 }, () => 'x'.repeat(100_000)))
  for (let i = 0; i < 10; i++) await append(client, topic, large)
  const beforeMb = await residentMb(broker)
  client.socket.pause()
  const end = await logEndOffset(bystander, topic)
  // 300 answers of 9 MB, then 100,000 of more than 1 KB: nobody would want to keep either.
  const reads = encodeRequest(fetch, 4, 1, fetchRequest(topic, end - 10 * 9, 0, 20 << 20))
  client.write(Buffer.concat(Array.from({ length: 300 }, () => reads)))
  await createTopic(bystander, 'wide', 50)
  const small = await open()
  small.socket.pause()
  const describe = encodeRequest(metadata, 4, 1, { topics: [{ name: 'wide' }], allowAutoTopicCreation: false })
  small.write(Buffer.concat(Array.from({ length: 100_000 }, () => describe)))
  await bystanderWorks(500)
  await assertGrewLessThan(100, beforeMb, broker)
})

test('frames that are announced and not sent cost no memory, and small requests pass by them', { timeout }, async t => {
  if (broker.kind === 'kafka') return t.skip('Kafka allocates what is announced, which is more than its heap here')
  const beforeMb = await residentMb(broker)
  for (let i = 0; i < 60; i++) {
    const client = await open()
    client.write(Buffer.concat([prefix(100 << 20), header(produce.key, 9), Buffer.alloc(1_000)]))
  }
  await bystanderWorks(200)
  const late = await open()
  assert.equal((await append(late, topic, batchOf('late'))).errorCode, ErrorCode.NONE)
  await assertGrewLessThan(100, beforeMb, broker)
})

test('a thousand connections that say nothing keep nobody out', { timeout }, async () => {
  await Promise.all(Array.from({ length: 1_000 }, () => open()))
  const late = await open()
  assert.equal((await append(late, topic, batchOf('late'))).errorCode, ErrorCode.NONE)
})
