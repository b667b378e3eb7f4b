import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { deflateRaw } from 'node:zlib'
import { Log } from '../../../src/app/log.ts'
import type { LogCursor } from '../../../src/embedded/cursor.ts'
import { SeededRandom } from '../../support/seeded-random.ts'

let directory: string
before(() => {
  directory = mkdtempSync(join(tmpdir(), 'millrace-read-fuzz-'))
})
after(() => rmSync(directory, { recursive: true, force: true }))

/** What a value of an offset looks like; of any length from 8 on. */
const value = (offset: number): Buffer => Buffer.alloc(8 + ((offset * 7919) % 400), `${offset},`)
const expected = new Set(['MILLRACE_CLOSED', 'MILLRACE_CORRUPT', 'MILLRACE_OFFSET_OUT_OF_RANGE'])
const refusal = (failure: unknown): string => {
  const { code } = failure as { code?: string }
  assert.equal(expected.has(code ?? ''), true, `an error without a code of ours: ${String(failure)}`)
  return code!
}

/** A view that was lent, or its buffer moved to another owner. */
type Kept = { readonly offset: number; readonly view: Buffer } | { readonly moved: ArrayBuffer }

const moves = 'transfer' in ArrayBuffer.prototype

/** Does with lent memory what an app might, and ought not to. */
function misuse(kept: Kept, random: SeededRandom, whole: boolean): void {
  if ('moved' in kept) {
    assert.equal(kept.moved.byteLength > 0, true)
    new Uint8Array(kept.moved).fill(1, 0, 100)
    return
  }
  const { offset, view } = kept
  if (view.length > 0 && whole) assert.equal(view.equals(value(offset)), true)
  // A thread of the pool reads on while the log is closed.
  if (random.next() < 0.1) deflateRaw(view, () => {})
  if (view.length > 0 && random.next() < 0.05) new Uint8Array(view.buffer).at(-1)
}

function step(cursor: LogCursor, random: SeededRandom): Kept | undefined {
  if (!cursor.next()) return undefined
  const view = cursor.value!
  assert.equal(view.equals(value(cursor.offset)), true, `the value of ${cursor.offset}`)
  if (moves && random.next() < 0.001) {
    const buffer = view.buffer as ArrayBuffer & { transfer(): ArrayBuffer }
    return { moved: buffer.transfer() }
  }
  return { offset: cursor.offset, view }
}

test('what was lent ends no process, whatever becomes of the log', async () => {
  const path = join(directory, 'lent')
  for (let seed = 1; seed <= 3; seed++) {
    const random = new SeededRandom(seed)
    const kept: Kept[] = []
    const log = await Log.open(path, { segmentBytes: 1 << 16 })
    const others = [await Log.open(path, { readOnly: true }), await Log.open(path, { readOnly: true })]
    const cursors: LogCursor[] = []
    for (let i = 0; i < 600; i++) {
      const draw = random.next()
      const from = log.startOffset + Math.floor(random.next() * (log.endOffset - log.startOffset))
      const reader = others[Math.floor(random.next() * 3)] ?? log
      try {
        if (draw < 0.3) for (let n = 0; n < 20; n++) log.append(value(log.endOffset))
        else if (draw < 0.4) cursors.push(reader.cursor(from))
        else if (draw < 0.42) await log.truncateBefore(from)
        else if (draw < 0.45) await log.flushed()
        else if (draw < 0.46) await others.pop()?.close()
        else {
          const cursor = cursors[Math.floor(random.next() * cursors.length)]
          for (let n = 0; n < 30 && cursor !== undefined; n++) {
            const lent = step(cursor, random)
            if (lent !== undefined) kept.push(lent)
          }
        }
      } catch (failure) {
        refusal(failure)
      }
      if (kept.length > 0) misuse(kept[Math.floor(random.next() * kept.length)]!, random, true)
    }
    await log.close()
    for (const other of others) await other.close()
    for (const lent of kept) if ('view' in lent) assert.equal(lent.view.length, 0)
    for (const cursor of cursors) assert.throws(() => cursor.next(), { code: 'MILLRACE_CLOSED' })
    for (let i = 0; i < 50; i++) misuse(kept[Math.floor(random.next() * kept.length)]!, random, false)
  }
})

test('what somebody else does to the files is an error, or changes nothing', async () => {
  const path = join(directory, 'damaged')
  for (let seed = 1; seed <= 9; seed++) {
    const random = new SeededRandom(seed)
    rmSync(path, { recursive: true, force: true })
    const log = await Log.open(path, { segmentBytes: 1 << 16 })
    for (let offset = 0; offset < 2000; offset++) log.append(value(offset))
    await log.close()
    const reader = await Log.open(path, { readOnly: true })
    const cursor = reader.cursor()
    for (let n = random.next() * 2000; n > 0; n--) step(cursor, random)
    const names = readdirSync(path).filter(name => /\.(log|index|timeindex)$/.test(name))
    const file = join(path, names[Math.floor(random.next() * names.length)]!)
    const { size } = statSync(file)
    const position = Math.floor(random.next() * size)
    if (seed % 3 === 0) truncateSync(file, position)
    else if (size > 0) {
      const bytes = Buffer.alloc(Math.min(size - position, 1 + Math.floor(random.next() * 64)))
      for (let i = 0; i < bytes.length; i++) bytes[i] = random.next() * 256
      writeFileSync(file, bytes, { flag: 'r+', flush: true })
    }
    for (const again of [cursor, undefined, undefined]) {
      const begun = again ?? attempt(() => reader.cursor(Math.floor(random.next() * 2000)))
      let last = -1
      try {
        while (begun?.next()) {
          if (last >= 0) assert.equal(begun.offset, last + 1)
          last = begun.offset
          // In bytes that were checked before they were overwritten, anything may be; zeros of lost pages are told.
          if (seed % 3 !== 0) continue
          const whole = begun.value!.equals(value(last))
          if (!whole) assert.throws(() => begun.next(), { code: 'MILLRACE_CORRUPT' })
          if (!whole) break
        }
      } catch (failure) {
        if ((failure as Error).name === 'AssertionError' && seed % 3 !== 0) continue
        refusal(failure)
      }
    }
    await reader.close()
  }
})

function attempt<T>(run: () => T): T | undefined {
  try {
    return run()
  } catch (failure) {
    refusal(failure)
    return undefined
  }
}
