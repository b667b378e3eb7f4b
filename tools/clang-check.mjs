// clang-format and clang-tidy over native, in versions of our own choosing so that everyone gets the same verdict. They
// come from PyPI into a virtual environment in the user's cache. `--fix` formats in place instead of complaining.
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { availableParallelism, homedir } from 'node:os'
import { join } from 'node:path'
import { addonSources, filesBelow, root } from './native-sources.mjs'
import { run } from './run.mjs'
import { conclude } from './suites.mjs'
import { say, step } from './terminal.mjs'

const versions = { 'clang-format': '23.1.3', 'clang-tidy': '23.1.4' }
const requirements = Object.entries(versions).map(([name, version]) => `${name}==${version}`)
const cache = process.env.XDG_CACHE_HOME || join(homedir(), '.cache')
const environment = join(cache, 'millrace', requirements.join('-').replaceAll('==', '-'))

/** Installs both tools once per version and removes what it could not finish. */
async function installTools() {
  if (existsSync(join(environment, 'bin/clang-tidy'))) return true
  const progress = step(`Installing ${requirements.join(' and ')}`)
  rmSync(environment, { recursive: true, force: true })
  mkdirSync(join(cache, 'millrace'), { recursive: true })
  let result = await run('python3', ['-m', 'venv', environment])
  const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--no-input', ...requirements]
  if (result.ok) result = await run(join(environment, 'bin/python'), pip)
  if (result.ok) {
    progress.done()
    return true
  }
  rmSync(environment, { recursive: true, force: true })
  progress.failed('python3 with its venv module is needed (Debian: python3-venv)')
  say(result.output.trimEnd())
  return false
}

const tool = name => join(environment, 'bin', name)

const formatted = ['native/core', 'native/binding', 'native/test', 'bench'].flatMap(folder =>
  filesBelow(folder, ['.cc', '.h']),
)

async function checkFormat(fix) {
  const { ok, output } = await run(tool('clang-format'), [...(fix ? ['-i'] : ['--dry-run', '-Werror']), ...formatted])
  if (ok) return true
  const files = new Set([...output.matchAll(/^(\S+?):\d+:\d+: error: code should be clang-formatted/gm)].map(m => m[1]))
  if (files.size === 0) say(output.trimEnd())
  else say(`Not formatted (npm run format does it): ${[...files].join(', ')}`)
  return false
}

/** What node-gyp compiled with: it notes there where it found Node's headers. */
function includeFlags() {
  const nodedir = readFileSync(join(root, 'build/config.gypi'), 'utf8').match(/"nodedir": "(.*?)"/)?.[1]
  return ['-Inative', '-isystem', join(nodedir, 'include/node'), '-DNAPI_VERSION=8']
}

/** Each source by itself, as many at a time as there are cores. */
async function checkTidy() {
  const flags = ['-std=c++20', '-fno-exceptions', '-fno-rtti', ...includeFlags()]
  const waiting = addonSources()
  const progress = step('clang-tidy')
  const total = { passed: 0, failed: 0, skipped: 0 }
  const worker = async () => {
    for (let source = waiting.shift(); source !== undefined; source = waiting.shift()) {
      progress.update(source)
      const { ok, output } = await run(tool('clang-tidy'), ['--quiet', source, '--', ...flags])
      if (!ok) say(output.trimEnd())
      total[ok ? 'passed' : 'failed'] += 1
    }
  }
  await Promise.all(Array.from({ length: availableParallelism() }, worker))
  progress.done(`${total.passed + total.failed} sources`)
  return total
}

const fix = process.argv.includes('--fix')
if (!(await installTools())) conclude({ passed: 0, failed: 1, skipped: 0 })
else if (fix) process.exitCode = (await checkFormat(true)) ? 0 : 1
else {
  const formatHolds = await checkFormat(false)
  const total = await checkTidy()
  total[formatHolds ? 'passed' : 'failed'] += 1
  conclude(total)
}
