/**
 * Whole lives of a broker and of clients that write transactions, in one process: connections fail, requests come late,
 * clients are killed or come back as zombies, the broker is killed and loses its power. SIM_SEED and SIM_SEQUENCES say which.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { randomLife } from './random-life.ts'

const first = Number(process.env.SIM_SEED ?? 1)
const count = Number(process.env.SIM_SEQUENCES ?? 20)

test(`${count} random lives of transactions, from seed ${first} on`, async t => {
  const sums = { committed: 0, aborted: 0, unknown: 0, records: 0, crashes: 0 }
  let longestStuckMs = 0
  for (let seed = first; seed < first + count; seed++) {
    const again = `SIM_SEED=${seed} SIM_SEQUENCES=1 shows it again`
    const report = await randomLife(seed).catch((error: Error) => assert.fail(`${again}: ${error.stack}`))
    assert.deepEqual(report.problems, [], again)
    for (const each of ['committed', 'aborted', 'unknown', 'records', 'crashes'] as const) sums[each] += report[each]
    longestStuckMs = Math.max(longestStuckMs, report.longestStuckMs)
  }
  t.diagnostic(JSON.stringify({ ...sums, longestStuckMs }))
  assert.ok(sums.committed > 20 * count, `only ${sums.committed} transactions were committed`)
})
