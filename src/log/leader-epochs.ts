import { assert } from '../base/assert.ts'
import type { LeaderEpoch } from '../base/ids.ts'

export interface EpochStart {
  epoch: number
  startOffset: number
}

/** Exclusive, as all ends. */
export interface EpochEnd {
  readonly epoch: number
  readonly endOffset: number
}

/** Which leader epoch began at which offset (KIP-101); kept in `leader-epoch-checkpoint`. Epochs and offsets only grow. */
export class LeaderEpochs {
  private readonly starts: EpochStart[]

  constructor(starts: readonly EpochStart[] = []) {
    this.starts = [...starts]
  }

  get entries(): readonly EpochStart[] {
    return this.starts
  }

  get latest(): number {
    return this.starts[this.starts.length - 1]?.epoch ?? -1
  }

  /** Notes that `epoch` begins at `startOffset`; false when it is the epoch the log is already in. */
  begin(epoch: LeaderEpoch | number, startOffset: number): boolean {
    const last = this.starts[this.starts.length - 1]
    if (last !== undefined && last.epoch === epoch) return false
    assert(last === undefined || (epoch > last.epoch && startOffset >= last.startOffset), 'leader epochs only grow', {
      epoch,
      startOffset,
      lastEpoch: last?.epoch,
      lastStart: last?.startOffset,
    })
    this.starts.push({ epoch, startOffset })
    return true
  }

  /** The epoch in which `offset` was written, -1 before the first known one. */
  epochAt(offset: number): number {
    for (let i = this.starts.length - 1; i >= 0; i--) {
      const start = this.starts[i]!
      if (start.startOffset <= offset) return start.epoch
    }
    return -1
  }

  /**
   * The largest epoch that is not above `asked`, and where it ended, in a log whose leader is in epoch `current`; epoch and
   * offset -1 when the log cannot tell. Before the first epoch that is known here, `asked` is said to end where that one
   * begins: what it wrote is gone, and a follower or consumer may go on from there.
   */
  endOf(asked: number, current: number, logEnd: number): EpochEnd {
    if (asked === current) return { epoch: asked, endOffset: logEnd }
    if (asked === -1 || asked > current) return { epoch: -1, endOffset: -1 }
    const above = this.starts.findIndex(start => start.epoch > asked)
    // The present epoch begins at the log end as long as nothing was written in it.
    const endOffset = above < 0 ? logEnd : this.starts[above]!.startOffset
    const known = this.starts[(above < 0 ? this.starts.length : above) - 1]
    return { epoch: known?.epoch ?? asked, endOffset }
  }

  /** Forgets what begins at or above `endOffset` (truncation, or a checkpoint newer than the log it belongs to). */
  truncate(endOffset: number): void {
    while (this.starts.length > 0 && this.starts[this.starts.length - 1]!.startOffset >= endOffset) this.starts.pop()
  }

  /** The log begins at `startOffset` now: the epoch it begins in is known from there on, those before not at all. */
  truncateStart(startOffset: number): boolean {
    const kept = this.starts.findLastIndex(start => start.startOffset <= startOffset)
    if (kept < 0 || (kept === 0 && this.starts[0]!.startOffset === startOffset)) return false
    this.starts.splice(0, kept + 1, { epoch: this.starts[kept]!.epoch, startOffset })
    return true
  }
}
