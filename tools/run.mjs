// Running other programs from the tools: to the end with their output kept, never through a shell.
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { root } from './native-sources.mjs'

const localBin = join(root, 'node_modules/.bin')

/**
 * Runs `command` in the root, with stdin closed and node_modules/.bin on the path.
 * `onOutput` sees each piece of output as it comes; `timeoutMs` ends the program by its own id.
 * @returns {Promise<{ok: boolean, code: number | null, output: string, timedOut: boolean}>}
 */
export function run(command, args, { env = {}, onOutput, timeoutMs, cwd = root } = {}) {
  return new Promise(resolve => {
    const child = spawn(command, args, {
      cwd,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, PATH: `${localBin}:${process.env.PATH ?? ''}`, ...env },
    })
    let output = ''
    let timedOut = false
    const timer =
      timeoutMs === undefined
        ? undefined
        : setTimeout(() => {
            timedOut = true
            child.kill('SIGKILL')
          }, timeoutMs)
    const collect = chunk => {
      output += chunk
      onOutput?.(String(chunk))
    }
    child.stdout.setEncoding('utf8').on('data', collect)
    child.stderr.setEncoding('utf8').on('data', collect)
    const finish = (code, text) => {
      clearTimeout(timer)
      resolve({ ok: code === 0, code, output: text, timedOut })
    }
    child.on('error', error => finish(null, `${output}${error.message}\n`))
    child.on('close', code => finish(code, timedOut ? `${output}\nended after ${timeoutMs / 1000} s\n` : output))
  })
}
