// Bundles the broker into dist/millrace.js, its threads beside it and the library into dist/index.js, with what loads on
// first use in dist/chunks, source maps beside each file, and the library's declarations in dist/types.
import { chmodSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { root } from './native-sources.mjs'
import { run } from './run.mjs'
import { say, step } from './terminal.mjs'

const dist = join(root, 'dist')
const entries = { millrace: 'src/app/main.ts', index: 'src/index.ts', 'cleaner-thread': 'src/app/cleaner-thread.ts' }

// Loaded from node_modules when a compressed batch must be read or made: two are addons, which cannot be bundled.
const codecs = ['snappy', 'lz4-napi', 'zstddec', '@hpcc-js/wasm-zstd']

// Bundled packages written as CommonJS ask for Node's own modules by `require`, which an ES module lacks.
const banner =
  "import { createRequire as millraceCreateRequire } from 'node:module'; const require = millraceCreateRequire(import.meta.url);"

/** Most files need no such function, and making one loads more of Node than a log does; the line stays, for source maps. */
function removeBanners(outputs) {
  for (const path of Object.keys(outputs)) {
    if (!path.endsWith('.js')) continue
    const code = readFileSync(join(root, path), 'utf8')
    const rest = code.slice(banner.length)
    if (code.startsWith(banner) && !/\brequire\b/.test(rest)) writeFileSync(join(root, path), rest)
  }
}

/** Makes the command runnable by itself; the line put in front is accounted for in its source map. */
function makeRunnable() {
  const path = join(dist, 'millrace.js')
  const code = readFileSync(path, 'utf8')
  if (!code.startsWith('#!')) {
    const map = JSON.parse(readFileSync(`${path}.map`, 'utf8'))
    writeFileSync(`${path}.map`, JSON.stringify({ ...map, mappings: `;${map.mappings}` }))
    writeFileSync(path, `#!/usr/bin/env node\n${code}`)
  }
  chmodSync(path, 0o755)
}

/** The licences of the packages that the bundle contains, as they ask for. */
function writeNotices(inputs) {
  const packages = new Set(
    Object.keys(inputs).flatMap(path => path.match(/^node_modules\/((?:@[^/]+\/)?[^/]+)/)?.[1] ?? []),
  )
  const notices = [...packages].sort().map(name => {
    const folder = join(root, 'node_modules', name)
    const licence = readdirSync(folder).find(file => /^licen[cs]e/i.test(file))
    const { version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
    const text = licence === undefined ? `${license}\n` : readFileSync(join(folder, licence), 'utf8')
    return `${name} ${version}\n\n${text}`
  })
  writeFileSync(join(dist, 'THIRD-PARTY.txt'), notices.join(`\n${'-'.repeat(80)}\n\n`))
}

/** Removes what an earlier build left in dist/chunks. */
function removeStaleChunks(outputs) {
  const current = new Set(Object.keys(outputs).map(path => join(root, path)))
  const chunks = join(dist, 'chunks')
  if (!existsSync(chunks)) return
  for (const name of readdirSync(chunks)) {
    if (!current.has(join(chunks, name))) rmSync(join(chunks, name))
  }
}

async function emitDeclarations() {
  const options = '--noEmit false --emitDeclarationOnly --declaration --rootDir src --outDir dist/types'.split(' ')
  const settings =
    '--target ES2022 --lib ES2023 --module NodeNext --moduleResolution NodeNext --strict --skipLibCheck'.split(' ')
  const more = ['--allowImportingTsExtensions', '--verbatimModuleSyntax', '--types', 'node', '--ignoreConfig']
  return run('tsc', [...settings, ...more, ...options, entries.index])
}

/** Returns true when dist is complete. */
export async function build() {
  const present = Object.entries(entries).filter(([, path]) => existsSync(join(root, path)))
  if (present.length === 0) {
    say(`Nothing to bundle: neither ${Object.values(entries).join(' nor ')} exists.`)
    return true
  }
  const progress = step('Bundling')
  const { build: bundle, formatMessages } = await import('esbuild')
  let result
  try {
    result = await bundle({
      absWorkingDir: root,
      entryPoints: Object.fromEntries(present),
      outdir: 'dist',
      entryNames: '[name]',
      chunkNames: 'chunks/[name]-[hash]',
      bundle: true,
      splitting: true,
      format: 'esm',
      platform: 'node',
      target: 'node20',
      external: ['*.node', ...codecs],
      // Comments take memory in each process that loads them; lines stay short, since Node shows the one that throws.
      minifyWhitespace: true,
      lineLimit: 120,
      sourcemap: 'linked',
      sourcesContent: false,
      banner: { js: banner },
      metafile: true,
      logLevel: 'silent',
    })
  } catch (error) {
    progress.failed()
    const messages = await formatMessages(error.errors ?? [], { kind: 'error', color: process.stderr.isTTY === true })
    say(messages.length === 0 ? String(error) : messages.join('\n'))
    return false
  }
  const { inputs, outputs } = result.metafile
  removeBanners(outputs)
  if (existsSync(join(root, entries.millrace))) makeRunnable()
  writeNotices(inputs)
  removeStaleChunks(outputs)
  if (existsSync(join(root, entries.index))) {
    const { ok, output } = await emitDeclarations()
    if (!ok) {
      progress.failed('the declarations')
      say(output.trimEnd())
      return false
    }
  }
  const bytes = Object.entries(outputs).reduce((sum, [path, { bytes }]) => sum + (path.endsWith('.js') ? bytes : 0), 0)
  const names = present.map(([name]) => `dist/${name}.js`).join(', ')
  progress.done(`${names}, ${Math.round(bytes / 1024)} KB`)
  return true
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) process.exitCode = (await build()) ? 0 : 1
