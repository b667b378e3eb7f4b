/**
 * Exactly once, for real: writers whose transactions go over three partitions, readers of both isolation levels, a proxy
 * that cuts, delays and drops between them and the broker, clients that are killed or come back from a long sleep, and a
 * broker that is killed. MILLRACE_TRANSACTIONS_SECONDS says how long each takes, MILLRACE_TRANSACTIONS_SEED shows one again.
 */
import assert from 'node:assert/strict'
import { before, type TestContext, test } from 'node:test'
import { buildBroker } from './lib/built-broker.ts'
import { type OrdealOptions, ordeal } from './lib/ordeal.ts'
import { noFaults } from './lib/proxy.ts'

const durationMs = 1_000 * Number(process.env.MILLRACE_TRANSACTIONS_SECONDS ?? 20)
const seed = Number(process.env.MILLRACE_TRANSACTIONS_SEED ?? 1 + (Date.now() % 1_000_000))
const timeout = durationMs * 2 + 60_000

let program: string

before(async () => {
  program = await buildBroker('sound')
})

async function holds(t: TestContext, options: Partial<OrdealOptions>): Promise<void> {
  const trial = { durationMs, ...options.trial }
  const { problems, ...numbers } = await ordeal({ program, seed, ...options, trial })
  t.diagnostic(`seed ${seed}: ${JSON.stringify(numbers)}`)
  assert.deepEqual(problems, [], `seed ${seed}`)
  assert.ok(numbers.committed > 5, `only ${numbers.committed} transactions were committed`)
}

test('nothing is lost, torn, doubled, out of order or read too early while connections fail', { timeout }, t =>
  holds(t, {}),
)

test('nor while the broker is killed', { timeout }, t => holds(t, { faults: noFaults, killEveryMs: 2_000 }))

test(
  'nor while the broker is killed and connections fail, of which some deliver what they were given much later',
  {
    timeout,
  },
  t => holds(t, { killEveryMs: 3_000 }),
)
