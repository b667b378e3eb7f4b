// The clock, timers and chance come in through the World everywhere but in src/app, so that one seed decides a run.
// This finds the globals that would go around it; tools/directions-check.mjs finds the modules.
import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { filesBelow, root } from './native-sources.mjs'
import { tokens } from './typescript-tokens.mjs'

const timers = new Set(['setTimeout', 'setInterval', 'setImmediate', 'performance'])
const members = new Map([
  ['Date', new Set(['now'])],
  ['Math', new Set(['random'])],
  ['process', new Set(['hrtime', 'uptime'])],
  ['crypto', new Set(['getRandomValues', 'randomUUID', 'randomBytes', 'randomInt', 'randomFill', 'randomFillSync'])],
])
const chance = new Set(['getRandomValues', 'randomUUID', 'randomBytes', 'randomInt', 'randomFill', 'randomFillSync'])

/** Names what the token at `index` reaches for, if that is part of the world. */
function reaches(all, index) {
  const token = all[index]
  if (token.kind !== 'word') return undefined
  const text = offset => all[index + offset]?.text
  const ofGlobal = text(-1) === '.' && text(-2) === 'globalThis'
  if (text(-1) === '.' && !ofGlobal) return undefined // A member of something that was handed in.
  if (text(1) === ':' || (text(1) === '?' && text(2) === ':')) return undefined // A property of that name.
  if (timers.has(token.text) || chance.has(token.text)) return token.text
  if (text(1) === '.' && members.get(token.text)?.has(text(2))) return `${token.text}.${text(2)}`
  const withoutTime = text(1) !== '(' || text(2) === ')'
  if (token.text === 'Date' && text(-1) === 'new' && withoutTime) return 'new Date()'
  if (token.text === 'Date' && text(-1) !== 'new' && text(1) === '(') return 'Date()'
  return undefined
}

/** Returns the violations, one line each. */
export function checkWorld(tree = root) {
  const problems = []
  const files = filesBelow('src', ['.ts'], tree).filter(path => !path.startsWith('src/app/'))
  for (const path of files) {
    const all = tokens(readFileSync(join(tree, path), 'utf8'))
    for (const [index, token] of all.entries()) {
      const name = reaches(all, index)
      if (name !== undefined) problems.push(`${path}:${token.line}: ${name} is the real world's; take it from World`)
    }
  }
  return { problems, files: files.length }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const { problems, files } = checkWorld(process.argv[2] === undefined ? root : resolve(process.argv[2]))
  for (const problem of problems) console.error(problem)
  if (problems.length === 0) console.log(`No real clock, timer or chance outside src/app (${files} files).`)
  process.exitCode = problems.length === 0 ? 0 : 1
}
