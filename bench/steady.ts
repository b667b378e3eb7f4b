// Three minutes at a rate, with retention deleting: `npm run bench -- steady`.
import { runBench } from './lib/bench.ts'
import { steadyState } from './questions/steady.ts'

await runBench('steady', [steadyState], { runs: 3, seconds: 5 })
