import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { CloseReason, RefuseReason } from '../../../src/base/world.ts'
import { NativeError } from '../../../src/native/errors.ts'
import { openNetwork } from '../../../src/native/network.ts'
import {
  bounded,
  Client,
  frameOf,
  networkSettings,
  openEngine,
  Recorder,
  type SeenFrame,
  startNetwork,
} from './support.ts'

const bytes = (text: string): Buffer => Buffer.from(text)

test('frames come in with their bytes, replies go out in order, and everything is given back', bounded, async t => {
  const { engine } = openEngine(t)
  const { network, recorder, port } = startNetwork(t, engine)
  const reply = Buffer.alloc(1000)
  let used = 0
  recorder.frame = ({ connection, arena, position, length }) => {
    // The reply is `re:` and the frame's bytes.
    const start = used
    used += reply.write('re:', used)
    reply.set(network.arenaBytes(arena).subarray(position, position + length), used)
    used += length
    network.releaseFrame(arena, position)
    network.reply(connection, reply, start, used, [], 0, 0)
  }
  recorder.turnEnd = () => {
    network.flush()
    used = 0
  }
  const client = await Client.connect(t, port)
  client.send('first one')
  client.send('second one')
  client.send('third one')
  assert.equal((await client.read(37)).toString(), 're:first onere:second onere:third one')
  const peer = network.peerAddress(recorder.opened[0]!)
  assert.equal(peer, `127.0.0.1:${client.socket.localPort}`)
  const { frameBytesHeld, repliesQueuedBytes, connections, bytesOut } = network.stats()
  assert.deepEqual(
    { frameBytesHeld, repliesQueuedBytes, connections, bytesOut },
    {
      frameBytesHeld: 0,
      repliesQueuedBytes: 0,
      connections: 1,
      bytesOut: 37,
    },
  )
  client.socket.end()
  await recorder.signal.until(() => recorder.closed.length === 1)
  assert.deepEqual(recorder.closed, [{ connection: recorder.opened[0], reason: CloseReason.peer }])
  assert.equal(network.stats().connections, 0)
  assert.equal(network.peerAddress(999_999), '')
})

test('frames that are ready together are delivered in one turn', bounded, async t => {
  const { engine } = openEngine(t)
  const { recorder, port } = startNetwork(t, engine)
  const client = await Client.connect(t, port)
  await recorder.signal.until(() => recorder.opened.length === 1)
  const turnsBefore = recorder.turns
  const frame = frameOf('a request')
  // No more than a connection may have in one turn.
  const count = 60
  client.socket.write(Buffer.concat(Array.from({ length: count }, () => frame)))
  await recorder.signal.until(() => recorder.frames.length === count)
  assert.equal(recorder.turns - turnsBefore, 1)
})

test('more events than one delivery holds all arrive', bounded, async t => {
  const { engine } = openEngine(t)
  const { network, recorder, port } = startNetwork(t, engine)
  recorder.frame = ({ arena, position }) => network.releaseFrame(arena, position)
  const client = await Client.connect(t, port)
  const count = 5000
  const frames = Buffer.alloc(count * 12)
  for (let index = 0; index < count; index++) {
    frames.writeInt32BE(8, index * 12)
    frames.writeInt32BE(index, index * 12 + 4)
  }
  const seen: number[] = []
  recorder.frame = ({ arena, position }) => {
    seen.push(network.arenaView(arena).getInt32(position))
    network.releaseFrame(arena, position)
  }
  client.socket.write(frames)
  await recorder.signal.until(() => seen.length === count)
  assert.deepEqual(
    seen,
    Array.from({ length: count }, (_, index) => index),
  )
  assert.equal(network.stats().frameBytesHeld, 0)
})

test('a large frame arrives whole in a mapping of its own', bounded, async t => {
  const { engine } = openEngine(t)
  const { network, recorder, port } = startNetwork(t, engine)
  const client = await Client.connect(t, port)
  const payload = Buffer.alloc(9_000_000)
  for (let index = 0; index < payload.length; index++) payload[index] = index * 31 + (index >> 8)
  for (let round = 1; round <= 3; round++) {
    client.send(payload)
    await recorder.signal.until(() => recorder.frames.length === round)
    const { arena, position, length } = recorder.frames[round - 1]!
    const got = network.arenaBytes(arena).subarray(position, position + length)
    assert.equal(Buffer.compare(got, payload), 0)
    assert.ok(network.stats().frameBytesHeld >= payload.length)
    network.releaseFrame(arena, position)
    assert.equal(network.stats().frameBytesHeld, 0)
  }
})

