/** Lives that find nothing prove nothing unless they find what was broken on purpose: planted-bugs.ts. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { build } from 'esbuild'
import { type Edit, editing, root } from '../../../transactions/lib/edits.ts'
import type * as TransactionsModel from '../transactions-model.ts'
import { planted } from './planted-bugs.ts'

/** Within so many seeds each is found. */
const seeds = 3_000

async function brokenModel(name: string, edit: Edit): Promise<typeof TransactionsModel> {
  const outfile = join(root, 'build/transactions/planted-shards', `${name.replaceAll(' ', '-')}.mjs`)
  await build({
    absWorkingDir: root,
    entryPoints: ['test/simulation/transactions/transactions-model.ts'],
    outfile,
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    packages: 'external',
    logLevel: 'error',
    plugins: [editing([edit])],
  })
  return (await import(pathToFileURL(outfile).href)) as typeof TransactionsModel
}

for (const [name, edit] of Object.entries(planted))
  test(`a shard with ${name} is caught`, async t => {
    const { runTransactionsSequence } = await brokenModel(name, edit)
    for (let seed = 1; seed <= seeds; seed++) {
      try {
        runTransactionsSequence(seed)
      } catch (error) {
        t.diagnostic(
          `seed ${seed}: ${error instanceof Error && error.cause instanceof Error ? error.cause.message : error}`,
        )
        return
      }
    }
    assert.fail(`${seeds} seeds did not show it`)
  })
