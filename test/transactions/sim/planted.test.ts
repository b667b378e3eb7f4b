/** A checker that finds nothing proves nothing unless it finds what was broken on purpose: test/transactions/lib/planted.ts. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { build } from 'esbuild'
import { type Edit, editing, root } from '../lib/edits.ts'
import { planted } from '../lib/planted.ts'
import type * as RandomLife from './random-life.ts'

/** Within so many seeds each is found. */
const seeds = 150

async function brokenLife(name: string, edits: readonly Edit[]): Promise<typeof RandomLife> {
  const outfile = join(root, 'build/transactions/planted', `${name.replaceAll(' ', '-')}.mjs`)
  await build({
    absWorkingDir: root,
    entryPoints: ['test/transactions/sim/random-life.ts'],
    outfile,
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    packages: 'external',
    logLevel: 'error',
    plugins: [editing(edits)],
  })
  return (await import(pathToFileURL(outfile).href)) as typeof RandomLife
}

for (const [name, edits] of Object.entries(planted))
  test(`a broker with ${name} is caught`, async t => {
    const { randomLife } = await brokenLife(name, edits)
    for (let seed = 1; seed <= seeds; seed++) {
      const problems = await randomLife(seed).then(
        report => report.problems,
        (error: Error) => [error.message],
      )
      const [problem] = problems
      if (problem === undefined) continue
      t.diagnostic(`seed ${seed}: ${problem}`)
      return
    }
    assert.fail(`${seeds} seeds did not show it`)
  })
