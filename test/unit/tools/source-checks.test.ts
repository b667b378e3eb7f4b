import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const tools = fileURLToPath(new URL('../../../tools', import.meta.url))

/** Runs a check over a tree with these files below src and returns what it complains about. */
function complaints(check: 'directions' | 'world', files: Record<string, string>): string[] {
  const tree = mkdtempSync(join(tmpdir(), 'millrace-checks-'))
  try {
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(tree, 'src', path)), { recursive: true })
      writeFileSync(join(tree, 'src', path), text)
    }
    const { status, stderr } = spawnSync(process.execPath, [join(tools, `${check}-check.mjs`), tree], {
      encoding: 'utf8',
    })
    const lines = stderr.split('\n').filter(line => line !== '')
    assert.equal(status, lines.length === 0 ? 0 : 1)
    return lines
  } finally {
    rmSync(tree, { recursive: true })
  }
}

test('an import against the order of the folders is found, whatever its form', () => {
  const found = complaints('directions', {
    'log/log.ts': 'export const log = 1\n',
    'base/value.ts': "import { log } from '../log/log.ts'\n",
    'base/type.ts': "import type {\n  log,\n} from '../log/log.ts'\n",
    'base/dynamic.ts': "export const later = () => import('../log/log.ts')\n",
    'base/again.ts': "export * from '../log/log.ts'\n",
    'base/inline.ts': "export type L = typeof import('../log/log.ts')\n",
    'server/fine.ts': "import { log } from '../log/log.ts'\n",
  })
  assert.deepEqual(found, [
    'src/base/again.ts:1: src/base may not import src/log',
    'src/base/dynamic.ts:1: src/base may not import src/log',
    'src/base/inline.ts:1: src/base may not import src/log',
    'src/base/type.ts:3: src/base may not import src/log',
    'src/base/value.ts:1: src/base may not import src/log',
  ])
})

test('the client never sees the broker, the embedded log nothing after the log, and no folder is unknown', () => {
  const found = complaints('directions', {
    'client/client.ts': "import '../server/server.ts'\nimport '../records/batch.ts'\n",
    'embedded/log.ts': "import '../metadata/image.ts'\nimport '../log/log.ts'\n",
    'odds/ends.ts': '',
    'index.ts': "export * from './embedded/log.ts'\n",
    'app/main.ts': "import '../index.ts'\nimport '../../test/help.ts'\n",
  })
  assert.deepEqual(found, [
    'src/app/main.ts:1: nothing in src imports index.ts',
    'src/app/main.ts:2: src imports test/help.ts, which lies outside it',
    'src/client/client.ts:1: src/client may not import src/server',
    'src/embedded/log.ts:1: src/embedded may not import src/metadata',
    'src/odds/ends.ts: src/odds has no place in the order of tools/directions-check.mjs',
  ])
})

test('circular imports are found, those of types included', () => {
  const found = complaints('directions', {
    'log/a.ts': "import './b.ts'\n",
    'log/b.ts': "import './c.ts'\n",
    'log/c.ts': "import type { A } from './b.ts'\n",
  })
  assert.deepEqual(found, ['src/log/b.ts: imports itself in a circle: log/b.ts → log/c.ts → log/b.ts'])
})

test('the modules of the real world are imported by src/app alone', () => {
  const files = { 'app/disk.ts': "import 'node:fs'\n", 'native/load.ts': "import 'node:fs'\n" }
  assert.deepEqual(complaints('directions', files), [])
  assert.deepEqual(complaints('directions', { ...files, 'log/log.ts': "import { x } from 'fs/promises'\n" }), [
    'src/log/log.ts:1: only src/app imports fs/promises: elsewhere the World is a parameter',
  ])
})

test('the clock, timers and chance of the real world are found in code, not in text', () => {
  const text = [
    '// Date.now() in a comment, "Math.random" in a string, /setTimeout/ in an expression',
    "const a = 'Date.now()' + `Math.random ${b} setTimeout`",
    'const c = /[/"]Date.now()/.test(a) || a / 2 / setting',
    'world.timers.setTimeout(run, 10)',
    'const d = new Date(nowMs)',
    'type T = { setTimeout: number; performance?: string }',
  ]
  assert.deepEqual(complaints('world', { 'log/fine.ts': text.join('\n'), 'app/world.ts': 'Date.now()' }), [])
  const reached = [
    'const a = Date.now()',
    'const b = `${Math.random()}`',
    'setTimeout(run, 10)',
    'const d = new Date()',
    'globalThis.setInterval(run)',
    'const { now } = performance',
  ]
  assert.deepEqual(
    complaints('world', { 'log/wrong.ts': reached.join('\n') }),
    ['Date.now', 'Math.random', 'setTimeout', 'new Date()', 'setInterval', 'performance'].map(
      (name, index) => `src/log/wrong.ts:${index + 1}: ${name} is the real world's; take it from World`,
    ),
  )
})
