import assert from 'node:assert/strict'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { CloseReason, type Network, OpenTrust, type Storage, type StoredLog } from '../../../src/base/world.ts'
import { EngineStat } from '../../../src/native/addon.ts'
import type { Engine } from '../../../src/native/engine.ts'
import { StatusCode } from '../../../src/native/status.ts'
import {
  batchOf,
  batchOfBytes,
  bounded,
  Client,
  logSettings,
  openEngine,
  type Recorder,
  startNetwork,
  temporaryDirectory,
} from './support.ts'

const now = 1_700_000_000_000

interface House {
  engine: Engine
  storage: Storage
  network: Network
  recorder: Recorder
  log: StoredLog
  client: Client
}

/** A log and a connected client on one engine. */
async function build(t: TestContext): Promise<House> {
  const { engine, storage } = openEngine(t)
  const { network, recorder, port } = startNetwork(t, engine)
  const directory = join(temporaryDirectory(t), 'lines-0')
  const { log } = await storage.openLog(directory, logSettings, OpenTrust.clean, 0, 0)
  const client = await Client.connect(t, port)
  await recorder.signal.until(() => recorder.opened.length === 1)
  return { engine, storage, network, recorder, log, client }
}

const liveRegions = (engine: Engine): number => engine.raw.stats()[EngineStat.liveRegions]!

test(
  'a batch in a frame is appended where it lies, durable, and acknowledged in the turn of its flush',
  bounded,
  async t => {
    const { storage, network, recorder, log, client } = await build(t)
    const waiting: number[] = []
    recorder.frame = ({ connection, arena, position, length }) => {
      // Eight bytes stand for a request's header.
      assert.equal(log.validateFrame(arena, position + 8, length - 8, now), StatusCode.ok)
      assert.equal(log.appendFrame(arena, position + 8, length - 8, 4, now), StatusCode.ok)
      network.releaseFrame(arena, position)
      waiting.push(connection)
      log.requestFlush()
    }
    const acknowledgement = new Uint8Array(8)
    storage.onDurable((_, durableOffset) => {
      new DataView(acknowledgement.buffer).setBigInt64(0, BigInt(durableOffset))
      for (const connection of waiting.splice(0)) network.reply(connection, acknowledgement, 0, 8, [], 0, 0)
    })
    recorder.turnEnd = () => network.flush() // Also after a delivery that brought only flushes.
    for (let round = 1; round <= 3; round++) {
      client.send(Buffer.concat([Buffer.alloc(8), batchOf(['a', 'b'])]))
      assert.equal((await client.read(8)).readBigInt64BE(), BigInt(round * 2))
    }
    const [first] = log.readHeaders(0, 6, 1)
    assert.equal(first?.leaderEpoch, 4)
    assert.equal(network.stats().frameBytesHeld, 0)
  },
)

test('a frame position outside its arena is refused', bounded, async t => {
  const { network, recorder, log, client } = await build(t)
  client.send(Buffer.concat([Buffer.alloc(8), batchOf(['a'])]))
  await recorder.signal.until(() => recorder.frames.length === 1)
  const { arena } = recorder.frames[0]!
  const { byteLength } = network.arenaBytes(arena)
  for (const [position, length] of [
    [byteLength, 1],
    [byteLength - 10, 11],
    [0, 2 ** 32 - 1],
    [2 ** 32 - 1, 2 ** 32 - 1],
    [-1, 10],
    [0.5, Number.NaN],
  ]) {
    assert.equal(log.appendFrame(arena, position!, length!, 0, now), StatusCode.invalidArgument)
  }
  assert.equal(log.appendFrame(arena + 1000, 0, 1, 0, now), StatusCode.invalidArgument)
  assert.equal(log.logEndOffset(), 0)
})

