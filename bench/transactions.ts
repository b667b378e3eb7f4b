// Transactions per second and how long their commits take: `npm run bench -- transactions --peer kafka`.
import { runBench } from './lib/bench.ts'
import { transactions } from './questions/transactions.ts'

await runBench('transactions', [transactions], { runs: 3, seconds: 15 })
