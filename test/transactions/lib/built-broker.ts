import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { build } from 'esbuild'
import { endedWithin } from '../../compat/lib/process.ts'
import { ProcessLog } from '../../compat/lib/process-log.ts'
import { type Edit, editing, ownUrl, root } from './edits.ts'

const codecs = ['snappy', 'lz4-napi', 'zstddec', '@hpcc-js/wasm-zstd']
const banner = `import { createRequire as testCreateRequire } from 'node:module'; const require = testCreateRequire(${ownUrl});`
const startLimitMs = 60_000
const readyLine = /\bready in (\d+(?:\.\d+)?) ms on (\S+):(\d+)/

/**
 * Bundles the broker, with `edits` to its source, which is so broken on purpose, or ends itself at a certain point.
 * Returns the program.
 */
export async function buildBroker(name: string, edits: readonly Edit[] = []): Promise<string> {
  const outdir = join(root, 'build/transactions', name)
  await build({
    absWorkingDir: root,
    entryPoints: { millrace: 'src/app/main.ts', 'cleaner-thread': 'src/app/cleaner-thread.ts' },
    outdir,
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    external: ['*.node', ...codecs],
    banner: { js: banner },
    logLevel: 'error',
    plugins: [editing(edits)],
  })
  return join(outdir, 'millrace.js')
}

/** A process of a program that `buildBroker` made, on a directory of its own that outlives it. */
export class BuiltBroker {
  readonly host = '127.0.0.1'
  port = 0
  log: ProcessLog | undefined
  private readonly program: string
  private readonly dataDir: string
  private readonly config: Readonly<Record<string, string>>
  private child: ChildProcess | undefined

  private constructor(program: string, dataDir: string, config: Readonly<Record<string, string>>) {
    this.program = program
    this.dataDir = dataDir
    this.config = config
  }

  static async start(
    program: string,
    config: Readonly<Record<string, string>> = {},
    env: NodeJS.ProcessEnv = {},
  ): Promise<BuiltBroker> {
    const dataDir = await mkdtemp(join(tmpdir(), 'millrace-transactions-'))
    const broker = new BuiltBroker(program, dataDir, config)
    await broker.start(env)
    return broker
  }

  /** On the port that it had before. */
  async start(env: NodeJS.ProcessEnv = {}): Promise<void> {
    const settings = Object.entries(this.config).flatMap(([name, value]) => ['-X', `${name}=${value}`])
    const listen = `${this.host}:${this.port}`
    const args = [this.program, 'serve', '--data-dir', this.dataDir, '--listen', listen, ...settings]
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } })
    this.child = child
    const log = new ProcessLog(child.stdout, child.stderr)
    this.log = log
    const died = once(child, 'exit').then(([code, signal]) => {
      throw new Error(`the broker ended with ${code ?? signal} before it was ready\n${log.tail}`)
    })
    try {
      const line = await Promise.race([log.until(each => readyLine.test(each), startLimitMs), died])
      this.port = Number(readyLine.exec(line)?.[3])
    } finally {
      died.catch(() => undefined)
    }
  }

  /** Fulfilled when the process has ended, whatever ended it. */
  async ended(limitMs: number): Promise<void> {
    if (this.child !== undefined) await endedWithin(this.child, limitMs)
  }

  get running(): boolean {
    return this.child !== undefined && this.child.exitCode === null && this.child.signalCode === null
  }

  async kill9(): Promise<void> {
    this.child?.kill('SIGKILL')
    await this.ended(10_000)
  }

  async destroy(): Promise<void> {
    await this.kill9()
    await rm(this.dataDir, { recursive: true, force: true })
  }
}