for (const { title, batches, batchBytes } of [
  { title: 'small regions, sent at once', batches: 4, batchBytes: 1000 },
  { title: 'large regions, sent by the sender threads', batches: 20, batchBytes: 1_000_000 },
]) {
  test(`the bytes of a log reach the client as they lie in the file: ${title}`, bounded, async t => {
    const { engine, storage, network, log, recorder, client } = await build(t)
    for (let index = 0; index < batches; index++) {
      const batch = batchOfBytes(batchBytes, String.fromCharCode(97 + index))
      assert.equal(log.appendBytes(batch, 0, now), StatusCode.ok)
    }
    // A reply like Fetch's: head, the first half of the log, middle, the rest, tail.
    const bytes = new TextEncoder().encode('headmiddletail')
    const half = batches / 2
    assert.equal(log.read(0, 2 ** 40, half, true), StatusCode.ok)
    const first = { position: 4, region: log.lastRegion, length: log.lastRegionLength }
    assert.equal(log.read(half, 2 ** 40, batches, true), StatusCode.ok)
    const second = { position: 10, region: log.lastRegion, length: log.lastRegionLength }
    assert.equal(first.length + second.length, log.sizeBytes())
    const expected = [bytes.slice(0, 4), new Uint8Array(first.length), bytes.slice(4, 10)]
    expected.push(new Uint8Array(second.length), bytes.slice(10))
    storage.readRegion(first.region, 0, expected[1]!)
    storage.readRegion(second.region, 0, expected[3]!)

    assert.equal(liveRegions(engine), 2)
    network.reply(recorder.opened[0]!, bytes, 0, bytes.length, [first, second], 0, 2)
    network.flush()
    assert.equal(liveRegions(engine), 0, 'submitting takes the regions')
    const whole = Buffer.concat(expected)
    assert.equal(Buffer.compare(await client.read(whole.length), whole), 0)
  })
}

test('replies to several connections leave in one flush, each in its own order', bounded, async t => {
  const { engine, log, network, recorder, client } = await build(t)
  const port = client.socket.remotePort!
  const others = await Promise.all([Client.connect(t, port), Client.connect(t, port)])
  await recorder.signal.until(() => recorder.opened.length === 3)
  log.appendBytes(batchOfBytes(500), 0, now)
  const bytes = new TextEncoder().encode('abcdef')
  for (let round = 0; round < 2; round++) {
    recorder.opened.forEach((connection, index) => {
      assert.equal(log.read(0, 1000, 1, true), StatusCode.ok)
      const split = { position: index * 2 + 1, region: log.lastRegion, length: log.lastRegionLength }
      network.reply(connection, bytes, index * 2, index * 2 + 2, [split], 0, 1)
    })
  }
  network.flush()
  assert.equal(liveRegions(engine), 0)
  const size = log.sizeBytes()
  const received = new Set<string>()
  for (const each of [client, ...others]) {
    const reply = await each.read(2 * (size + 2))
    assert.deepEqual(reply.subarray(0, size + 2), reply.subarray(size + 2))
    received.add(String.fromCharCode(reply[0]!, reply[size + 1]!))
  }
  assert.deepEqual([...received].sort(), ['ab', 'cd', 'ef'])
})

test('regions for a connection that is gone are given back', bounded, async t => {
  const { engine, log, network, recorder, client } = await build(t)
  log.appendBytes(batchOf(['a']), 0, now)
  client.socket.destroy()
  await recorder.signal.until(() => recorder.closed.length === 1)
  assert.equal(log.read(0, 1000, 1, true), StatusCode.ok)
  const split = { position: 0, region: log.lastRegion, length: log.lastRegionLength }
  network.reply(recorder.opened[0]!, new Uint8Array(0), 0, 0, [split], 0, 1)
  network.flush()
  assert.equal(liveRegions(engine), 0)
})

test('a region that a truncation cut into closes the connection, and nothing is made up', bounded, async t => {
  const { log, network, recorder, client } = await build(t)
  for (let index = 0; index < 4; index++) log.appendBytes(batchOfBytes(1000), 0, now)
  assert.equal(log.read(0, 2 ** 40, 4, true), StatusCode.ok)
  const split = { position: 4, region: log.lastRegion, length: log.lastRegionLength }
  assert.equal(log.truncateTo(1), StatusCode.ok)
  network.reply(recorder.opened[0]!, Buffer.from('head'), 0, 4, [split], 0, 1)
  network.flush()
  await recorder.signal.until(() => recorder.closed.length === 1)
  assert.equal(recorder.closed[0]!.reason, CloseReason.regionInvalid)
  await assert.rejects(client.read(4 + split.length))
})

test('a region and a length that differ are refused', bounded, async t => {
  const { engine, storage, log, network, recorder } = await build(t)
  log.appendBytes(batchOf(['a']), 0, now)
  assert.equal(log.read(0, 1000, 1, true), StatusCode.ok)
  const { lastRegion: region, lastRegionLength } = log
  network.reply(
    recorder.opened[0]!,
    Buffer.from('head'),
    0,
    4,
    [{ position: 4, region, length: lastRegionLength - 1 }],
    0,
    1,
  )
  assert.throws(() => network.flush(), TypeError)
  assert.equal(liveRegions(engine), 1)
  storage.releaseRegion(region)
})
