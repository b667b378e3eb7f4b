// The checks and test suites by name. Each returns what it counted and what it has to say; tools/check.mjs,
// tools/test.mjs and .ci/run choose among them. `node tools/suites.mjs NAME` runs one by itself.
import { existsSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { buildSimAddon } from './build-sim-addon.mjs'
import { withBundles } from './bundle-tests.mjs'
import { checkDirections } from './directions-check.mjs'
import { filesBelow, root } from './native-sources.mjs'
import { run } from './run.mjs'
import { say, step } from './terminal.mjs'
import { checkWorld } from './world-check.mjs'

const jobs = availableParallelism()

const failure = output => ({ passed: 0, failed: 1, skipped: 0, output })

/** A check is one test: it holds or it does not. */
const verdict = (ok, output) => (ok ? { passed: 1, failed: 0, skipped: 0, output: '' } : failure(output))

const command =
  (name, ...args) =>
  async () => {
    const { ok, output } = await run(name, args)
    return verdict(ok, output)
  }

const sourceCheck = check => async () => {
  const { problems } = check()
  return verdict(problems.length === 0, problems.join('\n'))
}

/** The counts of the last line that holds some, or undefined. */
export function countsIn(output) {
  const all = [...output.matchAll(/^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$/gm)]
  const last = all.at(-1)
  if (last === undefined) return undefined
  const [passed, failed, skipped] = last.slice(1).map(value => Number(value ?? 0))
  return { passed, failed, skipped }
}

/** Whatever the counts say, a program that failed is a failure, and so is one that ran nothing. */
function withCounts({ ok, output }, counts) {
  if (counts === undefined) return failure(`${output}\nThe suite ended without counting its tests.`)
  if (counts.passed + counts.failed === 0) return failure(`${output}\nThe suite ran no test.`)
  const failed = !ok && counts.failed === 0 ? 1 : counts.failed
  return { ...counts, failed, output }
}

/** node:test over every *.test.ts of these folders of test, without those of `except`, and `more` files. */
const typescriptTests =
  ({ folders, except = [], more = [], nodeOptions = [], env = {}, testTimeoutMs = 300_000 }) =>
  async onOutput => {
    const found = folders.flatMap(folder => filesBelow(`test/${folder}`, ['.test.ts']))
    const files = [...found.filter(path => !except.some(folder => path.startsWith(`test/${folder}/`))), ...more]
    if (files.length === 0) return failure(`There is no *.test.ts in ${folders.join(', ')} of test.`)
    const limits = [`--test-concurrency=${jobs}`, `--test-timeout=${testTimeoutMs}`]
    const options = [...nodeOptions, '--enable-source-maps', '--test', ...limits]
    const reporter = ['--test-reporter', './tools/test-reporter.mjs', '--test-reporter-destination', 'stdout']
    let result
    try {
      result = await withBundles(files, bundles =>
        run(process.execPath, [...options, ...reporter, ...bundles], { env, onOutput }),
      )
    } catch (error) {
      return failure(`The tests could not be bundled: ${error.message}`)
    }
    const counts = countsIn(result.output)
    const shown = result.output.replace(/\n?^\d+ passed, \d+ failed, \d+ skipped$\n?/gm, '')
    return withCounts({ ok: result.ok, output: shown }, counts)
  }

/** How many random lives each *-model.test.ts of test/simulation tries, where nobody says it. */
const sequences = count => ({ SIM_SEQUENCES: process.env.SIM_SEQUENCES ?? count })

/** The addon on simulated disks, then the sweeps; test/simulation/options.ts says what of it a run tries. */
async function simulation(onOutput) {
  if (!(await buildSimAddon(onOutput))) return failure('The addon on simulated disks could not be built.')
  return typescriptTests({ folders: ['simulation'], except: ['simulation/groups', 'simulation/transactions'] })(
    onOutput,
  )
}

const make = (onOutput, ...args) =>
  run('make', ['--no-print-directory', '-C', 'native/test', `-j${jobs}`, ...args], { onOutput })

/** What doctest says of its test cases. */
function doctestCounts(output) {
  const found = output.match(/\[doctest\] test cases: +\d+ \| +(\d+) passed \| +(\d+) failed \| +(\d+) skipped/)
  if (found === null) return undefined
  const [passed, failed, skipped] = found.slice(1).map(Number)
  return { passed, failed, skipped }
}

/** doctest's summary is read, not shown; sanitizer reports and failed checks are. */
const withoutSummary = output =>
  output
    .replace(/^\[doctest\] (doctest version|run with|test cases|assertions|Status).*\n?/gm, '')
    .replace(/^=+\n$/gm, '')

const sanitizerOptions = {
  ASAN_OPTIONS: 'detect_leaks=1:detect_stack_use_after_return=1:strict_string_checks=1',
  UBSAN_OPTIONS: 'print_stacktrace=1',
  TSAN_OPTIONS: 'second_deadlock_stack=1:halt_on_error=1',
}

async function buildNative(onOutput, kind, ...options) {
  const built = await make(onOutput, kind, ...options)
  return built.ok ? undefined : failure(built.output)
}

const nativeTests = kind => async onOutput => {
  const problem = await buildNative(onOutput, kind, ...(process.env.CI ? ['WERROR=1'] : []))
  if (problem !== undefined) return problem
  return await testCases(kind, { env: sanitizerOptions, onOutput })
}

/** A process for each so many test cases, as many processes at a time as there are cores. */
const casesPerProcess = 8

async function testCases(kind, { filter = [], env, onOutput, atOnce = casesPerProcess }) {
  const tests = `build/native-${kind}/tests`
  const listed = await run(tests, [...filter, '--count'])
  const count = Number(listed.output.match(/test cases passing the current filters: (\d+)/)?.[1] ?? 0)
  if (count === 0) return failure(`${listed.output}\nNo test case passes ${filter.join(' ') || 'no filter at all'}.`)
  const outcomes = []
  let next = 1
  const worker = async () => {
    while (next <= count) {
      const first = next
      const last = Math.min(first + atOnce - 1, count)
      next = last + 1
      const result = await run(tests, [...filter, `--first=${first}`, `--last=${last}`], { env, onOutput })
      const failed = doctestCounts(result.output)?.failed ?? last - first + 1
      const output = withoutSummary(result.output)
      // doctest counts all that its filter passes, whether or not they lie between first and last.
      outcomes.push({
        ...withCounts({ ok: result.ok, output }, { passed: last - first + 1 - failed, failed, skipped: 0 }),
      })
    }
  }
  await Promise.all(Array.from({ length: jobs }, worker))
  const sum = field => outcomes.reduce((total, outcome) => total + outcome[field], 0)
  const output = outcomes.map(outcome => outcome.output).join('\n')
  return { passed: sum('passed'), failed: sum('failed'), skipped: 0, output }
}

/** `npm test` runs on machines without doctest, too; the longer suites do not. */
async function nativePlainWhereDoctestIs(onOutput) {
  const probe = await make(undefined, 'doctest')
  if (probe.ok) return nativeTests('plain')(onOutput)
  const [reason] = probe.output.split('\n')
  return { passed: 0, failed: 0, skipped: 1, output: `skipped: ${reason}` }
}

/** Each bug of native/test/planted must make the fault sweeps fail; sweeps that pass over one prove nothing there. */
async function plantedBugs(onOutput) {
  const built = await buildNative(onOutput, 'plain')
  if (built !== undefined) return built
  const names = filesBelow('native/test/planted', ['.sed']).map(path => path.replace(/.*\/(.*)\.sed/, '$1'))
  if (names.length === 0) return failure('There is no *.sed in native/test/planted.')
  const outcomes = []
  for (const name of names) outcomes.push(await plantedBug(name, onOutput))
  const failed = outcomes.filter(outcome => outcome.failed > 0)
  const output = failed.map(outcome => outcome.output).join('\n')
  return { passed: outcomes.length - failed.length, failed: failed.length, skipped: 0, output }
}

async function plantedBug(name, onOutput) {
  const problem = await buildNative(onOutput, 'planted', `PLANT=${name}`)
  if (problem !== undefined) return problem
  const options = ['--test-case=*fault sweep*', '--abort-after=1']
  const result = await run(`build/native-planted/${name}/tests`, options, { onOutput })
  const counts = doctestCounts(result.output)
  if (counts === undefined) return failure(`${name}: ${result.output}\nThe sweep ended without a verdict.`)
  if (counts.passed + counts.failed === 0) return failure("No test case has 'fault sweep' in its name.")
  return verdict(counts.failed > 0, `The fault sweeps passed over the planted bug ${name}.`)
}

/**
 * Every call of the recorded workload, and workloads that a seed decides for MILLRACE_SWEEP_SECONDS; one process a test
 * case, as many at a time as there are cores.
 */
const nativeSweep = kind => async onOutput => {
  const problem = await buildNative(onOutput, kind)
  if (problem !== undefined) return problem
  const sweep = { MILLRACE_SWEEP: 'full', MILLRACE_SWEEP_SECONDS: process.env.MILLRACE_SWEEP_SECONDS ?? '60' }
  const env = { ...sanitizerOptions, ...(kind === 'plain' ? sweep : { ...sweep, MILLRACE_SWEEP: 'sample' }) }
  return await testCases(kind, { filter: ['--test-case=*fault sweep*'], env, onOutput, atOnce: 1 })
}

/** Each libFuzzer target for a bounded time, from an empty corpus and from native/test/fuzz/corpus/<target>. */
async function fuzz(onOutput) {
  const problem = await buildNative(onOutput, 'fuzz')
  if (problem !== undefined) return problem
  const seconds = Number(process.env.FUZZ_SECONDS ?? 20)
  const names = filesBelow('native/test/fuzz', ['.cc'])
    .filter(path => path.split('/').length === 4)
    .map(path => path.replace(/.*\/(.*)\.cc/, '$1'))
  const outcomes = []
  for (const name of names) {
    const corpus = `native/test/fuzz/corpus/${name}`
    const limits = ['-max_len=65536', `-max_total_time=${seconds}`, '-timeout=10', '-rss_limit_mb=2048']
    const quiet = ['-verbosity=0', '-print_final_stats=0', `-artifact_prefix=build/native-fuzz/${name}-`]
    const seeds = existsSync(join(root, corpus)) ? ['-runs=-1', `build/native-fuzz/${name}.corpus`, corpus] : []
    if (seeds.length > 0) await run('mkdir', ['-p', seeds[1]])
    const timeoutMs = (seconds + 60) * 1000
    const result = await run(`build/native-fuzz/${name}`, [...limits, ...quiet, ...seeds], { timeoutMs, onOutput })
    outcomes.push({ ok: result.ok, output: result.ok ? '' : `fuzz target ${name}:\n${result.output}` })
  }
  const failed = outcomes.filter(outcome => !outcome.ok)
  const output = failed.map(outcome => outcome.output).join('\n')
  return { passed: outcomes.length - failed.length, failed: failed.length, skipped: 0, output }
}

/** A program of the suite's own that ends with the line of counts. */
const program =
  (...args) =>
  async onOutput => {
    const result = await run(process.execPath, args, { onOutput })
    return withCounts(result, countsIn(result.output))
  }

export const suites = {
  types: { title: 'Types', run: command('tsc', '--pretty', 'false') },
  lint: { title: 'Lint and format', run: command('biome', 'ci', '--colors=off', '--error-on-warnings', '.') },
  directions: { title: 'Import directions', run: sourceCheck(checkDirections) },
  world: { title: 'Real world only in src/app', run: sourceCheck(checkWorld) },
  unit: { title: 'Unit tests', run: typescriptTests({ folders: ['unit'] }) },
  tests: {
    title: 'Unit, golden and integration tests',
    run: typescriptTests({
      folders: ['unit', 'golden', 'integration', 'simulation/groups', 'simulation/transactions'],
      except: ['simulation/transactions/planted'],
      env: sequences('40'),
    }),
  },
  'groups-sim': {
    title: 'Random lives of groups, at length',
    run: typescriptTests({ folders: ['simulation/groups'], env: sequences('2500'), testTimeoutMs: 3_600_000 }),
  },
  'transactions-model': {
    title: 'Random lives of transactional producers, at length',
    run: typescriptTests({
      folders: ['simulation/transactions'],
      env: sequences('4000'),
      testTimeoutMs: 3_600_000,
    }),
  },
  'transactions-sim': {
    title: 'Exactly once, simulated',
    run: typescriptTests({ folders: ['transactions/sim'], env: sequences('150'), testTimeoutMs: 3_600_000 }),
  },
  transactions: {
    title: 'Exactly once, for real',
    run: typescriptTests({ folders: ['transactions'], except: ['transactions/sim'], testTimeoutMs: 300_000 }),
  },
  'embedded-kill': {
    title: 'Writers of embedded logs, killed',
    run: typescriptTests({ folders: ['embedded-kill'], testTimeoutMs: 600_000 }),
  },
  disk: { title: 'Full and bad disks', run: typescriptTests({ folders: ['disk'] }) },
  hostile: {
    title: 'Hostile clients, at length',
    run: typescriptTests({
      folders: ['hostile'],
      more: ['in-flight', 'in-flight-topics', 'connection-fuzz', 'time-lookups'].map(
        name => `test/integration/${name}.test.ts`,
      ),
      env: {
        MILLRACE_IN_FLIGHT_ROUNDS: process.env.MILLRACE_IN_FLIGHT_ROUNDS ?? '25',
        MILLRACE_FUZZ_SECONDS: process.env.MILLRACE_FUZZ_SECONDS ?? '30',
        MILLRACE_LOOKUP_ROUNDS: process.env.MILLRACE_LOOKUP_ROUNDS ?? '8',
      },
    }),
  },
  simulation: { title: 'A simulated disk under the broker', run: simulation },
  runtimes: {
    title: 'Node 20, 22 and 24, Bun, worker threads',
    run: typescriptTests({ folders: ['runtimes'], testTimeoutMs: 1_800_000 }),
  },
  package: { title: 'The package, installed', run: typescriptTests({ folders: ['package'], testTimeoutMs: 900_000 }) },
  leak: { title: 'Leak tests', run: typescriptTests({ folders: ['leak'], nodeOptions: ['--expose-gc'] }) },
  'native-if-doctest': { title: 'Native tests', run: nativePlainWhereDoctestIs },
  'native-plain': { title: 'Native tests', run: nativeTests('plain') },
  'native-asan': { title: 'Native tests under ASan and UBSan', run: nativeTests('asan') },
  'native-tsan': { title: 'Native tests under TSan', run: nativeTests('tsan') },
  'native-sweep': { title: 'Fault sweep of every call', run: nativeSweep('plain') },
  'native-sweep-asan': { title: 'Fault sweep under ASan and UBSan', run: nativeSweep('asan') },
  'native-planted': { title: 'Fault sweeps find planted bugs', run: plantedBugs },
  fuzz: { title: 'Fuzz targets', run: fuzz },
  clang: { title: 'clang-format and clang-tidy', run: program('tools/clang-check.mjs') },
  compat: { title: 'Real clients', run: program('test/compat/run.mjs') },
}

export const countsLine = ({ passed, failed, skipped }) =>
  `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`

/** Runs suites one after the other, each with its own line and, where something failed, its output. */
export async function runSuites(names) {
  const total = { passed: 0, failed: 0, skipped: 0 }
  // A time limit ends the programs that a suite runs as well: what they have said by then is shown before this ends.
  let ended = false
  process.once('SIGTERM', () => {
    ended = true
  })
  for (const name of names) {
    if (ended) break
    const suite = suites[name]
    const progress = step(suite.title)
    const outcome = await suite.run(text => progress.update(text.trim().split('\n').at(-1)))
    if (outcome.failed > 0) progress.failed(countsLine(outcome))
    else progress.done(countsLine(outcome))
    if (outcome.output.trim() !== '') say(outcome.output.trim().replace(/^/gm, '  '))
    for (const key of Object.keys(total)) total[key] += outcome[key]
  }
  return total
}

/** Ends a command: the line of counts is its last, alone, on stdout. */
export function conclude(total) {
  console.log(countsLine(total))
  process.exitCode = total.failed === 0 ? 0 : 1
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const names = process.argv.slice(2)
  if (names.length === 0 || names.some(name => suites[name] === undefined)) {
    say(`usage: node tools/suites.mjs NAME…, of ${Object.keys(suites).join(', ')}`)
    process.exitCode = 2
  } else conclude(await runSuites(names))
}
