import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { NativeError } from '../../../src/native/errors.ts'
import { crc32c, lockFile, sinceExecMs } from '../../../src/native/process.ts'
import { temporaryDirectory } from './support.ts'

test('crc32c gives the published check value', () => {
  assert.equal(crc32c(new TextEncoder().encode('123456789')), 0xe3069283)
  assert.equal(crc32c(new Uint8Array(0)), 0)
})

test('a locked file is refused until it is released', t => {
  const path = join(temporaryDirectory(t), '.lock')
  const first = lockFile(path)
  assert.ok(first)
  assert.equal(lockFile(path), undefined)
  first.release()
  first.release() // A second time does nothing, also to whoever holds it next.
  const second = lockFile(path)
  assert.ok(second)
  first.release()
  assert.equal(lockFile(path), undefined)
  second.release()
})

test('a lock that cannot be taken for another reason is an error with a code', t => {
  const path = join(temporaryDirectory(t), 'missing', '.lock')
  assert.throws(
    () => lockFile(path),
    (error: unknown) => error instanceof NativeError && error.code === 'MILLRACE_NOT_FOUND',
  )
})

test('another process finds the file locked, and free once the holder is gone', t => {
  const path = join(temporaryDirectory(t), '.lock')
  const module = new URL('../../../src/native/process.ts', import.meta.url).href
  const script = `import { lockFile } from ${JSON.stringify(module)}; console.log(lockFile(${JSON.stringify(path)}) !== undefined)`
  const tryElsewhere = (): string => {
    const child = spawnSync(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script], {
      encoding: 'utf8',
      cwd: fileURLToPath(new URL('../../..', import.meta.url)),
    })
    return child.stdout.trim() + child.stderr
  }
  const held = lockFile(path)
  assert.ok(held)
  assert.equal(tryElsewhere(), 'false')
  held.release()
  assert.equal(tryElsewhere(), 'true') // That process took it and ended without a release:
  const again = lockFile(path)
  assert.ok(again)
  again.release()
})

test('the time since exec is at least what Node says and not much more', () => {
  const node = performance.now()
  const start = sinceExecMs(node)
  assert.ok(start >= node, `${start} is less than Node's own ${node}`)
  assert.ok(start - node < 200, `${start} is far above Node's own ${node}`)
})

test('without the addon the error says how to build it', t => {
  const root = temporaryDirectory(t)
  mkdirSync(join(root, 'dist'))
  writeFileSync(join(root, 'package.json'), '{"type":"module"}')
  const bundled = spawnSync(
    join(fileURLToPath(new URL('../../../node_modules/.bin/esbuild', import.meta.url))),
    [
      fileURLToPath(new URL('../../../src/native/load-addon.ts', import.meta.url)),
      '--bundle',
      '--platform=node',
      '--format=esm',
    ],
    { encoding: 'utf8' },
  )
  assert.equal(bundled.status, 0, bundled.stderr)
  writeFileSync(join(root, 'dist/index.js'), bundled.stdout)
  const script = `import { loadAddon } from ${JSON.stringify(join(root, 'dist/index.js'))}
    try { loadAddon() } catch (error) { console.log(error.code, error.message) }`
  const loaded = () => spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' }).stdout
  assert.match(
    loaded(),
    /^MILLRACE_ADDON_MISSING .*build\/Release\/millrace\.node.*npm explore millrace -- npm run build-addon/,
  )
  mkdirSync(join(root, 'tools'))
  writeFileSync(join(root, 'tools/setup.mjs'), '')
  assert.match(loaded(), /^MILLRACE_ADDON_MISSING .*build\/Release\/millrace\.node.*npm run setup/)
  mkdirSync(join(root, 'build/Release'), { recursive: true })
  writeFileSync(join(root, 'build/Release/millrace.node'), 'of another system')
  assert.match(loaded(), /^MILLRACE_ADDON_UNUSABLE .*build\/Release\/millrace\.node.*npm run setup/)
})
