import { realpathSync } from 'node:fs'
import { performance } from 'node:perf_hooks'
import type { Output } from '../log-tool/environment.ts'
import { runLogCommand } from '../log-tool/run.ts'
import { crc32c, lockFile } from '../native/process.ts'
import { ToolFiles } from './tool-files.ts'

/** Waits until the stream has taken what was written, so that a slow reader slows the command down. */
const output = (stream: NodeJS.WriteStream): Output => ({
  write: text =>
    new Promise((resolve, reject) =>
      stream.write(text, error => {
        if (!error) resolve()
        else if ((error as NodeJS.ErrnoException).code !== 'EPIPE') reject(error) // That one ends the process.
      }),
    ),
})

/** Runs `millrace log …` and returns the exit code. */
export async function logCommand(args: string[]): Promise<number> {
  // Whoever reads no further (`| head`) has seen enough: that is no failure.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1))
  const { stderr } = process
  const width = stderr.columns ?? 80
  return await runLogCommand(
    {
      files: new ToolFiles(lockFile),
      checksum: crc32c,
      out: output(process.stdout),
      errors: output(stderr),
      progressLine: stderr.isTTY ? line => stderr.write(`\r\x1b[K${line.slice(0, width - 1)}`) : undefined,
      wallMs: () => Date.now(),
      monotonicMs: () => performance.now(),
      resolve: absolute,
    },
    args,
  )
}

/** Without links. What is missing is told by the name that was given, not by the part of it that is not there. */
function absolute(directory: string): string {
  try {
    return realpathSync(directory)
  } catch (error) {
    throw Object.assign(error as NodeJS.ErrnoException, { path: directory })
  }
}
