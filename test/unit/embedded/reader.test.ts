import assert from 'node:assert/strict'
import { closeSync, ftruncateSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { LogReader, type ReaderOptions } from '../../../src/embedded/reader.ts'
import { Codec } from '../../../src/records/batch-header.ts'
import type { RecordInput } from '../../../src/records/record-batch.ts'
import { codecName, codecs, compressed } from '../../support/compressed-batch.ts'
import { batchAt, EmbeddedFiles } from '../../support/embedded-files.ts'

const timers = {
  after(delayMs: number, run: () => void) {
    const timer = setTimeout(run, delayMs)
    return { cancel: () => clearTimeout(timer) }
  },
  soon: (run: () => void) => void setImmediate(run),
}

let directory: string
const readers: LogReader[] = []
let files: EmbeddedFiles

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'millrace-read-'))
  files = new EmbeddedFiles(directory)
})
afterEach(() => {
  for (const reader of readers.splice(0)) reader.close()
  files.close()
  rmSync(directory, { recursive: true, force: true })
})

function open(options: Partial<ReaderOptions> = {}): LogReader {
  const reader = new LogReader(directory, { timers, ...options })
  readers.push(reader)
  return reader
}

const value = (offset: number): string => `value-${offset}`
const record = (offset: number): RecordInput => ({
  key: offset % 3 === 0 ? null : Buffer.from(`key-${offset}`),
  value: Buffer.from(value(offset)),
  timestampMs: 1000 + offset,
})
const records = (from: number, count: number): RecordInput[] =>
  Array.from({ length: count }, (_, i) => record(from + i))

/** Offsets that a cursor comes to, each of which must have its own value. */
function rest(cursor: ReturnType<LogReader['cursor']>): number[] {
  const offsets: number[] = []
  while (cursor.next()) {
    assert.equal(cursor.value?.toString(), value(cursor.offset))
    assert.equal(cursor.key?.toString(), cursor.offset % 3 === 0 ? undefined : `key-${cursor.offset}`)
    assert.equal(cursor.timestamp, 1000 + cursor.offset)
    offsets.push(cursor.offset)
  }
  return offsets
}

const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i)
const code = (expected: string) => (error: unknown) => (error as { code?: string }).code === expected

/** Changes bytes of a file behind everybody's back. */
function tamper(path: string, change: (file: number) => void): void {
  const file = openSync(path, 'r+')
  change(file)
  closeSync(file)
}

