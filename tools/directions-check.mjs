// Holds the order of the folders of src: each imports only from those its line names, nothing imports in a circle.
// `node tools/directions-check.mjs [FOLDER]` checks another tree laid out like this one (its test does).
import { readFileSync } from 'node:fs'
import { join, posix, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { filesBelow, root } from './native-sources.mjs'
import { importsOf } from './typescript-tokens.mjs'

const broker = 'base protocol records native log cleaner config metadata replication coordinator api server'.split(' ')
const upTo = folder => broker.slice(0, broker.indexOf(folder))
const client = ['base', 'protocol', 'records']

/** What each folder of src may import besides itself. */
const allowed = new Map([
  ...broker.map(folder => [folder, upTo(folder)]),
  ['embedded', [...upTo('log'), 'log']],
  ['client', client],
  ['streams', [...client, 'client']],
  ['cli', [...client, 'client']],
  ['log-tool', ['base', 'protocol', 'records', 'log', 'metadata']],
  ['app', [...broker, 'embedded', 'client', 'streams', 'cli', 'log-tool']],
  ['testing', [...broker, 'embedded', 'client', 'streams', 'app']],
])
// src/index.ts is the package's face: it may show any folder, and none may import it.
const entry = 'index.ts'

/** The world (style.md calls it that: disk, network, clock, chance) is a parameter; only src/app has the real one. */
const worldModules = new Set(
  'fs fs/promises net tls dgram dns dns/promises http https http2 timers timers/promises os perf_hooks child_process cluster worker_threads'.split(
    ' ',
  ),
)
const worldHomes = new Map([
  ['app', worldModules],
  ['native', new Set(['fs', 'os'])], // To find the addon; what the system calls its errors.
  ['records', new Set(['worker_threads'])], // To decompress: a function of bytes, like what zlib does on Node's pool.
])

const folderOf = path => (path.includes('/') ? path.slice(0, path.indexOf('/')) : path)

function importProblem(from, specifier, target) {
  const folder = folderOf(from)
  if (specifier.startsWith('.')) {
    if (target.startsWith('../')) return `src imports ${target.slice(3)}, which lies outside it`
    const other = folderOf(target)
    if (target === entry) return `nothing in src imports ${entry}`
    if (other === folder || from === entry) return undefined
    return allowed.get(folder)?.includes(other) ? undefined : `src/${folder} may not import src/${other}`
  }
  const builtin = specifier.replace(/^node:/, '')
  if (!worldModules.has(builtin) || worldHomes.get(folder)?.has(builtin)) return undefined
  return `only src/app imports ${specifier}: elsewhere the World is a parameter`
}

/** One line per circle: the strongly connected sets are found by depth-first search, each reported once. */
function circles(graph) {
  const problems = []
  const finished = new Set()
  const path = []
  const visit = file => {
    const seen = path.indexOf(file)
    if (seen >= 0) problems.push(`src/${file}: imports itself in a circle: ${[...path.slice(seen), file].join(' → ')}`)
    if (seen >= 0 || finished.has(file)) return
    path.push(file)
    for (const next of graph.get(file) ?? []) visit(next)
    path.pop()
    finished.add(file)
  }
  for (const file of graph.keys()) visit(file)
  return problems
}

/** Returns the violations, one line each. */
export function checkDirections(tree = root) {
  const problems = []
  const graph = new Map()
  for (const path of filesBelow('src', ['.ts'], tree)) {
    const file = path.slice('src/'.length)
    if (file !== entry && !allowed.has(folderOf(file))) {
      problems.push(`src/${file}: src/${folderOf(file)} has no place in the order of tools/directions-check.mjs`)
      continue
    }
    const edges = []
    for (const { specifier, line } of importsOf(readFileSync(join(tree, path), 'utf8'))) {
      const target = specifier.startsWith('.') ? posix.join(posix.dirname(file), specifier) : specifier
      const problem = importProblem(file, specifier, target)
      if (problem !== undefined) problems.push(`src/${file}:${line}: ${problem}`)
      if (specifier.startsWith('.')) edges.push(target)
    }
    graph.set(file, edges)
  }
  return { problems: [...problems, ...circles(graph)], files: graph.size }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const { problems, files } = checkDirections(process.argv[2] === undefined ? root : resolve(process.argv[2]))
  for (const problem of problems) console.error(problem)
  if (problems.length === 0) console.log(`Import directions hold in ${files} files.`)
  process.exitCode = problems.length === 0 ? 0 : 1
}
