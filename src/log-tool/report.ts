import { json, type Lines } from './environment.ts'
import type { Finding, Note, Severity } from './finding.ts'
import type { PartitionFacts } from './log-state.ts'

/** Findings of one kind in one file that are shown; the others are counted. */
const shownMax = 20

const severityText: Record<Severity, string> = {
  data: 'DATA',
  rebuilt: 'will be rebuilt',
  harmless: 'harmless',
}

/** Totals over all partitions. */
export interface Totals {
  partitions: number
  segments: number
  batches: number
  records: number
  bytes: number
}

/** Takes findings and notes as they come, and shows them as text or as JSON. */
export class Report {
  readonly counts: Record<Severity, number> = { data: 0, rebuilt: 0, harmless: 0 }
  readonly totals: Totals = { partitions: 0, segments: 0, batches: 0, records: 0, bytes: 0 }
  private readonly lines: Lines
  private readonly asJson: boolean
  private readonly kinds = new Map<string, number>()

  constructor(lines: Lines, asJson: boolean) {
    this.lines = lines
    this.asJson = asJson
  }

  get found(): number {
    return this.counts.data + this.counts.rebuilt + this.counts.harmless
  }

  finding(finding: Finding): void {
    this.counts[finding.severity]++
    const kind = `${finding.code} ${finding.file}`
    const count = (this.kinds.get(kind) ?? 0) + 1
    this.kinds.set(kind, count)
    if (count > shownMax) return
    if (this.asJson) {
      void this.lines.line(json({ type: 'finding', ...finding }))
      return
    }
    const position = finding.position === undefined ? '' : `, position ${finding.position}`
    const offset = finding.offset === undefined ? '' : `, offset ${finding.offset}`
    void this.lines.line(`${finding.file}${position}${offset}`)
    void this.lines.line(`  ${severityText[finding.severity]}: ${finding.message}`)
    void this.lines.line(`  next: ${finding.remedy}`)
  }

  note(note: Note): void {
    if (this.asJson) void this.lines.line(json({ type: 'note', ...note }))
    else void this.lines.line(`${note.file}\n  note: ${note.message}`)
  }

  /** Ends what concerns one partition. */
  async partition({ log, segments, logEnd, context }: PartitionFacts): Promise<void> {
    const { batches, records, bytes } = log
    this.totals.partitions++
    this.totals.segments += segments.length
    this.totals.batches += batches
    this.totals.records += records
    this.totals.bytes += bytes
    if (this.asJson) {
      const firstOffset = segments[0]?.baseOffset ?? null
      const logEndOffset = logEnd < 0 ? null : logEnd
      const facts = {
        name: context.name,
        firstOffset,
        logEndOffset,
        segments: segments.length,
        batches,
        records,
        bytes,
      }
      void this.lines.line(json({ type: 'partition', ...facts }))
    }
    this.tellHidden()
    await this.lines.flush()
  }

  /** The last line. */
  async summary(elapsedMs: number): Promise<void> {
    this.tellHidden()
    const { partitions, segments, batches, records, bytes } = this.totals
    if (this.asJson) {
      void this.lines.line(
        json({ type: 'summary', ...this.totals, findings: this.counts, elapsedMs: Math.round(elapsedMs) }),
      )
    } else {
      const { data, rebuilt, harmless } = this.counts
      const parts = [
        [data, 'that concern data'],
        [rebuilt, 'that will be rebuilt'],
        [harmless, 'that are harmless'],
      ].flatMap(([count, text]) => (count === 0 ? [] : [`${count} ${text}`]))
      const verdict =
        this.found === 0
          ? 'nothing is wrong'
          : `${this.found} finding${this.found === 1 ? '' : 's'}, ${parts.join(', ')}`
      const what = `${counted(partitions, 'partition')}, ${counted(segments, 'segment')}, ${counted(batches, 'batch', 'batches')}, ${counted(records, 'record')}, ${(bytes / 1e6).toFixed(1)} MB`
      void this.lines.line(`${what} in ${(elapsedMs / 1000).toFixed(1)} s: ${verdict}.`)
    }
    await this.lines.flush()
  }

  private tellHidden(): void {
    for (const [kind, count] of this.kinds) {
      if (count <= shownMax) continue
      const [code, file] = [kind.slice(0, kind.indexOf(' ')), kind.slice(kind.indexOf(' ') + 1)]
      if (this.asJson) void this.lines.line(json({ type: 'more', code, file, count: count - shownMax }))
      else void this.lines.line(`${file}\n  and ${count - shownMax} more of this kind`)
    }
    this.kinds.clear()
  }
}

const counted = (count: number, one: string, many = `${one}s`): string => `${count} ${count === 1 ? one : many}`
