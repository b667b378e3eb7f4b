import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { FileCalls } from '../../src/app/durable-files.ts'
import { newModel } from './model.ts'
import { SimMachine } from './sim-machine.ts'
import { crashAt } from './sweep.ts'
import { Run, recordedWorkload } from './workload.ts'

async function callsMade(seed: number): Promise<string[]> {
  const machine = SimMachine.empty(seed)
  const run = new Run(machine, newModel(), seed)
  try {
    await recordedWorkload(run)
    // The directories of deleted logs are counted by the process.
    return machine.calls.map(call => call.replace(/\.[0-9a-f]{32}-delete/g, '.N-delete'))
  } finally {
    await run.kill()
    machine.drop()
  }
}

test('a seed makes the same calls to the disk in the same order, and another seed makes others', async () => {
  const first = await callsMade(1)
  assert.deepEqual(await callsMade(1), first)
  assert.notDeepEqual(await callsMade(2), first)
})

/** Calls of which some do nothing. */
const without = (change: (calls: FileCalls) => Partial<FileCalls>) => (calls: FileCalls) =>
  Object.assign(Object.create(calls) as FileCalls, change(calls))

const broken: Record<string, (calls: FileCalls) => FileCalls> = {
  'a file is renamed before it is synced': without(calls => ({
    async create(path) {
      const file = await calls.create(path)
      return { write: content => file.write(content), sync: async () => {}, close: () => file.close() }
    },
  })),
  'directories are never synced': without(() => ({ async syncDirectory() {} })),
}

for (const [what, between] of Object.entries(broken))
  test(`the sweep sees it when ${what}`, async t => {
    for (let n = 60; n < 1_600; n += 40) {
      const seen = await crashAt(n, 1, 3, between).then(
        () => undefined,
        (error: Error) => error,
      )
      if (seen === undefined) continue
      t.diagnostic(seen.message.split('\n', 2).join(' '))
      return await crashAt(n, 1, 3) // As it should be, it is well.
    }
    assert.fail('nothing was noticed')
  })
