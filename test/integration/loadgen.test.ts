import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it, type TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import kafkajs from 'kafkajs'
import { buildLoadgen, evictFiles, percentilesOf, runLoad } from '../../bench/lib/loadgen.ts'
import { BrokerUnderTest } from '../compat/lib/broker.ts'

/** A server for the length of one test; its address. */
const listen = async (test: TestContext, onConnection: (socket: Socket) => void): Promise<string> => {
  const sockets = new Set<Socket>()
  const server = createServer({ noDelay: true }, socket => {
    sockets.add(socket)
    socket.on('error', () => socket.destroy())
    onConnection(socket)
  }).listen(0, '127.0.0.1')
  test.after(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  await once(server, 'listening')
  return `127.0.0.1:${(server.address() as AddressInfo).port}`
}

/**
 * Answers each frame with its correlation id once `ready` resolves, which is told how many came: the least that the
 * generator's raw mode wants.
 */
const echoAfter =
  (ready: (frames: number) => Promise<void>) =>
  (socket: Socket): void => {
    let pending = Buffer.alloc(0)
    socket.on('data', async bytes => {
      pending = Buffer.concat([pending, bytes])
      const answers: Buffer[] = []
      while (pending.length >= 4 && pending.length >= 4 + pending.readInt32BE(0)) {
        answers.push(Buffer.from([0, 0, 0, 4]), pending.subarray(8, 12))
        pending = pending.subarray(4 + pending.readInt32BE(0))
      }
      await ready(answers.length / 2)
      socket.write(Buffer.concat(answers))
    })
  }

describe('the load generator', { timeout: 240_000 }, () => {
  let broker: BrokerUnderTest
  let filledRecords = 0

  before(async () => {
    await buildLoadgen()
    broker = await BrokerUnderTest.start()
  })
  after(() => broker.destroy())

  it('knows every percentile to three digits, from microseconds to minutes', async () => {
    // Seven orders of magnitude, most of it small, in an order that has nothing to do with size.
    const values = Array.from({ length: 50_000 }, (_, i) => Math.round(1_000 * 1.0004 ** ((i * 7_919) % 50_000)))
    const sorted = [...values].sort((a, b) => a - b)
    const exact = (percentile: number): number => (sorted[Math.ceil((percentile / 100) * sorted.length) - 1] ?? 0) / 1e3
    const found = await percentilesOf(values)
    assert.equal(found.count, values.length)
    assert.ok(Math.abs(found.max - exact(100)) <= 0.05)
    const points: [number, number][] = [
      [50, found.p50],
      [90, found.p90],
      [99, found.p99],
      [99.9, found.p99_9],
      [99.99, found.p99_99],
    ]
    for (const [percentile, micros] of [...points, ...found.curve.slice(1)]) {
      const off = Math.abs(micros - exact(percentile))
      assert.ok(off <= exact(percentile) / 1000 + 0.05, `p${percentile}: ${micros} instead of ${exact(percentile)} us`)
    }
  })

  it('reports what the broker has, by a count of its own and by the broker offsets', async () => {
    const load = await runLoad('produce', {
      target: broker.bootstrap,
      topic: 'filled',
      partitions: 4,
      'partitions-per-request': 2,
      connections: 3,
      depth: 2,
      'request-bytes': 40_000,
      'total-bytes': 4_000_000,
      'keep-topic': true,
    })
    assert.ok(load.bytes >= 4_000_000 && load.bytes < 4_100_000, `${load.bytes} bytes`)
    const kafka = new kafkajs.Kafka({ brokers: [broker.bootstrap], logLevel: kafkajs.logLevel.NOTHING })
    const admin = kafka.admin()
    await admin.connect()
    const offsets = await admin.fetchTopicOffsets('filled')
    await admin.disconnect()
    assert.equal(
      offsets.reduce((sum, { high }) => sum + Number(high), 0),
      load.records,
    )
    filledRecords = load.records
  })

  it('reads whole partitions over and over, and finds every checksum right', async () => {
    const load = await runLoad('fetch', {
      target: broker.bootstrap,
      topic: 'filled',
      connections: 2,
      duration: 0.5,
      'partition-max-bytes': 300_000,
      'verify-every': 1,
      'keep-topic': true,
    })
    assert.ok(load.records > filledRecords, 'it went around')
    assert.deepEqual(load.errors, {})
  })

  it('notices a bit that changed on the way', async test => {
    // Past the first 10 KB of an answer lies nothing but records.
    const target = await listen(test, client => {
      const upstream = connect(Number(broker.bootstrap.split(':')[1]), '127.0.0.1')
      upstream.on('error', () => client.destroy())
      client.on('close', () => upstream.destroy())
      client.pipe(upstream)
      upstream.on('data', bytes => {
        if (bytes.length > 20_000) bytes.writeUInt8(bytes.readUInt8(15_000) ^ 1, 15_000)
        client.write(bytes)
      })
    })
    const options = { target, topic: 'filled', duration: 0.3, 'verify-every': 1, 'keep-topic': true }
    await assert.rejects(runLoad('fetch', options), /"corruptBatches":[1-9]/)
  })

  it('counts a stall for every request that came due in it, not only for those already sent', async test => {
    const stallMs = 400
    const [rate, seconds] = [500, 2]
    let came = 0
    let stall: Promise<void> | undefined
    const target = await listen(
      test,
      echoAfter(async frames => {
        came += frames
        if (came >= (rate * seconds) / 4) stall ??= sleep(stallMs)
        await stall
      }),
    )
    const { ackMicros } = await runLoad('produce', { target, raw: true, rate, connections: 2, duration: seconds })
    assert.equal(ackMicros?.count, rate * seconds)
    // A fifth of the requests fell into the stall, evenly: a tenth waited for half of it and more. The rest did not, as
    // far as the machine let them.
    assert.ok(ackMicros.p90 >= (stallMs / 2 - 50) * 1000, `p90 ${ackMicros.p90} us`)
    const [, quick] = ackMicros.curve.findLast(([percentile]) => percentile <= 20) ?? []
    assert.ok(quick !== undefined && quick < (stallMs / 4) * 1000, `p20 ${quick} us`)
  })

  it('takes the time from when a record was due to when each of its consumers had it', async () => {
    const load = await runLoad('produce', {
      target: broker.bootstrap,
      topic: 'stamped',
      partitions: 3,
      connections: 2,
      rate: 200,
      'request-bytes': 30_000,
      'record-bytes': 1000,
      readers: 2,
      warmup: 0.1,
      duration: 1,
      slice: 0.5,
      'keep-topic': true,
    })
    const { ackMicros, endToEndMicros, slices } = load
    assert.ok(ackMicros !== undefined && endToEndMicros !== undefined)
    assert.equal(endToEndMicros.count, 2 * ackMicros.count, 'every batch, by each of two consumers')
    assert.ok(endToEndMicros.p50 > 0 && endToEndMicros.max < 10_000_000, JSON.stringify(endToEndMicros))
    assert.equal(load.unreadRecords, 0)
    assert.equal(load.keptUp, true)
    assert.equal(slices?.length, 2)
    assert.equal(
      slices?.reduce((sum, { micros }) => sum + micros.count, 0),
      ackMicros.count,
    )
    // The time is written into each batch, and its checksum carried on over it.
    const read = await runLoad('fetch', { target: broker.bootstrap, topic: 'stamped', 'verify-every': 1, once: true })
    assert.equal(read.records, load.acknowledgedRecords)
  })

  it('compares what was sent without acknowledgements with what the broker stored', async () => {
    const load = await runLoad('produce', {
      target: broker.bootstrap,
      topic: 'unacknowledged',
      acks: '0',
      partitions: 2,
      connections: 3,
      depth: 4,
      'request-bytes': 20_000,
      duration: 0.3,
    })
    assert.ok(load.requests > 0)
    assert.equal(load.ackMicros, undefined)
  })

  it('says that a broker fell behind a rate, and how late it was', async test => {
    const target = await listen(test, () => {})
    const load = await runLoad('produce', { target, raw: true, rate: 50, duration: 0.3 })
    assert.equal(load.keptUp, false)
    assert.ok((load.ackMicros?.p50 ?? 0) > 5_000_000, 'as late as it was waited for')
  })

  it('drops files from the page cache, once they are on the disk', async test => {
    const folder = await mkdtemp(join(tmpdir(), 'millrace-evict-'))
    test.after(() => rm(folder, { recursive: true }))
    await mkdir(join(folder, 'below'))
    await writeFile(join(folder, 'below', 'file'), Buffer.alloc(300_000, 1))
    assert.deepEqual(await evictFiles(folder), { files: 1, bytes: 300_000 })
    await assert.rejects(evictFiles(join(folder, 'absent')), /cannot read/)
  })

  for (const version of [1, 2])
    it(`counts the transactions of version ${version} whose records can be read`, async () => {
      const load = await runLoad('transactions', {
        ...{ target: broker.bootstrap, topic: `transactions-v${version}`, 'transaction-version': version },
        ...{ connections: 2, partitions: 4, 'partitions-per-request': 2, records: 4, duration: 0.2 },
      })
      assert.ok(load.requests > 0)
      assert.equal(load.records, load.requests * 4)
      assert.equal(load.ackMicros?.count, load.requests)
      const [commit, whole] = [load.ackMicros, load.transactionMicros]
      assert.ok(
        commit !== undefined && whole !== undefined && commit.mean < whole.mean,
        'a commit is part of the whole',
      )
    })

  it('ends with the reason when the broker goes away or refuses', async test => {
    const target = await listen(test, socket => socket.destroy())
    await assert.rejects(runLoad('produce', { target, raw: true }), /closed a connection/)
    await assert.rejects(
      runLoad('produce', { target: broker.bootstrap, topic: 'too-large', 'record-bytes': 2_000_000, duration: 0.2 }),
      /"MESSAGE_TOO_LARGE":[1-9]/,
    )
    await assert.rejects(runLoad('fetch', { target: broker.bootstrap, topic: 'nowhere' }), /UNKNOWN_TOPIC/)
  })
})
