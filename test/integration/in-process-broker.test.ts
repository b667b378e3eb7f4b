import assert from 'node:assert/strict'
import { mkdtemp, readdir, readlink, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { silentLogger } from '../../src/base/logger.ts'
import { Broker, type BrokerRecord } from '../../src/index.ts'
import { fetch } from '../../src/protocol/schema/fetch.ts'
import { metadata } from '../../src/protocol/schema/metadata.ts'
import { produce } from '../../src/protocol/schema/produce.ts'
import { Codec } from '../../src/records/batch-header.ts'
import { batchEnd, buildBatch, readRecords } from '../../src/records/record-batch.ts'
import { compressed } from '../support/compressed-batch.ts'
import { RawClient } from './raw-client.ts'

const text = new TextEncoder()

async function valuesOf(records: AsyncIterable<BrokerRecord>): Promise<string[]> {
  const values: string[] = []
  for await (const { value } of records) values.push(String(value))
  return values
}

/** Descriptors of this process, by what they are open on; numbers of sockets and the like are left out. */
async function openFiles(): Promise<string[]> {
  const names: string[] = []
  for (const descriptor of await readdir('/proc/self/fd')) {
    try {
      names.push((await readlink(`/proc/self/fd/${descriptor}`)).replace(/:\[\d+\]$/, ''))
    } catch {
      // The descriptor of the directory that is being read.
    }
  }
  return names.sort()
}

describe('a broker in process', { timeout: 60_000 }, () => {
  let parent: string
  let broker: Broker
  let client: RawClient

  before(async () => {
    parent = await mkdtemp(join(tmpdir(), 'millrace-in-process-'))
    broker = await Broker.start({ dataDir: join(parent, 'data'), listen: '127.0.0.1:0', logger: silentLogger })
    const [host = '', port] = broker.listen[0]!.split(':')
    client = await RawClient.open({ host, port: Number(port) })
  })
  after(async () => {
    client.destroy()
    await broker.stop()
    await rm(parent, { recursive: true })
  })

  /** What a Kafka client reads of partition 0 over the socket. */
  async function fetchOverSocket(topic: string): Promise<string[]> {
    const { responses } = await client.request(fetch, 11, {
      maxWaitMs: 5_000,
      minBytes: 1,
      topics: [{ topic, partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1 << 20 }] }],
      forgottenTopicsData: [],
    })
    const { records, errorCode } = responses[0]!.partitions[0]!
    assert.equal(errorCode, 0)
    const bytes = client.bytesOf(records!)
    const values: string[] = []
    for (let at = 0, end = batchEnd(bytes, at); end !== undefined; at = end, end = batchEnd(bytes, at))
      values.push(...readRecords(bytes, at).map(({ value }) => Buffer.from(value!).toString()))
    return values
  }

  async function produceOverSocket(topic: string, records: Uint8Array): Promise<number> {
    const { responses } = await client.request(produce, 9, {
      transactionalId: null,
      acks: -1,
      timeoutMs: 5_000,
      topicData: [{ name: topic, partitionData: [{ index: 0, records }] }],
    })
    assert.equal(responses[0]!.partitionResponses[0]!.errorCode, 0)
    return responses[0]!.partitionResponses[0]!.baseOffset
  }

  it('shows a client on a socket what the app appended, and the app what the client appended', async () => {
    assert.equal(await broker.append('shared', 'of the app'), 0)
    assert.deepEqual(await fetchOverSocket('shared'), ['of the app'])
    const batch = buildBatch({ timestampMs: 5, records: [{ key: null, value: text.encode('of the client') }] })
    assert.equal(await produceOverSocket('shared', batch), 1)
    assert.equal(await broker.append('shared', 'of the app again'), 2)
    const all = ['of the app', 'of the client', 'of the app again']
    assert.deepEqual(await valuesOf(broker.read('shared')), all)
    assert.deepEqual(await fetchOverSocket('shared'), all)
    const { topics } = await client.request(metadata, 9, { topics: [{ name: 'shared' }] })
    assert.equal(topics[0]!.errorCode, 0)
  })

  it('wakes a client that waits on its socket, and a reader in the app, with the next append', async () => {
    await broker.createTopic('waits')
    const waiting = fetchOverSocket('waits')
    const controller = new AbortController()
    const live = broker.read('waits', { live: true, signal: controller.signal })
    const first = live.next()
    await broker.append('waits', 'woken')
    assert.deepEqual(await waiting, ['woken'])
    assert.equal(String((await first).value?.value), 'woken')
    const next = live.next()
    const enough = new Error('enough')
    controller.abort(enough)
    await assert.rejects(next, enough)
  })

  it('keeps key, headers and timestamp, and reads compressed batches', async () => {
    const record = { key: 'k', value: Buffer.from([0, 255]), headers: { trace: 'abc', none: null }, timestamp: 1_234 }
    await broker.append('whole', record)
    const records = ['folded', 'too'].map(value => ({ key: null, value: text.encode(value) }))
    await produceOverSocket('whole', compressed(buildBatch({ timestampMs: 5, records }), Codec.lz4))
    const read: BrokerRecord[] = []
    for await (const each of broker.read('whole')) read.push(each)
    const [first, ...others] = read
    assert.deepEqual(first, {
      partition: 0,
      offset: 0,
      timestamp: 1_234,
      key: Buffer.from('k'),
      value: Buffer.from([0, 255]),
      headers: [
        { key: 'trace', value: Buffer.from('abc') },
        { key: 'none', value: null },
      ],
    })
    assert.deepEqual(
      others.map(({ value }) => String(value)),
      ['folded', 'too'],
    )
  })

  it('gives each of many appends of one turn its offset, in order, and reads any part of them', async () => {
    await broker.createTopic('many')
    const large = 'x'.repeat(1_000)
    const offsets = await Promise.all(Array.from({ length: 5_000 }, (_, i) => broker.append('many', `${i} ${large}`)))
    assert.deepEqual(
      offsets,
      offsets.map((_, i) => i),
    )
    assert.equal(await broker.appendBatch('many', ['a', 'b', 'c']), 5_000)
    const part = await valuesOf(broker.read('many', { from: 1_234, to: 1_236 }))
    assert.deepEqual(
      part.map(value => Number.parseInt(value, 10)),
      [1_234, 1_235],
    )
    assert.deepEqual(await valuesOf(broker.read('many', { from: 5_001 })), ['b', 'c'])
    assert.deepEqual(broker.offsets('many'), { start: 0, end: 5_003, lastStable: 5_003 })
  })

  it('sends a key to the partition that a Java client chooses, and others to each in turn', async () => {
    await broker.createTopic('spread', { partitions: 3 })
    await Promise.all(['a', 'b', 'c'].map(value => broker.append('spread', value)))
    const ends = [0, 1, 2].map(partition => broker.offsets('spread', partition).end)
    assert.deepEqual(ends, [1, 1, 1])
    await broker.append('spread', { key: '21', value: 'by key' })
    // murmur2('21') is -973932308 by Kafka's own tests: its lower 31 bits modulo 3 are 0.
    assert.equal(broker.offsets('spread', 0).end, 2)
  })

  it("refuses with Kafka's codes", async () => {
    await assert.rejects(valuesOf(broker.read('nowhere')), { code: 'UNKNOWN_TOPIC_OR_PARTITION' })
    await assert.rejects(broker.append('shared', 'x', { partition: 7 }), { code: 'UNKNOWN_TOPIC_OR_PARTITION' })
    await assert.rejects(broker.append('not/a/name', 'x'), { code: 'INVALID_TOPIC_EXCEPTION' })
    await assert.rejects(broker.createTopic('shared'), { code: 'TOPIC_ALREADY_EXISTS' })
    await broker.createTopic('small', { configs: { 'max.message.bytes': 1_000, 'cleanup.policy': 'compact' } })
    await assert.rejects(broker.append('small', 'no key'), { code: 'INVALID_RECORD' })
    await assert.rejects(broker.append('small', { key: 'k', value: 'x'.repeat(2_000) }), { code: 'MESSAGE_TOO_LARGE' })
    await assert.rejects(valuesOf(broker.read('shared', { from: 99, to: 100, live: true })), {
      code: 'OFFSET_OUT_OF_RANGE',
    })
    await broker.deleteTopic('small')
    assert.equal(broker.topics().has('small'), false)
  })
})

