// One row of each question, in about a minute: `npm run bench`. For comparing two commits, not for quoting.
import { runBench } from './lib/bench.ts'
import type { Question } from './lib/report.ts'
import { fetchHot } from './questions/fetch.ts'
import { openLoop } from './questions/latency.ts'
import { produceBytes, produceRequests } from './questions/produce.ts'

const firstOf = (question: Question): Question => ({ ...question, rows: question.rows.slice(0, 1) })

const questions = [produceBytes, produceRequests, fetchHot, openLoop].map(firstOf)
await runBench('quick', questions, { runs: 2, seconds: 2 })
