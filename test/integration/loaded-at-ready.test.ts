import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { it } from 'node:test'
import { fileURLToPath } from 'node:url'

const dist = fileURLToPath(new URL('../../dist', import.meta.url))

/** Files of the bundle that are evaluated with `file`, itself included. */
function evaluatedWith(file: string, seen = new Set<string>()): Set<string> {
  if (seen.has(file)) return seen
  seen.add(file)
  const code = readFileSync(join(dist, file), 'utf8')
  for (const [, path] of code.matchAll(/(?:^|\n)(?:import|export)\s*(?:[^'"();]*?from\s*)?["'](\.[^"']+)["']/g))
    evaluatedWith(normalize(join(dirname(file), path!)), seen)
  return seen
}

/** Sources that a file of the bundle was made of, from the package's root. */
function sourcesOf(file: string): string[] {
  const map = JSON.parse(readFileSync(join(dist, `${file}.map`), 'utf8')) as { sources: string[] }
  return map.sources.map(source => normalize(join('dist', dirname(file), source)))
}

it('loads nothing but our own serving code before the ready line', () => {
  const serve = readdirSync(join(dist, 'chunks')).filter(name => /^serve-[^.]+\.js$/.test(name))
  assert.equal(serve.length, 1, 'one chunk serves')
  const evaluated = evaluatedWith('millrace.js', evaluatedWith(join('chunks', serve[0]!)))
  const sources = [...evaluated].flatMap(sourcesOf)
  assert.ok(sources.includes('src/app/broker.ts'), 'the way to the sources is right')
  assert.deepEqual(
    sources.filter(source => source.startsWith('node_modules')),
    [],
  )
  const served = new Set(
    ['api-versions', 'fetch', 'init-producer-id', 'list-offsets', 'metadata', 'produce'].map(
      name => `src/protocol/schema/${name}.ts`,
    ),
  )
  const tables = sources.filter(source => source.startsWith('src/protocol/schema/'))
  assert.deepEqual(new Set(tables), served, 'only the tables that are served')
})
