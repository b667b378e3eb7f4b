import type { Aside } from './aside.ts'
import type { Entry, RepairFiles } from './files.ts'
import { classify, segmentFileName } from './names.ts'

/**
 * A compaction whose new segment has durably taken the place of those with base offsets from `baseOffset` to
 * `lastBaseOffset`, while their files may still be there: whoever starts next takes them away and gives it its name.
 */
export interface Swap {
  readonly name: string
  readonly baseOffset: number
  readonly lastBaseOffset: number
}

const indexSuffixes = ['index', 'timeindex', 'txnindex'] as const
type Suffix = 'log' | (typeof indexSuffixes)[number]

/** The names of segments' files in one directory, as they are while swaps are not finished. */
export class SegmentNames {
  readonly swaps: readonly Swap[]
  private readonly names: ReadonlySet<string>

  constructor(entries: readonly Entry[]) {
    const files = entries.filter(entry => entry.kind === 'file')
    this.names = new Set(files.map(entry => entry.name))
    this.swaps = files.flatMap(({ name }) => {
      const match = /^(\d{20})\.log\.swap-(\d{20})$/.exec(name)
      return match === null ? [] : [{ name, baseOffset: Number(match[1]), lastBaseOffset: Number(match[2]) }]
    })
  }

  /** Base offsets of the segments that count. */
  bases(): number[] {
    const bases = new Set(this.swaps.map(swap => swap.baseOffset))
    for (const name of this.names) {
      const file = classify(name)
      if (file.kind === 'log' && !this.isReplaced(file.offset)) bases.add(file.offset)
    }
    return [...bases].sort((a, b) => a - b)
  }

  isReplaced(baseOffset: number): boolean {
    return this.swaps.some(swap => baseOffset > swap.baseOffset && baseOffset <= swap.lastBaseOffset)
  }

  /** The file of the segment that begins with `baseOffset`. */
  of(baseOffset: number, suffix: Suffix): string {
    const swap = this.swaps.find(each => each.baseOffset === baseOffset)
    const name = segmentFileName(baseOffset, suffix)
    if (swap === undefined) return name
    if (suffix === 'log') return swap.name
    const cleaned = `${name}.cleaned`
    return this.names.has(cleaned) ? cleaned : name
  }

  /** Whether a file is waiting for a swap to be finished. */
  awaitsSwap(name: string): boolean {
    return this.swaps.some(({ baseOffset }) =>
      indexSuffixes.some(suffix => this.of(baseOffset, suffix) === name && name.endsWith('.cleaned')),
    )
  }

  /** Finishes every swap, in the order in which a start does it: the new segment gets its own name last. */
  finish(files: RepairFiles, directory: string, aside: Aside): void {
    for (const swap of this.swaps) {
      for (const name of this.names) {
        const file = classify(name)
        const ofSegment = file.kind === 'log' || indexSuffixes.some(suffix => suffix === file.kind)
        if (ofSegment && 'offset' in file && this.isReplaced(file.offset)) aside.move(name)
      }
      for (const suffix of indexSuffixes) {
        const cleaned = this.of(swap.baseOffset, suffix)
        if (!cleaned.endsWith('.cleaned')) continue
        const name = segmentFileName(swap.baseOffset, suffix)
        if (this.names.has(name)) aside.keep(name)
        files.rename(`${directory}/${cleaned}`, `${directory}/${name}`)
      }
      files.syncDirectory(directory)
      const log = segmentFileName(swap.baseOffset, 'log')
      if (this.names.has(log)) aside.keep(log)
      files.rename(`${directory}/${swap.name}`, `${directory}/${log}`)
      files.syncDirectory(directory)
    }
  }
}