describe('a cursor', () => {
  test('reads keys, values, timestamps and headers over batches and segments', () => {
    files.append(records(0, 5), records(5, 40)).roll().append(records(45, 3))
    files.append([{ key: null, value: null, timestampMs: 7, headers: [{ key: 'h', value: Buffer.from('x') }] }])
    const cursor = open().cursor()
    assert.deepEqual(
      range(0, 48).map(() => cursor.next() && cursor.offset),
      range(0, 48),
    )
    assert.equal(cursor.value!.toString(), value(47))
    assert.ok(cursor.next())
    assert.equal(cursor.value, null)
    assert.equal(cursor.valueLength, -1)
    assert.deepEqual(
      cursor.headers.map(header => [header.key, header.value?.toString()]),
      [['h', 'x']],
    )
    assert.equal(cursor.next(), false)
  })

  test('begins at any offset, with and without an index', () => {
    for (let from = 0; from < 600; from += 30) files.append(records(from, 30))
    files.roll()
    for (let from = 600; from < 700; from += 10) files.append(records(from, 10))
    const reader = open()
    const cursor = reader.cursor()
    for (const offset of [0, 1, 29, 30, 31, 599, 600, 601, 699, 5, 650, 333]) {
      cursor.seek(offset)
      assert.deepEqual(rest(cursor).slice(0, 3), range(offset, Math.min(offset + 3, 700)))
    }
    cursor.seek(700)
    assert.equal(cursor.next(), false)
    assert.throws(() => cursor.seek(701), code('MILLRACE_OFFSET_OUT_OF_RANGE'))
    assert.throws(() => cursor.seek(-1), code('MILLRACE_OFFSET_OUT_OF_RANGE'))
  })

  test('comes to any record again by what it has seen of its batch', () => {
    for (let from = 0; from < 2000; from += 200) files.append(records(from, 200))
    const cursor = open().cursor()
    for (let turn = 0; turn < 3; turn++) {
      for (let read = 0; read < 2000; read++) {
        const offset = (read * 7919) % 2000
        cursor.seek(offset)
        assert.deepEqual([cursor.offset, cursor.valueLength], [-1, -1])
        assert.equal(cursor.next() && cursor.value!.toString(), value(offset))
      }
    }
  })

  test('does not believe that a record begins where none does', () => {
    files.append(records(0, 200))
    const reader = open()
    const cursor = reader.cursor()
    const segment = reader.segmentOf(0)!
    const bytes = Buffer.from(segment.bytes.buffer)
    const marks = segment.marksToUse()!
    // Within a value, and at the begin of another record.
    marks.note(0, bytes.indexOf('value-70') + 3, 70)
    marks.note(0, bytes.indexOf('value-120') - 15, 119)
    for (const offset of [75, 125, 75, 125]) {
      cursor.seek(offset)
      assert.equal(cursor.next() && cursor.value!.toString(), value(offset))
    }
  })

  test('does not believe a wrong index', () => {
    for (let from = 0; from < 600; from += 30) files.append(records(from, 30))
    const index = Buffer.alloc(16)
    index.writeInt32BE(29, 0)
    index.writeInt32BE(4097, 4)
    index.writeInt32BE(59, 8)
    index.writeInt32BE(5000, 12)
    const file = openSync(files.path(0, 'index'), 'w')
    writeSync(file, index)
    closeSync(file)
    const cursor = open().cursor(400)
    assert.deepEqual(rest(cursor), range(400, 600))
  })

  for (const codec of codecs) {
    test(`unfolds ${codecName(codec)}, and goes on behind it`, () => {
      files.appendRaw(compressed(batchAt(0, records(0, 50)), codec), 50)
      files.append(records(50, 10))
      assert.deepEqual(rest(open().cursor(20)), range(20, 60))
    })
  }

  test('unfolds a batch once for whoever goes to and fro in it, and anew behind another', () => {
    for (const from of [0, 50]) files.appendRaw(compressed(batchAt(from, records(from, 50)), Codec.lz4), 50)
    const cursor = open().cursor(20)
    const memoryAt = (offset: number) => {
      cursor.seek(offset)
      assert.equal(cursor.next() && cursor.value!.toString(), value(offset))
      return cursor.bytes
    }
    const first = memoryAt(20)
    assert.equal(memoryAt(40), first)
    assert.equal(memoryAt(3), first)
    assert.notEqual(memoryAt(60), first)
    assert.notEqual(memoryAt(3), first)
  })

  test('shows keys and values where they lie, in a segment, in a compressed batch and in an open one', () => {
    files.append(records(0, 5)).roll()
    files.appendRaw(compressed(batchAt(5, records(5, 20)), Codec.lz4), 20)
    files
      .append(records(25, 3))
      .allocate(1 << 16)
      .attach()
      .push(record(28))
    const cursor = open().cursor()
    const text = (at: number, length: number) => Buffer.from(cursor.bytes.subarray(at, at + length)).toString()
    for (let offset = 0; offset < 29; offset++) {
      assert.ok(cursor.next())
      assert.equal(text(cursor.valuePosition, cursor.valueLength), value(offset))
      if (offset % 3 === 0) assert.equal(cursor.keyLength, -1)
      else assert.equal(text(cursor.keyPosition, cursor.keyLength), `key-${offset}`)
    }
    assert.equal(cursor.next(), false)
  })

  test('skips batches of control records', () => {
    files.append(records(0, 2))
    const marker = compressed(batchAt(2, records(2, 1)), Codec.none, batchAt(2, records(2, 1)).subarray(61))
    const view = new DataView(marker.buffer, marker.byteOffset)
    view.setInt16(21, 0x20)
    files.appendRaw(compressed(marker, Codec.none, marker.subarray(61)), 1)
    files.append(records(3, 2))
    assert.deepEqual(rest(open().cursor()), [0, 1, 3, 4])
  })
})

