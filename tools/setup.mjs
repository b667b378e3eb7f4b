// Makes a clone ready to run: packages, addon, bundle; each only if what it is made from has changed. It has no
// dependencies itself, for it runs before there are any.
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { buildAddon } from './build-addon.mjs'
import { filesBelow, root } from './native-sources.mjs'
import { run } from './run.mjs'
import { say, step } from './terminal.mjs'

const stampPath = join(root, '.setup-stamp')

const readJson = path => {
  try {
    return JSON.parse(readFileSync(path, 'utf8'))
  } catch {
    return undefined
  }
}

/**
 * True when node_modules holds what the lock file says. npm itself keeps a copy there of what it installed, written
 * last, so an interrupted install does not count; packages for other systems may be absent.
 */
function packagesAreCurrent() {
  const wanted = readJson(join(root, 'package-lock.json'))?.packages
  const installed = readJson(join(root, 'node_modules/.package-lock.json'))?.packages
  if (wanted === undefined || installed === undefined) return false
  return Object.entries(wanted).every(([path, { version, integrity, optional }]) => {
    if (path === '') return true
    const there = installed[path]
    return there === undefined ? optional === true : there.version === version && there.integrity === integrity
  })
}

async function installPackages() {
  const progress = step('Installing packages')
  // The addon is built by the next step, which shows its progress; no package needs an install script of its own.
  const { ok, output } = await run('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund'])
  if (!ok) {
    progress.failed()
    say(output.trimEnd())
    return false
  }
  progress.done()
  return true
}

/** Changes with all that the bundle is made from. */
function bundleHash() {
  const hash = createHash('sha256')
  const fixed = ['package.json', 'package-lock.json', 'tsconfig.json', 'tools/build.mjs']
  for (const path of [...fixed, ...filesBelow('src', ['.ts'])]) {
    hash.update(`\0${path}\0`).update(readFileSync(join(root, path)))
  }
  return hash.digest('hex')
}

function bundleIsCurrent(hash) {
  const expected = { 'src/app/main.ts': 'dist/millrace.js', 'src/index.ts': 'dist/index.js' }
  return (
    readJson(stampPath)?.bundle === hash &&
    Object.entries(expected).every(([from, to]) => !existsSync(join(root, from)) || existsSync(join(root, to)))
  )
}

/** Returns true when everything is there; says nothing when everything was. */
export async function setup() {
  const [major] = process.versions.node.split('.').map(Number)
  if (process.platform !== 'linux' || major < 20) {
    say(`millrace runs on Linux with Node 20 or later; this is ${process.platform} with ${process.version}.`)
    return false
  }
  if (!packagesAreCurrent() && !(await installPackages())) return false
  if (!(await buildAddon())) return false
  const hash = bundleHash()
  if (bundleIsCurrent(hash)) return true
  const { build } = await import('./build.mjs')
  if (!(await build())) return false
  writeFileSync(stampPath, `${JSON.stringify({ bundle: hash })}\n`)
  return true
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) process.exitCode = (await setup()) ? 0 : 1
