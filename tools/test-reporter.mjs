// A reporter for node:test that shows what failed, and what was skipped by its reason; what passed is only counted. The
// last line it writes is read by tools/suites.mjs.
import { writeSync } from 'node:fs'
import { parse, relative } from 'node:path'

const describe = error => {
  const cause = error?.cause ?? error
  const text = cause?.stack ?? cause?.message ?? String(cause)
  return text.replace(/^/gm, '    ')
}

/** A test that failed only because of its subtests would repeat what they said. */
const isOwnFailure = error => error?.failureType !== 'subtestsFailed'

const placeOf = ({ file }) => (file === undefined ? '' : ` (${relative(process.cwd(), file)})`)

/** Of a test's source as of the bundle that it runs from. */
const stemOf = path => parse(path).name

// biome-ignore lint/style/noDefaultExport: Node loads a reporter by its default export.
export default async function* report(events) {
  const counts = new Map()
  const skipped = new Map()
  const running = new Map()
  const toldOf = new Set()
  const keyOf = ({ file, nesting, name }) => JSON.stringify([file, nesting, name])
  // Whoever ends the runner before its tests have ended is told which of them it did not wait for.
  const ended = () => {
    const all = [...running.values()]
    const inside = all.filter(({ name, file }) => name !== file)
    // The runner tells of files in their order: one that it has told nothing of hangs, or waits for its turn to be told.
    const untold = all.filter(({ name, file }) => name === file && !toldOf.has(stemOf(name)))
    for (const data of inside.length > 0 ? inside : untold)
      writeSync(1, `✖ ${data.name}${placeOf(data)}\n    was still running\n`)
  }
  process.once('exit', ended)
  for await (const { type, data } of events) {
    const place = placeOf(data ?? {})
    if (type === 'test:dequeue') running.set(keyOf(data), data)
    if (type === 'test:dequeue' && data.file !== undefined && data.name !== data.file) toldOf.add(stemOf(data.file))
    if (type === 'test:pass' || type === 'test:fail') running.delete(keyOf(data))
    if (type === 'test:fail' && isOwnFailure(data.details?.error)) {
      yield `✖ ${data.name}${place}\n${describe(data.details?.error)}\n`
    } else if (type === 'test:pass' && data.skip !== undefined) {
      const reason = typeof data.skip === 'string' ? data.skip : 'no reason given'
      skipped.set(reason, [...(skipped.get(reason) ?? []), data.name])
    } else if (type === 'test:stderr' || type === 'test:stdout') {
      yield data.message
    } else if (type === 'test:diagnostic') {
      const [, name, value] = data.message.match(/^(pass|fail|cancelled|skipped|todo) (\d+)$/) ?? []
      if (name !== undefined) counts.set(name, Number(value)) // The runner's own totals come last.
    }
  }
  process.off('exit', ended)
  for (const [reason, [first, ...others]] of skipped) {
    yield `− skipped: ${first}${others.length > 0 ? ` and ${others.length} more` : ''}: ${reason}\n`
  }
  const of = name => counts.get(name) ?? 0
  if (counts.size > 0)
    yield `\n${of('pass')} passed, ${of('fail') + of('cancelled')} failed, ${of('skipped')} skipped\n`
}
