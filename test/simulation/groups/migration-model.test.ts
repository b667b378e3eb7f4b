import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runMigrationSequence } from './migration-model.ts'

const first = Number(process.env.SIM_SEED ?? 1)
const count = Number(process.env.SIM_SEQUENCES ?? 150)

test(`${count} random lives of a group that moves between the protocols, from seed ${first} on`, () => {
  for (let seed = first; seed < first + count; seed++) {
    try {
      runMigrationSequence(seed)
    } catch (error) {
      assert.fail(`SIM_SEED=${seed} SIM_SEQUENCES=1 shows it again: ${(error as Error).stack}`)
    }
  }
})
