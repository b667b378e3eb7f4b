import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Pace } from '../../../src/api/pace.ts'

test('a handler goes on in the next turn after each thousand pieces', () => {
  let turns = 0
  const pace = new Pace({
    nextTurn: () => {
      turns++
      return Promise.resolve()
    },
  })
  const waits: number[] = []
  for (let piece = 1; piece <= 3_001; piece++) if (pace.step() !== undefined) waits.push(piece)
  assert.deepEqual(waits, [1_001, 2_001, 3_001])
  assert.equal(turns, 3)
})
