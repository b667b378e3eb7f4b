// What groups cost: commits of many consumers, a start with a million offsets, rebalances: `npm run bench -- groups`.
import { BrokerMemory } from './lib/broker-memory.ts'
import { buildLoadgen } from './lib/loadgen.ts'
import { introduce } from './lib/measure.ts'
import { parseOptions } from './lib/options.ts'
import { writePage } from './lib/page.ts'
import { collect, writeJson } from './lib/results.ts'
import { measureGroups } from './questions/groups.ts'

const accepted = ['runs', 'duration', 'row', 'data-dir', 'peer', 'json', 'html'] as const
const options = parseOptions('groups', { runs: 3, seconds: 15 }, accepted)
await buildLoadgen()
const machine = await introduce(options)
const result = await measureGroups(options, machine.commit)
const results = collect(machine, BrokerMemory.unlimited('the brokers are measured by their CPU time').note, [result])
if (options.jsonFile !== undefined) writeJson(options.jsonFile, results)
if (options.htmlFile !== undefined) writePage(options.htmlFile, results)
