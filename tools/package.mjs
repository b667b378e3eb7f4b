// Makes the package that npm installs: build/package/millrace-VERSION.tgz, with the binaries that tools/prebuild.mjs makes.
// It is packed from a folder of its own, since it has no install script and no development in its package.json: what it
// carries works under `npm install --ignore-scripts`, and where it does not, the error names the command that builds.
//
//   node tools/package.mjs [ARCH…]     without one: every architecture whose compiler is there
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { filesBelow, root } from './native-sources.mjs'
import { architectures, portablePath, prebuild } from './prebuild.mjs'
import { run } from './run.mjs'
import { setup } from './setup.mjs'
import { say, step } from './terminal.mjs'

const out = join(root, 'build/package')
const stage = join(out, 'millrace')

/** Beside what `files` of package.json names: what builds the addon where no binary fits. */
const left = new Set([
  'install',
  'setup',
  'start',
  'build',
  'check',
  'test',
  'test:clients',
  'bench',
  'sim',
  'format',
  'package',
  'prepack',
])

function packageJson() {
  const { devDependencies, scripts, files, gypfile, ...rest } = JSON.parse(
    readFileSync(join(root, 'package.json'), 'utf8'),
  )
  const kept = Object.fromEntries(Object.entries(scripts).filter(([name]) => !left.has(name)))
  return { ...rest, scripts: { ...kept, 'build-addon': 'node tools/build-addon.mjs' }, gypfile }
}

function place(path, from = join(root, path)) {
  mkdirSync(dirname(join(stage, path)), { recursive: true })
  cpSync(from, join(stage, path), { recursive: true })
}

/** The path of the package, or undefined with the reason said. */
export async function makePackage(wanted = architectures) {
  if (!(await setup())) return undefined
  rmSync(out, { recursive: true, force: true })
  let binaries = 0
  for (const arch of wanted) {
    const outcome = await prebuild(arch)
    if (outcome === 'failed') return undefined
    if (outcome === 'missing') say(`linux-${arch} is left out: there is no compiler for it.`)
    if (outcome !== 'built') continue
    place(`prebuilds/linux-${arch}/millrace.node`, portablePath(arch))
    binaries += 1
  }
  if (binaries === 0) return undefined
  const progress = step('Packing')
  const { files } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  for (const path of files) if (!path.startsWith('native') && existsSync(join(root, path))) place(path)
  for (const path of [...filesBelow('native/core', ['.cc', '.h']), ...filesBelow('native/binding', ['.cc', '.h'])])
    place(path)
  for (const path of ['README.md', 'CHANGELOG.md', 'LICENSE']) place(path)
  writeFileSync(join(stage, 'package.json'), `${JSON.stringify(packageJson(), undefined, 2)}\n`)
  const { ok, output } = await run('npm', ['pack', '--json', '--pack-destination', out], { cwd: stage })
  if (!ok) {
    progress.failed()
    say(output.trimEnd())
    return undefined
  }
  const path = filesBelow('build/package', ['.tgz'])[0]
  progress.done(path)
  return join(root, path)
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const asked = process.argv.length > 2 ? process.argv.slice(2) : undefined
  if (asked?.[0] === '--from-the-tree') {
    say('The package is made by `npm run package`, with its binaries in it: publish that file.')
    process.exit(1)
  }
  process.exitCode = (await makePackage(asked)) === undefined ? 1 : 0
}
