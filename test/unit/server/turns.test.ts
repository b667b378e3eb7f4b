import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { type RequestContext, serve } from '../../../src/api/serve.ts'
import type { World } from '../../../src/base/world.ts'
import { type Api, requestCodec, Writer } from '../../../src/protocol/index.ts'
import { apiVersions } from '../../../src/protocol/schema/api-versions.ts'
import { metadata } from '../../../src/protocol/schema/metadata.ts'
import { Server } from '../../../src/server/server.ts'
import { FakeWorld } from '../../support/fake-world.ts'
import { RecordingLogger } from '../../support/test-broker.ts'
import { requestFrame, TestClient } from '../../support/test-client.ts'

type Handle = (topics: number, context: RequestContext) => Promise<void> | void

/** Metadata is what the test says, ApiVersions is light; time passes where a handler lets it, and by looking at the clock. */
function slowServer(t: TestContext, handle: Handle, lookMs = 0) {
  const fake = new FakeWorld()
  const time = { ms: 0 }
  const world: World = { ...fake, clock: { wallMs: () => time.ms, monotonicMs: () => (time.ms += lookMs) } }
  const logger = new RecordingLogger()
  const server = new Server(world, logger, [
    serve(metadata, { min: 0, max: 13 }, async (request, context) => {
      await handle(request.topics?.length ?? 0, context)
      return { brokers: [], topics: [] }
    }),
    serve(apiVersions as Api, { min: 0, max: 0 }, () => ({ errorCode: 0, apiKeys: [] })),
  ])
  server.start({} as never)
  fake.network.listen('127.0.0.1', 0)
  t.after(() => assert.equal(fake.network.stats().frames, 0, 'frames held'))
  return { world: fake, time, logger, server, client: () => TestClient.connect(fake) }
}

test('the requests of one client make another wait for one of them, not for all', async t => {
  const finished: number[] = []
  const { client, time, world } = slowServer(t, (_, context) => {
    time.ms += 3
    finished.push(context.connection)
    context.releaseOrder()
  })
  const [busy, other] = [client(), client()]
  busy.deliver(Array.from({ length: 50 }, () => busy.encode(metadata, 1, { topics: null })))
  assert.deepEqual(finished, [busy.connection], 'a turn is over when its time is')
  other.deliver([other.encode(metadata, 1, { topics: null })])
  assert.deepEqual(finished, [busy.connection], 'who is behind looks at the sockets once a turn')
  await world.time.settle()
  assert.equal(finished.indexOf(other.connection), 2, 'one more was in line before')
  assert.equal(finished.length, 51)
})

test('turns go round the connections', async t => {
  const finished: number[] = []
  const { client, time, world, server } = slowServer(t, (_, context) => {
    time.ms += 1.5
    finished.push(context.connection)
    context.releaseOrder()
  })
  const [a, b, c] = [client(), client(), client()]
  world.network.deliver([
    ...[1, 2, 3, 4].map(() => ({ connection: a.connection, frame: a.encode(metadata, 1, { topics: null }) })),
    ...[1, 2].map(() => ({ connection: b.connection, frame: b.encode(metadata, 1, { topics: null }) })),
    { connection: c.connection, frame: c.encode(metadata, 1, { topics: null }) },
  ])
  assert.deepEqual(finished, [a.connection, b.connection])
  await world.time.settle()
  assert.deepEqual(
    finished,
    [a, b, c, a, b, a, a].map(({ connection }) => connection),
  )
  const { count, maxMs, recentP99Ms } = server.turnStats()
  assert.equal(maxMs, 3, 'the longest turn: the second request began within its time')
  assert.ok(count >= 4)
  assert.equal(recentP99Ms, 3)
})

test('a client that sends faster than it is served is not read meanwhile', async t => {
  const { client, time, world } = slowServer(t, () => {
    time.ms += 2
  })
  const { paused } = world.network
  const one = client()
  const send = (count: number) =>
    one.deliver(Array.from({ length: count }, () => one.encode(metadata, 1, { topics: null })))
  send(63)
  assert.deepEqual([...paused], [])
  send(1)
  send(10)
  assert.deepEqual([...paused], [one.connection])
  await world.time.settle()
  assert.deepEqual([...paused], [])
  assert.equal(one.unread, 74)
})

