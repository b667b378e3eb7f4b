import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Api, requestCodec, Writer } from '../../../src/protocol/index.ts'
import { apiVersions } from '../../../src/protocol/schema/api-versions.ts'
import { createTopics } from '../../../src/protocol/schema/create-topics.ts'
import { deleteTopics } from '../../../src/protocol/schema/delete-topics.ts'
import { fetch } from '../../../src/protocol/schema/fetch.ts'
import { initProducerId } from '../../../src/protocol/schema/init-producer-id.ts'
import { listOffsets } from '../../../src/protocol/schema/list-offsets.ts'
import { metadata } from '../../../src/protocol/schema/metadata.ts'
import { produce } from '../../../src/protocol/schema/produce.ts'
import { SeededRandom } from '../../support/seeded-random.ts'
import { batchOf, produceRequest, TestBroker } from '../../support/test-broker.ts'
import { requestFrame } from '../../support/test-client.ts'

const rounds = Number(process.env.MILLRACE_FUZZ_ROUNDS ?? 3_000)
const seed = Number(process.env.MILLRACE_FUZZ_SEED ?? 1)

const fetchPartitions = [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1 << 20 }]
const corpus: Uint8Array[] = [
  requestFrame(apiVersions, 3, 1, { clientSoftwareName: 'a', clientSoftwareVersion: '1' }),
  requestFrame(metadata, 0, 1, { topics: [] }),
  requestFrame(metadata, 12, 1, { topics: [{ name: 't' }, { name: 'auto' }] }),
  requestFrame(produce, 3, 1, produceRequest('t', batchOf(['a', 'b']), 1)),
  requestFrame(
    produce,
    9,
    1,
    produceRequest('t', batchOf(['a'], { producerId: 1n, producerEpoch: 0, baseSequence: 0 })),
  ),
  requestFrame(fetch, 4, 1, {
    maxWaitMs: 100,
    minBytes: 1,
    maxBytes: 1 << 20,
    topics: [{ topic: 't', partitions: fetchPartitions }],
    forgottenTopicsData: [],
  }),
  requestFrame(fetch, 12, 1, {
    maxWaitMs: 100,
    minBytes: 1_000,
    maxBytes: 1 << 20,
    topics: [{ topic: 't', partitions: fetchPartitions }],
    forgottenTopicsData: [],
  }),
  requestFrame(listOffsets, 7, 1, {
    replicaId: -1,
    isolationLevel: 0,
    topics: [{ name: 't', partitions: [{ partitionIndex: 0, timestamp: 1_600_000_000_000 }] }],
  }),
  requestFrame(createTopics, 7, 1, {
    topics: [{ name: 'n', numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] }],
    timeoutMs: 1,
  }),
  requestFrame(deleteTopics, 6, 1, { topics: [{ name: 'n' }], timeoutMs: 1 }),
  requestFrame(initProducerId, 4, 1, { transactionalId: null, transactionTimeoutMs: 1 }),
]

test('random and damaged frames never throw out of the server, and leave nothing behind', async () => {
  const random = new SeededRandom(seed)
  const broker = await TestBroker.start({}, undefined, seed)
  await broker.createTopic('t', 1)
  let client = broker.connect()
  for (let round = 0; round < rounds; round++) {
    if (client.closed) client = broker.connect()
    const frames = Array.from({ length: 1 + random.below(3) }, () => damaged(random))
    try {
      client.deliver(frames)
      if (random.below(8) === 0) client.hangUp()
      if (random.below(4) === 0) await broker.world.time.advance(random.below(200))
      else await broker.world.time.settle()
    } catch (error) {
      const shown = frames.map(frame => Buffer.from(frame).toString('hex')).join(' ')
      throw new Error(`seed ${seed}, round ${round}: ${shown}`, { cause: error })
    }
  }
  // Waiting clients are bounded by the longest wait that a frame can ask for, so all hang up instead.
  for (let connection = 1; connection <= client.connection; connection++) broker.world.network.hangUp(connection)
  await broker.world.time.settle()
  broker.assertNothingHeld()
  const bugs = broker.logger.lines.filter(line => line.message === 'a request failed unexpectedly')
  assert.deepEqual(bugs, [])
  const good = broker.connect()
  assert.equal((await good.call(apiVersions, 0, {})).errorCode, 0)
  await broker.stop()
})

function damaged(random: SeededRandom): Uint8Array {
  if (random.below(10) === 0) return random.bytes(random.below(200))
  const source = corpus[random.below(corpus.length)]!
  let frame = source.slice()
  const view = () => new DataView(frame.buffer, frame.byteOffset, frame.byteLength)
  for (let n = random.below(4); n > 0; n--) {
    const at = random.below(frame.length)
    switch (random.below(6)) {
      case 0:
        frame[at] = random.below(256)
        break
      case 1:
        frame = frame.slice(0, Math.max(at, 8))
        break
      case 2:
        frame = Buffer.concat([frame.subarray(0, at), random.bytes(random.below(20)), frame.subarray(at)])
        break
      case 3:
        if (at + 4 <= frame.length) view().setInt32(at, extremes[random.below(extremes.length)]!)
        break
      case 4:
        view().setInt16(2, random.below(20))
        break
      case 5:
        view().setInt16(0, random.below(30))
        break
    }
  }
  return frame
}

const extremes = [0, 1, -1, -2, 0x7fff_ffff, -0x8000_0000, 0xffff]

test('the corpus itself is well-formed', () => {
  for (const frame of corpus) assert.ok(frame.length > 8)
  const codec = requestCodec(metadata as Api, 0)
  assert.doesNotThrow(() => codec.encode(new Writer(), { topics: [] }))
})
