import assert from 'node:assert/strict'
import { test } from 'node:test'

/** SIM_SEED and SIM_SEQUENCES say which sequences a run tries; `node tools/sim.mjs` sets them. */
const first = Number(process.env.SIM_SEED ?? 1)
const count = Number(process.env.SIM_SEQUENCES ?? 100)

/** Runs a model from its seeds on; it throws where what it is a model of does not do as it should. */
export function testSequences(what: string, run: (seed: number) => void): void {
  test(`${count} random lives of ${what}, from seed ${first} on`, () => {
    for (let seed = first; seed < first + count; seed++) {
      try {
        run(seed)
      } catch (error) {
        const shown = error instanceof Error ? error.stack : String(error)
        assert.fail(`SIM_SEED=${seed} SIM_SEQUENCES=1 shows it again: ${shown}`)
      }
    }
  })
}
