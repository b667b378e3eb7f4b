import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../../..', import.meta.url))

/** An empty app with the package in it, as `npm install --ignore-scripts` leaves it. */
export interface InstalledApp {
  readonly directory: string
  remove(): void
}

/** Makes the package of this source tree for this machine, and installs it into an empty folder. */
export function installApp(): InstalledApp {
  execFileSync(process.execPath, ['tools/package.mjs', process.arch], {
    cwd: root,
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const made = join(root, 'build/package')
  const path = join(made, readdirSync(made).find(name => name.endsWith('.tgz'))!)
  const directory = mkdtempSync(join(tmpdir(), 'millrace-app-'))
  writeFileSync(join(directory, 'package.json'), '{ "name": "app", "private": true, "type": "module" }\n')
  execFileSync('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error', path], {
    cwd: directory,
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  return { directory, remove: () => rmSync(directory, { recursive: true, force: true }) }
}
