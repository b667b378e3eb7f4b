import assert from 'node:assert/strict'
import { test } from 'node:test'
import { chosenCalls, seed } from './options.ts'
import { callsOfWorkload, crashAt } from './sweep.ts'

const powerLosses = 2
const timeout = 3_600_000

test('no crash at any call to the disk loses what was promised, breaks an order or invents anything', {
  timeout,
}, async t => {
  const count = await callsOfWorkload(seed)
  const calls = chosenCalls(count, 0)
  t.diagnostic(`${calls.length} of ${count} calls tried, seed ${seed}`)
  assert.ok(count > 1_000, 'the workload is one')
  for (const n of calls) await crashAt(n, seed, powerLosses)
})
