import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { Log } from '../../src/app/log.ts'
import { segmentCleaner } from '../../src/app/log-cleaner.ts'
import { keepingTimers, realTimers } from '../../src/app/real-clock.ts'
import { openLog } from '../../src/embedded/log.ts'
import type { PassEnd, SegmentCleaner } from '../../src/embedded/log-cleaning.ts'
import type { LogOptions } from '../../src/embedded/log-options.ts'

const looksEveryMs = 5_000
const boundMs = 20_000

/** A log whose looks come when the test says so. */
class Life {
  readonly directory: string
  readonly passes: PassEnd[] = []
  readonly warnings: string[] = []
  nowMs = Date.now()
  cleaner: SegmentCleaner = segmentCleaner
  private look: (() => void) | undefined
  private arrived: (() => void) | undefined
  private readonly logs: Log[] = []

  constructor(t: TestContext) {
    this.directory = mkdtempSync(join(tmpdir(), 'millrace-cleaning-'))
    // Nothing that works in the background does.
    const kept = setInterval(() => undefined, boundMs)
    t.after(async () => {
      clearInterval(kept)
      for (const log of this.logs) await log.close()
      rmSync(this.directory, { recursive: true, force: true })
    })
  }

  async open(options: LogOptions): Promise<Log> {
    const log = await openLog(
      {
        timers: { after: (delayMs, run) => this.after(delayMs, run), soon: realTimers.soon },
        waits: keepingTimers,
        clock: { wallMs: () => this.nowMs },
        segmentCleaner: async () => ({ run: (...asked) => this.run(...asked) }),
        warn: (code, message) => void this.warnings.push(`${code} ${message}`),
      },
      this.directory,
      { segmentBytes: 16 << 10, sealBytes: 512, ...options },
    )
    this.logs.push(log)
    return log
  }

  async openReader(): Promise<Log> {
    const log = await Log.open(this.directory, { readOnly: true })
    this.logs.push(log)
    return log
  }

  /** Has the log look, and is fulfilled when it has done what it found. */
  async looked(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const late = setTimeout(() => reject(new Error('the look did not end')), boundMs)
      this.arrived = () => {
        clearTimeout(late)
        resolve()
      }
      this.look!()
    })
  }

  /** Begins a look without waiting for it. */
  begin(): void {
    this.look!()
  }

  /** Of all segments but the one that is written. */
  sealed(): { names: string[]; bytes: number } {
    const names = readdirSync(this.directory)
      .filter(name => name.endsWith('.log'))
      .sort()
      .slice(0, -1)
    return { names, bytes: names.reduce((sum, name) => sum + statSync(join(this.directory, name)).size, 0) }
  }

  private after(delayMs: number, run: () => void) {
    if (delayMs < looksEveryMs) return realTimers.after(delayMs, run)
    this.look = run
    this.arrived?.()
    this.arrived = undefined
    return { cancel: () => undefined }
  }

  private async run(...asked: Parameters<SegmentCleaner['run']>): Promise<PassEnd> {
    const end = await this.cleaner.run(...asked)
    this.passes.push(end)
    return end
  }
}

const keys = 10

function fill(log: Log, from: number, count = 1000): void {
  for (let at = from; at < from + count; at++) {
    const value = at === from + 3 ? null : `value ${at} ${'x'.repeat(40)}`
    assert.equal(log.append({ key: `key ${at % keys}`, value, timestamp: 1000 + at, headers: { at: `${at}` } }), at)
  }
}

interface Found {
  readonly offset: number
  readonly timestamp: number
  readonly key: string
  readonly value: string
  readonly header: string
}

async function recordsOf(log: Log): Promise<Found[]> {
  const found: Found[] = []
  for await (const { offset, timestamp, key, value, headers } of log.read())
    found.push({ offset, timestamp, key: String(key), value: String(value), header: String(headers[0]?.value) })
  return found
}

