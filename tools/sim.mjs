// `npm run sim -- [MODEL] [--seed=N] [--sequences=N]`: random lives of consumer groups, of transactional producers, and of a
// whole broker whose clients write transactions, held to what must always be true. MODEL is one of the *-model.test.ts of
// test/simulation and test/transactions: shard, classic, consumer, migration, offsets, transactions, exactly-once; else all.
import { spawn } from 'node:child_process'
import { filesBelow, root } from './native-sources.mjs'
import { setup } from './setup.mjs'
import { say } from './terminal.mjs'

const models = new Map(
  ['test/simulation', 'test/transactions']
    .flatMap(folder => filesBelow(folder, ['-model.test.ts']))
    .map(path => [path.replace(/.*\/(.*)-model\.test\.ts$/, '$1'), path]),
)
const settings = { seed: '1', sequences: '20000' }
const chosen = []
let wrong = false
for (const argument of process.argv.slice(2)) {
  const [, name, value] = /^--(seed|sequences)=(\d+)$/.exec(argument) ?? []
  if (name !== undefined) settings[name] = value
  else if (models.has(argument)) chosen.push(models.get(argument))
  else wrong = true
}

if (wrong) {
  say(`usage: npm run sim -- [MODEL] [--seed=N] [--sequences=N], where MODEL is ${[...models.keys()].join(', ')}`)
  process.exitCode = 2
} else if (await setup()) {
  const files = chosen.length > 0 ? chosen : [...models.values()]
  const env = { ...process.env, SIM_SEED: settings.seed, SIM_SEQUENCES: settings.sequences }
  const options = ['--import', 'tsx', '--test', '--test-reporter=spec', ...files]
  const child = spawn(process.execPath, options, { cwd: root, stdio: 'inherit', env })
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal))
  child.on('exit', code => {
    process.exitCode = code ?? 1
  })
} else process.exitCode = 1
