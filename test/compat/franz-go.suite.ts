/**
 * franz-go's own tests that talk to a broker, those of franz-go.allow. A line there is `passes` or `fails`, the test's
 * name and, of what fails, why. Here the first kind has to pass. `MILLRACE_COMPAT_FRANZ=fails` tries the others instead:
 * who mends something sees there which lines to turn.
 */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { BrokerUnderTest } from './lib/broker.ts'
import { here } from './lib/install.ts'
import { installFranzGoTests } from './lib/install-clients.ts'
import { run } from './lib/process.ts'

const limitMs = 150_000
/** Of the chains of groups; franz-go's own default, half a million, takes minutes. */
const records = 10_000

const lines = readFileSync(here('franz-go.allow'), 'utf8')
  .split('\n')
  .map(line => /^(passes|fails) +(\S+)/.exec(line))
  .filter(match => match !== null)
const wanted = process.env.MILLRACE_COMPAT_FRANZ ?? 'passes'
const names = lines.filter(([, kind]) => kind === wanted).map(([, , name = '']) => name)

let broker: BrokerUnderTest
let outcomes = new Map<string, string>()
let output = ''

before(
  async () => {
    broker = await BrokerUnderTest.start({
      'group.initial.rebalance.delay.ms': '0',
      'offsets.topic.num.partitions': '5',
    })
    const binary = await installFranzGoTests()
    const env = {
      ...process.env,
      KGO_SEEDS: broker.bootstrap,
      KGO_TEST_RF: '1',
      KGO_TEST_RECORDS: String(records),
      KGO_TEST_MAX_TOPIC_PARTS: '11',
    }
    const tests = new Set(names.map(name => name.split('/')[0]))
    // Most of them wait most of the time.
    const together = '-test.parallel=8'
    const args = ['-test.v', together, `-test.timeout=${limitMs / 1_000 - 5}s`, `-test.run=^(${[...tests].join('|')})$`]
    const { stdout, stderr } = await run(binary, args, { timeoutMs: limitMs, env, expectCodes: [0, 1, 2] })
    output = stdout + stderr
    const found = output.matchAll(/^ *--- (PASS|FAIL|SKIP): (\S+)/gm)
    outcomes = new Map([...found].map(([, outcome = '', name = '']) => [name, outcome]))
  },
  { timeout: 2 * limitMs },
)

after(async () => {
  await broker?.destroy()
})

/** What went wrong, as far as the tests, which run side by side, say so. */
const complaints = (name: string): string =>
  output
    .split('\n')
    .filter(line => /_test\.go:\d+:|panic|^ *--- FAIL/.test(line) && !/: (deleting|Test)/.test(line))
    .slice(0, 30)
    .join('\n') || `${name} has no outcome`

for (const name of names) {
  test(`franz-go's ${name}`, () => {
    assert.equal(outcomes.get(name), 'PASS', complaints(name))
  })
}
