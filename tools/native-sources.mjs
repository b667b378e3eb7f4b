// Prints the addon's C++ sources, one a line, for binding.gyp; the other tools import the list.
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

export const root = fileURLToPath(new URL('..', import.meta.url))

/** Files below `folder` (relative to `tree`) whose name ends in one of `extensions`, sorted; none when it is absent. */
export function filesBelow(folder, extensions, tree = root) {
  let entries
  try {
    entries = readdirSync(join(tree, folder), { withFileTypes: true })
  } catch (error) {
    if (error.code === 'ENOENT') return []
    throw error
  }
  return entries
    .flatMap(entry => {
      const path = `${folder}/${entry.name}`
      if (entry.isDirectory()) return entry.name === 'node_modules' ? [] : filesBelow(path, extensions, tree)
      return extensions.some(extension => entry.name.endsWith(extension)) ? [path] : []
    })
    .sort()
}

/** What binding.gyp compiles: all of native/core and native/binding, never the tests. */
export const addonSources = () => [...filesBelow('native/core', ['.cc']), ...filesBelow('native/binding', ['.cc'])]

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) console.log(addonSources().join('\n'))
