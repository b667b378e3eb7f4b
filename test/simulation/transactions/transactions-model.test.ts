import { testSequences } from '../groups/sequences.ts'
import { runTransactionsSequence } from './transactions-model.ts'

testSequences('transactional producers', runTransactionsSequence)
