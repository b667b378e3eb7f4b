import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { Log } from '../../src/app/log.ts'
import { openLog } from '../../src/embedded/log.ts'

let parent: string
let directory: string

beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), 'millrace-log-'))
  directory = join(parent, 'a', 'log-0')
})

afterEach(() => rmSync(parent, { recursive: true, force: true }))

const failsWith = (code: string) => (error: Error & { code?: string }) => error.code === code

async function valuesOf(log: Log, from?: number): Promise<string[]> {
  const values: string[] = []
  for await (const record of log.read(from === undefined ? {} : { from })) values.push(String(record.value))
  return values
}

const logFiles = (): string[] => readdirSync(directory).filter(name => name.endsWith('.log'))

test('records of every kind get the next offsets and are there when the log is opened again', async () => {
  const log = await Log.open(directory)
  assert.equal(log.append('text, with ü and 🙂'), 0)
  assert.equal(log.append(Buffer.from('bytes')), 1)
  assert.equal(log.append({ key: 'k', value: null, timestamp: 12_345, headers: { a: 'x', b: null } }), 2)
  assert.equal(
    log.append({
      value: new Uint8Array(),
      headers: [
        ['n', 'ü'],
        ['n', new Uint8Array([1])],
      ],
    }),
    3,
  )
  assert.equal(log.appendBatch(['b0', Buffer.from('b1'), 'y'.repeat(300_000), new Uint8Array(100_000)]), 4)
  assert.equal(log.appendBatch([]), 8)
  assert.equal(log.endOffset, 8)
  await log.close()
  const again = await Log.open(directory)
  try {
    const records = []
    for await (const record of again.read()) records.push(record)
    assert.equal(String(records[0]!.value), 'text, with ü and 🙂')
    assert.equal(records[0]!.key, null)
    assert.equal(String(records[2]!.key), 'k')
    assert.equal(records[2]!.value, null)
    assert.equal(records[2]!.timestamp, 12_345)
    assert.deepEqual(
      records[2]!.headers.map(({ key, value }) => [key, value && String(value)]),
      [
        ['a', 'x'],
        ['b', null],
      ],
    )
    assert.equal(records[3]!.value!.length, 0)
    assert.deepEqual(
      records[3]!.headers.map(({ key }) => key),
      ['n', 'n'],
    )
    assert.equal(String(records[6]!.value), 'y'.repeat(300_000))
    assert.equal(records[7]!.value!.length, 100_000)
    assert.equal(again.append('next'), 8)
  } finally {
    await again.close()
  }
})

test('what is appended can be read before it is sealed, and flushed tells when it is on the disk', async () => {
  const log = await Log.open(directory, { sealAgeMs: 60_000, flushAgeMs: 60_000 })
  const offset = log.append('a')
  assert.deepEqual(await valuesOf(log), ['a'])
  assert.equal(log.durableOffset, 0)
  await log.flushed(offset)
  assert.equal(log.durableOffset, 1)
  await log.flushed()
  log.append('b')
  log.append('c')
  await log.flushed(offset)
  await log.flushed()
  assert.equal(log.durableOffset, 3)
  await assert.rejects(log.flushed(3), failsWith('MILLRACE_OFFSET_OUT_OF_RANGE'))
  await log.close()
})

test('64 that wait at once share their flushes', async () => {
  const log = await Log.open(directory, { sealAgeMs: 60_000, flushAgeMs: 60_000 })
  const rounds = 4
  const writers = 64
  await Promise.all(
    Array.from({ length: writers }, async () => {
      for (let round = 0; round < rounds; round++) await log.flushed(log.append('x'))
    }),
  )
  assert.equal(log.durableOffset, writers * rounds)
  await log.close()
  // Each flush seals one batch: whoever waited alone would have one, of 61 bytes and his record.
  const bytes = statSync(join(directory, logFiles()[0]!)).size
  assert.ok(bytes < writers * rounds * 20, `${bytes} bytes: the records lie in few batches`)
})

test('a waiting batch is sealed by its age, and flushed by its age', async () => {
  const log = await Log.open(directory, { sealAgeMs: 1, flushAgeMs: 1 })
  const keepsAlive = setInterval(() => undefined, 1000)
  log.append('a')
  const late = Date.now() + 20_000
  // Nobody asks for a flush here, so only looking tells.
  while (log.durableOffset < 1 && Date.now() < late) await new Promise(resolve => setImmediate(resolve))
  clearInterval(keepsAlive)
  assert.equal(log.durableOffset, 1)
  await log.close()
})

test('a second writer is told who has the log, and what to do', async () => {
  const log = await Log.open(directory)
  await assert.rejects(Log.open(directory), (error: Error & { code?: string }) => {
    assert.equal(error.code, 'MILLRACE_LOCKED')
    assert.match(error.message, /in this process already: call close\(\)/)
    assert.match(error.message, /readOnly/)
    return true
  })
  await log.close()
  await (await Log.open(directory)).close()
})

