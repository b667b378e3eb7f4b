import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'

export interface Finished {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

export interface RunOptions {
  readonly timeoutMs: number
  readonly cwd?: string
  readonly env?: NodeJS.ProcessEnv
  /** A codes other than these is thrown as an error that carries the end of both outputs. Default: 0 only. */
  readonly expectCodes?: readonly number[]
}

const tail = (text: string): string => text.slice(-2_000)

/** Runs a program to its end. Past `timeoutMs` it is killed and the call fails, so that no client can hang a suite. */
export const run = async (command: string, args: readonly string[], options: RunOptions): Promise<Finished> => {
  const child = spawn(command, args, { cwd: options.cwd, env: options.env, stdio: ['ignore', 'pipe', 'pipe'] })
  const stdout: Buffer[] = []
  const stderr: Buffer[] = []
  child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk))
  child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk))
  let timedOut = false
  const timer = setTimeout(() => {
    timedOut = true
    child.kill('SIGKILL')
  }, options.timeoutMs)
  try {
    const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null]
    const finished = {
      code,
      signal,
      stdout: Buffer.concat(stdout).toString(),
      stderr: Buffer.concat(stderr).toString(),
    }
    if (timedOut || code === null || !(options.expectCodes ?? [0]).includes(code)) {
      const outcome = timedOut ? `still ran after ${options.timeoutMs} ms` : `ended with ${code ?? signal}`
      throw new Error(`${command} ${args.join(' ')} ${outcome}\n${tail(finished.stdout)}\n${tail(finished.stderr)}`)
    }
    return finished
  } finally {
    clearTimeout(timer)
  }
}

/** Resolves with the exit code, or the signal, once the process has ended; at once if it has. */
export const ended = async (child: ChildProcess): Promise<number | NodeJS.Signals> => {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  return child.exitCode ?? child.signalCode ?? -1
}

/** Like `ended`, but a process that outlives `timeoutMs` is killed and reported as an error. */
export const endedWithin = async (child: ChildProcess, timeoutMs: number): Promise<number | NodeJS.Signals> => {
  let timedOut = false
  const timer = setTimeout(() => {
    timedOut = true
    child.kill('SIGKILL')
  }, timeoutMs)
  const outcome = await ended(child)
  clearTimeout(timer)
  if (timedOut) throw new Error(`process ${child.pid} did not end within ${timeoutMs} ms and was killed`)
  return outcome
}
