import { runConsumerSequence } from './consumer-model.ts'
import { testSequences } from './sequences.ts'

testSequences('a KIP-848 group', runConsumerSequence)
