// How fast hot data is read, at what cost: `npm run bench -- fetch`.
import { runBench } from './lib/bench.ts'
import { fetchHot } from './questions/fetch.ts'

await runBench('fetch', [fetchHot], { runs: 3, seconds: 5 })
