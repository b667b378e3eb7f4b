import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { closeConnection, serve } from '../../../src/api/serve.ts'
import { type Api, Writer } from '../../../src/protocol/index.ts'
import { apiVersions } from '../../../src/protocol/schema/api-versions.ts'
import { createTopics } from '../../../src/protocol/schema/create-topics.ts'
import { fetch } from '../../../src/protocol/schema/fetch.ts'
import { metadata } from '../../../src/protocol/schema/metadata.ts'
import { produce } from '../../../src/protocol/schema/produce.ts'
import { unregisterController } from '../../../src/protocol/schema/unregister-controller.ts'
import { Server } from '../../../src/server/server.ts'
import { FakeWorld } from '../../support/fake-world.ts'
import { batchOf, produceRequest, RecordingLogger, testBroker } from '../../support/test-broker.ts'
import { requestFrame, TestClient } from '../../support/test-client.ts'

const goodFrame = () => requestFrame(metadata, 9, 1, { topics: null })
const withInt16 = (frame: Uint8Array, at: number, value: number): Uint8Array => {
  new DataView(frame.buffer, frame.byteOffset).setInt16(at, value)
  return frame
}

const malformed: [string, Uint8Array][] = [
  ['no byte', new Uint8Array()],
  ['less than a header', goodFrame().subarray(0, 7)],
  ['a header alone', goodFrame().subarray(0, 8)],
  ['a body cut short', requestFrame(metadata, 1, 1, { topics: [{ name: 'abc' }] }).subarray(0, -1)],
  ['an API that is not served', requestFrame(unregisterController, 0, 1, { controllerId: 1 })],
  ['an API that does not exist', withInt16(goodFrame(), 0, 999)],
  ['a negative API', withInt16(goodFrame(), 0, -1)],
  ['a version that is not served', withInt16(goodFrame(), 2, 99)],
  ['a negative version', withInt16(goodFrame(), 2, -1)],
  [
    'Produce v2, which is advertised and not served',
    withInt16(requestFrame(produce, 3, 1, produceRequest('t', null)), 2, 2),
  ],
  ['a client id longer than the frame', withInt16(goodFrame(), 8, 0x7fff)],
]

for (const [what, frame] of malformed)
  test(`a frame of ${what} closes the connection, says why, and leaves others alone`, async t => {
    const broker = await testBroker(t)
    const [bad, good] = [broker.connect(), broker.connect()]
    bad.deliver([frame])
    await broker.world.time.settle()
    assert.equal(bad.closed, true)
    assert.ok(broker.logger.lines.some(line => line.level === 'warn' && line.fields.connection === bad.connection))
    assert.equal((await good.call(apiVersions, 0, {})).errorCode, 0)
  })

test('bytes behind a request are ignored, as librdkafka sends some', async t => {
  const broker = await testBroker(t)
  const client = broker.connect()
  client.deliver([Buffer.concat([client.encode(apiVersions, 0, {}), new Uint8Array(3)])])
  assert.equal((await client.receive<typeof apiVersions>()).body.errorCode, 0)
})

test('what was answered before a malformed frame is still sent, what comes after it is not read', async t => {
  const broker = await testBroker(t)
  const client = broker.connect()
  client.deliver([
    client.encode(apiVersions, 0, {}),
    new Uint8Array(3),
    requestFrame(createTopics, 7, 9, {
      topics: [{ name: 't', numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] }],
      timeoutMs: 1,
    }),
  ])
  assert.equal((await client.receive<typeof apiVersions>()).body.errorCode, 0)
  await broker.world.time.settle()
  assert.equal(client.closed, true)
  assert.equal(broker.world.machine.exists('/data/t-0'), false)
})

test('requests that cannot be answered yet hold back only their own connection', async t => {
  const broker = await testBroker(t)
  await broker.createTopic('t')
  const [waiting, other] = [broker.connect(), broker.connect()]
  const partitions = [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1 }]
  const longPoll = { maxWaitMs: 500, minBytes: 1, maxBytes: 1, topics: [{ topic: 't', partitions }] }
  waiting.deliver([
    waiting.encode(fetch, 12, { ...longPoll, forgottenTopicsData: [] }),
    waiting.encode(apiVersions, 0, {}),
  ])
  await other.call(apiVersions, 0, {})
  assert.equal(waiting.unread, 0)
  await broker.world.time.advance(500)
  assert.equal((await waiting.receive<typeof fetch>()).body.errorCode, 0)
  assert.equal((await waiting.receive<typeof apiVersions>()).body.errorCode, 0)
})