test('a frame above the limit closes its connection and no other', bounded, async t => {
  const { engine } = openEngine(t)
  const { recorder, port } = startNetwork(t, engine, { maxFrameBytes: 1 << 20 })
  const good = await Client.connect(t, port)
  const bad = await Client.connect(t, port)
  await recorder.signal.until(() => recorder.opened.length === 2)
  const size = Buffer.alloc(4)
  size.writeInt32BE((1 << 20) + 1)
  bad.socket.write(size)
  await recorder.signal.until(() => recorder.closed.length === 1)
  assert.equal(recorder.closed[0]!.reason, CloseReason.frameTooLarge)
  good.send('still here')
  await recorder.signal.until(() => recorder.frames.length === 1)
})

test('a paused connection is not read until it is resumed', bounded, async t => {
  const { engine } = openEngine(t)
  const { network, recorder, port } = startNetwork(t, engine)
  const paused = await Client.connect(t, port)
  await recorder.signal.until(() => recorder.opened.length === 1)
  network.pause(recorder.opened[0]!)
  paused.send('held back')
  const other = await Client.connect(t, port)
  other.send('comes through')
  await recorder.signal.until(() => recorder.frames.length === 1)
  assert.equal(recorder.frames[0]!.connection, recorder.opened[1])
  network.resume(recorder.opened[0]!)
  await recorder.signal.until(() => recorder.frames.length === 2)
  assert.equal(recorder.frames[1]!.connection, recorder.opened[0])
})

test('closing after replies sends them first', bounded, async t => {
  const { engine } = openEngine(t)
  const { network, recorder, port } = startNetwork(t, engine)
  const client = await Client.connect(t, port)
  const farewell = Buffer.alloc(3_000_000, 'f')
  recorder.frame = ({ connection }) => {
    network.reply(connection, farewell, 0, farewell.length, [], 0, 0)
    network.flush()
    network.close(connection, true)
  }
  const ended = once(client.socket, 'end')
  client.send('good bye')
  assert.equal(Buffer.compare(await client.read(farewell.length), farewell), 0)
  await ended
  await recorder.signal.until(() => recorder.closed.length === 1)
  assert.equal(recorder.closed[0]!.reason, CloseReason.requested)
})

test('an address in use is an error that names it', t => {
  const { engine } = openEngine(t)
  const { network, port } = startNetwork(t, engine)
  assert.throws(
    () => network.listen('127.0.0.1', port),
    (error: unknown) =>
      error instanceof NativeError &&
      error.code === 'MILLRACE_ADDRESS_IN_USE' &&
      error.message.includes(`127.0.0.1:${port}`),
  )
})

test('what a listener throws is uncaught, and the events behind it still arrive', bounded, async t => {
  const { engine } = openEngine(t)
  const { recorder, port } = startNetwork(t, engine)
  const uncaught: unknown[] = []
  const handlers = process.listeners('uncaughtException')
  process.removeAllListeners('uncaughtException')
  process.on('uncaughtException', error => uncaught.push(error))
  t.after(() => {
    process.removeAllListeners('uncaughtException')
    for (const handler of handlers) process.on('uncaughtException', handler)
  })
  let first = true
  recorder.frame = () => {
    if (!first) return
    first = false
    throw new Error('from a listener')
  }
  const client = await Client.connect(t, port)
  await recorder.signal.until(() => recorder.opened.length === 1)
  client.socket.write(Buffer.concat([frameOf('request 1'), frameOf('request 2')]))
  await recorder.signal.until(() => recorder.frames.length === 2)
  await new Promise(resolve => setImmediate(resolve))
  assert.deepEqual(
    uncaught.map(error => (error as Error).message),
    ['from a listener'],
  )
})

test('a reply with a region that nobody holds is refused before anything is sent', bounded, async t => {
  const { engine } = openEngine(t)
  const { network, recorder, port } = startNetwork(t, engine)
  const client = await Client.connect(t, port)
  await recorder.signal.until(() => recorder.opened.length === 1)
  const connection = recorder.opened[0]!
  const head = bytes('head')
  network.reply(connection, head, 0, 4, [{ position: 4, region: 12345, length: 10 }], 0, 1)
  assert.throws(() => network.flush(), TypeError)
  network.reply(connection, bytes('well'), 0, 4, [], 0, 0)
  network.flush()
  assert.equal((await client.read(4)).toString(), 'well')
})

