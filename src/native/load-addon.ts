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
  loaded ??= load(packageRoot(dirname(fileURLToPath(import.meta.url))))
  return loaded
}

const addonFile = 'build/Release/millrace.node'

/** Of the `bindings` package, which ships no types: finds the addon wherever node-gyp has put it below `module_root`. */
type Bindings = (options: { bindings: string; module_root: string }) => Addon

function load(root: string): Addon {
  const path = join(root, addonFile)
  if (!existsSync(path)) {
    throw new MillraceError(
      'MILLRACE_ADDON_MISSING',
      `The native addon is not built (no ${path}). Run \`npm run setup\` in the package's directory.`,
    )
  }
  let addon: Addon
  try {
    const bindings = require('bindings') as Bindings
    addon = bindings({ bindings: 'millrace.node', module_root: root })
  } catch (cause) {
    throw new MillraceError(
      'MILLRACE_ADDON_UNUSABLE',
      `The native addon ${path} does not load: ${(cause as Error).message}. Run \`npm run setup\` to build it for this system.`,
      { cause },
    )
  }
  if (addon.abi !== addonAbi) {
    throw new MillraceError(
      'MILLRACE_ADDON_UNUSABLE',
      `The native addon ${path} is of another version (${addon.abi}, not ${addonAbi}). Run \`npm run setup\` to build it anew.`,
    )
  }
  return addon
}

/** The nearest directory at or above `from` that holds a package.json: from src as from dist. */
function packageRoot(from: string): string {
  for (let directory = from; ; directory = dirname(directory)) {
    if (existsSync(join(directory, 'package.json'))) return directory
    if (directory === dirname(directory)) return from
  }
}
