import { MillraceError } from '../base/error.ts'
import { Aside, stampOf } from './aside.ts'
import { CheckpointRepair } from './checkpoint-repair.ts'
import { checkDirectory, contextOf, type DirectoryFacts, nothingKnown } from './directory-check.ts'
import { exitCode, json, Lines, type ToolEnvironment } from './environment.ts'
import type { Finding } from './finding.ts'
import type { CheckContext, PartitionFacts } from './log-state.ts'
import { openBatchName } from './names.ts'
import type { LogOptions } from './options.ts'
import { checkPartition } from './partition-check.ts'
import { type Action, actionsOf, applyPlan } from './partition-repair.ts'
import { Progress } from './progress.ts'
import { isEmpty, type PartitionPlan, planRepair } from './repair-plan.ts'
import { Report } from './report.ts'
import type { Target } from './target.ts'
import { isHeld, logBytes } from './verify.ts'

/** What one round of mending brings to light is mended in the next; more than a few are not needed. */
const roundsMax = 5

/** `millrace log repair`: mends what it can, says what it did, and tells what is still wrong. */
export async function repair(environment: ToolEnvironment, options: LogOptions, target: Target): Promise<number> {
  refuseUnsealed(environment, target)
  const lock = options.dryRun ? undefined : takeLock(environment, target)
  if (options.dryRun && isHeld(environment, target)) throw held(target.root!)
  try {
    return await new Repair(environment, options, target).run()
  } finally {
    lock?.release()
  }
}

const held = (root: string): MillraceError =>
  new MillraceError(
    'DATA_DIRECTORY_LOCKED',
    `A broker is running on ${root}: stop it first. log verify and log dump may run beside it.`,
  )

function takeLock({ files }: ToolEnvironment, { root }: Target): { release(): void } | undefined {
  if (root === undefined) return undefined
  const lock = files.lock(`${root}/.lock`)
  if (lock === undefined) throw held(root)
  return lock
}

/**
 * An app has such a log open, or ended without closing it. What it appended last has no header in the log yet, and to a
 * check that looks like a torn end, which it would cut.
 */
function refuseUnsealed({ files }: ToolEnvironment, { partitions, pathOf }: Target): void {
  for (const name of partitions) {
    const path = pathOf(name)
    if (!files.exists(`${path}/${openBatchName}`)) continue
    throw new MillraceError(
      'LOG_NOT_CLOSED',
      `${path} is the log of an app that has it open, or ended without closing it: what was appended last is not sealed. ` +
        'End the app, then open the log once with Log.open, or start the broker whose partition it is, and repair after that.',
    )
  }
}

class Repair {
  private readonly environment: ToolEnvironment
  private readonly options: LogOptions
  private readonly target: Target
  private readonly lines: Lines
  private readonly report: Report
  private readonly progress: Progress
  private readonly stamp: string
  private readonly context: CheckContext
  /** Of the check that runs: only the last one of each partition is shown. */
  private findings: Finding[] = []
  /** What was wrong at first: after a dry run it still is. */
  private foundBefore = 0
  private mended = 0
  private refused = 0

  constructor(environment: ToolEnvironment, options: LogOptions, target: Target) {
    this.environment = environment
    this.options = options
    this.target = target
    this.lines = new Lines(environment.out)
    this.report = new Report(this.lines, options.json)
    this.progress = new Progress(environment, logBytes(environment, target))
    this.stamp = stampOf(environment.wallMs())
    this.context = {
      files: environment.files,
      checksum: environment.checksum,
      live: false,
      report: finding => this.findings.push(finding),
      note: () => {},
      progress: bytes => this.progress.add(bytes),
    }
  }

  async run(): Promise<number> {
    const startMs = this.environment.monotonicMs()
    const { root } = this.target
    const before = root === undefined ? nothingKnown() : checkDirectory(this.context, root, this.target.filtered)
    this.foundBefore += this.findings.length
    const checkpoints = new CheckpointRepair(before)
    for (const name of this.target.partitions) await this.partition(name, before, checkpoints)
    if (root !== undefined) this.directory(root, before, checkpoints)
    this.progress.clear()
    if (!this.options.dryRun) {
      this.findings = []
      const after = root === undefined ? nothingKnown() : checkDirectory(this.context, root, this.target.filtered)
      for (const finding of this.findings) this.report.finding(finding)
      for (const name of this.target.partitions) await this.finalCheck(name, after)
    }
    await this.end(this.environment.monotonicMs() - startMs)
    const wrong = this.options.dryRun ? this.foundBefore : this.report.found + this.refused
    return wrong === 0 ? exitCode.ok : exitCode.found
  }

