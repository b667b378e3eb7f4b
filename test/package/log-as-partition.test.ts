import assert from 'node:assert/strict'
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { silentLogger } from '../../src/base/logger.ts'
import { Broker, Log } from '../../src/index.ts'
import { dumpLogs } from '../compat/lib/dump-log.ts'
import { partitionDirs } from '../compat/lib/logdir.ts'
import { cleanOnce } from '../support/cleaned-log.ts'

const records = 2_000
const logger = silentLogger

function directoryOf(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-partition-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

/** A log of several segments, with keys, headers and times of their own, closed. */
async function writeLog(directory: string): Promise<void> {
  const log = await Log.open(directory, { segmentBytes: 64 << 10 })
  try {
    for (let at = 0; at < records; at += 2) {
      log.append({
        key: `key ${at}`,
        value: `value ${at} ${'x'.repeat(100)}`,
        headers: { at: `${at}` },
        timestamp: at + 1,
      })
      log.append(`value ${at + 1}`)
    }
  } finally {
    await log.close()
  }
}

describe('a directory that a Log wrote', { timeout: 300_000 }, () => {
  it("is read by Kafka's dump tool without a complaint", async t => {
    const directory = join(directoryOf(t), 'log-0')
    await writeLog(directory)
    const partitions = await partitionDirs(directory)
    assert.ok(partitions[0]!.files.length > 6, 'it has several segments')
    const dump = await dumpLogs(partitions)
    assert.deepEqual(dump.complaints, [])
    assert.equal(
      [...dump.records.values()].reduce((sum, count) => sum + count, 0),
      records,
    )
  })

  it('is the same to both when its segments were compressed, and compacted', async t => {
    const directory = directoryOf(t)
    for (const [codec, compression] of (['gzip', 'snappy', 'lz4', 'zstd'] as const).entries()) {
      const partition = join(directory, `${compression}-0`)
      await writeLog(partition)
      await cleanOnce(partition, { segmentBytes: 64 << 10, compression })
      const [sealed] = readdirSync(partition).filter(name => name.endsWith('.log'))
      assert.equal(readFileSync(join(partition, sealed!)).readInt16BE(21), codec + 1)
    }
    const compacted = join(directory, 'compacted-0')
    {
      await using log = await Log.open(compacted, { segmentBytes: 64 << 10 })
      for (let at = 0; at < records; at++) log.append({ key: `key ${at % 7}`, value: `value ${at} ${'x'.repeat(100)}` })
    }
    await cleanOnce(compacted, { segmentBytes: 64 << 10, compaction: true, compression: 'lz4' })
    const partitions = await partitionDirs(directory)
    assert.equal(partitions.length, 5)
    const [whole, holed] = [false, true].map(holes =>
      partitions.filter(({ dir }) => dir.endsWith('compacted-0') === holes),
    )
    const dump = await dumpLogs(whole!)
    assert.deepEqual(dump.complaints, [])
    assert.equal(
      [...dump.records.values()].reduce((sum, count) => sum + count, 0),
      4 * records,
    )
    assert.deepEqual((await dumpLogs(holed!, { compacted: true })).complaints, [])

    const dataDir = join(directory, 'data')
    const topics = ['gzip', 'snappy', 'lz4', 'zstd', 'compacted']
    {
      await using broker = await Broker.start({ dataDir, logger })
      for (const topic of topics) await broker.createTopic(topic)
    }
    for (const topic of topics) {
      const filter = (path: string) => basename(path) !== '.lock'
      cpSync(join(directory, `${topic}-0`), join(dataDir, `${topic}-0`), { recursive: true, filter })
    }
    await using broker = await Broker.start({ dataDir, logger })
    for (const topic of topics) {
      assert.deepEqual(broker.offsets(topic), { start: 0, end: records, lastStable: records })
      const seen = new Map<string, number>()
      let read = 0
      for await (const { offset, key, value } of broker.read(topic)) {
        assert.ok(String(value).startsWith(`value ${offset}`))
        seen.set(String(key), offset)
        read++
      }
      if (topic !== 'compacted') assert.equal(read, records)
      else assert.ok(read < records / 2)
      if (topic === 'compacted') assert.equal(seen.get('key 0'), records - 1 - ((records - 1) % 7))
      assert.equal(await broker.append(topic, 'of the broker'), records)
    }
  })

  it('is a partition of a topic to a broker, which goes on with it', async t => {
    const directory = directoryOf(t)
    const dataDir = join(directory, 'data')
    await writeLog(join(directory, 'log'))
    {
      await using broker = await Broker.start({ dataDir, logger })
      await broker.createTopic('adopted')
    }
    const partition = join(dataDir, 'adopted-0')
    cpSync(join(directory, 'log'), partition, { recursive: true, filter: path => basename(path) !== '.lock' })
    await using broker = await Broker.start({ dataDir, logger })
    assert.deepEqual(broker.offsets('adopted'), { start: 0, end: records, lastStable: records })
    let read = 0
    for await (const { offset, key, value, timestamp, headers } of broker.read('adopted')) {
      assert.equal(offset, read)
      assert.ok(String(value).startsWith(`value ${read}`))
      if (read % 2 === 0) {
        assert.equal(String(key), `key ${read}`)
        assert.equal(timestamp, read + 1)
        assert.equal(String(headers[0]!.value), `${read}`)
      }
      read++
    }
    assert.equal(read, records)
    assert.equal(await broker.append('adopted', 'of the broker'), records)
  })

  it('may be a partition that a broker wrote before, and will again', async t => {
    const dataDir = directoryOf(t)
    {
      await using broker = await Broker.start({ dataDir, logger })
      await broker.append('shared', 'of the broker')
    }
    {
      await using log = await Log.open(join(dataDir, 'shared-0'))
      assert.equal(log.append('of the log'), 1)
      assert.equal(log.appendBatch(['a', 'b']), 2)
    }
    await using broker = await Broker.start({ dataDir, logger })
    const values: string[] = []
    for await (const { value } of broker.read('shared')) values.push(String(value))
    assert.deepEqual(values, ['of the broker', 'of the log', 'a', 'b'])
    assert.equal(await broker.append('shared', 'of the broker again'), 4)
  })

  it('is a whole partition also where the app was killed, with a batch open', async t => {
    const directory = directoryOf(t)
    const dataDir = join(directory, 'data')
    {
      await using broker = await Broker.start({ dataDir, logger })
      await broker.createTopic('killed')
    }
    const partition = join(dataDir, 'killed-0')
    {
      await using log = await Log.open(join(directory, 'log'), { sealAgeMs: 60_000 })
      for (let at = 0; at < 10; at++) log.append(`value ${at}`)
      await log.flushed()
      await log.truncateBefore(2)
      log.appendBatch(['open', 'last'])
      // What a kill leaves.
      cpSync(join(directory, 'log'), partition, { recursive: true, filter: path => basename(path) !== '.lock' })
    }
    for (let round = 0; round < 2; round++) {
      await using broker = await Broker.start({ dataDir, logger })
      assert.deepEqual(broker.offsets('killed'), { start: 2, end: 12 + round, lastStable: 12 + round })
      const values: string[] = []
      for await (const { value } of broker.read('killed')) values.push(String(value))
      assert.deepEqual(values.slice(0, 10).slice(-3), ['value 9', 'open', 'last'])
      assert.equal(await broker.append('killed', 'of the broker'), 12 + round)
    }
    await using log = await Log.open(partition)
    assert.equal(log.endOffset, 14)
  })

  it('is written by the broker or by the app, and never by both', async t => {
    const dataDir = directoryOf(t)
    {
      await using broker = await Broker.start({ dataDir, logger })
      await broker.append('one', 'x')
      await broker.append('two', 'x')
      await assert.rejects(Log.open(join(dataDir, 'one-0')), {
        code: 'MILLRACE_LOCKED',
        message: /a broker that is running/,
      })
      await using reading = await Log.open(join(dataDir, 'one-0'), { readOnly: true })
      assert.equal(reading.endOffset, 1)
    }
    await using one = await Log.open(join(dataDir, 'one-0'))
    await using two = await Log.open(join(dataDir, 'two-0'))
    assert.deepEqual([one.append('y'), two.append('y')], [1, 1])
    await assert.rejects(Broker.start({ dataDir, logger }), /holds the data directory/)
  })
})
