// What the embedded log reaches, next to other logs of this machine: `npm run bench -- log`. Its peers are installed when
// they are first asked for: lmdb, better-sqlite3 and classic-level from npm, Chronicle Queue from Maven Central.
import { introduce, prepareMemory } from './lib/measure.ts'
import { parseOptions } from './lib/options.ts'
import { writePage } from './lib/page.ts'
import { collect, writeJson } from './lib/results.ts'
import { measureLogs } from './questions/log.ts'

const accepted = ['runs', 'duration', 'row', 'data-dir', 'memory-gb', 'touch-gb', 'json', 'html'] as const
const options = parseOptions('log', { runs: 3, seconds: 3 }, accepted)
const machine = await introduce(options)
const memory = await prepareMemory(options)
const rows = await measureLogs(options, memory, machine.commit).finally(() => memory.remove())
const results = collect(machine, memory.note, rows)
if (options.jsonFile !== undefined) writeJson(options.jsonFile, results)
if (options.htmlFile !== undefined) writePage(options.htmlFile, results)
