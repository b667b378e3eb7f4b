import { MillraceError } from '../base/error.ts'
import type { ReadSegment } from './read-segment.ts'

/** What reading needs of a log; `LogReader` is one. What it tells is as of its last `refresh`. */
export interface ReadableLog {
  readonly directory: string
  readonly closed: boolean
  /** Moves when mapped pages were lost: see `lostPages`. */
  readonly lost: Int32Array
  readonly knownStart: number
  readonly knownEnd: number
  readonly segmentBases: readonly number[]
  /** The active segment, and where its batches end and the open batch begins. */
  readonly activeBase: number
  readonly sealedEnd: number
  /** The open batch; `openBytes` is 0 while there is none. */
  readonly openBase: number
  readonly openBytes: number
  readonly openRecords: number
  readonly openTimestampMs: number
  readonly openMaxTimestampMs: number
  readonly damage: MillraceError | undefined
  refresh(thorough?: boolean): void
  segmentOf(offset: number): ReadSegment | undefined
  baseBehind(segment: ReadSegment): number | undefined
  outOfRange(offset: number): MillraceError
}

export const closedError = (directory: string): MillraceError =>
  new MillraceError('MILLRACE_CLOSED', `The log in ${directory} was closed; open it again to read.`)
