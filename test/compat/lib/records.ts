import assert from 'node:assert/strict'
import type { OutgoingRecord, ReadRecord } from './confluent.ts'

const headersOf = (i: number): (readonly [string, Buffer | null])[] => {
  if (i % 3 === 0) return []
  const once = ['trace', Buffer.from(`${i}`)] as const
  if (i % 3 === 1) return [once]
  // One name twice, no value, an empty value, a name beyond ASCII: all are legal and keep their order.
  return [
    once,
    ['trace', Buffer.from([0, 255])],
    ['none', null],
    ['empty', Buffer.alloc(0)],
    ['größe', Buffer.from('1')],
  ]
}

const choose = (i: number, bytes: Buffer): Buffer | null => [bytes, null, Buffer.alloc(0)][i % 3] as Buffer | null

/** Records of every shape: key and value each present, null and empty, none to many headers, each its own timestamp. */
export const sampleRecords = (count: number, firstTimestamp: number): Required<Omit<OutgoingRecord, 'partition'>>[] =>
  Array.from({ length: count }, (_, i) => ({
    key: choose(i, Buffer.from(`key-${i}`)),
    value: choose(Math.floor(i / 3), Buffer.from(`value-${i} `.repeat(1 + (i % 40)))),
    headers: headersOf(Math.floor(i / 9)),
    timestamp: firstTimestamp + i * 1_000,
  }))

/** Fails unless `read` holds exactly `sent`, in order, from offset `firstOffset`. */
export const assertSame = (
  read: readonly ReadRecord[],
  sent: readonly Required<Omit<OutgoingRecord, 'partition'>>[],
  firstOffset = 0,
): void => {
  const plain = read.map(({ key, value, headers, timestamp }) => ({ key, value, headers, timestamp }))
  const expected = sent.map(({ key, value, headers, timestamp }) => ({ key, value, headers, timestamp }))
  assert.deepEqual(plain, expected)
  const offsets = read.map(record => record.offset)
  assert.deepEqual(
    offsets,
    Array.from(offsets, (_, i) => firstOffset + i),
  )
}
