// Runs the suites with real clients, each within its own time limit, and adds up their tests. A whole run also holds
// docs/compatibility.md against what it saw.
//
//   node test/compat/run.mjs [--only NAME] [--reference] [--write-docs]
//
// --reference runs them against Apache Kafka instead of Millrace: what fails there is wrong in the suite. --write-docs
// writes the page, from a run of its suites only; with --only transactions, the section that this suite is behind.
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { compatibilityPage, mergeReports, sectionIn, transactionsSection } from './compatibility-page.mjs'

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..')
const pagePath = join(root, 'docs', 'compatibility.md')
/** The suites whose reports make the page. */
const reporting = ['clients', 'admin', 'groups']
const suites = [
  { name: 'clients', file: 'test/compat/clients.suite.ts', limitMs: 240_000 },
  { name: 'admin', file: 'test/compat/admin.suite.ts', limitMs: 180_000 },
  { name: 'groups', file: 'test/compat/groups.suite.ts', limitMs: 240_000 },
  { name: 'group-moves', file: 'test/compat/group-moves.suite.ts', limitMs: 120_000 },
  { name: 'group-tools', file: 'test/compat/group-tools.suite.ts', limitMs: 120_000 },
  { name: 'delivery', file: 'test/compat/delivery.suite.ts', limitMs: 240_000 },
  { name: 'franz-go', file: 'test/compat/franz-go.suite.ts', limitMs: 160_000 },
  { name: 'kcat', file: 'test/compat/kcat.suite.ts', limitMs: 240_000 },
  { name: 'kafkajs', file: 'test/compat/kafkajs.suite.ts', limitMs: 120_000 },
  { name: 'java', file: 'test/compat/java.suite.ts', limitMs: 120_000 },
  { name: 'confluent', file: 'test/compat/confluent.suite.ts', limitMs: 180_000 },
  { name: 'admin-surface', file: 'test/compat/admin-surface.suite.ts', limitMs: 120_000 },
  { name: 'tools', file: 'test/compat/tools.suite.ts', limitMs: 120_000 },
  { name: 'transaction-tools', file: 'test/compat/transaction-tools.suite.ts', limitMs: 120_000 },
  { name: 'dump-log', file: 'test/compat/dump-log.suite.ts', limitMs: 180_000 },
  { name: 'kill-producers', file: 'test/crash/kill-producers.suite.ts', limitMs: 180_000 },
  { name: 'kill-cleaner', file: 'test/crash/kill-cleaner.suite.ts', limitMs: 180_000 },
  // Run by their names only, since each takes minutes.
  { name: 'transactions', file: 'test/compat/transactions.suite.ts', limitMs: 300_000, apart: true },
  { name: 'streams', file: 'test/compat/streams.suite.ts', limitMs: 240_000, apart: true },
]
// The first run on a machine also fetches the clients.
const installAllowanceMs = 400_000

const { values } = parseArgs({
  options: { only: { type: 'string' }, reference: { type: 'boolean' }, 'write-docs': { type: 'boolean' } },
})
const writeDocs = values['write-docs'] === true
const chosen = suites.filter(({ name, apart }) => {
  if (values.only !== undefined) return values.only === name
  return writeDocs ? reporting.includes(name) : apart !== true
})
if (chosen.length === 0) {
  console.error(`no suite is called ${values.only}; there are ${suites.map(suite => suite.name).join(', ')}`)
  process.exit(2)
}
const attached = process.env.MILLRACE_COMPAT_BOOTSTRAP !== undefined
if (!values.reference && !attached && !existsSync(join(root, 'dist', 'millrace.js'))) {
  console.error('dist/millrace.js is missing: run `npm run setup` first')
  process.exit(1)
}

const reports = mkdtempSync(join(tmpdir(), 'millrace-compat-report-'))
process.once('exit', () => rmSync(reports, { recursive: true, force: true }))

