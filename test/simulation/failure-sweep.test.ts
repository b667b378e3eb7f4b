import { constants } from 'node:os'
import { test } from 'node:test'
import { chosenCalls, seed } from './options.ts'
import { callsOfWorkload, failAt } from './sweep.ts'

const timeout = 3_600_000

for (const [at, name] of (['EIO', 'ENOSPC', 'EMFILE'] as const).entries())
  test(`no ${name} of any one call to the disk makes an answer untrue, now or after a restart`, {
    timeout,
  }, async t => {
    const count = await callsOfWorkload(seed)
    const calls = chosenCalls(count, at * 7)
    t.diagnostic(`${calls.length} of ${count} calls tried, seed ${seed}`)
    for (const n of calls) await failAt(n, seed, constants.errno[name])
  })