test('a second writer is told which other process has the log, until that ends', async () => {
  const module = new URL('../../src/app/log.ts', import.meta.url).href
  const script = `
    const { Log } = await import(${JSON.stringify(module)})
    const log = await Log.open(${JSON.stringify(directory)})
    log.append('of the other')
    console.log('open')
    setInterval(() => log, 60_000)`
  const other = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const exited = once(other, 'exit')
  try {
    await Promise.race([once(other.stdout, 'data'), exited])
    await assert.rejects(Log.open(directory), (error: Error & { code?: string }) => {
      assert.equal(error.code, 'MILLRACE_LOCKED')
      assert.ok(
        error.message.includes(`is open for writing in process ${other.pid}: a log has one writer`),
        error.message,
      )
      assert.match(error.message, /readOnly/)
      return true
    })
  } finally {
    other.kill('SIGKILL')
    await exited
  }
  const log = await Log.open(directory)
  assert.deepEqual(await valuesOf(log), ['of the other'])
  await log.close()
})

test('a log that is open for reading only refuses what would change it, and says why', async () => {
  await (await Log.open(directory)).close()
  const log = await Log.open(directory, { readOnly: true })
  const refused = { code: 'MILLRACE_READ_ONLY', message: /is open for reading only/ }
  assert.throws(() => log.append('x'), refused)
  assert.throws(() => log.appendBatch(['x']), refused)
  await assert.rejects(log.flushed(), refused)
  await assert.rejects(log.truncateBefore(0), refused)
  await log.close()
})

test('a record that no segment has room for is refused by its size, and leaves those around it alone', async () => {
  const log = await Log.open(directory, { segmentBytes: 4096 })
  const large = 'x'.repeat(4096)
  const refused = { code: 'MILLRACE_BATCH_LARGER_THAN_SEGMENT', message: /larger than a segment.*\{ segmentBytes \}/ }
  log.append('before')
  for (const record of [large, Buffer.from(large), { key: large, value: null }]) {
    assert.throws(() => log.append(record), refused)
    assert.equal(log.endOffset, 1)
  }
  assert.throws(() => log.appendBatch(['with it', large, 'behind it']), refused)
  assert.equal(log.endOffset, 2, 'as many as were appended')
  log.append('after')
  const values = ['before', 'with it', 'after']
  assert.deepEqual(await valuesOf(log), values)
  await log.close()
  const again = await Log.open(directory)
  assert.deepEqual(await valuesOf(again), values)
  await again.close()
})

test('a closed log refuses everything, and close may be called again', async () => {
  const log = await Log.open(directory)
  log.append('a')
  await Promise.all([log.close(), log.close()])
  assert.throws(() => log.append('b'), failsWith('MILLRACE_CLOSED'))
  assert.throws(() => log.appendBatch(['b']), failsWith('MILLRACE_CLOSED'))
  await assert.rejects(log.flushed(), failsWith('MILLRACE_CLOSED'))
  assert.throws(() => log.cursor(), failsWith('MILLRACE_CLOSED'))
  await assert.rejects(log.truncateBefore(0), failsWith('MILLRACE_CLOSED'))
  assert.ok(!readdirSync(directory).includes('open-batch'))
})

test('truncateBefore moves the start for good, and segments below it go', async () => {
  const log = await Log.open(directory, { segmentBytes: 4096, sealBytes: 512 })
  for (let i = 0; i < 1000; i++) log.append(`record ${i}`)
  await assert.rejects(log.truncateBefore(1001), failsWith('MILLRACE_OFFSET_OUT_OF_RANGE'))
  const before = logFiles().length
  const cursor = log.cursor()
  assert.ok(cursor.next())
  const read = cursor.value!
  await log.truncateBefore(900)
  assert.equal(read.length, 0, 'nobody has to look again for the room of what was read')
  await log.truncateBefore(3)
  assert.equal(log.startOffset, 900)
  assert.equal((await valuesOf(log))[0], 'record 900')
  assert.throws(() => log.cursor(899), failsWith('MILLRACE_OFFSET_OUT_OF_RANGE'))
  await log.close()
  assert.ok(logFiles().length < before / 2, `${logFiles().length} of ${before} segments are left`)
  const again = await Log.open(directory)
  assert.equal(again.startOffset, 900)
  assert.equal(again.endOffset, 1000)
  await again.close()
})

test('retention by size removes the oldest segments', async () => {
  const log = await Log.open(directory, { segmentBytes: 4096, sealBytes: 512, sealAgeMs: 1, retentionBytes: 16 << 10 })
  for (let i = 0; i < 2000; i++) log.append(`record ${i}`)
  const late = Date.now() + 20_000
  while (log.startOffset === 0 && Date.now() < late) await new Promise(resolve => setTimeout(resolve, 1))
  assert.ok(log.startOffset > 1000, `the log starts at ${log.startOffset}`)
  const kept = await valuesOf(log)
  assert.equal(kept[0], `record ${log.startOffset}`)
  assert.equal(kept.at(-1), 'record 1999')
  await log.close()
})

