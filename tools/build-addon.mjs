// Builds build/Release/millrace.node; npm's `install` script. It has no dependencies, and downloads nothing where Node's
// headers lie beside its executable, which npm's own `node-gyp rebuild` does not find with a fresh home directory.
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { accessSync, constants, mkdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { availableParallelism } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { addonSources, filesBelow, root } from './native-sources.mjs'
import { say, step } from './terminal.mjs'

const require = createRequire(import.meta.url)
const addonPath = join(root, 'build/Release/millrace.node')
const stampPath = join(root, 'build/Release/millrace.stamp')
const lockPath = join(root, 'build/addon.lock')

/** Changes with all that the binary depends on. Not with Node's version: Node-API is the same for every one we serve. */
export function addonHash() {
  const hash = createHash('sha256')
  hash.update(JSON.stringify([process.platform, process.arch, process.env.CXX ?? '', process.env.CXXFLAGS ?? '']))
  const headers = ['core', 'binding'].flatMap(folder => filesBelow(`native/${folder}`, ['.h']))
  for (const path of ['binding.gyp', ...addonSources(), ...headers]) {
    hash.update(`\0${path}\0`).update(readFileSync(join(root, path)))
  }
  return hash.digest('hex')
}

/** True when the binary was built from these sources and this Node can load it (another C library may not). */
export function addonIsCurrent(hash = addonHash()) {
  try {
    if (readFileSync(stampPath, 'utf8') !== hash) return false
    require(addonPath)
    return true
  } catch {
    return false
  }
}

function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

const isOnPath = command =>
  command.includes('/')
    ? isExecutable(command)
    : (process.env.PATH ?? '').split(delimiter).some(folder => isExecutable(join(folder, command)))

/** The message that names the packages of what is missing, or undefined when all is there. */
function missingTools() {
  const { CXX, PYTHON, npm_config_python } = process.env
  const compiler = (CXX ?? 'g++').trim().split(/\s+/)[0]
  const pythons = [PYTHON, npm_config_python, 'python3', 'python'].filter(name => name !== undefined && name !== '')
  const missing = [
    { name: compiler, debian: 'g++', fedora: 'gcc-c++', found: isOnPath(compiler) },
    { name: 'make', debian: 'make', fedora: 'make', found: isOnPath(process.env.MAKE ?? 'make') },
    { name: 'python3', debian: 'python3', fedora: 'python3', found: pythons.some(isOnPath) },
  ].filter(tool => !tool.found)
  if (missing.length === 0) return undefined
  const list = field => missing.map(tool => tool[field]).join(' ')
  return [
    `millrace: its addon cannot be built here: ${missing.map(tool => tool.name).join(', ')} not found.`,
    `  Debian, Ubuntu:  apt-get install ${list('debian')}`,
    `  Fedora:          dnf install ${list('fedora')}`,
    'It needs a C++20 compiler (gcc 11 or clang 14, or later), make and Python 3. Then run this command again.',
  ].join('\n')
}

/** Where Node's headers lie: as npm was told, or beside this very executable if they are of its version. */
export function headersPrefix() {
  const { npm_config_nodedir } = process.env
  if (npm_config_nodedir) return npm_config_nodedir
  const prefix = dirname(dirname(realpathSync(process.execPath)))
  try {
    const header = readFileSync(join(prefix, 'include/node/node_version.h'), 'utf8')
    const part = name => header.match(new RegExp(`#define NODE_${name}_VERSION (\\d+)`))?.[1]
    return `v${part('MAJOR')}.${part('MINOR')}.${part('PATCH')}` === process.version ? prefix : undefined
  } catch {
    return undefined
  }
}

/** Where node-gyp has put the headers, if it had to fetch them for a build here. */
export function fetchedHeaders() {
  try {
    return readFileSync(join(root, 'build/config.gypi'), 'utf8').match(/"nodedir": "(.*?)"/)?.[1]
  } catch {
    return undefined
  }
}

/** Ours, or the one that npm brings along where the package was installed without development tools. */
function nodeGyp() {
  try {
    return require.resolve('node-gyp/bin/node-gyp.js')
  } catch {
    return process.env.npm_config_node_gyp
  }
}

const isAlive = pid => {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error.code === 'EPERM'
  }
}

/** One build at a time in this directory; the lock of a process that died is taken over. */
async function withBuildLock(work) {
  mkdirSync(join(root, 'build'), { recursive: true })
  for (let announced = false; ; ) {
    try {
      writeFileSync(lockPath, `${process.pid}`, { flag: 'wx' })
      break
    } catch (error) {
      if (error.code !== 'EEXIST') throw error
    }
    let owner = Number.NaN
    try {
      owner = Number.parseInt(readFileSync(lockPath, 'utf8'), 10)
    } catch {
      continue // Released between the two calls.
    }
    if (!Number.isNaN(owner) && !isAlive(owner)) {
      rmSync(lockPath, { force: true })
      continue
    }
    if (!announced) say(`Waiting for the build that process ${owner} runs.`)
    announced = true
    await new Promise(resolve => setTimeout(resolve, 200))
  }
  const release = () => rmSync(lockPath, { force: true })
  process.once('exit', release)
  try {
    return await work()
  } finally {
    process.removeListener('exit', release)
    release()
  }
}

/** Runs node-gyp; resolves with its output and whether it succeeded. */
function runNodeGyp(gyp, onSource) {
  const prefix = headersPrefix()
  const options = prefix === undefined ? [] : [`--nodedir=${prefix}`]
  const args = [
    gyp,
    'configure',
    'build',
    '--release',
    '--loglevel=warn',
    `--jobs=${availableParallelism()}`,
    ...options,
  ]
  return new Promise(resolve => {
    const child = spawn(process.execPath, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    const collect = chunk => {
      output += chunk
      for (const [, object] of String(chunk).matchAll(/CXX\(target\) \S*?native\/(\S+)\.o/g)) onSource(`${object}.cc`)
    }
    child.stdout.on('data', collect)
    child.stderr.on('data', collect)
    child.on('error', error => resolve({ ok: false, output: String(error) }))
    child.on('close', code => resolve({ ok: code === 0, output }))
  })
}

/** Returns true when the addon is there and current. Says what it does, and prints the compiler's output on failure. */
export async function buildAddon() {
  const sources = addonSources()
  if (!sources.some(path => path.startsWith('native/binding/'))) {
    say('millrace: no sources in native/binding, so there is no addon to build.')
    return true
  }
  if (addonIsCurrent()) return true
  const gyp = nodeGyp()
  let problem = missingTools()
  if (gyp === undefined) problem ??= 'millrace: node-gyp is not installed; run `npm ci` first.'
  if (problem !== undefined) {
    say(problem)
    return false
  }
  return withBuildLock(async () => {
    const hash = addonHash()
    if (addonIsCurrent(hash)) return true // Another process built it meanwhile.
    const progress = step('Building the addon')
    let compiled = 0
    const { ok, output } = await runNodeGyp(gyp, source => {
      compiled += 1
      progress.update(`${compiled}/${sources.length} ${source}`)
    })
    if (!ok) {
      progress.failed()
      say(output.trimEnd())
      return false
    }
    try {
      require(addonPath)
    } catch (error) {
      progress.failed(`it does not load: ${error.message}`)
      return false
    }
    writeFileSync(stampPath, hash)
    progress.done(compiled === 0 ? 'linked' : `${compiled} of ${sources.length} sources compiled`)
    return true
  })
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) process.exitCode = (await buildAddon()) ? 0 : 1
