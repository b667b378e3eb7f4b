/**
 * One life of a writer, until it is killed: `node life.mjs DIRECTORY PROGRESS SEED`. It appends whatever comes to its mind
 * and notes after each append, in a file that survives it, how far the log has come.
 */
import { openSync, writeSync } from 'node:fs'
import { Log } from '../../src/app/log.ts'
import { valueAt } from './values.ts'

const [directory, progressPath, seedText] = process.argv.slice(2) as [string, string, string]
let seed = Number(seedText)
const below = (limit: number): number => {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0
  return Math.floor((seed / 2 ** 32) * limit)
}

const progress = openSync(progressPath, 'w')
const numbers = new BigInt64Array(2)
const note = (end: number, durable: number): void => {
  numbers[0] = BigInt(end)
  numbers[1] = BigInt(durable)
  writeSync(progress, new Uint8Array(numbers.buffer), 0, 16, 0)
}

const log = await Log.open(directory, {
  segmentBytes: 64 << 10,
  sealBytes: 256 << below(6),
  sealAgeMs: 1 + below(5),
  flushAgeMs: 1 + below(20),
  retentionBytes: 8 << 20,
})
note(log.endOffset, log.durableOffset)
process.stdout.write('open\n')

for (;;) {
  const doing = below(100)
  if (doing < 70) {
    const offset = log.endOffset
    const value = valueAt(offset)
    log.append(doing < 50 ? value : { key: `key ${offset}`, value })
  } else if (doing < 90) {
    const first = log.endOffset
    const values = Array.from({ length: 1 + below(doing < 85 ? 64 : 600) }, (_, index) => valueAt(first + index))
    if (log.appendBatch(values) !== first) throw new Error('a batch began elsewhere')
  } else if (doing < 93) {
    await log.flushed()
  } else if (doing < 94) {
    await log.truncateBefore(log.startOffset + below(log.endOffset - log.startOffset + 1))
  } else if (doing < 97) {
    await new Promise(resolve => setImmediate(resolve))
  }
  note(log.endOffset, log.durableOffset)
}