async function latestOf(log: Log): Promise<Map<string, Found>> {
  return new Map((await recordsOf(log)).map(record => [record.key, record]))
}

/** Every offset and time leads to the first record at or after it. */
function checkLookups(log: Log, records: readonly Found[]): void {
  const cursor = log.cursor()
  for (let at = 0; at < records.length; at++) {
    const before = records[at - 1]?.offset ?? log.startOffset - 1
    for (const offset of new Set([before + 1, records[at]!.offset])) {
      cursor.seek(offset)
      assert.ok(cursor.next())
      assert.equal(cursor.offset, records[at]!.offset)
      assert.equal(String(cursor.value), records[at]!.value)
    }
    assert.equal(log.offsetForTimestamp(records[at]!.timestamp), records[at]!.offset)
    assert.equal(log.offsetForTimestamp((records[at - 1]?.timestamp ?? 0) + 1), records[at]!.offset)
  }
  assert.equal(log.offsetForTimestamp(records.at(-1)!.timestamp + 1), log.endOffset)
}

test('compaction keeps the last record of each key, also for who reads meanwhile and for the next open', async t => {
  const life = new Life(t)
  const log = await life.open({ compaction: true })
  fill(log, 0)
  const before = await latestOf(log)
  const cursor = log.cursor()
  assert.ok(cursor.next())
  const reading = await life.openReader()
  const follower = reading.cursor()
  assert.ok(follower.next())
  const { bytes } = life.sealed()
  const lent = cursor.value!
  assert.ok(lent.length > 0)
  await life.looked()
  assert.deepEqual(life.warnings, [])
  assert.equal(lent.length, 0, 'a view ends with its segment')
  assert.ok(life.sealed().bytes < bytes / 4, `${life.sealed().bytes} of ${bytes} bytes are left`)
  assert.deepEqual(await latestOf(log), before)
  checkLookups(log, await recordsOf(log))
  checkLookups(reading, await recordsOf(reading))
  // Both go on behind the record that they had come to.
  for (const each of [cursor, follower]) {
    let last = 0
    let seen = 0
    for (; each.next(); seen++) {
      assert.ok(each.offset > last)
      if (each.offset !== 3) assert.ok(String(each.value).startsWith(`value ${each.offset} `))
      last = each.offset
    }
    assert.equal(last, 999)
    assert.ok(seen < 600, `${seen} records are left`)
  }
  fill(log, 1000)
  const after = await latestOf(log)
  await log.close()
  const again = await life.open({ compaction: true })
  assert.equal(again.endOffset, 2000)
  assert.deepEqual(await latestOf(again), after)
  await life.looked()
  assert.deepEqual(await latestOf(again), after)
  assert.equal(life.passes.length, 2)
})

test('what was compacted is not read again by the next open', async t => {
  const life = new Life(t)
  const log = await life.open({ compaction: true })
  fill(log, 0)
  await life.looked()
  assert.equal(life.passes.length, 1)
  await log.close()
  const again = await life.open({ compaction: true })
  await life.looked()
  assert.equal(life.passes.length, 1)
  await again.truncateBefore(500)
  await again.close()
  const third = await life.open({ compaction: true })
  assert.equal(third.startOffset, 500)
  await life.looked()
  assert.equal(life.passes.length, 1)
})

test('a tombstone stays for a day', async t => {
  const life = new Life(t)
  const log = await life.open({ compaction: true })
  log.append({ key: 'gone', value: 'x' })
  log.append({ key: 'gone', value: null })
  fill(log, 2, 600)
  await life.looked()
  assert.deepEqual(
    (await recordsOf(log)).filter(({ key }) => key === 'gone').map(({ offset }) => offset),
    [1],
  )
  life.nowMs += 86_400_001
  fill(log, 602, 2000)
  await life.looked()
  assert.equal((await latestOf(log)).has('gone'), false)
})