describe('the tail', () => {
  test('shows records of the open batch one by one, over the seal and into the next batch', () => {
    files.append(records(0, 3)).allocate(1 << 16)
    files.attach()
    const reader = open()
    const cursor = reader.cursor()
    assert.deepEqual(rest(cursor), [0, 1, 2])
    for (let offset = 3; offset < 40; offset++) {
      files.push(record(offset))
      assert.equal(reader.endOffset, offset + 1)
      if (offset % 4 !== 1) assert.deepEqual(range(cursor.offset + 1, offset + 1), rest(cursor))
      if (offset % 7 === 0) files.seal()
    }
    assert.deepEqual(rest(reader.cursor(17)), range(17, 40))
    assert.deepEqual(rest(reader.cursor(39)), [39])
  })

  test('goes on through rolls and a clean close, and with the next writer', () => {
    files.attach()
    const reader = open()
    const cursor = reader.cursor()
    let offset = 0
    for (let round = 0; round < 4; round++) {
      for (let i = 0; i < 5; i++) files.push(record(offset++))
      if (round !== 2) assert.deepEqual(range(cursor.offset + 1, offset), rest(cursor))
      files.roll()
    }
    files.push(record(offset++))
    files.detach()
    assert.deepEqual(range(cursor.offset + 1, offset), rest(cursor))
    assert.equal(reader.endOffset, offset)
    files.attach()
    files.push(record(offset++))
    reader.refresh(true)
    assert.deepEqual(rest(cursor), [offset - 1])
  })

  test('ends with the log for whoever does not wait, and is followed in order by whoever does', async () => {
    files.attach().push(record(0)).push(record(1))
    const reader = open()
    const seen: number[] = []
    for await (const { offset } of reader.read()) seen.push(offset)
    assert.deepEqual(seen, [0, 1])
    const ended = new AbortController()
    const live = (async () => {
      for await (const record of reader.read({ from: 1, live: true, signal: ended.signal })) {
        assert.equal(record.value!.toString(), value(record.offset))
        seen.push(record.offset)
        if (record.offset === 29) ended.abort()
        else if (record.offset < 29) queueMicrotask(() => record.offset + 1 === files.end && appendSome())
      }
    })()
    const appendSome = () => {
      for (let i = 0; i < 7 && files.end < 30; i++) files.push(record(files.end))
      if (files.end % 2 === 0) files.roll()
    }
    await assert.rejects(live, { name: 'AbortError' })
    assert.deepEqual(seen, [0, 1, ...range(1, 30)])
  })

  test('of this thread is followed without a look at the clock', async () => {
    files.attach()
    const none = { after: () => assert.fail('no timer is needed'), soon: timers.soon }
    const reader = open({ timers: none, writerCalls: true })
    const reading = reader.read({ live: true, to: 3 })
    const all = (async () => {
      const offsets: number[] = []
      for await (const { offset } of reading) offsets.push(offset)
      return offsets
    })()
    for (let offset = 0; offset < 3; offset++) {
      await new Promise(setImmediate)
      files.push(record(offset))
      reader.appended()
    }
    assert.deepEqual(await all, [0, 1, 2])
  })

  test('is waited for no longer than the signal says, and not looked at where it has said so before', async () => {
    files.attach().push(record(0))
    const none = { after: () => assert.fail('no timer is needed'), soon: timers.soon }
    const reader = open({ timers: none, writerCalls: true })
    const ended = new AbortController()
    const next = reader.read({ from: 1, live: true, signal: ended.signal }).next()
    await new Promise(setImmediate) // It waits.
    ended.abort(new Error('enough'))
    await assert.rejects(next, /enough/)
    await assert.rejects(reader.read({ signal: ended.signal }).next(), /enough/)
  })

  const rollFour = () => {
    files.attach()
    for (const base of [0, 5, 10, 15]) {
      files.append(records(base, 5))
      if (base < 15) files.roll()
    }
  }
  const outOfRange = { code: 'MILLRACE_OFFSET_OUT_OF_RANGE' }

  test('passes over nothing that retention removed while it was read', () => {
    rollFour()
    const reader = open()
    const cursor = reader.cursor()
    for (let i = 0; i < 5; i++) assert.ok(cursor.next())
    files.startAt(10)
    assert.throws(() => cursor.next(), outOfRange)
    assert.deepEqual(rest(reader.cursor(10)), range(10, 20))
  })

  test('does not begin behind what retention removed before it was known to be gone', () => {
    rollFour()
    const reader = open()
    files.removeBefore(10)
    assert.throws(() => reader.cursor(5).next(), outOfRange)
  })

  test('closing the log ends a live reading', async () => {
    files.attach()
    const reader = open()
    const reading = reader.read({ live: true }).next()
    await new Promise(setImmediate)
    reader.close()
    assert.deepEqual(await reading, { done: true, value: undefined })
  })

  test('closing the log is an error for whoever reads what is there', async () => {
    files.append(records(0, 5))
    const reader = open()
    const reading = reader.read()
    await reading.next()
    reader.close()
    await assert.rejects(reading.next(), code('MILLRACE_CLOSED'))
  })
})

