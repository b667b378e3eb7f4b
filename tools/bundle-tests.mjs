// Test files as plain JavaScript in build/tests, what they share in chunks of its own: each test file is a process, and
// one that has to translate TypeScript takes 0.3 s longer to begin.
import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { build } from 'esbuild'
import { root } from './native-sources.mjs'

/** Where a module lies is where its source lies: fixtures and programs are found beside it. */
const sourceUrls = {
  name: 'source-urls',
  setup({ onLoad }) {
    onLoad({ filter: /\.ts$/ }, async ({ path }) => {
      const source = await readFile(path, 'utf8')
      const url = JSON.stringify(pathToFileURL(path).href)
      return { contents: source.replaceAll('import.meta.url', url), loader: 'ts' }
    })
  },
}

/**
 * @param {string[]} files below the root
 * @param {string} name of the folder in build/tests that is theirs
 * @returns {Promise<string[]>} the files to run instead, in the same order
 */
export async function bundleTests(files, name) {
  const folder = join('build/tests', name)
  await rm(join(root, folder), { recursive: true, force: true })
  await build({
    absWorkingDir: root,
    entryPoints: files,
    outdir: folder,
    outbase: '.',
    outExtension: { '.js': '.mjs' },
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    packages: 'external',
    sourcemap: 'linked',
    sourcesContent: false,
    logLevel: 'error',
    plugins: [sourceUrls],
  })
  return files.map(file => join(folder, file.replace(/\.ts$/, '.mjs')))
}
