import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runClassicSequence } from './classic-model.ts'

const first = Number(process.env.SIM_SEED ?? 1)
const sequences = Number(process.env.SIM_SEQUENCES ?? 300)

test(`classic groups keep the rules in ${sequences} random lives from seed ${first}`, t => {
  const sum = { rebalances: 0, generations: 0, steps: 0 }
  for (let seed = first; seed < first + sequences; seed++) {
    const { rebalances, generations, steps } = runClassicSequence(seed)
    sum.rebalances += rebalances
    sum.generations += generations
    sum.steps += steps
  }
  t.diagnostic(`${sum.steps} steps, ${sum.rebalances} rebalances, ${sum.generations} generations`)
  assert.ok(sum.generations >= sequences, 'groups got somewhere')
})
