// Test files as plain JavaScript below build/tests, what they share in chunks of its own: each test file is a process,
// and one that has to translate TypeScript takes 0.3 s longer to begin.
import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
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
 * Bundles `files`, paths below the root, into a folder of this process alone, and removes it when `work` is over.
 * @template Result
 * @param {string[]} files
 * @param {(bundles: string[]) => Promise<Result>} work gets the files to run instead, in the same order
 * @returns {Promise<Result>}
 */
export async function withBundles(files, work) {
  const folder = join('build/tests', `${process.pid}-${runs++}`)
  try {
    await bundle(files, folder)
    return await work(files.map(file => join(folder, file.replace(/\.ts$/, '.mjs'))))
  } finally {
    await rm(join(root, folder), { recursive: true, force: true })
  }
}

let runs = 0

async function bundle(files, folder) {
  // Not above: who imports this sets up first, on a new machine.
  const { build } = await import('esbuild')
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
}