for (const compression of ['gzip', 'snappy', 'lz4', 'zstd'] as const) {
  test(`sealed segments are compressed with ${compression}, and read as before`, async t => {
    const life = new Life(t)
    const log = await life.open({ compression })
    fill(log, 0)
    const records = await recordsOf(log)
    assert.equal(records.length, 1000)
    const reading = await life.openReader()
    const follower = reading.cursor()
    assert.ok(follower.next())
    const { bytes, names } = life.sealed()
    await life.looked()
    assert.deepEqual(life.warnings, [])
    assert.ok(life.sealed().bytes < bytes / 2, `${life.sealed().bytes} of ${bytes} bytes are left`)
    assert.deepEqual(life.sealed().names, names)
    assert.deepEqual(await recordsOf(log), records)
    assert.deepEqual(await recordsOf(reading), records)
    if (compression !== 'zstd') checkLookups(reading, records)
    let seen = 1
    for (; follower.next(); seen++) assert.equal(follower.offset, seen)
    assert.equal(seen, 1000)
    await log.close()

    // Nothing is left to do for the next open, but what comes then.
    const files = life.sealed()
    const again = await life.open({ compression })
    await life.looked()
    assert.deepEqual(life.sealed(), files)
    fill(again, 1000)
    await life.looked()
    assert.deepEqual((await recordsOf(again)).slice(0, 1000), records)
    assert.equal((await recordsOf(again)).length, 2000)
  })
}

test('a segment that is never filled is compressed once it is old enough', async t => {
  const life = new Life(t)
  const log = await life.open({ compression: 'gzip', segmentBytes: 1 << 20, segmentMs: 2000 })
  fill(log, 0) // A millisecond each.
  await life.looked()
  assert.deepEqual(life.sealed().names, [])
  const records = await recordsOf(log)
  const bytes = statSync(join(life.directory, '00000000000000000000.log')).size
  fill(log, 1000, 2000)
  await life.looked()
  assert.equal(life.sealed().names.length, 1)
  assert.ok(life.sealed().bytes < bytes / 2)
  assert.deepEqual((await recordsOf(log)).slice(0, records.length), records)
})

test('compression and compaction go together, and another codec is taken to', async t => {
  const life = new Life(t)
  const log = await life.open({ compression: 'lz4', compaction: true })
  fill(log, 0)
  const latest = await latestOf(log)
  await life.looked()
  assert.deepEqual(await latestOf(log), latest)
  const left = await recordsOf(log)
  assert.ok(left.length < 600)
  checkLookups(log, left)
  await log.close()
  const again = await life.open({ compression: 'gzip' })
  await life.looked()
  assert.deepEqual(await recordsOf(again), left)
  await again.close()
  assert.deepEqual(
    life.passes.map(({ kind }) => kind),
    ['done', 'done'],
  )
  const plain = await life.open({})
  assert.deepEqual(await recordsOf(plain), left)
})

test('a start that moves while segments are rewritten is what counts', async t => {
  for (const options of [{ compaction: true }, { compression: 'gzip' as const }]) {
    const life = new Life(t)
    const log = await life.open(options)
    fill(log, 0)
    const latest = await latestOf(log)
    // Each segment waits at its place until the start is behind it.
    life.cleaner = {
      run: (task, stop, signal, place) =>
        segmentCleaner.run(task, stop, signal, async group => {
          await log.truncateBefore(group.bases.at(-1)! + 1)
          return await place(group)
        }),
    }
    await life.looked()
    life.cleaner = segmentCleaner
    await life.looked()
    assert.deepEqual(life.warnings, [])
    const records = await recordsOf(log)
    assert.ok(records[0]!.offset >= log.startOffset)
    for (const [key, record] of latest)
      assert.deepEqual(
        records.findLast(each => each.key === key),
        record,
      )
    const { startOffset } = log
    await log.close()
    const again = await life.open(options)
    assert.equal(again.startOffset, startOffset)
    assert.deepEqual(await recordsOf(again), records)
    const names = readdirSync(life.directory)
    assert.deepEqual(
      names.filter(name => name.includes('cleaned') || name.includes('swap')),
      [],
    )
    await again.close()
  }
})

