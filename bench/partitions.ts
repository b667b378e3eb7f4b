// What very many partitions on one broker cost: made, written, stopped and started: `npm run bench -- partitions`.
import { BrokerMemory } from './lib/broker-memory.ts'
import { introduce } from './lib/measure.ts'
import { parseOptions } from './lib/options.ts'
import { writePage } from './lib/page.ts'
import { collect, writeJson } from './lib/results.ts'
import { measurePartitions } from './questions/partitions.ts'

const options = parseOptions('partitions', { runs: 1, seconds: 0 }, ['runs', 'data-dir', 'partitions', 'json', 'html'])
const machine = await introduce(options)
const result = await measurePartitions(options, machine.commit)
const results = collect(machine, BrokerMemory.unlimited('the brokers are measured by their CPU time').note, [result])
if (options.jsonFile !== undefined) writeJson(options.jsonFile, results)
if (options.htmlFile !== undefined) writePage(options.htmlFile, results)
