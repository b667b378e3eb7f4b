import { runMigrationSequence } from './migration-model.ts'
import { testSequences } from './sequences.ts'

testSequences('a group that moves between the protocols', runMigrationSequence)