  private async partition(name: string, known: DirectoryFacts, checkpoints: CheckpointRepair): Promise<void> {
    const { files, checksum } = this.environment
    const { acceptDataLoss, dryRun } = this.options
    const path = this.target.pathOf(name)
    const aside = new Aside(files, path, this.stamp)
    let facts: PartitionFacts
    for (let round = 0; ; round++) {
      this.findings = []
      facts = await checkPartition(this.context, contextOf(this.target, known, name))
      if (round === 0) this.foundBefore += this.findings.length
      const plan = planRepair(facts, acceptDataLoss)
      if (round === 0) this.refuse(facts, plan)
      if (isEmpty(plan) || round === roundsMax) break
      for (const action of actionsOf(facts, plan)) this.tell(action)
      if (dryRun) break
      applyPlan(files, checksum, facts, plan, aside)
    }
    checkpoints.partition(facts, acceptDataLoss)
    this.progress.clear()
    await this.lines.flush()
  }

  private directory(root: string, { leftovers }: DirectoryFacts, checkpoints: CheckpointRepair): void {
    const { files } = this.environment
    for (const action of checkpoints.actions) this.tell(action)
    for (const name of leftovers) this.tell({ file: name, message: 'move it aside' })
    if (this.options.dryRun) return
    checkpoints.apply(files, root, this.stamp)
    for (const name of leftovers) {
      if (!files.exists(`${root}/${name}`)) continue // It was the temporary of a file that was just written.
      files.rename(`${root}/${name}`, `${root}/${name}.before-repair-${this.stamp}`)
      files.syncDirectory(root)
    }
  }

  private async finalCheck(name: string, known: DirectoryFacts): Promise<void> {
    this.findings = []
    const facts = await checkPartition(this.context, contextOf(this.target, known, name))
    for (const finding of this.findings) this.report.finding(finding)
    await this.report.partition(facts)
  }

  private tell(action: Action): void {
    this.progress.clear()
    this.mended++
    const { dryRun } = this.options
    if (this.options.json) {
      const { file, message, lost } = action
      const range = lost === undefined ? {} : { lostFrom: lost.from, lostTo: lost.to }
      void this.lines.line(json({ type: dryRun ? 'would-mend' : 'mended', file, message, ...range }))
      return
    }
    void this.lines.line(`${action.file}\n  ${dryRun ? 'would' : 'did'}: ${action.message}`)
    if (action.lost !== undefined)
      void this.lines.line(`  LOST: the records of offsets ${action.lost.from} to ${action.lost.to - 1}`)
  }

  private refuse({ context }: PartitionFacts, { refused }: PartitionPlan): void {
    for (const { segment, position, from, to, message } of refused) {
      this.progress.clear()
      this.refused++
      const name = segment?.path.slice(segment.path.lastIndexOf('/') + 1)
      const file = name === undefined ? context.name : `${context.name}/${name}`
      if (this.options.json) {
        void this.lines.line(
          json({ type: 'refused', file, position, lostFrom: from, lostTo: to < 0 ? null : to, message }),
        )
        continue
      }
      const range = to > from ? `offsets ${from} to ${to - 1}` : `offset ${from} and what came behind it`
      void this.lines.line(`${file}, position ${position}\n  refused: ${message}`)
      void this.lines.line(`  it takes --accept-data-loss, and the records of ${range} would be lost`)
    }
  }

  private async end(elapsedMs: number): Promise<void> {
    const { dryRun, json: asJson } = this.options
    if (asJson) {
      const findings = this.report.counts
      void this.lines.line(
        json({
          type: 'summary',
          dryRun,
          mended: this.mended,
          refused: this.refused,
          findings,
          elapsedMs: Math.round(elapsedMs),
        }),
      )
    } else {
      const did = `${this.mended === 0 ? 'Nothing' : this.mended} ${dryRun ? 'to mend' : 'mended'}`
      const rest = dryRun
        ? ''
        : `, ${this.report.found === 0 ? 'nothing is wrong now' : `${this.report.found} findings are left`}`
      const refusals = this.refused === 0 ? '' : `, ${this.refused} refused`
      void this.lines.line(`${did}${refusals}${rest}.`)
    }
    await this.lines.flush()
  }
}
