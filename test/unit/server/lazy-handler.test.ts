import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { serveApiVersions } from '../../../src/api/api-versions.ts'
import { LazyHandler, lazily, type ServedApi } from '../../../src/api/lazy.ts'
import { type ApiHandler, serve } from '../../../src/api/serve.ts'
import { apiVersions } from '../../../src/protocol/schema/api-versions.ts'
import { metadata } from '../../../src/protocol/schema/metadata.ts'
import { Server } from '../../../src/server/server.ts'
import { FakeWorld } from '../../support/fake-world.ts'
import { RecordingLogger } from '../../support/test-broker.ts'
import { TestClient } from '../../support/test-client.ts'

/** Metadata comes when `arrive` or `fail` is called; ApiVersions is there from the start. */
function lazyServer(t: TestContext, versions = { min: 0, max: 13 }) {
  const world = new FakeWorld()
  const logger = new RecordingLogger()
  const loads: { resolve(handler: ApiHandler): void; reject(error: Error): void }[] = []
  const lazy = lazily(
    { key: metadata.key, min: 0, max: 13 },
    () => new Promise((resolve, reject) => loads.push({ resolve, reject })),
  )
  const identity = { clusterId: 'c', nodeId: 1 }
  const handlers: ServedApi[] = [lazy, serveApiVersions(() => handlers, identity, { finalized: [], epoch: 0 })]
  const server = new Server(world, logger, handlers)
  server.start({} as never)
  world.network.listen('127.0.0.1', 0)
  t.after(() => assert.equal(world.network.stats().frames, 0, 'frames held'))
  const handler = serve(metadata, versions, () => ({ brokers: [], topics: [] }))
  return {
    world,
    logger,
    loads,
    lazy,
    client: () => TestClient.connect(world),
    arrive: () => loads[0]!.resolve(handler),
  }
}

test('a first request waits for its handler; its connection keeps its order, and others go on', async t => {
  const { world, loads, client, arrive } = lazyServer(t)
  const [first, second, other] = [client(), client(), client()]
  first.deliver([
    first.encode(apiVersions, 0, {}),
    first.encode(metadata, 9, { topics: null }),
    first.encode(apiVersions, 0, {}),
  ])
  second.deliver([second.encode(metadata, 1, { topics: null })])
  assert.equal((await other.call(apiVersions, 0, {})).errorCode, 0)
  assert.deepEqual([first.unread, second.unread, loads.length], [1, 0, 1], 'one load for all who wait')
  arrive()
  await world.time.settle()
  assert.deepEqual([first.unread, second.unread], [3, 1])
  await first.receive<typeof apiVersions>()
  assert.deepEqual((await first.receive<typeof metadata>()).body.topics, [])
  await first.receive<typeof apiVersions>()
  assert.deepEqual((await first.call(metadata, 9, { topics: null })).topics, [])
  assert.equal(loads.length, 1, 'it stays')
})

test('an API that is not loaded is advertised, and its unknown versions are refused without loading it', async t => {
  const { world, client, lazy, loads } = lazyServer(t)
  const [asking, wrong] = [client(), client()]
  const { apiKeys } = await asking.call(apiVersions, 0, {})
  assert.deepEqual(apiKeys, [
    { apiKey: 3, minVersion: 0, maxVersion: 13 },
    { apiKey: 18, minVersion: 0, maxVersion: 5 },
  ])
  const frame = wrong.encode(metadata, 13, { topics: null })
  new DataView(frame.buffer, frame.byteOffset).setInt16(2, 14)
  wrong.deliver([frame])
  await world.time.settle()
  assert.deepEqual([wrong.closed, lazy.loaded, loads.length], [true, undefined, 0])
})

test('a connection that goes while its handler loads gives its frame back', async t => {
  const { world, client, arrive } = lazyServer(t)
  const gone = client()
  gone.deliver([gone.encode(metadata, 9, { topics: null })])
  assert.equal(world.network.stats().frames, 1)
  gone.hangUp()
  assert.equal(world.network.stats().frames, 0)
  arrive()
  await world.time.settle()
})

test('a handler that cannot be loaded costs the connections that asked for it', async t => {
  const { world, logger, client, loads } = lazyServer(t)
  const [bad, good] = [client(), client()]
  bad.deliver([bad.encode(metadata, 9, { topics: null })])
  loads[0]!.reject(new Error('no such file'))
  await world.time.settle()
  assert.equal(bad.closed, true)
  assert.ok(logger.has('no such file'))
  assert.equal((await good.call(apiVersions, 0, {})).errorCode, 0)
})

test('a handler that serves other versions than were advertised is a bug', async () => {
  const handler = serve(metadata, { min: 0, max: 12 }, () => ({ brokers: [], topics: [] }))
  const lazy = new LazyHandler({ key: metadata.key, min: 0, max: 13 }, async () => handler)
  await assert.rejects(lazy.load(), /a handler serves what was advertised/)
})
