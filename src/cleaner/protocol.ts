import type { CleanedGroup, CleanTask, OffsetMapFacts } from '../native/cleaner.ts'

/**
 * What the decision thread and a cleaning thread say to each other. A thread runs one pass at a time:
 *
 *     clean →  (← group, replaced →)*  ← done | stopped | again | failed
 */
export type ToThread =
  /** `stop[0]`, in shared memory, other than 0 ends the pass soon. */
  | { readonly kind: 'clean'; readonly task: CleanTask; readonly stop: Int32Array }
  /** The cleaned segment is in its place, or with `go` false the pass is to end. */
  | { readonly kind: 'replaced'; readonly go: boolean }

export type FromThread =
  /** A cleaned segment wants to be put in its place; the thread waits. */
  | { readonly kind: 'group'; readonly group: CleanedGroup }
  | { readonly kind: 'done'; readonly map: OffsetMapFacts; readonly mapMs: number }
  | { readonly kind: 'stopped' }
  /** The thread lacked a codec, which it has now: the pass can be begun anew. */
  | { readonly kind: 'again' }
  | { readonly kind: 'failed'; readonly failure: PassFailure }

/** Why a pass could not go on. */
export interface PassFailure {
  /** Of a MillraceError, else the name of the error. */
  readonly code: string
  readonly message: string
  /** Base offset of the segment at fault, -1 when none is. */
  readonly segment: number
  /** Where in its .log file; -1 when nowhere. */
  readonly position: number
}
