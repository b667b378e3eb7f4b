// How soon a broker serves, and what it takes to sit idle: `npm run bench -- start`.
import { BrokerMemory } from './lib/broker-memory.ts'
import { buildLoadgen } from './lib/loadgen.ts'
import { introduce } from './lib/measure.ts'
import { parseOptions } from './lib/options.ts'
import { writePage } from './lib/page.ts'
import { collect, writeJson } from './lib/results.ts'
import { measureStart } from './questions/start.ts'

const options = parseOptions('start', { runs: 21, seconds: 0 }, ['runs', 'data-dir', 'peer', 'json', 'html'])
await buildLoadgen()
const machine = await introduce(options)
const result = await measureStart(options, machine.commit)
const results = collect(machine, BrokerMemory.unlimited('a start writes nothing').note, [result])
if (options.jsonFile !== undefined) writeJson(options.jsonFile, results)
if (options.htmlFile !== undefined) writePage(options.htmlFile, results)
