import assert from 'node:assert/strict'
import { test } from 'node:test'
import { responseCodec, Writer } from '../../../src/protocol/index.ts'
import { metadata } from '../../../src/protocol/schema/metadata.ts'
import type { TurnTaker } from '../../../src/server/turn-queue.ts'
import { type EncodedBody, WideAnswer } from '../../../src/server/wide-answer.ts'

const answer = (topics: number, more: object = {}) => ({
  brokers: [],
  topics: Array.from({ length: topics }, (_, index) => ({ errorCode: 0 as const, name: `t${index}`, partitions: [] })),
  ...more,
})

function encode(response: object) {
  const line: TurnTaker[] = []
  const bodies: EncodedBody[] = []
  const failures: unknown[] = []
  new WideAnswer(
    metadata,
    12,
    response,
    taker => void line.push(taker),
    body => void bodies.push(body),
    error => void failures.push(error),
  ).takeTurn()
  return { line, bodies, failures }
}

test('an answer that is not wide is encoded at once', () => {
  const { line, bodies } = encode(answer(2_000))
  assert.deepEqual([line.length, bodies.length], [0, 1])
})

test('a wide answer takes a turn for each slice, and is then what one piece would have been', () => {
  const { line, bodies } = encode(answer(10_000))
  let turns = 0
  for (let taker = line.shift(); taker !== undefined; taker = line.shift()) {
    assert.equal(bodies.length, 0)
    taker.takeTurn()
    turns++
    assert.ok(line.length <= 1, 'in line once')
  }
  assert.equal(turns, 4, '10,000 elements are four slices after the first')
  const whole = new Writer()
  responseCodec(metadata, 12).encode(whole, answer(10_000))
  assert.deepEqual(bodies[0]!.bytes, whole.written())
})

test('an answer that cannot be encoded fails in the turn that finds out, once', () => {
  const { line, bodies, failures } = encode(answer(3_000, { clusterAuthorizedOperations: 'none', clusterId: 7 }))
  while (line.length > 0) line.shift()!.takeTurn()
  assert.deepEqual([bodies.length, failures.length], [0, 1])
})
