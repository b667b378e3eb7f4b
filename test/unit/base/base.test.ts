import assert from 'node:assert/strict'
import { test } from 'node:test'
import { InvariantError, assert as invariant } from '../../../src/base/assert.ts'
import { atOnce } from '../../../src/base/at-once.ts'
import { advance, leaderEpoch, offset } from '../../../src/base/ids.ts'
import { SerialQueue } from '../../../src/base/serial-queue.ts'

test('a broken invariant tells the values that broke it', () => {
  assert.throws(
    () => invariant(false, 'one is two', { one: 1, two: 2 }),
    (error: Error) => error instanceof InvariantError && error.message === 'one is two (one=1, two=2)',
  )
})

test('offsets and epochs are integers in their range', () => {
  for (const value of [-1, 1.5, Number.NaN, 2 ** 53]) assert.throws(() => offset(value), InvariantError)
  for (const value of [-2, 0.5]) assert.throws(() => leaderEpoch(value), InvariantError)
  assert.equal(advance(offset(2), 3), 5)
})

test('a queue runs one piece at a time, in order, and a failure ends only its own', async () => {
  const queue = new SerialQueue()
  const log: string[] = []
  const piece = (name: string, fails = false) =>
    queue.run(async () => {
      log.push(`${name} begins`)
      await Promise.resolve()
      log.push(`${name} ends`)
      if (fails) throw new Error(name)
      return name
    })
  const pieces = [piece('a'), piece('b', true), piece('c')]
  assert.deepEqual(
    (await Promise.allSettled(pieces)).map(each => each.status),
    ['fulfilled', 'rejected', 'fulfilled'],
  )
  assert.deepEqual(log, ['a begins', 'a ends', 'b begins', 'b ends', 'c begins', 'c ends'])
  await queue.idle()
})

test('work at once stays within its limit, and a failure keeps nothing from being done', async () => {
  let running = 0
  let most = 0
  const done: number[] = []
  const work = atOnce([1, 2, 3, 4, 5], 2, async item => {
    most = Math.max(most, ++running)
    await Promise.resolve()
    running--
    done.push(item)
    if (item === 2) throw new Error('two')
  })
  await assert.rejects(work, /two/)
  assert.deepEqual([most, done], [2, [1, 2, 3, 4, 5]])
  await atOnce([], 2, () => Promise.reject(new Error('nothing to do')))
})
