// Every row that has a figure to reach, and the rest of each question: `npm run bench -- --peer kafka`.
import { runBench } from './lib/bench.ts'
import { coldReads } from './questions/cold-reads.ts'
import { compaction } from './questions/compaction.ts'
import { fanOut } from './questions/fan-out.ts'
import { fetchHot } from './questions/fetch.ts'
import { openLoop } from './questions/latency.ts'
import { produceBytes, produceRequests } from './questions/produce.ts'
import { measureStart } from './questions/start.ts'
import { steadyState } from './questions/steady.ts'
import { transactions } from './questions/transactions.ts'

const questions = [
  produceBytes,
  produceRequests,
  fetchHot,
  openLoop,
  transactions,
  coldReads,
  compaction,
  fanOut,
  steadyState,
]
await runBench(
  'all',
  questions,
  { runs: 3, seconds: 30 },
  {
    extras: [{ name: 'start', measure: measureStart }],
  },
)