test(
  'stopping in the middle of a delivery ends it, detaches the arenas and refuses what comes after',
  bounded,
  async t => {
    const { engine } = openEngine(t)
    const network = openNetwork(engine)
    const recorder = new Recorder()
    network.start(networkSettings, recorder)
    const { port } = network.listen('127.0.0.1', 0)
    let view: Uint8Array | undefined
    const stopped = new Promise<SeenFrame>(resolve => {
      recorder.frame = frame => {
        view = network.arenaBytes(frame.arena)
        network.stop()
        resolve(frame)
      }
    })
    const client = await Client.connect(t, port)
    await recorder.signal.until(() => recorder.opened.length === 1)
    client.socket.write(Buffer.concat([frameOf('request 1'), frameOf('request 2')]))
    const frame = await stopped
    await new Promise(resolve => setImmediate(resolve))
    assert.equal(recorder.frames.length, 1)
    assert.equal(view?.byteLength, 0)
    network.releaseFrame(frame.arena, frame.position) // Went with the transport.
    network.close(frame.connection, false)
    assert.equal(network.peerAddress(frame.connection), '')
    assert.throws(() => network.listen('127.0.0.1', 0), /closed/)
    assert.throws(() => network.start(networkSettings, recorder), /started once/)
  },
)

test('a client that leaves its replies unread is reported, and again when it has read them', bounded, async t => {
  const { engine } = openEngine(t)
  const { network, recorder, port } = startNetwork(t, engine)
  const client = await Client.connect(t, port)
  client.socket.pause()
  await recorder.signal.until(() => recorder.opened.length === 1)
  const connection = recorder.opened[0]!
  const reply = Buffer.alloc(30 << 20, 7)
  network.reply(connection, reply, 0, reply.length, [], 0, 0)
  network.flush()
  await recorder.signal.until(() => recorder.congestion.length === 1)
  assert.ok(network.stats().repliesQueuedBytes > 1 << 20)
  client.socket.resume()
  assert.equal((await client.read(reply.length)).length, reply.length)
  await recorder.signal.until(() => recorder.congestion.length === 2)
  assert.deepEqual(recorder.congestion, [
    { connection, congested: true },
    { connection, congested: false },
  ])
})

test('connections of one address beyond their number are closed and reported, others wait', bounded, async t => {
  const { engine } = openEngine(t)
  const { recorder, port } = startNetwork(t, engine, { maxConnectionsPerIp: 2 })
  const clients = await Promise.all([1, 2, 3].map(() => Client.connect(t, port)))
  await recorder.signal.until(() => recorder.refused.length === 1)
  assert.equal(recorder.opened.length, 2)
  const [refused] = recorder.refused
  assert.equal(refused!.reason, RefuseReason.maxConnectionsPerIp)
  assert.equal(refused!.count, 1)
  assert.ok(clients.some(({ socket }) => refused!.peer === `127.0.0.1:${socket.localPort}`))
})

test('connections beyond their number wait for one that goes', bounded, async t => {
  const { engine } = openEngine(t)
  const { recorder, port } = startNetwork(t, engine, { maxConnections: 2 })
  const first = await Client.connect(t, port)
  for (let i = 0; i < 2; i++) await Client.connect(t, port)
  await recorder.signal.until(() => recorder.refused.length === 1)
  assert.deepEqual(
    recorder.refused.map(({ reason }) => reason),
    [RefuseReason.maxConnections],
  )
  assert.equal(recorder.opened.length, 2)
  first.socket.destroy()
  await recorder.signal.until(() => recorder.opened.length === 3)
})

test('the allowed number of connections changes while the network serves', bounded, async t => {
  const { engine } = openEngine(t)
  const { network, recorder, port } = startNetwork(t, engine, { maxConnections: 1 })
  for (let i = 0; i < 3; i++) await Client.connect(t, port)
  await recorder.signal.until(() => recorder.refused.length === 1)
  assert.equal(recorder.opened.length, 1)
  network.limitConnections(2, Number.MAX_SAFE_INTEGER)
  await recorder.signal.until(() => recorder.opened.length === 2)
  network.limitConnections(Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER)
  await recorder.signal.until(() => recorder.opened.length === 3)
})
