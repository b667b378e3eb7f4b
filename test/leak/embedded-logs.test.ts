import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { Log } from '../../src/app/log.ts'

const abandonedLogs = 200

let parent: string

before(() => {
  parent = mkdtempSync(join(tmpdir(), 'millrace-leak-'))
})

after(() => rmSync(parent, { recursive: true, force: true }))

const descriptors = (): number => readdirSync('/proc/self/fd').length
const turn = (): Promise<void> => new Promise(resolve => setImmediate(resolve))

async function openAndForget(): Promise<void> {
  for (let i = 0; i < abandonedLogs; i++) {
    const log = await Log.open(join(parent, `abandoned-${i}`), { sealAgeMs: 60_000, retentionMs: 60_000 })
    log.append(`record of ${i}`)
  }
}

test('abandoned logs leave no descriptor after a collection and a turn of the loop, and what was appended is there', async () => {
  const collect = globalThis.gc
  assert.ok(collect !== undefined, 'this test runs with --expose-gc')
  const kept = await Log.open(join(parent, 'kept')) // Its engine stays, as an app's would.
  await turn()
  const descriptorsBefore = descriptors()
  await openAndForget()
  await turn() // Its weak references keep the last one until the job that made them is over.
  collect()
  await turn()
  assert.ok(descriptors() <= descriptorsBefore, `${descriptors()} descriptors, and ${descriptorsBefore} before`)
  const again = await Log.open(join(parent, `abandoned-${abandonedLogs - 1}`))
  assert.equal(again.endOffset, 1)
  await again.close()
  await kept.close()
})
