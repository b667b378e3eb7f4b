import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { type RequestContext, serve } from '../../../src/api/serve.ts'
import { metadata } from '../../../src/protocol/schema/metadata.ts'
import { Server } from '../../../src/server/server.ts'
import { FakeWorld } from '../../support/fake-world.ts'
import { RecordingLogger } from '../../support/test-broker.ts'
import { TestClient } from '../../support/test-client.ts'

function serverOf(t: TestContext, handle: (context: RequestContext) => Promise<void> | void) {
  const world = new FakeWorld()
  const logger = new RecordingLogger()
  const server = new Server(world, logger, [
    serve(metadata, { min: 0, max: 13 }, async (_, context) => {
      await handle(context)
      return { brokers: [], topics: [] }
    }),
  ])
  server.start({} as never)
  world.network.listen('127.0.0.1', 0)
  t.after(() => assert.equal(world.network.stats().frames, 0, 'frames held'))
  const client = TestClient.connect(world)
  return { world, logger, client, send: () => client.deliver([client.encode(metadata, 1, { topics: null })]) }
}

test('what a request appends in its turn may be written with others, and its frame stays until that is done', async t => {
  const seen: { gathers: boolean; frames: number }[] = []
  const note = () => seen.push({ gathers: world.storage.gathers, frames: world.network.stats().frames })
  const { world, client, send } = serverOf(t, async context => {
    context.releaseFrame()
    note()
    await Promise.resolve()
    note()
  })
  send()
  await world.time.settle()
  assert.deepEqual(seen, [
    { gathers: true, frames: 1 },
    { gathers: false, frames: 0 },
  ])
  assert.equal(client.unread, 1)
})
