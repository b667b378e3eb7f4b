// A consumer that reads from the disk beside producers in memory: `npm run bench -- cold-reads`.
import { runBench } from './lib/bench.ts'
import { coldReads } from './questions/cold-reads.ts'

await runBench('cold-reads', [coldReads], { runs: 3, seconds: 30 })