describe('what was lent', () => {
  test('has no length after close, and cursors say that the log is closed', () => {
    files.append(records(0, 10))
    const reader = open()
    const cursor = reader.cursor()
    cursor.next()
    const lent = cursor.value!
    const memory = new Uint8Array(lent.buffer)
    assert.equal(lent.toString(), value(0))
    reader.close()
    assert.equal(lent.length, 0)
    assert.equal(memory.length, 0)
    assert.throws(() => cursor.next(), code('MILLRACE_CLOSED'))
    assert.throws(() => cursor.value, code('MILLRACE_CLOSED'))
    assert.throws(() => reader.cursor(), code('MILLRACE_CLOSED'))
  })

  test('is lent also where its segment was unmapped for others meanwhile, and stays from then on', () => {
    for (let offset = 0; offset < 300; offset++) files.append(records(offset, 1)).roll()
    const reader = open()
    const early = reader.cursor()
    const inPlace = reader.cursor(1)
    for (const cursor of [early, inPlace]) cursor.next()
    for (let round = 0; round < 2; round++) {
      const others = reader.cursor(1)
      others.lends = false
      while (others.next());
      assert.equal(others.offset, 299)
      if (round === 1) break
      assert.equal(early.value!.toString(), value(0))
      const { bytes, valuePosition, valueLength } = inPlace
      assert.equal(Buffer.from(bytes.subarray(valuePosition, valuePosition + valueLength)).toString(), value(1))
    }
    const lent = early.value!
    assert.equal(lent.toString(), value(0))
    assert.deepEqual(rest(early), range(1, 300))
    assert.equal(lent.toString(), value(0))
  })

  test('may be written to: the file keeps what it has', () => {
    files.append(records(0, 2), records(2, 2))
    const cursor = open().cursor()
    cursor.next()
    cursor.value!.fill(0x78)
    assert.equal(cursor.value!.toString(), 'x'.repeat(value(0).length))
    assert.deepEqual(rest(open().cursor()), range(0, 4))
  })

  test('ends when its segment goes, and the cursor there is out of range', () => {
    files.append(records(0, 5)).roll().append(records(5, 5)).roll().attach()
    const reader = open()
    const early = reader.cursor()
    const late = reader.cursor(7)
    early.next()
    late.next()
    const lent = early.value!
    const kept = late.value!
    rmSync(files.path(0))
    files.start = 5
    files.filesChanged()
    reader.filesChanged()
    assert.equal(lent.length, 0)
    assert.equal(kept.toString(), value(7))
    assert.throws(() => early.next(), code('MILLRACE_OFFSET_OUT_OF_RANGE'))
    assert.deepEqual(rest(late), [8, 9])
    assert.equal(reader.startOffset, 5)
  })

  test('of a replaced segment ends, and its cursors go on in the new one', () => {
    files.append(records(0, 5)).roll().append(records(5, 5)).roll().append(records(10, 2)).attach()
    const reader = open()
    const cursor = reader.cursor()
    for (let i = 0; i < 3; i++) cursor.next()
    const other = new EmbeddedFiles(mkdtempSync(join(directory, 'x-')))
    other.append(records(0, 10))
    rmSync(files.path(0))
    rmSync(files.path(5))
    const file = openSync(files.path(0), 'w')
    const bytes = batchAt(0, records(0, 10))
    writeSync(file, bytes)
    closeSync(file)
    other.close()
    files.filesChanged()
    reader.filesChanged()
    assert.deepEqual(rest(cursor), range(3, 12))
  })
})

