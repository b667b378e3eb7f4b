import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { MarksBudget, type MarksHolder, RecordMarks } from '../../../src/embedded/record-marks.ts'
import { SeededRandom } from '../../support/seeded-random.ts'

const headerBytes = 61

/** Batches of records of any sizes, one behind the other: where each record begins, and where its batch ends. */
function layout(random: SeededRandom, batches: number): { begin: number; end: number; records: number[] }[] {
  let at = 0
  return Array.from({ length: batches }, () => {
    const begin = at
    at += headerBytes
    const records: number[] = []
    for (let left = 1 + Math.floor(random.next() * 60); left > 0; left--) {
      records.push(at)
      at += 8 + Math.floor(random.next() ** 4 * 3000)
    }
    return { begin, end: at, records }
  })
}

describe('marks of records', () => {
  test('lead to the begin of the block that a record is in, and to none behind it where it was expected elsewhere', () => {
    const random = new SeededRandom(1)
    const batches = layout(random, 40)
    const marks = new RecordMarks(batches.at(-1)!.end)
    for (const { begin, records } of batches) records.forEach((at, record) => void marks.note(begin, at, record))
    for (const { begin, end, records } of batches) {
      records.forEach((at, record) => {
        marks.find(begin, end, at, record)
        assert.ok(at - (marks.record === 0 ? begin : marks.position) < 512)
        marks.find(begin, end, begin + Math.floor(random.next() * (end - begin) * 1.2), record)
        assert.ok(marks.record <= record)
        if (marks.record > 0) assert.equal(marks.position, records[marks.record])
      })
    }
  })

  test('of one batch are not those of its neighbours', () => {
    const random = new SeededRandom(2)
    const batches = layout(random, 40)
    const marks = new RecordMarks(batches.at(-1)!.end)
    batches.forEach(({ begin, records }, batch) => {
      if (batch % 2 === 0) records.forEach((at, record) => void marks.note(begin, at, record))
    })
    batches.forEach(({ begin, end, records }, batch) => {
      marks.find(begin, end, end, records.length)
      if (batch % 2 === 1) assert.equal(marks.record, 0)
    })
  })

  test('take no more memory than there is for a log, which goes on to what is read now', () => {
    const budget = new MarksBudget()
    const holders: MarksHolder[] = Array.from({ length: 40 }, () => ({ marks: undefined }))
    for (const holder of holders) budget.marksFor(holder, 128 << 20)
    const bytes = () => holders.reduce((sum, { marks }) => sum + (marks?.bytes ?? 0), 0)
    assert.ok(bytes() > 24 << 20 && bytes() <= 32 << 20)
    const last = holders.at(-1)!
    assert.equal(last.marks, undefined)
    for (let read = 0; read < 10_000; read++) budget.marksFor(last, 128 << 20)
    assert.notEqual(last.marks, undefined)
    assert.equal(holders[0]!.marks, undefined)
    assert.ok(bytes() <= 32 << 20)
    for (const holder of holders) budget.giveBack(holder)
    assert.equal(bytes(), 0)
    assert.notEqual(budget.marksFor(holders[0]!, 1 << 31), undefined)
  })
})
