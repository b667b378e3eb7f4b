import { runOffsetsSequence } from './offsets-model.ts'
import { testSequences } from './sequences.ts'

testSequences('committed offsets', runOffsetsSequence)
