import assert from 'node:assert/strict'
import { test } from 'node:test'
import { check, type Reading } from './lib/checker.ts'
import { History, type Outcome, type Seen } from './lib/history.ts'
import { StabilityWatch } from './lib/stability-watch.ts'

/** A history of transactions that each write one value to partitions 0 and 1. */
function historyOf(...outcomes: Outcome[]): { history: History; values: [string, string][] } {
  const history = new History()
  const values = outcomes.map(outcome => {
    const transaction = history.begin('w')
    transaction.outcome = outcome
    return [history.write(transaction, 0), history.write(transaction, 1)] as [string, string]
  })
  return { history, values }
}

const at = (...values: string[]): Seen[] => values.map((value, i) => ({ offset: 2 * i, value }))

function problemsOf(history: History, committed: Seen[][], readings: Reading[] = [], all = committed): string {
  return check(history, { committed, all }, readings).join('\n')
}

test('a history that holds has no problem, whatever became of the unknown', () => {
  for (const there of [true, false]) {
    const { history, values } = historyOf('committed', 'aborted', 'unknown', 'committed')
    const seen = values.filter((_, i) => i !== 1 && (i !== 2 || there))
    assert.equal(problemsOf(history, [at(...seen.map(([a]) => a)), at(...seen.map(([, b]) => b))]), '')
  }
})

test('what was committed and is not there is lost', () => {
  const { history, values } = historyOf('committed')
  assert.match(problemsOf(history, [at(values[0]![0]), []]), /^committed and lost: w#0 \(1 of 2 there\)$/)
})

test('what was never committed and is there was read too early', () => {
  const { history, values } = historyOf('aborted')
  assert.match(problemsOf(history, [at(values[0]![0]), at(values[0]![1])]), /^never committed and read: w#0/)
})

test('what is there in one partition and not in the other is torn', () => {
  const { history, values } = historyOf('unknown')
  assert.match(problemsOf(history, [at(values[0]![0]), []]), /^torn: w#0/)
})

test('what is committed is there for who reads everything, too', () => {
  const { history, values } = historyOf('committed', 'committed')
  const [[a0, b0], [a1, b1]] = values as [[string, string], [string, string]]
  const committed = [at(a0, a1), at(b0, b1)]
  assert.equal(problemsOf(history, committed), '')
  const all = [at(a0, a1), [{ offset: 1, value: b0 }, at(b0, b1)[1]!]]
  assert.equal(problemsOf(history, committed, [], all), `kept from who reads everything in partition 1: ${b0} @0`)
})

test('values that are there twice, in disorder, or in a partition that they were not written to', () => {
  const { history, values } = historyOf('committed', 'committed')
  const [[a0, b0], [a1, b1]] = values as [[string, string], [string, string]]
  assert.match(problemsOf(history, [at(a0, a1, a0), at(b0, b1)]), /written twice in partition 0/)
  assert.match(problemsOf(history, [at(a1, a0), at(b0, b1)]), /out of order in partition 0/)
  assert.match(problemsOf(history, [at(a0, a1, b0), at(b0, b1)]), /written by nobody, or elsewhere in partition 0/)
})

test('a reader that went back, missed something, or saw what is not there', () => {
  const { history, values } = historyOf('committed', 'committed', 'committed')
  const logs = [at(...values.map(([a]) => a)), at(...values.map(([, b]) => b))]
  const [first, second, third] = logs[0]! as [Seen, Seen, Seen]
  const saw = (...seen: Seen[]) =>
    problemsOf(history, logs, [{ reader: 'r', committedOnly: true, partition: 0, seen }], logs)
  assert.equal(saw(first, second, third), '')
  assert.equal(saw(first, second), '')
  assert.match(saw(first, second, first), /read 0 after 2/)
  assert.match(saw(first, third), /saw w#2\.0 @4 where w#1\.0 @2 is/)
  assert.match(saw(first, { offset: 1, value: 'aborted' }, second), /saw aborted @1/)
})

test('a last stable offset may stand still as long as a transaction may take and two seconds more', () => {
  const history = new History()
  const watch = new StabilityWatch(history, 1_000)
  const told = (lastStableOffset: number) => [{ lastStableOffset, highWatermark: 9 }]
  for (let nowMs = 0; nowMs <= 3_000; nowMs += 100) watch.observe(told(5), nowMs)
  assert.deepEqual(history.violations, [])
  assert.equal(watch.settled, false)
  watch.observe(told(5), 3_100)
  assert.match(history.violations.join(), /stands at 5 of 9/)
  watch.observe(told(9), 3_200)
  assert.equal(watch.settled, true)
})

test('time in which nobody could ask the broker does not count', () => {
  const history = new History()
  const watch = new StabilityWatch(history, 1_000)
  const told = [{ lastStableOffset: 5, highWatermark: 9 }]
  watch.observe(told, 0)
  watch.observe(undefined, 100)
  watch.observe(told, 60_000)
  watch.observe(told, 62_000)
  assert.deepEqual(history.violations, [])
})
