import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../../..', import.meta.url))

/** Runs the install script in a tree with one native source and nothing on the path but the commands given. */
function buildWith({ commands, source }: { commands: string[]; source: boolean }) {
  const tree = mkdtempSync(join(tmpdir(), 'millrace-build-'))
  try {
    for (const name of ['build-addon.mjs', 'native-sources.mjs', 'terminal.mjs']) {
      cpSync(join(root, 'tools', name), join(tree, 'tools', name))
    }
    cpSync(join(root, 'binding.gyp'), join(tree, 'binding.gyp'))
    if (source) {
      mkdirSync(join(tree, 'native/binding'), { recursive: true })
      writeFileSync(join(tree, 'native/binding/addon.cc'), '')
    }
    mkdirSync(join(tree, 'bin'))
    for (const command of commands) symlinkSync('/bin/true', join(tree, 'bin', command))
    const { status, stderr } = spawnSync(process.execPath, [join(tree, 'tools/build-addon.mjs')], {
      encoding: 'utf8',
      env: { PATH: join(tree, 'bin') },
    })
    return { status, lines: stderr.trimEnd().split('\n') }
  } finally {
    rmSync(tree, { recursive: true })
  }
}

test('a missing compiler is answered with the packages to install', () => {
  const { status, lines } = buildWith({ commands: ['make'], source: true })
  assert.equal(status, 1)
  assert.deepEqual(lines, [
    'millrace: its addon cannot be built here: g++, python3 not found.',
    '  Debian, Ubuntu:  apt-get install g++ python3',
    '  Fedora:          dnf install gcc-c++ python3',
    'It needs a C++20 compiler (gcc 11 or clang 14, or later), make and Python 3. Then run this command again.',
  ])
})

test('before the packages are installed, the addon asks for them', () => {
  const { status, lines } = buildWith({ commands: ['g++', 'make', 'python3'], source: true })
  assert.equal(status, 1)
  assert.deepEqual(lines, ['millrace: node-gyp is not installed; run `npm ci` first.'])
})

test('a tree without native sources has nothing to build, and that is no failure', () => {
  const { status, lines } = buildWith({ commands: [], source: false })
  assert.equal(status, 0)
  assert.deepEqual(lines, ['millrace: no sources in native/binding, so there is no addon to build.'])
})
