import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it, type TestContext } from 'node:test'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { installed, installLimitMs } from '../compat/lib/install.ts'
import { run } from '../compat/lib/process.ts'

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url))
const entry = pathToFileURL(here('../../dist/index.js')).href
const programLimitMs = 240_000

/** What each runtime has to do, with one binary and one bundle. */
const programs = {
  log: 'writes, reads and follows a log',
  broker: 'runs a broker with a socket',
  workers: 'has logs in worker threads',
  thousand: 'leaves nothing of 1,000 logs that were closed, and of 1,000 that were not',
}

interface Runtime {
  readonly name: string
  /** Below the installed packages; undefined is the one that runs this. */
  readonly path?: string
  readonly options: readonly string[]
  /** It takes a minute to open that many: once for V8, and once for what is not V8. */
  readonly opensThousands?: boolean
}

const runtimes: readonly Runtime[] = [
  { name: `Node ${process.versions.node}`, options: ['--expose-gc'], opensThousands: true },
  { name: 'Node 22', path: 'node22/bin/node', options: ['--expose-gc'] },
  { name: 'Node 24', path: 'node24/bin/node', options: ['--expose-gc'] },
  { name: 'Bun', path: 'bun/bin/bun', options: [], opensThousands: true },
  // What Bun needs, where it can be told apart from what Bun does.
  { name: 'Node with descriptors polled by threads', options: ['--expose-gc'] },
]

/** The folder of the runtimes that npm has for this machine, or why there is none. */
async function installRuntimes(): Promise<string | Error> {
  if (process.arch !== 'x64') return new Error(`npm's packages of runtimes are for x64, not for ${process.arch}`)
  try {
    return await installed('runtimes', here('packages/package.json'), async building => {
      copyFileSync(here('packages/package.json'), join(building, 'package.json'))
      const args = ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--no-package-lock', '--loglevel=error']
      await run('npm', args, { timeoutMs: installLimitMs, cwd: building })
    })
  } catch (error) {
    return error as Error
  }
}

describe('runtimes', { timeout: 1_800_000 }, () => {
  let folder: string | Error
  let directory: string
  before(async () => {
    folder = await installRuntimes()
    directory = mkdtempSync(join(tmpdir(), 'millrace-runtimes-'))
  })
  after(() => rmSync(directory, { recursive: true, force: true }))

  function executable(t: TestContext, { path }: Runtime): string | undefined {
    if (path === undefined) return process.execPath
    if (typeof folder === 'string') return join(folder, 'node_modules', path)
    t.skip(`could not be installed: ${folder.message.split('\n')[0]}`)
    return undefined
  }

  for (const [at, runtime] of runtimes.entries()) {
    for (const [program, does] of Object.entries(programs)) {
      if (program === 'thousand' && runtime.opensThousands !== true) continue
      it(`${runtime.name} ${does}`, t => {
        const command = executable(t, runtime)
        if (command === undefined) return
        const args = [...runtime.options, here(`programs/${program}.mjs`), entry, join(directory, `${at}-${program}`)]
        const threads = runtime.name.endsWith('threads') ? { MILLRACE_POLL_BY_THREADS: '1' } : {}
        const env = { ...process.env, ...threads, NODE_OPTIONS: '' }
        const { stdout, stderr, status } = spawnSync(command, args, { encoding: 'utf8', timeout: programLimitMs, env })
        assert.equal(stdout, 'done\n', stderr)
        assert.equal(status, 0)
      })
    }
  }
})
