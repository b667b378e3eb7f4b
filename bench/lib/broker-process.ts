import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { endsWithBench } from './data-directory.ts'

const broker = fileURLToPath(new URL('../../dist/millrace.js', import.meta.url))
const readyLine = /\bready in (\d+(?:\.\d+)?) ms on (\S+:\d+)/
const startLimitMs = 60_000
const stopLimitMs = 120_000

/** NODE_EXTRA_CA_CERTS makes every Node process read certificates at its start, which is none of ours. */
export const childEnvironment = (): NodeJS.ProcessEnv => {
  const { NODE_EXTRA_CA_CERTS: _, ...environment } = process.env
  return environment
}

export interface StartedProcess {
  readonly child: ChildProcess
  readonly pid: number
  /** HOST:PORT. */
  readonly address: string
  /** Calls back with each line of its log from now on. */
  readonly onLog: (listener: (line: Readonly<Record<string, unknown>>) => void) => void
  /** From just before the fork to the arrival of the ready line, and what that line itself says. */
  readonly readyMs: number
  readonly reportedMs: number
}

export const startMillrace = async (
  dataDir: string,
  config: Readonly<Record<string, string>> = {},
): Promise<StartedProcess> => {
  const settings = Object.entries(config).flatMap(([name, value]) => ['-X', `${name}=${value}`])
  const args = [broker, 'serve', '--data-dir', dataDir, '--listen', '127.0.0.1:0', ...settings]
  const startedAt = performance.now()
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'], env: childEnvironment() })
  endsWithBench(child)
  let log = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    log = (log + text).slice(-4_000)
  })
  const onLog: StartedProcess['onLog'] = listener => {
    createInterface({ input: child.stderr }).on('line', line => {
      if (line.startsWith('{')) listener(JSON.parse(line))
    })
  }
  const timer = setTimeout(() => child.kill('SIGKILL'), startLimitMs)
  try {
    return await new Promise<StartedProcess>((resolve, reject) => {
      createInterface({ input: child.stdout }).on('line', line => {
        const readyMs = performance.now() - startedAt
        const match = readyLine.exec(line)
        if (match === null || child.pid === undefined) return
        resolve({ child, pid: child.pid, address: match[2] ?? '', onLog, readyMs, reportedMs: Number(match[1]) })
      })
      child.once('error', reject)
      child.once('exit', (code, signal) => {
        reject(new Error(`the broker ended with ${code ?? signal} before it was ready\n${log}`))
      })
    })
  } finally {
    clearTimeout(timer)
  }
}

/** A clean stop; a broker that does not end by itself is killed and reported. */
export const stopProcess = async (child: ChildProcess, expected: readonly number[] = [0]): Promise<void> => {
  if (child.exitCode === null && child.signalCode === null) {
    const timer = setTimeout(() => child.kill('SIGKILL'), stopLimitMs)
    child.kill('SIGTERM')
    await once(child, 'exit')
    clearTimeout(timer)
  }
  if (!expected.includes(child.exitCode ?? -1)) {
    throw new Error(`the broker's stop ended with ${child.exitCode ?? child.signalCode}`)
  }
}
