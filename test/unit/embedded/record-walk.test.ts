import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { LogReader } from '../../../src/embedded/reader.ts'
import type { RecordInput } from '../../../src/records/record-batch.ts'
import { EmbeddedFiles } from '../../support/embedded-files.ts'

const timers = { after: () => ({ cancel: () => {} }), soon: (run: () => void) => void setImmediate(run) }

let directory: string
let files: EmbeddedFiles
let reader: LogReader | undefined

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'millrace-walk-'))
  files = new EmbeddedFiles(directory)
})
afterEach(() => {
  reader?.close()
  files.close()
  rmSync(directory, { recursive: true, force: true })
})

/** Reads `records`, which are in one batch, from each of these offsets to the end. */
function readBack(records: readonly RecordInput[], from: readonly number[] = [0]): void {
  files.append(records)
  reader = new LogReader(directory, { timers })
  for (const first of from) {
    const cursor = reader.cursor(first)
    for (let offset = first; offset < records.length; offset++) {
      const { key, value, timestampMs, headers = [] } = records[offset]!
      assert.equal(cursor.next(), true)
      const told = [cursor.offset, cursor.timestamp, cursor.keyLength, cursor.valueLength]
      assert.deepEqual(told, [offset, timestampMs, key?.length ?? -1, value?.length ?? -1])
      for (const [view, expected] of [
        [cursor.key, key],
        [cursor.value, value],
      ] as const)
        assert.equal(view === null ? expected : view.equals(expected!), view === null ? null : true)
      assert.equal(cursor.hasHeaders, headers.length > 0)
      assert.equal(cursor.headers.length, headers.length)
    }
    assert.equal(cursor.next(), false)
  }
}

/** On either side of where a number takes one more byte. */
const lengths = [0, 1, 63, 64, 8191, 8192, 1_048_575, 1_048_576]

describe('a record is taken apart', () => {
  for (const length of lengths) {
    test(`whose key, value or both have ${length} bytes, with headers and without`, () => {
      const bytes = Buffer.alloc(length, 'abc')
      const headers = [{ key: 'h', value: Buffer.from('x') }]
      const forms: readonly (readonly [Buffer | null, Buffer | null])[] = [
        [bytes, null],
        [null, bytes],
        [bytes, bytes],
        [Buffer.from('k'), bytes],
        [null, null],
      ]
      readBack(
        forms.flatMap(([key, value]) => [
          { key, value, timestampMs: 1000 },
          { key, value, timestampMs: 1000, headers },
        ]),
        [0, 1, 5, 9],
      )
    })
  }

  test('whose timestamp is any number of bytes from that of its batch, on either side', () => {
    const deltas = [0, 63, 64, -64, -65, 8191, 8192, -8192, -8193, 2 ** 31, -(2 ** 33), 2 ** 42]
    const timestamps = deltas.map(delta => 2 ** 40 + delta)
    readBack(timestamps.map(timestampMs => ({ key: null, value: Buffer.from('v'), timestampMs })))
  })

  test('whose offset is any number of bytes from that of its batch', () => {
    const value = Buffer.from('v')
    const records = Array.from({ length: 8200 }, () => ({ key: null, value, timestampMs: 1000 }))
    readBack(records, [0, 62, 8190])
  })
})

test('what is lent is a Buffer like any other', () => {
  files.append([{ key: Buffer.from('k'), value: Buffer.from('value'), timestampMs: 1000 }])
  reader = new LogReader(directory, { timers })
  const cursor = reader.cursor()
  cursor.next()
  assert.deepEqual([cursor.key, cursor.value], [Buffer.from('k'), Buffer.from('value')])
})
