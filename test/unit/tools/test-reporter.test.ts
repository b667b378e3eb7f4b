import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const reporter = fileURLToPath(new URL('../../../tools/test-reporter.mjs', import.meta.url))

/** What `node --test` says through our reporter about these test files. */
function report(files: Record<string, string>) {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-reporter-'))
  try {
    for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text)
    const { NODE_TEST_CONTEXT: _, ...env } = process.env // Else the inner runner reports to the one that runs this test.
    const paths = Object.keys(files).map(name => join(folder, name))
    const options = ['--test', '--test-reporter', reporter, '--test-reporter-destination', 'stdout']
    const { stdout, status } = spawnSync(process.execPath, [...options, ...paths], { encoding: 'utf8', env })
    return { status, stdout, last: stdout.trimEnd().split('\n').at(-1) }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

test('tests that pass are only counted', () => {
  const { status, stdout } = report({ 'a.mjs': "import { test } from 'node:test'\ntest('a', () => {})\n" })
  assert.equal(status, 0)
  assert.equal(stdout, '\n1 passed, 0 failed, 0 skipped\n')
})

test('what failed is told once, with its error, and what was skipped with its reason', () => {
  const text = `import { describe, test } from 'node:test'
    describe('suite', () => test('inner', () => { throw new Error('broken here') }))
    test('one', { skip: 'no kcat' }, () => {})
    test('two', { skip: 'no kcat' }, () => {})`
  const { status, stdout, last } = report({ 'a.mjs': text })
  assert.equal(status, 1)
  assert.equal(stdout.match(/^✖/gm)?.length, 1)
  assert.match(stdout, /^✖ inner .*\n {4}Error: broken here/m)
  assert.match(stdout, /^− skipped: one and 1 more: no kcat$/m)
  assert.equal(last, '0 passed, 1 failed, 2 skipped')
})

test('a file that dies before its first test is a failure', () => {
  const { status, last } = report({ 'a.mjs': 'process.exit(3)\n', 'b.mjs': "import 'node:test'\n" })
  assert.equal(status, 1)
  assert.match(last ?? '', /^\d passed, 1 failed, 0 skipped$/)
})

test('a run that is ended from outside names the tests that were running', () => {
  const data = (name: string) => JSON.stringify({ name, file: 'a.mjs', nesting: 0 })
  const events = [
    ['dequeue', data('a.mjs')],
    ['dequeue', data('quick')],
    ['pass', data('quick')],
    ['dequeue', data('hangs')],
  ]
  const script = `import report from ${JSON.stringify(reporter)}
    async function* run() {
      ${events.map(([type, of]) => `yield { type: 'test:${type}', data: ${of} }`).join('\n')}
      process.exit(1)
    }
    for await (const text of report(run())) console.log(text)`
  const { stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' })
  assert.equal(stdout, '✖ hangs (a.mjs)\n    was still running\n')
})
