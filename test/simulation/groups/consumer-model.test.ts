import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runConsumerSequence } from './consumer-model.ts'

const first = Number(process.env.SIM_SEED ?? 1)
const count = Number(process.env.SIM_SEQUENCES ?? 300)

test(`${count} random lives of a KIP-848 group, from seed ${first} on`, () => {
  for (let seed = first; seed < first + count; seed++) {
    try {
      runConsumerSequence(seed)
    } catch (error) {
      assert.fail(`SIM_SEED=${seed} SIM_SEQUENCES=1 shows it again: ${(error as Error).stack}`)
    }
  }
})
