import { test } from 'node:test'
import { runOffsetsSequence } from '../../../simulation/groups/offsets-model.ts'

// SIM_SEED=n shows one again; SIM_SEQUENCES=n tries more.
const only = process.env.SIM_SEED === undefined ? undefined : Number(process.env.SIM_SEED)
const count = Number(process.env.SIM_SEQUENCES ?? 500)

test('offsets are what their definition says, whatever happens in whatever order', () => {
  const seeds = only === undefined ? Array.from({ length: count }, (_, index) => index + 1) : [only]
  for (const seed of seeds) {
    try {
      runOffsetsSequence(seed)
    } catch (error) {
      throw new Error(`SIM_SEED=${seed}: ${error instanceof Error ? error.message : error}`, { cause: error })
    }
  }
})
