/** What a log in an app does for itself beside appending, and how it is found by those who read it. */
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { silentLogger } from '../../src/base/logger.ts'
import { type LogWorld, openLog } from '../../src/embedded/log.ts'
import { Broker, Log } from '../../src/index.ts'

let parent: string
let directory: string

beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), 'millrace-log-'))
  directory = join(parent, 'log-0')
})

afterEach(() => rmSync(parent, { recursive: true, force: true }))

/** Timers that run when they are told to. */
class HeldTimers {
  private waiting: (() => void)[] = []

  after(_delayMs: number, run: () => void) {
    this.waiting.push(run)
    const cancel = () => {
      this.waiting = this.waiting.filter(other => other !== run)
    }
    return { cancel }
  }

  soon(run: () => void): void {
    setImmediate(run)
  }

  run(): void {
    for (const run of this.waiting.splice(0)) run()
  }
}

async function until(what: string, holds: () => boolean): Promise<void> {
  const late = Date.now() + 20_000
  while (!holds()) {
    assert.ok(Date.now() < late, what)
    await new Promise(resolve => setImmediate(resolve))
  }
}

const worldOf = (timers: HeldTimers): LogWorld => ({
  timers,
  waits: timers,
  clock: { wallMs: () => 1 },
  segmentCleaner: () => assert.fail('nothing is to be cleaned'),
  warn: (_code, message) => assert.fail(message),
})
const open = (timers: HeldTimers, options: Parameters<typeof openLog>[2]) =>
  openLog(worldOf(timers), directory, options)

const noted = (): number => Number(/^recovery=(\d+)$/m.exec(readFileSync(join(directory, 'embedded-log'), 'utf8'))![1])

test('the recovery point follows what is durable, so that little is checked after a kill', async () => {
  const timers = new HeldTimers()
  const log = await open(timers, {})
  for (const end of [1, 2, 3]) {
    log.append('x')
    await log.flushed()
    assert.equal(noted(), end - 1, 'not with each flush')
    timers.run()
    await until('the recovery point is noted', () => noted() === end)
  }
  await log.truncateBefore(2)
  log.append('x')
  await log.flushed()
  timers.run()
  await log.close()
  const again = await open(timers, {})
  assert.deepEqual([again.startOffset, again.endOffset, again.durableOffset], [2, 4, 4])
  await again.close()
})

test('the recovery point follows at once where much is appended', async () => {
  const timers = new HeldTimers()
  const log = await open(timers, {})
  const value = new Uint8Array(4 << 20)
  for (let i = 0; i < 16; i++) log.append(value)
  await log.flushed()
  // A slow disk takes it in parts: what follows the note of one of them is left to the timer, which is held here.
  await until('the recovery point is noted', () => noted() > 0)
  await log.close()
})

test('retention removes any number of segments at a time', async () => {
  const timers = new HeldTimers()
  const log = await open(timers, { segmentBytes: 4096, sealBytes: 512, retentionBytes: 8192 })
  for (let i = 0; i < 300; i++) log.append('x'.repeat(4000))
  timers.run()
  await until('one look takes all that are too many', () => log.startOffset >= 290)
  assert.ok(log.startOffset < 300)
  await log.close()
})

test('whoever opens what is no log is told so in his own terms', async () => {
  mkdirSync(join(parent, 'empty'))
  mkdirSync(join(parent, 'data/topic-0'), { recursive: true })
  mkdirSync(join(parent, 'foreign'))
  writeFileSync(join(parent, 'foreign/server.log'), 'no segment')
  writeFileSync(join(parent, 'file'), '')
  writeFileSync(join(parent, 'data/meta.properties'), '')
  const says = async (name: string, readOnly: boolean, code: string, words: RegExp) => {
    const opening = Log.open(join(parent, name), { readOnly })
    await assert.rejects(opening, (error: Error & { code?: string }) => {
      assert.equal(error.code, code)
      assert.match(error.message, words)
      assert.ok(error.message.includes(join(parent, name)))
      return true
    })
  }
  for (const name of ['absent', 'empty', 'foreign'])
    await says(name, true, 'MILLRACE_NOT_FOUND', /There is no log in .*open it without \{ readOnly: true \}/)
  for (const readOnly of [true, false]) {
    await says('data', readOnly, 'MILLRACE_INVALID_ARGUMENT', /data directory of a broker/)
    await says('file', readOnly, 'MILLRACE_INVALID_ARGUMENT', /is a file, and no directory/)
    await says('file/below', readOnly, 'MILLRACE_INVALID_ARGUMENT', /is a file, and no directory/)
  }
  assert.deepEqual(readdirSync(join(parent, 'data')), ['meta.properties', 'topic-0'])
  // Beside others' files there is room for a log.
  const log = await Log.open(join(parent, 'foreign'))
  log.append('x')
  await log.close()
})

const filesOf = (path: string): string[] =>
  readdirSync('/proc/self/fd').flatMap(descriptor => {
    try {
      const name = readlinkSync(`/proc/self/fd/${descriptor}`)
      return name.startsWith(path) ? [name] : []
    } catch {
      return [] // The descriptor of the directory that is being read.
    }
  })

test('a reader that could not be opened holds nothing', async () => {
  const log = await Log.open(directory)
  log.append('x')
  await log.close()
  // What makes pages ready for the writer, on a thread of its own, may have begun before and not have come to its end.
  await until('the writer has let go of its files', () => filesOf(directory).length === 0)
  const index = join(directory, '00000000000000000000.index')
  rmSync(index)
  mkdirSync(index)
  await assert.rejects(Log.open(directory, { readOnly: true }), /index/)
  assert.deepEqual(filesOf(directory), [])
})

test('what a broker appends, over the ends of segments, is seen by the next look of a reader of its files', {
  timeout: 60_000,
}, async () => {
  const data = join(parent, 'data')
  const broker = await Broker.start({ dataDir: data, listen: '127.0.0.1:0', logger: silentLogger })
  try {
    await broker.createTopic('t', { partitions: 1, configs: { 'segment.bytes': '1048576' } })
    await broker.append('t', { value: 'first' })
    const timers = new HeldTimers()
    const log = await openLog(worldOf(timers), join(data, 't-0'), { readOnly: true })
    const records = log.read({ live: true })
    assert.equal(String((await records.next()).value!.value), 'first')
    for (let i = 0; i < 40; i++) {
      const value = `${i} ${'x'.repeat(i % 8 === 7 ? 400_000 : 10)}`
      const next = records.next()
      await new Promise(resolve => setImmediate(resolve)) // It waits.
      await broker.append('t', { value })
      timers.run()
      let seen: string | undefined
      void next.then(({ value }) => {
        seen = String(value!.value)
      })
      await until(`record ${i} is seen`, () => seen !== undefined)
      assert.equal(seen, value)
    }
    await log.close()
  } finally {
    await broker.stop()
  }
})