describe('damage', () => {
  const fill = (batches: number) => {
    for (let batch = 0; batch < batches; batch++) files.append(records(batch * 50, 50))
  }

  test('of one bit is an error at its batch, and nowhere else', () => {
    fill(10)
    files.roll()
    tamper(files.path(0), file => writeSync(file, Buffer.from([0xff]), 0, 1, 4000))
    const cursor = open().cursor()
    assert.throws(() => rest(cursor), code('MILLRACE_CORRUPT'))
    const behind = open().cursor(450)
    assert.deepEqual(rest(behind), range(450, 500))
  })

  test('by a cut under a reader is an error, also for what it has lent', () => {
    fill(200)
    files.roll()
    const cursor = open().cursor()
    const far = open().cursor(9000)
    cursor.next()
    far.next()
    const lent = far.value!
    tamper(files.path(0), file => ftruncateSync(file, 8192))
    assert.equal(lent[0], 0) // The page is gone; what follows says so.
    assert.throws(() => far.next(), code('MILLRACE_CORRUPT'))
    assert.throws(() => rest(cursor), code('MILLRACE_CORRUPT'))
    assert.equal(cursor.offset >= 0 && cursor.offset < 9000, true)
  })

  test('that one has met is an error for whoever comes next, and nothing once the file is whole again', () => {
    files.append([record(0), { key: null, value: Buffer.alloc(60_000, 1) }, record(2)]).roll()
    const reader = open()
    const first = reader.cursor()
    while (first.next());
    const lent = reader.cursor(1)
    lent.next()
    const view = lent.value!
    const whole = Buffer.from(reader.segmentOf(0)!.bytes)
    tamper(files.path(0), file => ftruncateSync(file, 8192))
    assert.equal(view.indexOf(2), -1) // Each page was looked at, and is gone.
    assert.throws(() => reader.cursor(1).next(), code('MILLRACE_CORRUPT'))
    assert.throws(() => reader.cursor(1).next(), code('MILLRACE_CORRUPT'))
    tamper(files.path(0), file => writeSync(file, whole))
    const again = reader.cursor(1)
    assert.equal(again.next() && again.value!.equals(Buffer.alloc(60_000, 1)), true)
  })

  test('behind the last record is told to whoever read that record', () => {
    files.append([{ key: null, value: Buffer.alloc(60_000, 1) }]).attach()
    const cursor = open().cursor()
    cursor.next()
    const lent = cursor.value!
    tamper(files.path(0), file => ftruncateSync(file, 8192))
    assert.equal(lent.at(-1), 0)
    assert.throws(() => cursor.next(), code('MILLRACE_CORRUPT'))
  })

  test('is never copied out as zeros', async () => {
    const large = { key: null, value: Buffer.alloc(30_000, 1) }
    files.append([large, large])
    const reading = open().read()
    assert.equal((await reading.next()).value!.value!.equals(large.value), true)
    // The header of the second record is there, and the rest of it is not.
    tamper(files.path(0), file => ftruncateSync(file, 32_768))
    await assert.rejects(reading.next(), code('MILLRACE_CORRUPT'))
  })

  test('is not what an app does to memory behind the records', () => {
    files.append(records(0, 5)).attach()
    const cursor = open().cursor()
    cursor.next()
    const memory = new Uint8Array(cursor.value!.buffer)
    assert.equal(memory[memory.length - 1], 0)
    assert.deepEqual(rest(cursor), range(1, 5))
    memory.fill(1, 1 << 20, (1 << 20) + 100)
    files.push(record(5))
    assert.deepEqual(rest(cursor), [5])
  })

  test('is not what lies behind the last batch where no header has room', () => {
    fill(20)
    for (const zeros of [1, 16, 60]) {
      tamper(files.path(), file => ftruncateSync(file, files.position + zeros))
      const cursor = open().cursor(1000)
      assert.deepEqual(rest(cursor), [])
    }
    tamper(files.path(), file => writeSync(file, Buffer.from([1]), 0, 1, files.position + 10))
    assert.throws(() => rest(open().cursor(1000)), code('MILLRACE_CORRUPT'))
  })

  test('in the middle of zeros is not taken for the end', () => {
    fill(20)
    files.roll().append(records(1000, 1))
    tamper(files.path(0), file => writeSync(file, Buffer.alloc(60_000), 0, 60_000, batchAt(0, records(0, 50)).length))
    assert.throws(() => rest(open().cursor()), code('MILLRACE_CORRUPT'))
  })
})

test('the offset of a time is that of the first record at or after it', () => {
  files.append(records(0, 5), records(5, 40)).roll().append(records(45, 3)).allocate(4096).attach().push(record(48))
  const reader = open()
  assert.deepEqual(
    [0, 1000, 1001, 1007, 1044, 1045, 1048, 1049].map(time => reader.offsetForTimestamp(time)),
    [0, 0, 1, 7, 44, 45, 48, 49],
  )
})
