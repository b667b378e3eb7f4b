import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import kafkajs from 'kafkajs'
import { decodeResponseHeader, Reader, responseCodec, responseHeaderVersion } from '../../src/protocol/index.ts'
import { fetch } from '../../src/protocol/schema/fetch.ts'
import { batchEnd, readRecords } from '../../src/records/record-batch.ts'
import { BrokerUnderTest } from '../compat/lib/broker.ts'
import { encodeRequest, RawClient } from './raw-client.ts'

const bin = fileURLToPath(new URL('../../dist/millrace.js', import.meta.url))
const limitMs = 60_000

/** Runs a shell's command line, in which `millrace` is the built command, to its end. */
async function shell(line: string): Promise<{ code: number; out: string; err: string }> {
  const script = `set -o pipefail; millrace() { '${process.execPath}' '${bin}' "$@"; }; ${line}`
  return await new Promise(resolve =>
    execFile('bash', ['-c', script], { timeout: limitMs, maxBuffer: 64 << 20 }, (error, out, err) =>
      resolve({ code: error === null ? 0 : ((error.code as unknown as number | undefined) ?? -1), out, err }),
    ),
  )
}

describe('millrace log', { timeout: 110_000 }, () => {
  let broker: BrokerUnderTest
  let kafka: kafkajs.Kafka

  before(async () => {
    broker = await BrokerUnderTest.start()
    kafka = new kafkajs.Kafka({ brokers: [broker.bootstrap], logLevel: kafkajs.logLevel.NOTHING })
  })
  after(() => broker.destroy())

  async function send(topic: string, values: readonly string[], compression = kafkajs.CompressionTypes.None) {
    const producer = kafka.producer({ createPartitioner: kafkajs.Partitioners.DefaultPartitioner })
    await producer.connect()
    for (const value of values)
      await producer.send({ topic, compression, acks: -1, messages: [{ key: 'k', value, headers: { trace: 'x' } }] })
    await producer.disconnect()
  }

  /** The values that a consumer gets from the first partition's start on. */
  async function readAll(topic: string): Promise<string[]> {
    const client = await RawClient.open({ host: broker.host, port: broker.port })
    const request = {
      replicaId: -1,
      maxWaitMs: 0,
      minBytes: 1,
      maxBytes: 1 << 20,
      topics: [{ topic, partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1 << 20 }] }],
      forgottenTopicsData: [],
    }
    client.write(encodeRequest(fetch, 12, 1, request))
    const body = await client.frame()
    client.destroy()
    assert.ok(body !== undefined)
    const reader = new Reader(body)
    decodeResponseHeader(reader, responseHeaderVersion(fetch, 12))
    const { errorCode, records } = responseCodec(fetch, 12).decode(reader).responses[0]!.partitions[0]!
    assert.equal(errorCode, 0)
    assert.ok(records !== null)
    const bytes = body.subarray(records.position, records.position + records.length)
    const values: string[] = []
    for (let at = 0, end = batchEnd(bytes, 0); end !== undefined; at = end, end = batchEnd(bytes, at))
      for (const { value } of readRecords(bytes, at)) values.push(Buffer.from(value ?? []).toString())
    return values
  }

  it('tells what it can do, and what was wrong with how it was called', async () => {
    const help = await shell('millrace log --help')
    assert.equal(help.code, 0)
    for (const word of ['dump', 'verify', 'repair', '--accept-data-loss']) assert.ok(help.out.includes(word), word)
    assert.match((await shell('millrace --help')).out, /millrace log dump\|verify\|repair DIR/)
    for (const args of [
      'log',
      'log mend x',
      'log verify',
      'log verify a b',
      'log verify x --records',
      'log dump x --from y',
    ]) {
      const { code, err } = await shell(`millrace ${args}`)
      assert.equal(code, 2, args)
      assert.match(err, /Usage: millrace log/)
    }
    const missing = await shell('millrace log verify /nowhere/at/all')
    assert.deepEqual({ code: missing.code, out: missing.out }, { code: 1, out: '' })
    assert.match(missing.err, /\/nowhere\/at\/all: there is no such file or directory/)
  })

  it('shows and checks what a running broker writes, without a word on stderr', async () => {
    await send('shown', ['first', 'second'])
    await send('shown', ['folded'], kafkajs.CompressionTypes.GZIP)
    const verified = await shell(`millrace log verify ${broker.dataDir}`)
    assert.deepEqual({ code: verified.code, err: verified.err }, { code: 0, err: '' }, verified.out)
    assert.match(verified.out, /a broker is running/)
    assert.match(verified.out, /nothing is wrong\.\n$/)
    const dumped = await shell(`millrace log dump ${broker.dataDir} --topic shown --records --headers`)
    assert.equal(dumped.code, 0, dumped.err)
    assert.match(dumped.out, /baseOffset: 2 lastOffset: 2 count: 1 .*compresscodec: gzip crc: \d+ isvalid: true/)
    assert.match(
      dumped.out,
      /\| offset: 2 CreateTime: \d+ keySize: 1 valueSize: 6 .*headerKeys: \[trace\] headers: \[trace=x\] key: k payload: folded/,
    )
    const json = await shell(
      `millrace log dump ${broker.dataDir} --topic shown --records --values base64 --json --from 1 --to 1`,
    )
    const lines = json.out.trim().split('\n')
    assert.equal(lines.length, 2)
    const record = JSON.parse(lines[1]!) as Record<string, unknown>
    assert.equal(record.payload, Buffer.from('second').toString('base64'))
    const refused = await shell(`millrace log repair ${broker.dataDir}`)
    assert.equal(refused.code, 1)
    assert.match(refused.err, /A broker is running on .*: stop it first/)
  })

  it('ends quietly when nobody reads on', async () => {
    await send(
      'shown',
      Array.from({ length: 20 }, (_, i) => `${i}`.repeat(20_000)),
    )
    const { code, out, err } = await shell(`millrace log dump ${broker.dataDir} --records --max-bytes 0 | head -n 1`)
    assert.deepEqual({ code, err }, { code: 0, err: '' })
    assert.equal(out.split('\n').length, 2)
  })

  it('is what the broker asks for when it cannot open a log, and mends that log', async () => {
    const values = ['one', 'two', 'three']
    await send('hurt', values)
    await broker.kill9()
    const directory = join(broker.dataDir!, 'hurt-0')
    const log = join(directory, readdirSync(directory).find(name => name.endsWith('.log'))!)
    const bytes = readFileSync(log)
    bytes[16]! ^= 4
    writeFileSync(log, bytes)
    await broker.startAgain()
    const line = await broker.log!.until(each => each.includes('millrace log repair'), limitMs)
    const command = /millrace log repair .*/.exec((JSON.parse(line) as { next: string }).next)![0]
    await broker.stop()
    const verified = await shell(command.replace('repair', 'verify'))
    assert.equal(verified.code, 1)
    assert.match(verified.out, /position 0, offset 0\n {2}will be rebuilt: .*magic is 6, not 2; its records are whole/)
    const repaired = await shell(command)
    assert.equal(repaired.code, 0, repaired.out + repaired.err)
    assert.match(repaired.out, /nothing is wrong now\.\n$/)
    await broker.startAgain()
    assert.deepEqual(await readAll('hurt'), values)
  })
})
