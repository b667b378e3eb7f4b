import { MillraceError } from '../base/error.ts'
import { exitCode, type ToolEnvironment } from './environment.ts'
import { errorCode, errorText } from './files.ts'
import { readOptions, usage } from './options.ts'
import { resolveTarget } from './target.ts'

/** `millrace log …`: runs the command that `args` ask for; returns the process's exit code. */
export async function runLogCommand(environment: ToolEnvironment, args: string[]): Promise<number> {
  const { errors } = environment
  try {
    const options = readOptions(args)
    if (options === 'help') {
      await environment.out.write(usage)
      return exitCode.ok
    }
    const target = resolveTarget(environment.files, environment.resolve(options.directory), options.filter)
    switch (options.command) {
      case 'verify':
        return await (await import('./verify.ts')).verify(environment, options, target)
      case 'dump':
        return await (await import('./dump.ts')).dump(environment, options, target)
      case 'repair':
        return await (await import('./repair.ts')).repair(environment, options, target)
    }
  } catch (error) {
    environment.progressLine?.('')
    if (error instanceof MillraceError && error.code === 'USAGE') {
      await errors.write(`millrace: ${error.message}\n\n${usage}`)
      return exitCode.wrongUsage
    }
    if (error instanceof MillraceError) await errors.write(`millrace: ${error.message}\n`)
    else if (errorCode(error) !== undefined) await errors.write(`millrace: ${systemMessage(error)}\n`)
    else throw error
    return exitCode.found
  }
}

const explanations: Record<string, string> = {
  ENOENT: 'there is no such file or directory: check the path',
  ENOTDIR: 'it is no directory: name a data directory or one of a partition',
  EACCES: 'this user may not: run the command as the user of the broker',
  EPERM: 'this user may not: run the command as the user of the broker',
  EROFS: 'the file system is read-only',
  ENOSPC: 'the disk is full: free space, then run the command again; what was done so far holds',
  EIO: 'the device reported an error: look at the kernel log (dmesg)',
}

function systemMessage(error: unknown): string {
  const code = errorCode(error)!
  const { path } = error as { path?: string }
  return `${path === undefined ? '' : `${path}: `}${explanations[code] ?? errorText(error)} (${code}).`
}
