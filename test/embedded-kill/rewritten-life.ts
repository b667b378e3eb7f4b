/**
 * One life of a writer whose segments are rewritten all the time, until it is killed: `node rewritten-life.mjs DIRECTORY
 * PROGRESS SEED`. It appends records of a few keys and notes after each how far the log has come.
 */
import { openSync, writeSync } from 'node:fs'
import { openCleanedLog } from '../support/cleaned-log.ts'
import { keyAt, valueAt } from './values.ts'

const [directory, progressPath, seedText] = process.argv.slice(2) as [string, string, string]
const compression = (['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const)[Number(seedText) % 5]!
const progress = openSync(progressPath, 'w')
const numbers = new BigInt64Array(1)

const log = await openCleanedLog(directory, {
  segmentBytes: 64 << 10,
  sealBytes: 1024,
  flushAgeMs: 5,
  compaction: true,
  compression,
})
process.stdout.write('open\n')

for (;;) {
  for (let count = 0; count < 40; count++) {
    const offset = log.endOffset
    log.append({ key: keyAt(offset), value: valueAt(offset) })
    numbers[0] = BigInt(log.endOffset)
    writeSync(progress, new Uint8Array(numbers.buffer), 0, 8, 0)
  }
  // A pass is to keep up.
  await new Promise(resolve => setTimeout(resolve, 2))
}
