// The addon as the package carries it: one binary an architecture, for every Node of it. Incremental. An architecture whose
// compiler is missing is left out, and said.
//
//   node tools/prebuild.mjs [ARCH…]
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { fetchedHeaders, headersPrefix } from './build-addon.mjs'
import { root } from './native-sources.mjs'
import { run } from './run.mjs'
import { say, step } from './terminal.mjs'

/** What runs the tools of each architecture: none before their names on the architecture itself. */
const triples = { x64: 'x86_64-linux-gnu', arm64: 'aarch64-linux-gnu' }
const newestGlibc = [2, 28]

export const architectures = Object.keys(triples)

/** Where the binary of an architecture is built. */
export const portablePath = arch => join(root, 'build/portable', arch, 'millrace.node')

const tool = (arch, name) => (arch === process.arch ? name : `${triples[arch]}-${name}`)
const isThere = command => spawnSync(command, ['--version'], { stdio: 'ignore' }).status === 0

/** Versions of glibc that a binary asks for, beyond the newest that it may. */
function tooNew(arch, path) {
  const table = execFileSync(tool(arch, 'objdump'), ['-p', path], { encoding: 'utf8' })
  const newer = ([major, minor = 0]) => major > newestGlibc[0] || (major === newestGlibc[0] && minor > newestGlibc[1])
  const asked = [...table.matchAll(/\bGLIBC_(\d+(?:\.\d+)+)/g)].map(match => match[1])
  return [...new Set(asked)].filter(version => newer(version.split('.').map(Number)))
}

/** `built`, `missing` (there is no compiler), or `failed`, which was said. */
export async function prebuild(arch) {
  if (!isThere(tool(arch, 'g++')) || !isThere(tool(arch, 'objdump'))) return 'missing'
  const prefix = headersPrefix() ?? fetchedHeaders()
  if (prefix === undefined) {
    say('The headers of Node are not there: run `node tools/build-addon.mjs` first.')
    return 'failed'
  }
  const progress = step(`Building the addon for linux-${arch}`)
  const { ok, output } = await run(
    'make',
    [
      '--no-print-directory',
      '-C',
      'native/portable',
      `-j${availableParallelism()}`,
      `ARCH=${arch}`,
      `CXX=${tool(arch, 'g++')}`,
      `STRIP=${tool(arch, 'strip')}`,
      `NODE_INCLUDE=${join(prefix, 'include/node')}`,
    ],
    { onOutput: text => progress.update(text.trim().split('\n').at(-1)) },
  )
  const wrong = ok ? tooNew(arch, portablePath(arch)) : []
  if (!ok || wrong.length > 0) {
    progress.failed()
    say(ok ? `It asks for glibc ${wrong.join(', ')}: see native/portable/glibc_2_28.cc.` : output.trimEnd())
    return 'failed'
  }
  progress.done()
  return existsSync(portablePath(arch)) ? 'built' : 'failed'
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const asked = process.argv.length > 2 ? process.argv.slice(2) : architectures
  for (const arch of asked) {
    const outcome = triples[arch] === undefined ? 'missing' : await prebuild(arch)
    if (outcome === 'missing')
      say(`linux-${arch} is left out: there is no compiler for it (Debian: g++-${triples[arch]?.replace('_', '-')}).`)
    if (outcome === 'failed') process.exitCode = 1
  }
}
