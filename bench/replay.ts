// How fast a start reads a log that it has to check: `npm run bench -- replay`.
import { BrokerMemory } from './lib/broker-memory.ts'
import { buildLoadgen } from './lib/loadgen.ts'
import { introduce } from './lib/measure.ts'
import { parseOptions } from './lib/options.ts'
import { writePage } from './lib/page.ts'
import { collect, writeJson } from './lib/results.ts'
import { measureReplay } from './questions/replay.ts'

const options = parseOptions('replay', { runs: 3, seconds: 0 }, ['runs', 'data-dir', 'log-gb', 'json', 'html'])
await buildLoadgen()
const machine = await introduce(options)
const result = await measureReplay(options, machine.commit)
const results = collect(machine, BrokerMemory.unlimited('the brokers are measured by their CPU time').note, [result])
if (options.jsonFile !== undefined) writeJson(options.jsonFile, results)
if (options.htmlFile !== undefined) writePage(options.htmlFile, results)