test('five thousand requests in one turn are answered in order', async t => {
  const broker = await testBroker(t)
  const client = broker.connect()
  const count = 5_000
  client.deliver(Array.from({ length: count }, () => client.encode(apiVersions, 0, {})))
  for (let i = 0; i < count; i++) assert.equal((await client.receive<typeof apiVersions>()).body.errorCode, 0)
})

test('more than a thousand requests behind one that waits are started once it is answered', async t => {
  const broker = await testBroker(t)
  await broker.createTopic('t')
  broker.world.storage.holdFlushes = true
  const client = broker.connect()
  const count = 1_500
  client.deliver(
    Array.from({ length: count }, () => client.encode(produce, 9, produceRequest('t', batchOf(['a']), -1, 60_000))),
  )
  await broker.world.time.settle()
  assert.equal(broker.logOf('t').logEndOffset(), 1_000, 'what may be on its way is bounded')
  broker.world.storage.holdFlushes = false
  broker.world.storage.flush()
  for (let i = 0; i < count; i++) {
    const { body } = await client.receive<typeof produce>()
    assert.equal(body.responses[0]!.partitionResponses[0]!.baseOffset, i)
  }
})

/** Waits for records that nobody writes. */
const waitingFetch = {
  maxWaitMs: 60_000,
  minBytes: 1 << 20,
  topics: [{ topic: 'empty', partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1 << 20 }] }],
}

test('of a client that reset its connection everything is dropped but its writes, read before or afterwards', async t => {
  const broker = await testBroker(t)
  for (const topic of ['t', 'empty']) await broker.createTopic(topic)
  const client = broker.connect()
  const write = (acks: number) => client.encode(produce, 9, produceRequest('t', batchOf(['a']), acks, 60_000))
  const timers = broker.world.time.pending
  client.deliver([client.encode(fetch, 12, waitingFetch), write(0), goodFrame(), write(1)])
  await broker.world.time.settle()
  assert.equal(broker.logOf('t').logEndOffset(), 0, 'what comes behind the fetch waits for it')
  broker.world.network.reset(client.connection)
  await broker.world.time.settle()
  assert.equal(broker.world.time.pending, timers, 'the fetch is over')
  assert.equal(broker.logOf('t').logEndOffset(), 2)
  client.deliver([client.encode(fetch, 12, waitingFetch), write(0), goodFrame(), write(-1)])
  await broker.world.time.settle()
  assert.equal(broker.logOf('t').logEndOffset(), 4)
  assert.equal(client.unread, 0)
  assert.equal(broker.world.network.stats().frames, 0)
  client.hangUp()
  await broker.world.time.settle()
  assert.equal(broker.world.time.pending, timers)
})

test('a client that is not read since it asks too much is read on when it has reset its connection', async t => {
  const broker = await testBroker(t)
  for (const topic of ['t', 'empty']) await broker.createTopic(topic)
  const client = broker.connect()
  client.deliver([client.encode(fetch, 12, waitingFetch), ...Array.from({ length: 64 }, goodFrame)])
  assert.equal(broker.world.network.paused.size, 1)
  broker.world.network.reset(client.connection)
  assert.equal(broker.world.network.paused.size, 0)
  client.hangUp()
})

test('stopping with requests on their way gives everything back', async t => {
  const broker = await testBroker(t)
  await broker.createTopic('t')
  broker.world.storage.holdFlushes = true
  const client = broker.connect()
  client.deliver([
    client.encode(produce, 9, produceRequest('t', batchOf(['a']), -1, 60_000)),
    client.encode(apiVersions, 0, {}),
  ])
  await broker.world.time.settle()
  broker.world.storage.holdFlushes = false
})

