// How much can be written, at what cost: `npm run bench -- produce`.
import { runBench } from './lib/bench.ts'
import { produceBytes, produceRequests } from './questions/produce.ts'

await runBench('produce', [produceBytes, produceRequests], { runs: 3, seconds: 5 })
