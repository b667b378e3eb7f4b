/**
 * kcat as a person uses it: list, produce a text file line by line, consume it again. `kcat -P -l FILE` sends one
 * message per line without its line feed, and `-C` prints each message with one, so that the output must be the file.
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { Codec } from '../../src/records/batch-header.ts'
import { CompactedTopic } from '../integration/compacted-topic.ts'
import { BrokerUnderTest } from './lib/broker.ts'
import { installKcat } from './lib/install.ts'
import { endedWithin, type Finished, run } from './lib/process.ts'
import { sha256Of, writeText } from './lib/text-file.ts'

const fileBytesMin = 100_000_000
const clientLimitMs = 150_000

let kcat: string
let broker: BrokerUnderTest
let dir: string

before(async () => {
  kcat = await installKcat()
  broker = await BrokerUnderTest.start()
  dir = await mkdtemp(join(tmpdir(), 'millrace-kcat-'))
})

after(async () => {
  await broker?.destroy()
  if (dir !== undefined) await rm(dir, { recursive: true, force: true })
})

const runKcat = (...args: string[]): Promise<Finished> =>
  run(kcat, ['-b', broker.bootstrap, ...args], { timeoutMs: clientLimitMs })

/** `kcat -C` into a file: its output is too long for a string. */
const consumeTo = async (path: string, topic: string, ...args: string[]): Promise<void> => {
  const consume = ['-b', broker.bootstrap, '-C', '-t', topic, '-o', 'beginning', '-e', '-q', ...args]
  const child = spawn(kcat, consume, { stdio: ['ignore', 'pipe', 'inherit'] })
  const written = once(child.stdout.pipe(createWriteStream(path)), 'finish')
  assert.equal(await endedWithin(child, clientLimitMs), 0)
  await written
}

test('kcat -L lists the broker', { timeout: clientLimitMs }, async () => {
  const { stdout } = await runKcat('-L')
  assert.match(stdout, /\d+ brokers:/)
  assert.ok(stdout.includes(broker.bootstrap), stdout)
})

test('a text file of 100 MB comes back byte for byte', { timeout: 2 * clientLimitMs }, async () => {
  const file = await writeText(join(dir, 'big.txt'), fileBytesMin)
  const back = join(dir, 'big.back.txt')
  const started = performance.now()
  await runKcat('-P', '-t', 'lines', '-l', file.path)
  const produced = performance.now()
  await consumeTo(back, 'lines')
  const consumed = performance.now()
  assert.equal(await sha256Of(back), file.sha256)
  const seconds = (from: number, to: number): string => ((to - from) / 1000).toFixed(1)
  console.log(
    `${file.lines} lines, ${file.bytes} bytes: produced in ${seconds(started, produced)} s, ` +
      `consumed in ${seconds(produced, consumed)} s`,
  )
})

test('a topic that kcat produced to was created by itself', { timeout: clientLimitMs }, async () => {
  const file = await writeText(join(dir, 'one.txt'), 1)
  await runKcat('-P', '-t', 'created-by-kcat', '-l', file.path)
  const { stdout } = await runKcat('-L', '-t', 'created-by-kcat')
  assert.match(stdout, /topic "created-by-kcat" with 1 partitions/)
  assert.match(stdout, /partition 0, leader \d+, replicas: \d+, isrs: \d+/)
})

for (const codec of ['gzip', 'snappy', 'lz4', 'zstd']) {
  test(`lines sent with ${codec} come back byte for byte`, { timeout: clientLimitMs }, async () => {
    const file = await writeText(join(dir, `${codec}.txt`), 2_000_000)
    const back = join(dir, `${codec}.back.txt`)
    await runKcat('-P', '-t', `lines-${codec}`, '-z', codec, '-l', file.path)
    await consumeTo(back, `lines-${codec}`, '-p', '0')
    assert.equal(await sha256Of(back), file.sha256)
  })
}

test('kcat reads from an offset, from the end and by time', { timeout: clientLimitMs }, async () => {
  const file = await writeText(join(dir, 'positions.txt'), 1)
  const topic = 'positions'
  await runKcat('-P', '-t', topic, '-p', '0', '-l', file.path)
  const read = async (from: string): Promise<string> =>
    (await runKcat('-C', '-t', topic, '-p', '0', '-o', from, '-c', '1', '-q', '-f', '%o')).stdout
  assert.equal(await read('7'), '7')
  assert.equal(await read('-3'), String(file.lines - 3))
  assert.equal(await read('s@1'), '0')
  const { stdout } = await runKcat('-Q', '-t', `${topic}:0:1`)
  assert.match(stdout, /positions \[0\] offset 0/)
})

test('kcat reads what is left of a compacted topic, in every codec and over the holes', {
  timeout: clientLimitMs,
}, async t => {
  const compacting = await BrokerUnderTest.start({ 'log.cleaner.backoff.ms': '20' })
  try {
    if (compacting.kind !== 'millrace') return t.skip('when another broker has compacted is not known')
    const topic = await CompactedTopic.attached(compacting.dataDir!, compacting)
    await topic.create({ 'min.cleanable.dirty.ratio': '0.01' })
    for (let round = 0; round < 20; round++)
      for (const codec of Object.values(Codec)) {
        const keys = Array.from({ length: 20 }, (_, i) =>
          i < 18 ? `key-${(i + codec) % 30}` : `once-${round}-${codec}-${i}`,
        )
        await topic.write(
          keys.map((key, i): [string, string] => [key, `${round}-${codec}-${i}`]),
          { codec },
        )
      }
    await topic.seal()
    const sealed = topic.written.length - 1
    const line = await compacting.log!.until(each => {
      const { msg, to } = each.startsWith('{') ? (JSON.parse(each) as { msg?: string; to?: number }) : {}
      return msg === 'compacted' && to! >= sealed
    }, clientLimitMs)
    const { to } = JSON.parse(line) as { to: number }
    const lines = (from: number) =>
      topic
        .expected(to)
        .filter(({ offset }) => offset >= from)
        .map(({ offset, key, value }) => `${offset} ${key}=${value}`)
    for (const from of [0, 1, 333, to - 1]) {
      const args = [
        '-b',
        compacting.bootstrap,
        '-C',
        '-t',
        't',
        '-p',
        '0',
        '-o',
        String(from),
        '-e',
        '-q',
        '-f',
        '%o %k=%s\\n',
      ]
      const { stdout } = await run(kcat, args, { timeoutMs: clientLimitMs })
      assert.deepEqual(stdout.trimEnd().split('\n'), lines(from), `from ${from} on`)
    }
  } finally {
    await compacting.destroy()
  }
})