describe('a broker in process that stops', { timeout: 60_000 }, () => {
  it('takes what was appended with it, ends live readers, and leaves neither files nor threads behind', async t => {
    const parent = await mkdtemp(join(tmpdir(), 'millrace-in-process-'))
    t.after(() => rm(parent, { recursive: true }))
    const dataDir = join(parent, 'data')
    const life = async () => {
      const broker = await Broker.start({ dataDir, listen: '127.0.0.1:0', logger: silentLogger })
      const before = broker.topics().has('kept') ? broker.offsets('kept').end : 0
      const live = broker
        .append('kept', 'first')
        .then(() => valuesOf(broker.read('kept', { from: before, live: true })))
      await broker.append('kept', 'second')
      const last = broker.append('kept', 'last')
      await broker.stop()
      assert.equal(await last, before + 2)
      await assert.rejects(broker.append('kept', 'late'), { code: 'BROKER_STOPPED' })
      assert.deepEqual((await live).slice(0, 2), ['first', 'second'])
    }
    await life() // What Node itself opens on first use stays.
    const files = await openFiles()
    const threads = (await readdir('/proc/self/task')).length
    await life()
    assert.deepEqual(await openFiles(), files)
    assert.equal((await readdir('/proc/self/task')).length, threads)
    {
      await using broker = await Broker.start({ dataDir, logger: silentLogger })
      assert.deepEqual(broker.listen, [])
      assert.deepEqual(await valuesOf(broker.read('kept')), ['first', 'second', 'last', 'first', 'second', 'last'])
    }
    assert.deepEqual(await openFiles(), files)
  })
})
