// Builds build/sim/millrace_sim.node: the addon on simulated disks, for test/simulation. Incremental; never part of what
// ships. Run after the addon itself was built, which finds Node's headers where they are not beside the executable.
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { fetchedHeaders, headersPrefix } from './build-addon.mjs'
import { run } from './run.mjs'
import { say, step } from './terminal.mjs'

/** Returns true when the addon is there and current; prints the compiler's output on failure. */
export async function buildSimAddon(onOutput) {
  const prefix = headersPrefix() ?? fetchedHeaders()
  if (prefix === undefined) {
    say('The headers of Node are not there: run `node tools/build-addon.mjs` first.')
    return false
  }
  const include = `NODE_INCLUDE=${join(prefix, 'include/node')}`
  const args = ['--no-print-directory', '-C', 'native/test/addon', `-j${availableParallelism()}`, include]
  const { ok, output } = await run('make', args, { onOutput })
  if (!ok) say(output.trimEnd())
  return ok
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const progress = step('Building the addon on simulated disks')
  const ok = await buildSimAddon(text => progress.update(text.trim().split('\n').at(-1)))
  if (ok) progress.done()
  else progress.failed()
  process.exitCode = ok ? 0 : 1
}
