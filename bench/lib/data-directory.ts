import type { ChildProcess } from 'node:child_process'
import { rmSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'

// What a run has on the machine while it lasts. Interrupted, it would leave gigabytes and a broker behind.
const directories = new Set<string>()
const children = new Set<ChildProcess>()
const endings: (() => void)[] = []

const signalExitCodes = { SIGINT: 130, SIGTERM: 143 } as const
for (const [signal, code] of Object.entries(signalExitCodes)) {
  // Left in place: the same Ctrl-C may come twice, by the terminal and by whoever started this, amid the cleaning.
  process.on(signal, () => {
    for (const child of children) child.kill('SIGKILL')
    for (const directory of directories) rmSync(directory, { recursive: true, force: true, maxRetries: 5 })
    for (const end of endings) end()
    process.exit(code)
  })
}

/** Ends `child` when this process is interrupted. */
export const endsWithBench = (child: ChildProcess): void => {
  children.add(child)
  child.once('exit', () => children.delete(child))
}

/** Runs `end` when this process is interrupted, once its children were told to go. */
export const onInterrupt = (end: () => void): void => {
  endings.push(end)
}

/** A fresh data directory below `parent`, and the function that removes it. */
export const makeDataDirectory = async (parent: string): Promise<{ path: string; remove(): Promise<void> }> => {
  const path = await mkdtemp(join(parent, 'millrace-bench-'))
  directories.add(path)
  const remove = async (): Promise<void> => {
    await rm(path, { recursive: true, force: true })
    directories.delete(path)
  }
  return { path, remove }
}