test('options that mean nothing are refused by name', async () => {
  await assert.rejects(Log.open(directory, { segmentBytes: 1 }), /segmentBytes is 1/)
  await assert.rejects(Log.open(directory, { retainBytes: 1 } as never), /no option retainBytes/)
  await assert.rejects(Log.open(directory, { toString: 1 } as never), /no option toString/)
  const log = await Log.open(directory)
  assert.throws(() => log.append(5 as never), failsWith('MILLRACE_INVALID_ARGUMENT'))
  assert.throws(() => log.append({ value: 'x', timestamp: 1.5 }), failsWith('MILLRACE_INVALID_ARGUMENT'))
  assert.equal(log.endOffset, 0)
  await log.close()
})

test('what is no record is refused, and never becomes another one', async () => {
  const log = await Log.open(directory)
  const refused = [5, null, { value: 5 }, { value: undefined }, { key: 5, value: 'x' }]
  for (const record of refused) assert.throws(() => log.append(record as never), failsWith('MILLRACE_INVALID_ARGUMENT'))
  const names = [{ a: 5 }, { a: undefined }, [[null, 'x']], [[5, 'x']], [['a', [1]]]]
  for (const headers of names)
    assert.throws(() => log.append({ value: 'x', headers } as never), failsWith('MILLRACE_INVALID_ARGUMENT'))
  for (const value of [5, null, [1], { value: 'x' }])
    assert.throws(() => log.appendBatch(['before', value] as never), failsWith('MILLRACE_INVALID_ARGUMENT'))
  assert.equal(log.endOffset, 0)
  log.append('after')
  assert.deepEqual(await valuesOf(log), ['after'])
  await log.close()
})

test('a log whose directory was named relative to another one stays where it is', async t => {
  const before = process.cwd()
  t.after(() => process.chdir(before))
  process.chdir(parent)
  const log = await Log.open('log-1', { segmentBytes: 4096, sealBytes: 512 })
  process.chdir(tmpdir())
  for (let i = 0; i < 200; i++) log.append(`record ${i} ${'x'.repeat(50)}`)
  assert.equal((await valuesOf(log)).length, 200)
  await log.close()
  assert.ok(readdirSync(join(parent, 'log-1')).length > 4)
})

test('a log that is read only tells what came to the disk, and of writers that came and went between two looks', async () => {
  await (await Log.open(directory)).close()
  const reading = await Log.open(directory, { readOnly: true })
  const options = { segmentBytes: 4096, sealAgeMs: 60_000, flushAgeMs: 60_000 }
  const seen = (): number[] => [reading.startOffset, reading.durableOffset, reading.endOffset]
  const log = await Log.open(directory, options)
  log.append('x'.repeat(3000))
  assert.deepEqual(seen(), [0, 0, 1])
  await log.flushed()
  assert.deepEqual(seen(), [0, 1, 1])
  await log.close()
  assert.deepEqual(seen(), [0, 1, 1])
  // Each of these has a segment of its own, and leaves the one before as it was.
  for (let offset = 1; offset < 4; offset++) {
    const another = await Log.open(directory, options)
    another.append('y'.repeat(3000))
    if (offset === 3) await another.truncateBefore(2)
    await another.close()
    assert.deepEqual(seen(), [offset === 3 ? 2 : 0, offset + 1, offset + 1])
  }
  assert.deepEqual((await valuesOf(reading)).length, 2)
  await reading.close()
})

test('retention by age removes what grows old while nobody appends, also before the log was opened', async () => {
  const options = { segmentBytes: 4096, sealBytes: 512, retentionMs: 1000 }
  const padding = 'x'.repeat(60)
  let nowMs = 1
  const waiting: (() => void)[] = []
  const after = (_delayMs: number, run: () => void) => {
    waiting.push(run)
    return { cancel: () => undefined }
  }
  const fake = { after, soon: (run: () => void) => void setImmediate(run) }
  const world = {
    timers: fake,
    waits: fake,
    clock: { wallMs: () => nowMs },
    segmentCleaner: () => assert.fail('nothing is to be cleaned'),
    warn: (_code: string, message: string) => assert.fail(message),
  }
  const open = () => openLog(world, directory, options)
  /** Has all timers run, and waits for a start of the log that they move. */
  const tick = async (log: Awaited<ReturnType<typeof open>>, moved: boolean) => {
    for (const run of waiting.splice(0)) run()
    const before = log.startOffset
    const late = Date.now() + 20_000
    while (moved && log.startOffset === before && Date.now() < late) await new Promise(resolve => setImmediate(resolve))
    assert.equal(log.startOffset > before, moved)
  }
  const log = await open()
  for (let i = 0; i < 200; i++) log.append({ value: `record ${i} ${padding}`, timestamp: 1 })
  for (let i = 200; i < 400; i++) log.append({ value: `record ${i} ${padding}`, timestamp: 500 })
  nowMs = 1001
  await tick(log, false)
  nowMs = 1002
  await tick(log, true)
  assert.ok(log.startOffset > 100 && log.startOffset <= 200, `the log starts at ${log.startOffset}`)
  await log.close()
  waiting.length = 0
  nowMs = 1501
  const again = await open()
  await tick(again, true)
  assert.ok(again.startOffset > 200, `the log starts at ${again.startOffset}`)
  await again.close()
})
