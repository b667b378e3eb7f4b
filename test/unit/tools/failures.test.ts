import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const tool = fileURLToPath(new URL('../../../tools/failures.mjs', import.meta.url))

/** What is shown of the logs of these suites. */
function digest(suites: Record<string, readonly string[]>): string[] {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-failures-'))
  try {
    const all = Object.entries(suites).map(([name, lines], i) => {
      const path = join(folder, `${i}`)
      writeFileSync(path, `${lines.join('\n')}\n`)
      return `${name}=${path}`
    })
    const { stdout, stderr } = spawnSync(process.execPath, [tool, ...all], { encoding: 'utf8' })
    assert.equal(stderr, '')
    return stdout.trimEnd().split('\n')
  } finally {
    rmSync(folder, { recursive: true })
  }
}

test("a failure of node:test is told once, with its message and without Node's own frames", () => {
  const failure = ['  Error: why', '      at a (a.ts:1:1)', '      at b (node:internal/b:1:1)', '']
  const log = ['✔ one (1ms)', '✖ two (2.5ms)', ...failure, '✔ three (1ms)', 'ℹ fail 1', '✖ failing tests:', '']
  const again = ['test at a.ts:1:1', '✖ two (2.7ms)', ...failure, '', '1 passed, 1 failed']
  assert.deepEqual(digest({ suite: [...log, ...again] }), [
    '--- suite',
    '✖ two (2.5ms)',
    '  Error: why',
    '      at a (a.ts:1:1)',
  ])
})

test('failures of native tests, sanitizers and compilers are found among what else is said', () => {
  const starts = [
    '  log_test.cc:12: ERROR: CHECK( a == b ) is NOT correct!',
    '==1==ERROR: AddressSanitizer: heap-use-after-free on address 0x1',
    'WARNING: ThreadSanitizer: data race (pid=1)',
    'a.cc:3:4: runtime error: load of misaligned address',
    "a.cc:3:4: error: expected ';'",
  ]
  const log = starts.flatMap(start => ['  said before', start, '  values: 1 == 2', '✔ passed'])
  assert.deepEqual(digest({ suite: log }), ['--- suite', ...starts.flatMap(start => [start, '  values: 1 == 2'])])
})

test('a program that only ended is told with what it said last, and so is a log that names no failure', () => {
  const one = ['Error: no module', '✖ groups ended with 1', '', '0 passed, 1 failed']
  const other = ['npm error network', '0 passed, 1 failed']
  assert.deepEqual(digest({ one, other, none: [] }), [
    ...['--- one', '✖ groups ended with 1', 'Error: no module'],
    ...['--- other', 'npm error network'],
    '--- none',
  ])
})

test('a digest stays below its length, shows something of each suite, and counts what it leaves out', () => {
  const body = Array.from({ length: 40 }, (_, i) => `  line ${i}`)
  const many = Array.from({ length: 300 }, (_, i) => [`✖ test ${i}`, ...body]).flat()
  const shown = digest({ many, one: ['✖ alone', `  ${'x'.repeat(5_000)}`] })
  assert.ok(shown.length <= 105, `${shown.length} lines`)
  assert.ok(shown.every(line => line.length < 300))
  assert.equal(shown.filter(line => line.startsWith('  line')).length, 14)
  assert.ok(shown.includes('✖ test 20') && shown.some(line => /^and \d+ more$/.test(line)))
  assert.deepEqual(shown.slice(-3, -1), ['--- one', '✖ alone'])
})
