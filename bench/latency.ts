// How long an acknowledgement takes at a rate that is given, not reached: `npm run bench -- latency`.
import { runBench } from './lib/bench.ts'
import { openLoop } from './questions/latency.ts'

await runBench('latency', [openLoop], { runs: 3, seconds: 5 })
