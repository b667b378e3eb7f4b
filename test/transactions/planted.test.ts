/** The two breakages that matter most, for real; test/transactions/sim/planted.test.ts has all of them. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { buildBroker } from './lib/built-broker.ts'
import { killing } from './lib/kill-points.ts'
import { type OrdealOptions, ordeal, usualFaults } from './lib/ordeal.ts'
import { planted } from './lib/planted.ts'
import { noFaults } from './lib/proxy.ts'

const timeout = 120_000
const trial = { durationMs: 8_000 }

const cases: readonly (readonly [string, Partial<OrdealOptions>, RegExp])[] = [
  ['fencing off', { faults: usualFaults, trial }, /was fenced|never committed and read|written twice|out of order/],
  [
    'marker resend off',
    { faults: noFaults, killAt: ['decision committed', 'markers appended'], trial: { ...trial, durationMs: 60_000 } },
    /the last stable offset stands at/,
  ],
]

for (const [name, options, found] of cases)
  test(`a broker with ${name} is caught`, { timeout }, async t => {
    const program = await buildBroker(name.replaceAll(' ', '-'), [...planted[name]!, ...killing])
    const { problems } = await ordeal({ program, seed: 1, ...options })
    t.diagnostic(problems[0] ?? 'nothing was found')
    assert.match(problems.join('\n'), found)
  })
