import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { promisify } from 'node:util'
import { type Broker, startBroker } from '../../src/app/broker.ts'
import { readBrokerConfig } from '../../src/app/config.ts'
import { realWorld } from '../../src/app/real-world.ts'
import type { Logger } from '../../src/base/logger.ts'
import type { World } from '../../src/base/world.ts'
import { ErrorCode } from '../../src/protocol/index.ts'
import { createTopics } from '../../src/protocol/schema/create-topics.ts'
import { fetch } from '../../src/protocol/schema/fetch.ts'
import { listOffsets } from '../../src/protocol/schema/list-offsets.ts'
import { produce } from '../../src/protocol/schema/produce.ts'
import { buildBatch } from '../../src/records/record-batch.ts'
import { RawClient } from './raw-client.ts'

const bounded = { timeout: 60_000 }
const startMs = 1_700_000_000_000
const logger: Logger = { info: () => {}, warn: () => {}, error: () => {} }

interface House {
  readonly directory: string
  world: World
  broker: Broker
  client: RawClient
}

async function start(directory: string): Promise<House> {
  const world = realWorld()
  const { config } = readBrokerConfig(
    new Map([
      ['log.dirs', directory],
      ['listeners', 'PLAINTEXT://127.0.0.1:0'],
    ]),
  )
  const broker = await startBroker(config, world, logger)
  return { directory, world, broker, client: await RawClient.open(broker.endpoints[0]!) }
}

async function house(t: TestContext): Promise<House> {
  const directory = await mkdtemp(join(tmpdir(), 'millrace-fetch-'))
  const built = await start(directory)
  t.after(async () => {
    built.client.destroy()
    await built.broker.stop()
    await rm(directory, { recursive: true, force: true })
  })
  const { topics } = await built.client.request(createTopics, 7, {
    topics: [{ name: 't', numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] }],
    timeoutMs: 10_000,
  })
  assert.equal(topics[0]!.errorCode, ErrorCode.NONE)
  return built
}

/** Writes batches of one record of `bytes` each, a second apart; returns the bytes of all. */
async function write({ client }: House, count: number, bytes: number): Promise<number> {
  let total = 0
  for (let n = 0; n < count; n++) {
    const records = buildBatch({
      timestampMs: startMs + n * 1_000,
      records: [{ key: null, value: new Uint8Array(bytes).fill(n) }],
    })
    total += records.length
    const { responses } = await client.request(produce, 9, {
      transactionalId: null,
      acks: -1,
      timeoutMs: 10_000,
      topicData: [{ name: 't', partitionData: [{ index: 0, records }] }],
    })
    assert.equal(responses[0]!.partitionResponses[0]!.errorCode, ErrorCode.NONE)
  }
  return total
}

/** Reads the whole partition in fetches of at most `maxBytes`; returns how many bytes of batches came. */
async function readAll({ client }: House, maxBytes: number, count: number, batchBytes: number): Promise<number> {
  let total = 0
  for (let offset = 0; offset < count; ) {
    const { responses } = await client.request(fetch, 12, {
      replicaId: -1,
      maxWaitMs: 0,
      minBytes: 1,
      maxBytes,
      topics: [{ topic: 't', partitions: [{ partition: 0, fetchOffset: offset, partitionMaxBytes: maxBytes }] }],
      forgottenTopicsData: [],
    })
    const { errorCode, records } = responses[0]!.partitions[0]!
    assert.equal(errorCode, ErrorCode.NONE)
    assert.ok(records !== null && records.length > 0, `nothing at ${offset}`)
    total += records.length
    // Batches of one record, all of one size.
    offset += records.length / batchBytes
  }
  return total
}

for (const { title, count, bytes, maxBytes } of [
  { title: 'small', count: 40, bytes: 1_000, maxBytes: 5_000 },
  { title: 'large', count: 12, bytes: 500_000, maxBytes: 2_000_000 },
])
  test(`all fetched bytes leave by sendfile: ${title} regions`, bounded, async t => {
    const built = await house(t)
    const written = await write(built, count, bytes)
    assert.equal(await readAll(built, maxBytes, count, written / count), written)
    // A sender thread's work is counted when the loop hears of it.
    const { network } = built.world
    while (network.stats().sendfileBytes < written) await new Promise(resolve => setImmediate(resolve))
    assert.equal(network.stats().sendfileBytes, written)
  })

test('what is not in the page cache is read back whole, and found by its time', bounded, async t => {
  const built = await house(t)
  const [count, bytes] = [300, 1_000]
  const written = await write(built, count, bytes)
  built.client.destroy()
  await built.broker.stop()
  const path = join(built.directory, 't-0')
  for (const name of ['log', 'index', 'timeindex'])
    await promisify(execFile)('dd', [`if=${path}/00000000000000000000.${name}`, 'iflag=nocache', 'count=0'])
  Object.assign(built, await start(built.directory))
  assert.equal(await readAll(built, 4_000, count, written / count), written)
  const { topics } = await built.client.request(listOffsets, 7, {
    replicaId: -1,
    isolationLevel: 0,
    topics: [
      {
        name: 't',
        partitions: [{ partitionIndex: 0, currentLeaderEpoch: -1, timestamp: startMs + 99_500 }],
      },
    ],
  })
  const { errorCode, offset, timestamp } = topics[0]!.partitions[0]!
  assert.deepEqual({ errorCode, offset, timestamp }, { errorCode: 0, offset: 100, timestamp: startMs + 100_000 })
})
