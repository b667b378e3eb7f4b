/** The broker ends, as by kill -9, at each step of a transaction through its coordinator, and goes on after a start. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { buildBroker } from './lib/built-broker.ts'
import { killing, killPoints } from './lib/kill-points.ts'
import { ordeal } from './lib/ordeal.ts'
import { noFaults } from './lib/proxy.ts'

const seed = Number(process.env.MILLRACE_TRANSACTIONS_SEED ?? 1 + (Date.now() % 1_000_000))

test('a broker that ends at any step of a transaction ends the transaction after a start (row 22)', {
  timeout: 240_000,
}, async t => {
  const program = await buildBroker('kill-points', killing)
  const trial = { durationMs: 200_000, pauseMs: 5 }
  const report = await ordeal({ program, seed, faults: noFaults, killAt: killPoints, trial })
  const { problems, ...numbers } = report
  t.diagnostic(`seed ${seed}: ${JSON.stringify(numbers)}`)
  assert.deepEqual(problems, [], `seed ${seed}`)
})
