import type { History } from './history.ts'
import type { Fetched } from './reader.ts'

/** A transaction that took its timeout is over so much later: it is found, aborted, and its markers are written. */
const graceMs = 2_000

interface Watched {
  lastStableOffset: number
  highWatermark: number
  /** How long it has stood still below the high watermark, as far as the broker was there to be asked. */
  stuckMs: number
}

/** Sees to it that committed reads are never held up for longer than a transaction may take. */
export class StabilityWatch {
  /** The longest that any partition stood still. */
  longestMs = 0
  private readonly history: History
  private readonly limitMs: number
  private readonly partitions: Watched[] = []
  private lastMs: number | undefined

  constructor(history: History, timeoutMs: number) {
    this.history = history
    this.limitMs = timeoutMs + graceMs
  }

  /** What the broker says now; undefined when it says nothing: the time since the last answer does not count then. */
  observe(told: readonly Fetched[] | undefined, nowMs: number): void {
    const passedMs = nowMs - (this.lastMs ?? nowMs)
    this.lastMs = told === undefined ? undefined : nowMs
    for (const [partition, { lastStableOffset, highWatermark }] of (told ?? []).entries()) {
      this.partitions[partition] ??= { lastStableOffset: -1, highWatermark: 0, stuckMs: 0 }
      const watched = this.partitions[partition]
      const stuck = lastStableOffset === watched.lastStableOffset && lastStableOffset < highWatermark
      const before = watched.stuckMs
      watched.stuckMs = stuck ? before + passedMs : 0
      watched.lastStableOffset = lastStableOffset
      watched.highWatermark = highWatermark
      this.longestMs = Math.max(this.longestMs, watched.stuckMs)
      if (before <= this.limitMs && watched.stuckMs > this.limitMs)
        this.history.violation(
          `partition ${partition}: the last stable offset stands at ${lastStableOffset} of ${highWatermark} for more than ${this.limitMs} ms`,
        )
    }
  }

  /** Nothing held committed reads back when the broker was last asked. */
  get settled(): boolean {
    const stable = ({ lastStableOffset, highWatermark }: Watched): boolean => lastStableOffset === highWatermark
    return this.partitions.length > 0 && this.partitions.every(stable)
  }
}
