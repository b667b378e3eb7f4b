// Several consumers of all that is written: `npm run bench -- fan-out`.
import { runBench } from './lib/bench.ts'
import { fanOut } from './questions/fan-out.ts'

await runBench('fan-out', [fanOut], { runs: 3, seconds: 5 })
