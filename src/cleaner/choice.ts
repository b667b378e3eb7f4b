import type { World } from '../base/world.ts'
import type { CompactedLog, CompactedLogs } from '../log/compacted-logs.ts'
import { LogLook, type LookedLog, type LookParts } from './log-look.ts'
import type { CleanerMetrics } from './metrics.ts'
import { byFilth } from './policy.ts'

/** How long one turn looks at logs. */
const sliceMs = 1
/** Logs that a look keeps, the filthiest first: not each pass is preceded by a look at every log. */
const candidatesMost = 256

export interface ChoiceParts {
  readonly world: Pick<World, 'clock' | 'timers'>
  readonly logs: CompactedLogs
  readonly metrics: CleanerMetrics
  /** How long what was found in a look counts. */
  keptMs(): number
  mayClean(compacted: CompactedLog): boolean
  lookParts(compacted: CompactedLog): LookParts
  /** A log that cannot even be looked at. */
  onFailed(compacted: CompactedLog, error: unknown): void
}

/** Finds the log to clean next: the filthiest of those that are due. */
export class LogChoice {
  private readonly parts: ChoiceParts
  private readonly looks = new LogLook()
  private candidates: CompactedLog[] = []
  private candidatesUntilMs = 0
  private stopped = false

  constructor(parts: ChoiceParts) {
    this.parts = parts
  }

  stop(): void {
    this.stopped = true
  }

  /** Undefined when none is due. One call at a time. */
  async next(): Promise<LookedLog | undefined> {
    const { clock } = this.parts.world
    if (clock.monotonicMs() >= this.candidatesUntilMs) this.candidates = []
    const kept = this.candidates.length > 0
    if (!kept) await this.lookAtAll()
    const found = await this.takeDue()
    if (found !== undefined || !kept || this.stopped) return found
    // Of the last look none is left: others may have become due since.
    await this.lookAtAll()
    return await this.takeDue()
  }

  /** What may be cleaned of a log at the moment, in bytes. */
  cleanableBytes(compacted: CompactedLog): number {
    try {
      // At the beginning of time nothing is overdue, which would have to be read from the disk.
      const looked = this.looks.look(compacted, { ...this.parts.lookParts(compacted), nowMs: 0 })
      return looked === undefined || looked instanceof Promise ? 0 : looked.cleanableBytes
    } catch {
      return 0
    }
  }

  private async takeDue(): Promise<LookedLog | undefined> {
    for (let next = this.candidates.shift(); next !== undefined; next = this.candidates.shift()) {
      if (!this.parts.mayClean(next)) continue
      const looked = await this.lookAt(next)
      if (this.stopped) return undefined
      if (looked?.due === true && this.parts.mayClean(next)) return looked
    }
    return undefined
  }

  private async lookAtAll(): Promise<void> {
    const { world, logs, metrics } = this.parts
    const { clock, timers } = world
    metrics.looked()
    const due = new Filthiest()
    let dirtiest = 0
    let overdueMs = 0
    let sliceEndMs = clock.monotonicMs() + sliceMs
    for (const compacted of logs) {
      if (clock.monotonicMs() >= sliceEndMs) {
        await new Promise<void>(resume => timers.soon(resume))
        sliceEndMs = clock.monotonicMs() + sliceMs
      }
      if (this.stopped) return
      if (!this.parts.mayClean(compacted)) continue
      const looking = this.lookAt(compacted)
      const looked = looking instanceof Promise ? await looking : looking
      if (looked === undefined) continue
      dirtiest = Math.max(dirtiest, looked.dirtyRatio)
      overdueMs = Math.max(overdueMs, looked.overdueMs)
      if (looked.due) due.add(looked)
    }
    metrics.maxDirtyRatio = dirtiest
    metrics.maxCompactionDelayMs = overdueMs
    this.candidates = due.best().map(({ compacted }) => compacted)
    this.candidatesUntilMs = clock.monotonicMs() + this.parts.keptMs()
  }

  private lookAt(compacted: CompactedLog): LookedLog | undefined | Promise<LookedLog | undefined> {
    const failed = (error: unknown): undefined => {
      this.parts.onFailed(compacted, error)
      return undefined
    }
    try {
      const looked = this.looks.look(compacted, this.parts.lookParts(compacted))
      return looked instanceof Promise ? looked.catch(failed) : looked
    } catch (error) {
      return failed(error)
    }
  }
}

/** The filthiest of very many, without ever sorting very many. */
class Filthiest {
  private readonly found: LookedLog[] = []

  add(looked: LookedLog): void {
    this.found.push(looked)
    if (this.found.length >= 2 * candidatesMost) this.cut()
  }

  /** The filthiest first. */
  best(): readonly LookedLog[] {
    this.cut()
    return this.found
  }

  private cut(): void {
    this.found.sort(byFilth)
    this.found.length = Math.min(this.found.length, candidatesMost)
  }
}
