import { offsetLine, offsetsHeader } from '../log/checkpoint-files.ts'
import { writeFile } from './aside.ts'
import type { Checkpoint, DirectoryFacts } from './directory-check.ts'
import type { RepairFiles } from './files.ts'
import type { PartitionFacts } from './log-state.ts'
import { topicPartitionOf } from './names.ts'
import type { Action } from './partition-repair.ts'

/** The offsets that the checkpoints of a data directory are to hold, and why. */
export class CheckpointRepair {
  private readonly facts: DirectoryFacts
  private readonly changes = new Map<Checkpoint, Map<string, number>>()
  readonly actions: Action[] = []

  constructor(facts: DirectoryFacts) {
    this.facts = facts
    for (const checkpoint of [facts.recoveryPoints, facts.logStarts, facts.cleanerOffsets]) {
      if (!checkpoint.damaged) continue
      this.changesOf(checkpoint)
      this.say(checkpoint, `write it anew with the ${checkpoint.offsets.size} of its lines that can be read`)
    }
  }

  /** Takes in what was found out about a partition, after its own files were mended. */
  partition(facts: PartitionFacts, acceptDataLoss: boolean): void {
    const { context, log, logEnd } = facts
    const { name, recoveryPoint, closedCleanly } = context
    const first = log.segments[0]?.baseOffset
    if (first === undefined) {
      if (!acceptDataLoss || recoveryPoint === undefined || recoveryPoint <= (context.logStart ?? 0)) return
      this.set(this.facts.logStarts, name, recoveryPoint, 'no segment is left: the log begins, empty, where it ended')
      return
    }
    const missingHead = facts.logStartWrong && (context.logStart ?? 0) < first
    if (facts.logStartWrong && (!missingHead || acceptDataLoss))
      this.set(this.facts.logStarts, name, first, 'the log begins with its first segment')
    const { recoveryPoints, logStarts } = this.facts
    // The epochs begin where the log does.
    const start = Math.max(first, Math.min(log.epochs?.[0]?.startOffset ?? 0, logEnd))
    if (logStarts.damaged && context.logStart === undefined && start > 0 && !context.isMetadataLog)
      this.set(logStarts, name, start, 'its segments and epochs begin there')
    const unclear = closedCleanly && recoveryPoints.damaged && recoveryPoint === undefined
    if ((facts.recoveryPointWrong || unclear) && logEnd >= (recoveryPoint ?? 0))
      this.set(recoveryPoints, name, logEnd, 'the log ends there')
    if (facts.cleanerOffsetWrong) this.set(this.facts.cleanerOffsets, name, logEnd, 'the log ends there')
  }

  /** Writes what changed; the files as they were stay beside, under names that nothing reads. */
  apply(files: RepairFiles, root: string, stamp: string): void {
    for (const [{ name, offsets }, changes] of this.changes) {
      const merged = new Map([...offsets, ...changes])
      const lines = [...merged].flatMap(([directory, offset]) => {
        const place = topicPartitionOf(directory)
        return place === undefined ? [] : [offsetLine({ ...place, offset })]
      })
      const path = `${root}/${name}`
      writeFile(files, `${path}.tmp`, [new TextEncoder().encode(offsetsHeader(lines.length) + lines.join(''))])
      if (files.exists(path)) {
        let kept = `${path}.before-repair-${stamp}`
        for (let copy = 1; files.exists(kept); copy++) kept = `${path}.before-repair-${stamp}.${copy}`
        files.link(path, kept)
      }
      files.rename(`${path}.tmp`, path)
      files.syncDirectory(root)
    }
  }

  get isEmpty(): boolean {
    return this.changes.size === 0
  }

  private set(checkpoint: Checkpoint, directory: string, offset: number, why: string): void {
    this.changesOf(checkpoint).set(directory, offset)
    const before = checkpoint.offsets.get(directory)
    this.say(checkpoint, `set ${directory} to ${offset}${before === undefined ? '' : ` from ${before}`}: ${why}`)
  }

  private changesOf(checkpoint: Checkpoint): Map<string, number> {
    const known = this.changes.get(checkpoint) ?? new Map<string, number>()
    this.changes.set(checkpoint, known)
    return known
  }

  private say({ name }: Checkpoint, message: string): void {
    this.actions.push({ file: name, message })
  }
}