test('nothing starts for a client that does not read its answers, until it has', async t => {
  let started = 0
  const { client, world, server } = slowServer(t, () => {
    started++
  })
  const one = client()
  one.deliver([one.encode(metadata, 1, { topics: null })])
  await world.time.settle()
  server.onCongestion(one.connection, true)
  one.deliver([one.encode(metadata, 1, { topics: null })])
  await world.time.settle()
  assert.equal(started, 1)
  server.onCongestion(one.connection, false)
  await world.time.settle()
  assert.equal(started, 2)
})

/** Metadata for so many topics without a name: two bytes each. */
function wideRequest(topics: number): Uint8Array {
  const writer = new Writer()
  requestCodec(metadata, 1).encode(writer, { topics: [] })
  const frame = requestFrame(metadata, 1, 7, { topics: [] })
  const bytes = new Uint8Array(frame.length + topics * 2)
  bytes.set(frame)
  new DataView(bytes.buffer).setInt32(frame.length - 4, topics)
  return bytes
}

test('a request of two hundred thousand elements is decoded a slice a turn, while others are served', async t => {
  const seen = { topics: 0, othersServed: 0 }
  const handle: Handle = topics => {
    assert.ok(server.wideRequests.heldElements >= topics)
    Object.assign(seen, { topics, othersServed: other.unread })
  }
  const { client, server, world } = slowServer(t, handle, 2)
  const [wide, other] = [client(), client()]
  wide.expect(metadata, 1, 7)
  wide.deliver([wideRequest(200_000), wide.encode(apiVersions, 0, {})])
  other.deliver(Array.from({ length: 40 }, () => other.encode(apiVersions, 0, {})))
  await world.time.settle()
  assert.deepEqual(seen, { topics: 200_000, othersServed: 40 })
  assert.equal(wide.unread, 2)
  assert.equal((await wide.receive<typeof metadata>()).correlationId, 7, 'the order of the connection is kept')
  assert.equal(server.wideRequests.heldElements, 0)
})

test('a request of more elements than any client needs ends its connection', async t => {
  const { client, logger, server, world } = slowServer(t, () => assert.fail('not handled'))
  const wide = client()
  wide.deliver([wideRequest(250_001)])
  await world.time.settle()
  assert.equal(wide.closed, true)
  assert.ok(logger.has('decode-limit'))
  assert.equal(server.wideRequests.heldElements, 0)
})

test('wide requests wait for the memory of those before them, and a client that goes gives its own back', async t => {
  const answers: (() => void)[] = []
  const { client, server, world } = slowServer(t, () => new Promise(resolve => answers.push(resolve)))
  const clients = Array.from({ length: 6 }, () => client())
  for (const each of clients) {
    each.expect(metadata, 1, 7)
    each.deliver([wideRequest(200_000)])
  }
  await world.time.settle()
  assert.equal(answers.length, 4, 'as many as a million elements allow')
  clients[5]!.hangUp()
  clients[0]!.hangUp()
  await world.time.settle()
  assert.equal(answers.length, 5, 'the next one takes its place')
  for (const answer of answers) answer()
  await world.time.settle()
  assert.equal(server.wideRequests.heldElements, 0)
  assert.deepEqual(
    clients.map(({ unread }) => unread),
    [0, 1, 1, 1, 1, 0],
  )
})

test('a handler that gives up its turn lets others be served before it goes on', async t => {
  const events: string[] = []
  const { client, world, time } = slowServer(t, async (topics, context) => {
    for (let step = 0; step < topics; step++) {
      events.push(`${context.connection === long.connection ? 'long' : 'short'} ${step}`)
      time.ms += 2
      await context.nextTurn()
    }
  })
  const [long, short] = [client(), client()]
  const topics = (count: number) => Array.from({ length: count }, () => ({ name: 't' }))
  long.deliver([long.encode(metadata, 1, { topics: topics(4) })])
  short.deliver([short.encode(metadata, 1, { topics: topics(1) })])
  await world.time.settle()
  assert.deepEqual(events, ['long 0', 'short 0', 'long 1', 'long 2', 'long 3'])
})

test('lines that strangers cause are bounded, and what was left out is counted', async t => {
  const { client, logger, time, world } = slowServer(t, () => {})
  const nonsense = async () => {
    client().deliver([new Uint8Array(8).fill(0x7f)])
    await world.time.settle()
  }
  for (let i = 0; i < 1_000; i++) await nonsense()
  assert.equal(logger.lines.length, 200)
  time.ms += 1_000
  await nonsense()
  assert.equal(logger.lines.at(-1)?.fields.suppressed, 800)
})