/** Runs one suite in a process group of its own, so that at its limit its brokers and clients end with it. */
const runSuite = ({ name, file, limitMs }) =>
  new Promise(resolve => {
    const args = ['--import', 'tsx', '--test-reporter=spec', file]
    const broker = values.reference ? { MILLRACE_COMPAT_BROKER: 'kafka' } : {}
    const env = { ...process.env, ...broker, MILLRACE_COMPAT_REPORT: reports }
    const child = spawn(process.execPath, args, {
      cwd: root,
      env,
      detached: true,
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let output = ''
    child.stdout.on('data', chunk => {
      process.stdout.write(chunk)
      output += chunk
    })
    const stop = () => process.kill(-child.pid, 'SIGKILL')
    const timer = setTimeout(() => {
      console.log(`✖ ${name} ran longer than its limit and was ended`)
      stop()
    }, limitMs + installAllowanceMs)
    // A terminal's interrupt reaches this process only.
    const interrupt = () => {
      stop()
      process.exit(1)
    }
    process.once('SIGINT', interrupt)
    process.once('SIGTERM', interrupt)
    child.once('close', (code, signal) => {
      clearTimeout(timer)
      process.off('SIGINT', interrupt)
      process.off('SIGTERM', interrupt)
      const count = what => Number(new RegExp(`^ℹ ${what} (\\d+)$`, 'm').exec(output)?.[1] ?? 0)
      const failed = count('fail') + count('cancelled')
      if (code !== 0 && failed === 0) console.log(`✖ ${name} ended with ${code ?? signal}`)
      // A suite that died before its first test, or between two, counts as one failure.
      resolve({ passed: count('pass'), failed: code === 0 ? failed : Math.max(failed, 1), skipped: count('skipped') })
    })
  })

/** One test: the page says what this run saw. Only a run of every client can tell. */
function checkPage() {
  const files = reporting.map(name => join(reports, `${name}.json`))
  if (!files.every(file => existsSync(file))) return { passed: 0, failed: 1, skipped: 0 }
  const committed = existsSync(pagePath) ? readFileSync(pagePath, 'utf8') : ''
  const clients = mergeReports(files.map(file => JSON.parse(readFileSync(file, 'utf8'))))
  const page = compatibilityPage(clients, sectionIn(committed))
  if (writeDocs) writeFileSync(pagePath, page)
  else return comparePage(committed, page)
  return { passed: 1, failed: 0, skipped: 0 }
}

/** The same of the page's section about transactions, after a run of their suite. */
function checkTransactions() {
  const file = join(reports, 'transactions.json')
  if (!existsSync(file)) return { passed: 0, failed: 1, skipped: 0 }
  const committed = readFileSync(pagePath, 'utf8')
  const section = transactionsSection(mergeReports([JSON.parse(readFileSync(file, 'utf8'))]))
  if (!writeDocs) return comparePage(sectionIn(committed), section)
  writeFileSync(
    pagePath,
    committed.replace(sectionIn(committed) || /(?=^## Not tried yet)/m, () => section),
  )
  return { passed: 1, failed: 0, skipped: 0 }
}

function comparePage(committed, page) {
  if (page === committed) return { passed: 1, failed: 0, skipped: 0 }
  const known = new Set(committed.split('\n'))
  const news = page.split('\n').filter(line => !known.has(line))
  console.log('✖ docs/compatibility.md does not say what this run saw; run it with --write-docs. New or other lines:')
  console.log(news.join('\n'))
  return { passed: 0, failed: 1, skipped: 0 }
}

const total = { passed: 0, failed: 0, skipped: 0 }
for (const suite of chosen) {
  console.log(`\n${suite.name}`)
  const startedMs = Date.now()
  const { passed, failed, skipped } = await runSuite(suite)
  total.passed += passed
  total.failed += failed
  total.skipped += skipped
  console.log(`${suite.name}: ${passed} passed, ${failed} failed in ${((Date.now() - startedMs) / 1000).toFixed(0)} s`)
}
const check = values.only === undefined ? checkPage : values.only === 'transactions' ? checkTransactions : undefined
if (check !== undefined && process.env.MILLRACE_COMPAT_CLIENTS === undefined && !values.reference && !attached) {
  console.log('\ncompatibility page')
  const { passed, failed } = check()
  total.passed += passed
  total.failed += failed
}
console.log(`\n${total.passed} passed, ${total.failed} failed${total.skipped > 0 ? `, ${total.skipped} skipped` : ''}`)
process.exitCode = total.failed === 0 && total.passed > 0 ? 0 : 1
