// A cleaner that compacts beside producers, and by itself: `npm run bench -- compaction`.
import { runBench } from './lib/bench.ts'
import { compaction } from './questions/compaction.ts'

await runBench('compaction', [compaction], { runs: 3, seconds: 30 })