test('a pass whose next segments are gone is no failure', async t => {
  const life = new Life(t)
  const log = await life.open({ compression: 'gzip' })
  fill(log, 0)
  const { names } = life.sealed()
  life.cleaner = {
    run: (task, stop, signal) =>
      segmentCleaner.run(task, stop, signal, async () => {
        await log.truncateBefore(900)
        while (existsSync(join(life.directory, names[1]!))) await new Promise(resolve => setImmediate(resolve))
        return true
      }),
  }
  await life.looked()
  assert.deepEqual([life.passes.map(({ kind }) => kind), life.warnings], [['failed'], []])
  life.cleaner = segmentCleaner
  await life.looked()
  assert.equal(life.passes.at(-1)!.kind, 'done')
  assert.equal((await recordsOf(log)).length, 100)
})

test('closing a log ends its pass first, and does not wait for those of other logs', async t => {
  const first = new Life(t)
  const second = new Life(t)
  const log = await first.open({ compression: 'gzip' })
  fill(log, 0)
  const other = await second.open({ compression: 'gzip' })
  fill(other, 0)
  let begin: () => void = () => {}
  let go: () => void = () => {}
  const begun = new Promise<void>(resolve => {
    begin = resolve
  })
  const gone = new Promise<void>(resolve => {
    go = resolve
  })
  first.cleaner = {
    run: (task, stop, signal, place) =>
      segmentCleaner.run(task, stop, signal, async group => {
        begin()
        await gone
        return await place(group)
      }),
  }
  first.begin()
  await begun
  second.begin()
  await new Promise(resolve => setImmediate(resolve))
  await other.close()
  assert.deepEqual(second.passes, [{ kind: 'stopped' }])
  const closed = log.close()
  go()
  await closed
  assert.deepEqual(first.passes, [{ kind: 'stopped' }])
  const again = await first.open({})
  assert.equal((await recordsOf(again)).length, 1000)
})

test('a pass that fails is told once, and the log goes on', async t => {
  const life = new Life(t)
  life.cleaner = { run: async () => ({ kind: 'failed', code: 'MILLRACE_NO_SPACE', message: 'full' }) }
  const log = await life.open({ compression: 'gzip' })
  fill(log, 0)
  await life.looked()
  assert.deepEqual(life.warnings, [])
  life.cleaner = { run: async () => ({ kind: 'failed', code: 'MILLRACE_CORRUPT', message: 'Segment 0 is damaged.' }) }
  life.begin()
  await new Promise(resolve => setImmediate(resolve))
  assert.equal(life.warnings.length, 1)
  assert.match(life.warnings[0]!, /^MILLRACE_CORRUPT .*no longer compressed.*Segment 0 is damaged/)
  fill(log, 1000)
  assert.equal((await recordsOf(log)).length, 2000)
})

test('a log that is compacted refuses records without a key', async t => {
  const life = new Life(t)
  const log = await life.open({ compaction: true })
  for (const record of ['text', new Uint8Array(1), { value: 'x' }, { key: null, value: 'x' }])
    assert.throws(() => log.append(record), { code: 'MILLRACE_INVALID_ARGUMENT', message: /needs records with keys/ })
  assert.throws(() => log.appendBatch(['x']), { code: 'MILLRACE_INVALID_ARGUMENT' })
  assert.equal(log.endOffset, 0)
  assert.equal(log.append({ key: '', value: 'the empty key is one' }), 0)
  await assert.rejects(Log.open(life.directory, { compaction: 'yes' } as never), /compaction is yes/)
  await assert.rejects(Log.open(life.directory, { compression: 'brotli' } as never), /brotli.*none, gzip/)
})