/** A server with one handler of the test's own. */
function serverWith(t: TestContext, handle: Parameters<typeof serve<typeof metadata>>[2]) {
  const world = new FakeWorld()
  const logger = new RecordingLogger()
  const other = serve(apiVersions as Api, { min: 0, max: 0 }, () => ({ errorCode: 0, apiKeys: [] }))
  const server = new Server(world, logger, [serve(metadata, { min: 0, max: 13 }, handle), other])
  server.start({} as never)
  world.network.listen('127.0.0.1', 0)
  t.after(() => {
    assert.equal(world.network.stats().frames, 0, 'frames held')
    assert.equal(world.storage.regionsHeld, 0, 'regions held')
  })
  return { world, logger, client: () => TestClient.connect(world) }
}

const failures: [string, Parameters<typeof serve<typeof metadata>>[2]][] = [
  [
    'throws',
    () => {
      throw new Error('a bug')
    },
  ],
  ['rejects', async () => await Promise.reject(new Error('a bug'))],
  ['answers with what cannot be encoded', () => ({ brokers: [], topics: [{ name: 5 }] }) as never],
  ['asks for the end', () => closeConnection],
]

for (const [what, handle] of failures)
  test(`a handler that ${what} costs its connection and nothing else`, async t => {
    const { world, logger, client } = serverWith(t, (request, context) => {
      context.holdRegion(world.storage.hold(new Uint8Array(4)))
      return handle(request, context)
    })
    const [bad, good] = [client(), client()]
    bad.deliver([goodFrame(), goodFrame()])
    await world.time.settle()
    assert.equal(bad.closed, true)
    if (what !== 'asks for the end') assert.ok(logger.lines.some(line => line.level === 'error'))
    assert.equal((await good.call(apiVersions, 0, {})).errorCode, 0)
  })

test('an answer that comes after its connection is gone is dropped with its regions', async t => {
  const answers: (() => void)[] = []
  const { world, client } = serverWith(t, (_, context) => {
    return new Promise(resolve => {
      answers.push(() => {
        context.holdRegion(world.storage.hold(new Uint8Array(4)))
        resolve({ brokers: [], topics: [] })
      })
    })
  })
  const gone = client()
  gone.deliver([goodFrame()])
  gone.hangUp()
  assert.equal(world.network.stats().frames, 0)
  answers[0]!()
  await world.time.settle()
})

const endings: [string, (frame: Uint8Array) => Uint8Array][] = [
  ['a version that is not served', frame => withInt16(frame, 2, 99)],
  ['no whole request', frame => frame.subarray(0, 7)],
  ['a request that gets no response and fails', frame => frame],
]

for (const [what, ending] of endings)
  test(`${what} ends the connection when what came before it is answered, and nothing behind it starts`, async t => {
    const answers: (() => void)[] = []
    const { world, client } = serverWith(t, (_, context) => {
      context.releaseOrder()
      if (answers.length === 1) return closeConnection
      return new Promise(resolve => answers.push(() => resolve({ brokers: [], topics: [] })))
    })
    const one = client()
    const asked = one.encode(metadata, 9, { topics: null })
    one.deliver([asked, ending(goodFrame()), goodFrame()])
    await world.time.settle()
    assert.deepEqual([one.closed, one.unread, answers.length], [false, 0, 1])
    answers[0]!()
    assert.deepEqual((await one.receive<typeof metadata>()).body.topics, [])
    await world.time.settle()
    assert.deepEqual([one.closed, one.unread, answers.length], [true, 0, 1])
  })

test('a response far beyond the output buffer does not damage those before it in the same turn', async t => {
  const { client } = serverWith(t, request => ({
    brokers: [],
    topics: Array.from({ length: (request.topics ?? []).length > 0 ? 20_000 : 1 }, (_, i) => ({
      errorCode: 0,
      name: `topic-${i}`,
      partitions: [],
    })),
  }))
  const one = client()
  const sizes = [[], [{ name: 'many' }], []]
  one.deliver(sizes.map(topics => one.encode(metadata, 9, { topics })))
  for (const topics of sizes) {
    const { body } = await one.receive<typeof metadata>()
    assert.equal(body.topics.length, topics.length === 0 ? 1 : 20_000)
    assert.equal(body.topics[0]!.name, 'topic-0')
  }
})

test('frames for a connection that nobody knows are given back', async t => {
  const broker = await testBroker(t)
  const client = broker.connect()
  client.deliver([new Uint8Array(3), new Writer().written(), goodFrame()])
  await broker.world.time.settle()
  assert.equal(client.closed, true)
})
