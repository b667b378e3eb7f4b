import { testSequences } from './sequences.ts'
import { runShardSequence } from './shard-model.ts'

testSequences('a shard with groups of both kinds', runShardSequence)
