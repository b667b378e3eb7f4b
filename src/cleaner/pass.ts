import type { Clock } from '../base/world.ts'
import type { ProducerStates } from '../log/producer-state.ts'
import type { CleanedGroup, CleanProducer, CleanTask } from '../native/cleaner.ts'
import { statusError } from '../native/errors.ts'
import { StatusCode } from '../native/status.ts'
import type { CleaningThread, PassOutcome } from './cleaning-thread.ts'
import type { LookedLog } from './log-look.ts'
import type { PassFigures } from './metrics.ts'
import type { PassFailure } from './protocol.ts'
import type { PassShare } from './settings.ts'

export interface PassEnd {
  readonly outcome: PassOutcome
  /** It ended although nobody asked for that: what it was told no longer held. */
  readonly overtaken: boolean
  /** Of what was done, whatever the outcome. */
  readonly figures: PassFigures
}

/** One pass over one log: its thread makes cleaned segments, and here each is put in its place. */
export class LogPass {
  /** Resolves when the thread has let go of the log's files and no segment is on its way to its place. Never rejects. */
  readonly ended: Promise<PassEnd>
  private readonly looked: LookedLog
  private readonly stop = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT))
  private readonly groups: CleanedGroup[] = []
  /** A segment found its place gone. */
  private taken = false
  /** Why a segment could not be put in its place. */
  private refusal: PassFailure | undefined

  /** `nowMs` is what ages are counted to. */
  constructor(looked: LookedLog, thread: CleaningThread, share: PassShare, clock: Clock, nowMs: number) {
    this.looked = looked
    const startMs = clock.monotonicMs()
    this.ended = this.run(thread, taskOf(looked, share, nowMs)).then(outcome =>
      this.end(outcome, clock.monotonicMs() - startMs),
    )
  }

  /** The log is wanted whole, or has no more need of the pass. It ends soon, and right as far as it came. */
  abort(): void {
    Atomics.store(this.stop, 0, 1)
  }

  get aborted(): boolean {
    return Atomics.load(this.stop, 0) !== 0
  }

  private async run(thread: CleaningThread, task: CleanTask): Promise<PassOutcome> {
    try {
      await this.looked.compacted.log.keepAborted()
    } catch (error) {
      return { kind: 'failed', failure: failureOf(error, -1) }
    }
    return this.aborted ? { kind: 'stopped' } : await thread.run(task, this.stop, group => this.place(group))
  }

  private async place(group: CleanedGroup): Promise<boolean> {
    if (this.aborted) return false
    const { log } = this.looked.compacted
    try {
      const status = await log.replaceSegments(group.bases)
      if (status === StatusCode.ok) {
        this.groups.push(group)
        return true
      }
      // Cut, trimmed or closed meanwhile: nobody is at fault.
      if (status === StatusCode.wouldBlock || status === StatusCode.closed) this.taken = true
      else throw statusError(`put cleaned segments in their place in ${log.stored.directory}`, status)
    } catch (error) {
      this.refusal = failureOf(error, group.bases[0] ?? -1)
    }
    return false
  }

  private end(outcome: PassOutcome, elapsedMs: number): PassEnd {
    const sum = (of: (group: CleanedGroup) => number) => this.groups.reduce((total, group) => total + of(group), 0)
    const map = outcome.kind === 'done' ? outcome.map : undefined
    const figures: PassFigures = {
      bytesRead: sum(group => group.bytesRead) + (map?.bytesRead ?? 0),
      bytesWritten: sum(group => group.bytesWritten),
      recordsRead: sum(group => group.recordsRead),
      recordsKept: sum(group => group.recordsKept),
      recordsWithoutKey: sum(group => group.recordsWithoutKey),
      elapsedMs,
      mapMs: outcome.kind === 'done' ? outcome.mapMs : 0,
      mapFill: map?.mapFill ?? 0,
    }
    const truth = this.truth(outcome)
    return { outcome: truth, overtaken: truth.kind === 'stopped' && !this.aborted, figures }
  }

  private truth(outcome: PassOutcome): PassOutcome {
    if (this.refusal !== undefined && outcome.kind === 'stopped') return { kind: 'failed', failure: this.refusal }
    // Its log was taken from under it, which may look like damage.
    return (this.aborted || this.taken) && outcome.kind === 'failed' ? { kind: 'stopped' } : outcome
  }
}

function failureOf(error: unknown, segment: number): PassFailure {
  const { code, message } = error as Error & { code?: string }
  return { code: code ?? 'Error', message, segment, position: -1 }
}

function taskOf(looked: LookedLog, share: PassShare, nowMs: number): CleanTask {
  const { compacted, segments, endOffset, firstDirtyOffset } = looked
  const { settings, stored, producers } = compacted.log
  return {
    directory: stored.directory,
    segments: segments
      .filter(({ baseOffset }) => baseOffset < endOffset)
      .map(({ baseOffset, sizeBytes }) => ({ baseOffset, sizeBytes })),
    endOffset,
    firstDirtyOffset,
    mapBytes: share.mapBytes,
    segmentBytes: settings.segmentBytes,
    segmentIndexBytes: settings.segmentIndexBytes,
    indexIntervalBytes: settings.indexIntervalBytes,
    maxMessageBytes: settings.maxMessageBytes,
    deleteRetentionMs: settings.compaction!.deleteRetentionMs,
    nowMs,
    producers: producersBelow(producers, endOffset),
    bytesPerSecond: share.bytesPerSecond,
  }
}

/**
 * Of those whose last batch lies behind, nothing in the pass has to be kept. Who is known by a marker alone, -1, keeps
 * the markers of that epoch.
 */
function producersBelow(producers: ProducerStates, endOffset: number): CleanProducer[] {
  const below: CleanProducer[] = []
  for (const [producerId, { producerEpoch, batches }] of producers) {
    const lastDataOffset = batches[batches.length - 1]?.lastOffset ?? -1
    if (lastDataOffset < endOffset) below.push({ producerId, producerEpoch, lastDataOffset })
  }
  return below
}
