import { checkTarget } from './directory-check.ts'
import { exitCode, Lines, type ToolEnvironment } from './environment.ts'
import { errorCode } from './files.ts'
import type { CheckContext } from './log-state.ts'
import { classify } from './names.ts'
import type { LogOptions } from './options.ts'
import { Progress } from './progress.ts'
import { Report } from './report.ts'
import type { Target } from './target.ts'

/** Bytes of the .log files that are to be read. */
export function logBytes({ files }: ToolEnvironment, target: Target): number {
  let total = 0
  for (const name of target.partitions) {
    try {
      for (const entry of files.list(target.pathOf(name)))
        if (entry.kind === 'file' && classify(entry.name).kind === 'log') total += entry.sizeBytes
    } catch (error) {
      if (errorCode(error) === undefined) throw error // What cannot be listed is told by its check.
    }
  }
  return total
}

/** Whether a broker holds the directory. Where the system does not tell, it is taken for stopped. */
export function isHeld({ files }: ToolEnvironment, { root }: Target): boolean {
  return root !== undefined && files.isLocked(`${root}/.lock`) === true
}

/** `millrace log verify`: checks every file, changes nothing. */
export async function verify(environment: ToolEnvironment, options: LogOptions, target: Target): Promise<number> {
  const startMs = environment.monotonicMs()
  const lines = new Lines(environment.out)
  const report = new Report(lines, options.json)
  const live = isHeld(environment, target)
  const progress = new Progress(environment, logBytes(environment, target))
  const context: CheckContext = {
    files: environment.files,
    checksum: environment.checksum,
    live,
    report: finding => {
      progress.clear()
      report.finding(finding)
    },
    note: note => report.note(note),
    progress: bytes => progress.add(bytes),
  }
  if (live)
    report.note({
      file: '.lock',
      message: 'a broker is running on this directory: of what it is writing, only what is whole is checked',
    })
  await checkTarget(context, target, async facts => {
    progress.clear()
    await report.partition(facts)
  })
  progress.clear()
  await report.summary(environment.monotonicMs() - startMs)
  return report.found === 0 ? exitCode.ok : exitCode.found
}
