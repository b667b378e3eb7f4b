import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import kafkajs from 'kafkajs'
import { BrokerUnderTest } from '../compat/lib/broker.ts'

const bin = fileURLToPath(new URL('../../dist/millrace.js', import.meta.url))
const limitMs = 20_000

/** Runs the command to its end; its exit code and what it printed. */
async function run(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const child = spawn(process.execPath, [bin, ...args], { stdio: ['ignore', 'pipe', 'pipe'], timeout: limitMs })
  let out = ''
  let err = ''
  child.stdout.on('data', (bytes: Buffer) => {
    out += bytes.toString()
  })
  child.stderr.on('data', (bytes: Buffer) => {
    err += bytes.toString()
  })
  const [code] = (await once(child, 'close')) as [number]
  return { code, out, err }
}

describe('millrace serve', { timeout: 120_000 }, () => {
  let broker: BrokerUnderTest
  let kafka: kafkajs.Kafka

  before(async () => {
    broker = await BrokerUnderTest.start()
    kafka = new kafkajs.Kafka({ brokers: [broker.bootstrap], logLevel: kafkajs.logLevel.NOTHING })
  })
  after(() => broker.destroy())

  it('refuses a second process on its data directory, and says what to do', async () => {
    const { code, err } = await run('serve', '--data-dir', broker.dataDir!, '--listen', '127.0.0.1:0')
    assert.equal(code, 1)
    assert.match(err, /Another process holds the data directory .*--data-dir/)
  })

  it('refuses an address that is taken', async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'millrace-taken-'))
    const { code, err } = await run('serve', '--data-dir', dataDir, '--listen', broker.bootstrap)
    await rm(dataDir, { recursive: true })
    assert.equal(code, 1)
    assert.match(err, new RegExp(`listen on ${broker.bootstrap}: another process listens`))
  })

  it('answers wrong usage with code 2 and what can be used', async () => {
    for (const args of [['sarve'], ['serve', '--listne', 'x'], []]) {
      const { code, err } = await run(...args)
      assert.equal(code, 2, args.join(' '))
      assert.match(err, /Usage: millrace serve/)
    }
    const { code, err } = await run('serve', '--listen', '127.0.0.1')
    assert.equal(code, 1)
    assert.match(err, /HOST:PORT/)
  })

  it('creates, fills, and deletes a topic, with its files', async () => {
    const admin = kafka.admin()
    await admin.connect()
    const created = await admin.createTopics({ topics: [{ topic: 'made', numPartitions: 3 }] })
    assert.equal(created, true)
    assert.deepEqual((await readdir(broker.dataDir!)).filter(name => name.startsWith('made-')).sort(), [
      'made-0',
      'made-1',
      'made-2',
    ])
    await admin.deleteTopics({ topics: ['made'] })
    assert.deepEqual(
      (await readdir(broker.dataDir!)).filter(name => name.startsWith('made')),
      [],
    )
    await admin.disconnect()
  })

  it('keeps acknowledged records through kill -9 and through a clean stop, which scans nothing', async () => {
    const send = async (value: string) => {
      const producer = kafka.producer({ createPartitioner: kafkajs.Partitioners.DefaultPartitioner })
      await producer.connect()
      const [sent] = await producer.send({ topic: 'kept', messages: [{ value }], acks: -1 })
      await producer.disconnect()
      return Number(sent!.baseOffset)
    }
    const ends = async () => {
      const admin = kafka.admin()
      await admin.connect()
      const [end] = await admin.fetchTopicOffsets('kept')
      await admin.disconnect()
      return Number(end!.high)
    }
    assert.equal(await send('before the crash'), 0)
    await broker.kill9()
    await broker.startAgain()
    assert.equal(await ends(), 1)
    assert.equal(await send('after the crash'), 1)
    await broker.stop()
    await broker.startAgain()
    const opened = await broker.logsOpened()
    assert.deepEqual({ scanned: opened?.scannedBytes, recovered: opened?.recovered }, { scanned: 0, recovered: 0 })
    assert.equal(await ends(), 2)
  })
})
