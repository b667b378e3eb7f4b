import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PartField, type RawEngine } from '../../../src/native/addon.ts'
import { ReplyQueue } from '../../../src/native/reply-queue.ts'

type Part = [connection: number, buffer: number, position: number, length: number, last: number]

/** What one `submit` was given. */
class Submissions {
  readonly parts: Part[][] = []
  readonly buffers: Uint8Array[][] = []
  readonly raw = {
    submit: (parts: Float64Array, count: number, buffers: readonly Uint8Array[]) => {
      const taken: Part[] = []
      for (let index = 0; index < count; index++) {
        taken.push([...parts.subarray(index * PartField.count, (index + 1) * PartField.count)] as Part)
      }
      this.parts.push(taken)
      this.buffers.push([...buffers])
    },
  } as unknown as RawEngine
}

test('replies of a turn leave in one call and share the entry of the bytes they share', () => {
  const queue = new ReplyQueue()
  const { raw, parts, buffers } = new Submissions()
  const shared = new Uint8Array(100)
  const other = new Uint8Array(10)
  queue.add(1, shared, 0, 40, [], 0, 0)
  queue.add(2, shared, 40, 100, [], 0, 0)
  queue.add(1, other, 0, 10, [], 0, 0)
  queue.submitTo(raw)
  queue.submitTo(raw) // Nothing is queued: no crossing.
  assert.deepEqual(parts, [
    [
      [1, 0, 0, 40, 1],
      [2, 0, 40, 60, 1],
      [1, 1, 0, 10, 1],
    ],
  ])
  assert.deepEqual(buffers, [[shared, other]])
})

test('regions stand where their splits say, and the last part ends the reply', () => {
  const queue = new ReplyQueue()
  const { raw, parts } = new Submissions()
  const bytes = new Uint8Array(50)
  const splits = [
    { position: 0, region: 99, length: 9 }, // not of this reply
    { position: 20, region: 7, length: 1000 },
    { position: 20, region: 8, length: 2000 },
    { position: 50, region: 9, length: 3000 },
  ]
  queue.add(5, bytes, 10, 50, splits, 1, 4)
  queue.submitTo(raw)
  assert.deepEqual(parts[0], [
    [5, 0, 10, 10, 0],
    [5, -1, 7, 1000, 0],
    [5, -1, 8, 2000, 0],
    [5, 0, 20, 30, 0],
    [5, -1, 9, 3000, 1],
  ])
})

test('a thousand replies fit, and none is left for the next turn', () => {
  const queue = new ReplyQueue()
  const { raw, parts } = new Submissions()
  const bytes = new Uint8Array(4)
  for (let connection = 0; connection < 1000; connection++) queue.add(connection, bytes, 0, 4, [], 0, 0)
  queue.submitTo(raw)
  queue.add(5, bytes, 0, 4, [], 0, 0)
  queue.submitTo(raw)
  assert.deepEqual(
    parts[0]!.map(part => part[0]),
    Array.from({ length: 1000 }, (_, index) => index),
  )
  assert.equal(parts[1]!.length, 1)
})

test('a refused submit empties the queue', () => {
  const queue = new ReplyQueue()
  const { raw, parts, buffers } = new Submissions()
  const refusing = {
    submit: () => {
      throw new TypeError('refused')
    },
  } as unknown as RawEngine
  queue.add(1, new Uint8Array(4), 0, 4, [], 0, 0)
  assert.throws(() => queue.submitTo(refusing), TypeError)
  const bytes = new Uint8Array(1)
  queue.add(2, bytes, 0, 1, [], 0, 0)
  queue.submitTo(raw)
  assert.deepEqual(parts, [[[2, 0, 0, 1, 1]]])
  assert.deepEqual(buffers, [[bytes]])
})
