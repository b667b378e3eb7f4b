import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { MillraceError } from '../base/error.ts'
import { type Addon, addonAbi } from './addon.ts'

const require = createRequire(import.meta.url)
let loaded: Addon | undefined

/** The addon, loaded on the first call. It lies below the package's root, wherever this code was bundled to. */
export function loadAddon(): Addon {
  loaded ??= loadFrom(packageRoot(dirname(fileURLToPath(import.meta.url))))
  return loaded
}

/**
 * The first that loads: what the package carries for this architecture, then what was built here. A source tree carries
 * none.
 */
export function loadFrom(root: string): Addon {
  const carried = join(root, 'prebuilds', `${process.platform}-${process.arch}`, 'millrace.node')
  const built = join(root, 'build/Release/millrace.node')
  const failures: string[] = []
  for (const path of [carried, built]) {
    if (!existsSync(path)) continue
    const addon = tryLoad(path, failures)
    if (addon !== undefined) return addon
  }
  if (failures.length > 0)
    throw new MillraceError(
      'MILLRACE_ADDON_UNUSABLE',
      `The native addon does not load: ${failures.join('; ')}. Build it for this system: ${buildCommand(root)}`,
    )
  throw new MillraceError(
    'MILLRACE_ADDON_MISSING',
    `There is no native addon: neither ${carried} nor ${built}. Build it: ${buildCommand(root)}`,
  )
}

function tryLoad(path: string, failures: string[]): Addon | undefined {
  try {
    const addon = require(path) as Addon
    if (addon.abi === addonAbi) return addon
    failures.push(`${path} is of another version (${addon.abi}, not ${addonAbi})`)
  } catch (cause) {
    failures.push(`${path}: ${(cause as Error).message}`)
  }
  return undefined
}

/** The one command that builds, in a source tree and in an installed package. */
const buildCommand = (root: string): string =>
  existsSync(join(root, 'tools/setup.mjs'))
    ? `run \`npm run setup\` in ${root}`
    : 'run `npm explore millrace -- npm run build-addon` (it needs g++, make and Python 3)'

/** The nearest directory at or above `from` that holds a package.json: from src as from dist. */
function packageRoot(from: string): string {
  for (let directory = from; ; directory = dirname(directory)) {
    if (existsSync(join(directory, 'package.json'))) return directory
    if (directory === dirname(directory)) return from
  }
}
